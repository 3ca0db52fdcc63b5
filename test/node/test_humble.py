"""The node uses nothing of rclpy that Humble's lacks, whose names `data/rclpy_humble.json` lists.

It was made by `tools/list_rclpy_names.py` from ros2/rclpy, branch humble at b488272.
"""

from __future__ import annotations

import ast
import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import rclpy.clock
import rclpy.context
import rclpy.executors
import rclpy.lifecycle
import rclpy.node
import rclpy.parameter
import rclpy.publisher
import rclpy.qos
import rclpy.qos_overriding_options
import rclpy.subscription
import rclpy.task
import rclpy.timer
from known_depth import KnownEngine
from node_graph import Graph, NodeFactory, header, ramp, rgb_image
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image

from drnet_ros.node import ros_versions

ROOT = Path(__file__).parents[2]
HUMBLE = json.loads((ROOT / 'test' / 'data' / 'rclpy_humble.json').read_text())
FILES = sorted((ROOT / 'drnet_ros').rglob('*.py'))
VERSIONS = ROOT / 'drnet_ros' / 'node' / 'ros_versions.py'
CLASSES = (
    rclpy.clock.Clock,
    rclpy.context.Context,
    rclpy.executors.Executor,
    rclpy.executors.SingleThreadedExecutor,
    rclpy.lifecycle.LifecycleNode,
    rclpy.lifecycle.LifecyclePublisher,
    rclpy.node.Node,
    rclpy.parameter.Parameter,
    rclpy.publisher.Publisher,
    rclpy.qos.QoSProfile,
    rclpy.qos_overriding_options.QoSOverridingOptions,
    rclpy.subscription.Subscription,
    rclpy.task.Future,
    rclpy.timer.Timer,
)


def walk(names: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, has in names.items():
        yield name, has
        if isinstance(has, dict):
            yield from walk(has)


def functions(names: dict[str, Any]) -> dict[str, set[str]]:
    """The arguments of functions, and of classes those of __init__, of all that share a name."""
    found: dict[str, set[str]] = {}
    for name, has in walk(names):
        arguments = has.get('__init__') if isinstance(has, dict) else has
        found.setdefault(name, set()).update(arguments or [])
    return found


HUMBLE_ARGUMENTS = functions(HUMBLE)


def present_arguments() -> dict[str, set[str]]:
    """The same of the rclpy that is installed."""
    found: dict[str, set[str]] = {}
    for each in CLASSES:
        for name, has in inspect.getmembers(each, inspect.isfunction):
            own = each.__name__ if name == '__init__' else name
            found.setdefault(own, set()).update(inspect.signature(has).parameters)
    return found


PRESENT_ARGUMENTS = present_arguments()


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding='utf-8'))


def running(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those that only type checkers read."""
    for node in ast.iter_child_nodes(tree):
        is_typing = isinstance(node, ast.If) and ast.unparse(node.test) == 'TYPE_CHECKING'
        if not is_typing:
            yield node
            yield from running(node)


def missing_imports(nodes: Iterator[ast.AST]) -> list[str]:
    """What is imported of rclpy and not in Humble."""
    missing = []
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and (node.module or '').partition('.')[0] == 'rclpy':
            module = HUMBLE.get(node.module, {})
            missing += [
                f'{node.module}.{alias.name}'
                for alias in node.names
                if alias.name not in module and f'{node.module}.{alias.name}' not in HUMBLE
            ]
        elif isinstance(node, ast.Import):
            missing += [
                alias.name
                for alias in node.names
                if alias.name.partition('.')[0] == 'rclpy' and alias.name not in HUMBLE
            ]
    return missing


def missing_uses(nodes: Iterator[ast.AST]) -> list[str]:
    """Methods and keywords of rclpy that are used and not in Humble."""
    missing = []
    for node in nodes:
        if isinstance(node, ast.Attribute) and node.attr in PRESENT_ARGUMENTS:
            missing += [node.attr] if node.attr not in HUMBLE_ARGUMENTS else []
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, 'attr', getattr(node.func, 'id', ''))
        known = HUMBLE_ARGUMENTS.get(name, set())
        if name in PRESENT_ARGUMENTS and '**' not in known:
            missing += [
                f'{name}({keyword.arg}=)'
                for keyword in node.keywords
                if keyword.arg in PRESENT_ARGUMENTS[name] - known
            ]
    return missing


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.stem)
def test_nothing_is_used_that_humble_lacks(path: Path) -> None:
    if path == VERSIONS:
        return
    assert missing_imports(running(parsed(path))) == []
    if path.parent.name == 'node':
        assert missing_uses(running(parsed(path))) == []


def test_each_new_name_has_another_way_in_humble() -> None:
    (choice,) = [node for node in parsed(VERSIONS).body if isinstance(node, ast.Try)]
    assert set(missing_imports(iter(choice.body))) == {
        'rclpy.clock_type.ClockType',
        'rclpy.event_handler.SubscriptionEventCallbacks',
    }
    for handler in choice.handlers:
        assert missing_imports(iter(handler.body)) == []
    uses = set(missing_uses(running(parsed(VERSIONS))))
    new = {'add_pre_set_parameters_callback', 'add_post_set_parameters_callback'}
    assert uses == new


def test_what_is_looked_for_would_be_found() -> None:
    """The list and the check find what really is new since Humble."""
    text = 'from rclpy.subscription import MessageInfo\nnode.add_post_set_parameters_callback(f)\n'
    tree = ast.parse(text)
    assert missing_imports(running(tree)) == ['rclpy.subscription.MessageInfo']
    assert missing_uses(running(tree)) == ['add_post_set_parameters_callback']
    new = 'node.create_subscription(T, "t", f, 1, content_filter_options=None)'
    known = 'node.create_subscription(T, "t", f, 1, event_callbacks=None)'
    if 'content_filter_options' in PRESENT_ARGUMENTS['create_subscription']:
        expected = ['create_subscription(content_filter_options=)']
        assert missing_uses(running(ast.parse(new))) == expected
    assert missing_uses(running(ast.parse(known))) == []


def test_parameters_as_in_humble(
    graph: Graph, start_node: NodeFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ('add_pre_set_parameters_callback', 'add_post_set_parameters_callback'):
        monkeypatch.delattr(rclpy.node.Node, name)
    node = start_node()
    (result,) = node.set_parameters([Parameter('max_depth', value=6.5)])
    assert result.successful
    assert node.settings.max_depth == 6.5
    (result,) = node.set_parameters([Parameter('max_depth', value=0.05)])
    assert not result.successful
    assert 'min_depth must be less than max_depth' in result.reason
    assert node.settings.max_depth == 6.5
    assert graph.node.get_name() != node.get_name()


def test_subscriptions_as_in_humble(
    graph: Graph, start_node: NodeFactory, engine: KnownEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(rclpy.subscription, 'MessageInfo')
    taken: list[Any] = []
    alone = ros_versions.with_information(lambda message, info: taken.append((message, info)))
    assert len(inspect.signature(alone).parameters) == 1
    alone('message')
    assert taken == [('message', {})]
    start_node()
    depths = graph.collect(Image, 'depth/image_rect')
    graph.publisher(Image, 'image').publish(rgb_image(ramp(), header(7)))
    assert depths.wait_for(1)[0].header == header(7)
    assert engine.batches == [1]
