"""Fixtures of the tests on a live ROS graph; without ROS 2 there are none to run."""

from importlib.util import find_spec
from pathlib import Path

import pytest

# `make test-fast` runs these alone: each test starts a node, which takes a second.
FAST = ('test_flow.py',)

if find_spec('rclpy'):
    from node_fixtures import (
        engine,
        graph,
        module_graph,
        ros,
        start_module_program,
        start_node,
        start_program,
        weights,
    )
else:
    collect_ignore_glob = ['test_*.py']

__all__ = [
    'engine',
    'graph',
    'module_graph',
    'ros',
    'start_module_program',
    'start_node',
    'start_program',
    'weights',
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests of this folder as slow."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and item.path.name not in FAST:
            item.add_marker(pytest.mark.slow)
