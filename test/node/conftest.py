"""Fixtures of the tests on a live ROS graph; without ROS 2 there are none to run."""

from importlib.util import find_spec

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
