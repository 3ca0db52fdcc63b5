"""Parameter files that hold nothing for the node, or a name twice: ROS takes both in silence."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import YAMLError

__all__ = ['given_twice', 'without_effect']

_OPTION = '--params-file'
_PARAMETERS = 'ros__parameters'
# What ROS says of such files is enough.
_UNREADABLE = (OSError, UnicodeDecodeError, YAMLError, RecursionError)


def without_effect(arguments: Sequence[str], node: str) -> list[str]:
    """Return one line for each parameter file that has no section for a node.

    Args:
        arguments: Command line of the node's program.
        node: Full name of the node, such as '/robot/depth_node'.
    """
    lines = []
    for option, path in pairwise(arguments):
        if option != _OPTION:
            continue
        sections = _sections_of(Path(path))
        if not any(_is_for(section, node) for section in sections):
            lines.append(
                f'nothing in {path} has an effect: it must have a section {node} or /**, got '
                f'{", ".join(sections) or f"no section with {_PARAMETERS}"}'
            )
    return lines


def given_twice(arguments: Sequence[str]) -> list[str]:
    """Return one line for each parameter file that has a name twice: ROS takes the last.

    Args:
        arguments: Command line of the node's program.
    """
    lines = []
    for option, path in pairwise(arguments):
        if option != _OPTION:
            continue
        try:
            list(_yaml().load_all(Path(path)))
        except DuplicateKeyError as error:
            lines.append(f'{path} has a name twice, and the last counts: {error.problem}')
        except _UNREADABLE:
            continue
    return lines


def _yaml() -> YAML:
    """Return a reader that leaves values as text, whatever their tags.

    `ros2 launch` writes lists as !!python/tuple, and what looks like a date need not be one.
    """
    return YAML(typ='base', pure=True)


def _sections_of(path: Path) -> list[str]:
    yaml = _yaml()
    yaml.allow_duplicate_keys = True
    try:
        # ROS takes all documents of a file.
        return [name for content in yaml.load_all(path) for name in _sections('', content)]
    except _UNREADABLE:
        return []


def _sections(name: str, content: object) -> Iterator[str]:
    """Yield the names of nodes; a name may be spread over nested mappings."""
    if not isinstance(content, dict):
        return
    if _PARAMETERS in content:
        yield name
    for key, inner in content.items():
        if key != _PARAMETERS:
            yield from _sections(f'{name}/{str(key).strip("/")}', inner)


def _is_for(section: str, node: str) -> bool:
    """Whether a section is for a node: in names, * is one part and ** are any number of them."""
    pattern = re.escape(section).replace(r'/\*\*', r'(/\w+)*').replace(r'/\*', r'/\w+')
    return re.fullmatch(pattern, node) is not None
