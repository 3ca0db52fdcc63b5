"""Remappings of names that a node does not have, which ROS takes without a word."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import rclpy
from node_graph import ProgramFactory
from rclpy.node import Node

from drnet_ros.node.remappings import without_effect
from drnet_ros.node.topic_names import names_of

START_S = 60.0


@pytest.fixture(scope='module')
def node() -> Iterator[Node]:
    node = rclpy.create_node('depth_node', namespace='/robot')
    yield node
    node.destroy_node()


@pytest.mark.parametrize(
    ('cameras', 'rule'),
    [
        ([''], 'image:=/cam/image_raw'),
        ([''], '/robot/image:=/cam/image_raw'),
        ([''], 'rostopic://depth/image_rect:=/depth'),
        ([''], 'depth_node:points:=/cloud'),
        ([''], 'other_node:pointz:=/cloud'),
        ([''], '~/save_frame:=/save'),
        ([''], '/robot/depth_node/save_frame:=/save'),
        ([''], '/tf:=tf'),
        ([''], '__ns:=/robot'),
        ([''], 'depth_node:__node:=depth'),
        (['front'], 'front/image:=/cam/image_raw'),
        (['front'], 'points_merged:=/cloud'),
    ],
)
def test_names_that_there_are_may_be_remapped(node: Node, cameras: list[str], rule: str) -> None:
    assert without_effect(['--ros-args', '-r', rule], names_of(cameras), node) == []


@pytest.mark.parametrize(
    ('cameras', 'rule', 'name', 'advice'),
    [
        ([''], 'depth/image:=/depth', 'depth/image', 'did you mean depth/image_rect?'),
        ([''], 'camera_inf:=/cam/camera_info', 'camera_inf', 'did you mean camera_info?'),
        ([''], '/points:=/cloud', '/points', 'did you mean points?'),
        ([''], 'depth_node:~/save:=/save', '~/save', 'did you mean ~/save_frame?'),
        (['front'], 'image:=/cam/image_raw', 'image', 'did you mean front/image?'),
        ([''], 'xyz:=/a', 'xyz', 'there are image, image/compressed, camera_info, '),
    ],
)
def test_others_have_no_effect_and_are_named(
    node: Node, cameras: list[str], rule: str, name: str, advice: str
) -> None:
    (line,) = without_effect(['--ros-args', '--remap', rule], names_of(cameras), node)
    assert line.startswith(f'remapping {rule} has no effect: there is no {name}; {advice}')


@pytest.mark.parametrize(
    ('option', 'rule'), [('-r', 'depth_nod:image:=/a'), ('-p', 'depthnode:max_depth:=5.0')]
)
def test_a_node_of_almost_that_name_is_pointed_out(node: Node, option: str, rule: str) -> None:
    (line,) = without_effect(['--ros-args', option, rule], names_of(['']), node)
    name = rule.partition(':')[0]
    assert line == f'{rule} has no effect: there is no node {name}; did you mean depth_node?'
    other = rule.replace(name, 'camera_driver')
    assert without_effect(['--ros-args', option, other], names_of(['']), node) == []


def test_the_programs_say_so(start_program: ProgramFactory, tmp_path: Path) -> None:
    words = '--ros-args', '-r', 'depth/image:=/depth', '-p', 'weights:=/no.safetensors'
    process = start_program('drnet_ros.node.program', *words)
    output, _ = process.communicate(timeout=START_S)
    warning, fatal = output.splitlines()
    assert '[WARN]' in warning
    assert 'remapping depth/image:=/depth has no effect: there is no depth/image' in warning
    assert '[FATAL]' in fatal
    assert not list(tmp_path.iterdir())
