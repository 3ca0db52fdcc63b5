"""Files that name our topics and services say what the live node really has."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import yaml
from node_graph import DEADLINE_S, Graph, NodeFactory
from rclpy.node import Node

from drnet_ros.node.topic_names import names_of

CONFIG = Path(__file__).parents[2] / 'config'
POLICY = CONFIG / 'depth_node.policy.xml'
# Nodes of earlier tests, all of one name, stay in the graph until Python collects them.
OWN_NAME = 'node_of_the_files'
NAMED = ('-r', f'__node:={OWN_NAME}')


def allowed(action: str) -> set[str]:
    """Names that the SROS 2 policy allows the node to publish, subscribe to or reply on."""
    (profile,) = ET.parse(POLICY).getroot().iter('profile')  # noqa: S314 - our own file
    assert (profile.get('ns'), profile.get('node')) == ('/', 'depth_node')
    return {
        (name.text or '').strip()
        for group in profile
        if group.get(action) == 'ALLOW'
        for name in group
    }


def names(pairs: list[tuple[str, list[str]]]) -> set[str]:
    return {name.replace(OWN_NAME, 'depth_node') for name, _ in pairs}


def seen_of(node: Node) -> dict[str, set[str]]:
    """What the graph says of the node under test."""
    who = (OWN_NAME, '/')
    return {
        'publish': names(node.get_publisher_names_and_types_by_node(*who)),
        'subscribe': names(node.get_subscriber_names_and_types_by_node(*who)),
        'reply': names(node.get_service_names_and_types_by_node(*who)),
        'request': names(node.get_client_names_and_types_by_node(*who)),
    }


@pytest.mark.parametrize(
    ('options', 'unused'),
    [
        ({'rectify': True}, {'/image/compressed', '/clock'}),
        ({'image_transport': 'compressed', 'use_sim_time': True, 'rectify': True}, {'/image'}),
    ],
    ids=['raw', 'compressed'],
)
def test_sros2_policy_allows_exactly_what_the_node_has(
    graph: Graph, start_node: NodeFactory, options: dict[str, Any], unused: set[str]
) -> None:
    start_node(arguments=NAMED, **options)
    # Jazzy's and Kilted's rclpy offer the type description or not, as a parameter says.
    optional = {'/depth_node/get_type_description'}

    def differences() -> dict[str, set[str]]:
        seen = seen_of(graph.node)
        return {
            'publish': allowed('publish') ^ seen['publish'],
            'subscribe': allowed('subscribe') ^ seen['subscribe'] ^ unused,
            'reply': (allowed('reply') ^ seen['reply']) - optional,
            'request': seen['request'],
        }

    deadline = time.monotonic() + DEADLINE_S
    while any(differences().values()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(differences().values()), (seen_of(graph.node), graph.node.get_node_names())


def topics_of(layout: Any) -> set[str]:
    text = json.dumps(layout)
    return set(re.findall(r'"(/[a-z_/]+)', text))


def panels_of(layout: Any) -> list[str]:
    if isinstance(layout, str):
        return [layout]
    return panels_of(layout['first']) + panels_of(layout['second'])


def test_foxglove_layout_shows_topics_of_the_node(graph: Graph, start_node: NodeFactory) -> None:
    layout = json.loads((CONFIG / 'foxglove_layout.json').read_text())
    assert sorted(panels_of(layout['layout'])) == sorted(layout['configById'])
    start_node(arguments=NAMED, merged_frame='base_link')
    topics = topics_of(layout['configById'])
    graph.wait(
        lambda: topics <= seen_of(graph.node)['publish'] | seen_of(graph.node)['subscribe'],
        f'all of {topics}, but {seen_of(graph.node)} of {graph.node.get_node_names()}',
    )
    assert {'/points', '/depth/preview', '/depth/image_rect', '/diagnostics'} <= topics
    shown = layout['configById']['3D!drnet_points']['topics']
    visible = {topic: each['visible'] for topic, each in shown.items()}
    hidden = dict.fromkeys(('/obstacles', '/points_merged', '/scan_out'), False)
    assert visible == {'/points': True} | hidden


def test_rviz_file_shows_topics_of_the_node(graph: Graph, start_node: NodeFactory) -> None:
    text = (CONFIG / 'depth.rviz').read_text()
    blocks = re.findall(r'Reliability Policy: Reliable\n +Value: (\S+)', text)
    topics = {f'/{name}' for name in blocks if not name.startswith('/')}
    hidden = {'/obstacles', '/points_merged', '/scan_out'}
    assert topics == {'/points', '/depth/preview', '/image'} | hidden
    # What nobody asked for is not subscribed to, since it would be computed then.
    displays = yaml.safe_load(text)['Visualization Manager']['Displays']
    shown = {each['Topic']['Value'] for each in displays if each['Enabled'] and 'Topic' in each}
    assert shown == {'points', 'depth/preview', 'image'}
    start_node(arguments=NAMED, merged_frame='base_link')
    graph.wait(
        lambda: topics <= seen_of(graph.node)['publish'] | seen_of(graph.node)['subscribe'],
        f'all of {topics}, but {seen_of(graph.node)} of {graph.node.get_node_names()}',
    )


def listed(section: str) -> set[str]:
    """Names in the first column of a table of docs/topics.md."""
    page = (CONFIG.parent / 'docs' / 'topics.md').read_text()
    table = page.split(f'## {section}\n')[1].split('\n## ')[0]
    cells = re.findall(r'^\| (`.*?) \|', table, re.MULTILINE)
    return {name for cell in cells for name in re.findall(r'`([^`]+)`', cell)}


def test_the_page_of_topics_lists_what_the_live_node_has(
    graph: Graph, start_node: NodeFactory
) -> None:
    mount = 'base_link optical 0 0 0 0 0 0 1'
    sources = ['scan', 'range', 'points', 'depth', 'odometry']
    start_node(
        arguments=NAMED,
        rectify=True,
        merged_frame='base_link',
        sparse_depth_sources=sources,
        sparse_depth_extrinsics=[mount],
    )
    of_ros = {'/parameter_events', '/rosout', '/depth_node/transition_event', '/clock'}
    # tf is subscribed to where tf2_msgs is installed; the other transport of images, never both.
    optional = {'/tf', '/tf_static', '/image/compressed'}

    def differences() -> tuple[set[str], set[str]]:
        seen = seen_of(graph.node)
        published = {f'/{name.lstrip("/")}' for name in listed('Published')}
        subscribed = {f'/{name.lstrip("/")}' for name in listed('Subscribed')}
        return (
            published ^ (seen['publish'] - of_ros),
            (subscribed ^ (seen['subscribe'] - of_ros)) - optional,
        )

    graph.wait(lambda: not any(differences()), 'all topics of the page')
    names = set(names_of(['']))
    assert names == {*listed('Published'), *listed('Subscribed'), *listed('Services')}
    services = {name.replace('~', '/depth_node') for name in listed('Services')}
    assert len(services) == 3
    assert services <= seen_of(graph.node)['reply']
