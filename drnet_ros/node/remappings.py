"""Remappings and parameters of what there is not, which ROS takes without a word."""

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
_PARAMETER_OPTIONS = ('-p', '--param')
# How near a name is that was meant for another: a letter or two.
_NEAR = 0.8
_SCHEMES = ('rostopic://', 'rosservice://')


def without_effect(arguments: Sequence[str], names: Sequence[str], node: Node) -> list[str]:
    """Return one line for each remapping of a name that a node does not have.

    Also for remappings and parameters of a node whose name is near to that of the node.

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
        if option not in (*_OPTIONS, *_PARAMETER_OPTIONS) or not arrow:
            continue
        for scheme in _SCHEMES:
            name = name.removeprefix(scheme)
        # NODE:NAME is for one node of the process. What begins with __ is no topic.
        owner, colon, rest = name.partition(':')
        own = node.get_name()
        name = rest if colon and owner == own else name
        if owner != own and get_close_matches(owner, [own], n=1, cutoff=_NEAR) and colon:
            lines.append(f'{rule} has no effect: there is no node {owner}; did you mean {own}?')
        is_ours = not name.startswith(('__', '/rosout', '/parameter_events', '/clock'))
        if option in _OPTIONS and is_ours and ':' not in name and full(name) not in known:
            near = get_close_matches(name, names, n=1)
            advice = f'; did you mean {near[0]}?' if near else f'; there are {", ".join(names)}'
            lines.append(f'remapping {rule} has no effect: there is no {name}{advice}')
    return lines
