"""Remappings of topics that there are not, which ROS takes without a word."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from itertools import pairwise
from typing import TYPE_CHECKING

from rclpy.expand_topic_name import expand_topic_name

if TYPE_CHECKING:
    from rclpy.node import Node

__all__ = ['without_effect']

_OPTIONS = ('-r', '--remap')
_SCHEMES = ('rostopic://', 'rosservice://')


def without_effect(arguments: Sequence[str], names: Sequence[str], node: Node) -> list[str]:
    """Return one line for each remapping of a name that a node does not have.

    Args:
        arguments: The arguments of ROS.
        names: The names that it has.
        node: The node.
    """

    def full(name: str) -> str:
        return expand_topic_name(name, node.get_name(), node.get_namespace())

    known = {full(name) for name in names}
    lines = []
    for option, rule in pairwise(arguments):
        name, arrow, _ = rule.partition(':=')
        if option not in _OPTIONS or not arrow:
            continue
        for scheme in _SCHEMES:
            name = name.removeprefix(scheme)
        # NODE:NAME is for one node of the process. What begins with __ is no topic.
        owner, colon, rest = name.partition(':')
        name = rest if colon and owner == node.get_name() else name
        is_ours = not name.startswith(('__', '/rosout', '/parameter_events', '/clock'))
        if is_ours and ':' not in name and full(name) not in known:
            near = get_close_matches(name, names, n=1)
            advice = f'; did you mean {near[0]}?' if near else f'; there are {", ".join(names)}'
            lines.append(f'remapping {rule} has no effect: there is no {name}{advice}')
    return lines
