"""Parameter files that ROS takes without a word though nothing in them is for the node."""

from __future__ import annotations

from pathlib import Path

import pytest

from drnet_ros.node.parameter_files import given_twice, without_effect

HOLDS = ':\n  ros__parameters: {max_depth: 2.0}\n'
NESTED = 'robot:\n  depth_node:\n    ros__parameters: {max_depth: 2.0}\n'

# What launch_ros writes for parameters=[{'sparse_depth_sources': ['scan']}].
OF_LAUNCH = """/depth_node:
  ros__parameters:
    sparse_depth_sources: !!python/tuple
    - scan
"""


@pytest.mark.parametrize(
    ('content', 'node'),
    [
        (f'/**{HOLDS}', '/depth_node'),
        (f'/**{HOLDS}', '/robot/front/depth_node'),
        (f'/*{HOLDS}', '/depth_node'),
        (f'/**/depth_node{HOLDS}', '/robot/depth_node'),
        (f'/*/depth_node{HOLDS}', '/robot/depth_node'),
        (f'depth_node{HOLDS}', '/depth_node'),
        (f'/robot/depth_node{HOLDS}', '/robot/depth_node'),
        (f'other{HOLDS}/depth_node{HOLDS}', '/depth_node'),
        (NESTED, '/robot/depth_node'),
        (f'other{HOLDS}---\ndepth_node{HOLDS}', '/depth_node'),
        (OF_LAUNCH, '/depth_node'),
        ('/**:\n  ros__parameters: {map: 2026-13-45, floor: !!int x}\n', '/depth_node'),
    ],
)
def test_a_section_for_the_node_has_an_effect(tmp_path: Path, content: str, node: str) -> None:
    assert said_of(tmp_path, content, node) == []


@pytest.mark.parametrize(
    ('content', 'node', 'got'),
    [
        (f'depth_node{HOLDS}', '/robot/depth_node', '/depth_node'),
        (f'/*{HOLDS}', '/robot/depth_node', '/*'),
        (f'/*/depth_node{HOLDS}', '/depth_node', '/*/depth_node'),
        (f'depth_nod{HOLDS}other{HOLDS}', '/depth_node', '/depth_nod, /other'),
        (NESTED, '/depth_node', '/robot/depth_node'),
        ('', '/depth_node', 'no section with ros__parameters'),
        ('[', '/depth_node', 'no section with ros__parameters'),
        ('[' * 3000, '/depth_node', 'no section with ros__parameters'),
    ],
)
def test_a_file_without_one_is_named_with_what_it_has(
    tmp_path: Path, content: str, node: str, got: str
) -> None:
    (line,) = said_of(tmp_path, content, node)
    path = tmp_path / 'my.yaml'
    assert line == (
        f'nothing in {path} has an effect: it must have a section {node} or /**, got {got}'
    )


def test_a_name_given_twice_is_pointed_out(tmp_path: Path) -> None:
    path = tmp_path / 'my.yaml'
    path.write_text('/**:\n  ros__parameters:\n    max_depth: 2.0\n    max_depth: 3.0\n')
    words = ['--ros-args', '--params-file', str(path)]
    (line,) = given_twice(words)
    assert line.startswith(f'{path} has a name twice, and the last counts: ')
    assert '"max_depth"' in line
    assert without_effect(words, '/depth_node') == []
    path.write_text(f'{OF_LAUNCH}    max_depth: 2.0\n    max_depth: 3.0\n')
    assert '"max_depth"' in given_twice(words)[0]
    path.write_text('/**:\n  ros__parameters: {max_depth: 2.0}\n')
    assert given_twice([*words, '--params-file', str(tmp_path / 'absent.yaml')]) == []


def said_of(folder: Path, content: str, node: str) -> list[str]:
    path = folder / 'my.yaml'
    path.write_text(content)
    other = folder / 'other.yaml'
    other.write_text(f'/**{HOLDS}')
    words = ['--ros-args', '--params-file', str(other), '--params-file', str(path), '-r', 'a:=b']
    return without_effect(words, node)
