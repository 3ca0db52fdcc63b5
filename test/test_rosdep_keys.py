"""`tools/check_rosdep_keys.py` finds what rosdep would not, in lists like the published ones."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import yaml

ROOT = Path(__file__).parents[1]
TOOL = ROOT / 'tools' / 'check_rosdep_keys.py'
PACKAGE = ROOT / 'package.xml'

pytestmark = pytest.mark.skipif(not TOOL.exists(), reason='tools are not installed')


def dependencies() -> set[str]:
    tree = ET.parse(PACKAGE).getroot()  # noqa: S314 - our own file
    return {str(each.text) for each in tree if each.tag in {'exec_depend', 'test_depend'}}


def checked(lists: Path, repositories: dict[str, Any], keys: dict[str, Any]) -> tuple[int, str]:
    """Run the tool on lists of these contents."""
    (lists / 'jazzy').mkdir()
    (lists / 'rosdep').mkdir()
    distribution = yaml.safe_dump({'repositories': repositories})
    (lists / 'jazzy' / 'distribution.yaml').write_text(distribution)
    (lists / 'rosdep' / 'python.yaml').write_text(yaml.safe_dump(keys))
    command = [sys.executable, str(TOOL), str(lists), 'jazzy']
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout.strip()


def complete() -> tuple[dict[str, Any], dict[str, Any]]:
    """Lists in which all is found."""
    of_apt = {name for name in dependencies() if name.startswith('python3-')}
    packages = sorted(dependencies() - of_apt)
    repositories = {'all': {'release': {'packages': packages, 'version': '1.0.0-1'}}}
    return repositories, {name: {'ubuntu': [name]} for name in of_apt}


def test_all_is_found(tmp_path: Path) -> None:
    assert len(dependencies()) >= 15
    assert checked(tmp_path, *complete()) == (0, 'jazzy: all found')


@pytest.mark.parametrize(
    'rule',
    [
        {'pip': {'packages': ['numpy']}},
        {'noble': {'pip': {'packages': ['numpy']}}, 'jammy': ['python3-numpy']},
        {'noble': None, '*': ['python3-numpy']},
    ],
    ids=['pip', 'pip there', 'not there'],
)
def test_a_key_without_an_apt_package_is_missing(tmp_path: Path, rule: dict[str, Any]) -> None:
    repositories, keys = complete()
    keys['python3-numpy'] = {'ubuntu': rule}
    assert checked(tmp_path, repositories, keys) == (1, 'jazzy: python3-numpy missing')


def test_a_package_that_is_not_released_is_missing(tmp_path: Path) -> None:
    repositories, keys = complete()
    repositories['all']['release']['packages'].remove('cv_bridge')
    repositories['vision_opencv'] = {'release': {'packages': ['cv_bridge']}}
    assert checked(tmp_path, repositories, keys) == (1, 'jazzy: cv_bridge missing')


def test_a_repository_of_one_package_is_found_by_its_name(tmp_path: Path) -> None:
    repositories, keys = complete()
    repositories['all']['release']['packages'].remove('rclpy')
    repositories['rclpy'] = {'release': {'version': '1.0.0-1'}}
    assert checked(tmp_path, repositories, keys) == (0, 'jazzy: all found')


@pytest.mark.parametrize(
    ('arguments', 'said'),
    [
        ([], 'required: lists, NAME'),
        (['{tmp}', 'jazzy'], 'must be a checkout of ros/rosdistro'),
        (['{tmp}', 'foxy'], "invalid choice: 'foxy'"),
    ],
)
def test_wrong_usage_is_one_line(tmp_path: Path, arguments: list[str], said: str) -> None:
    given = [each.format(tmp=tmp_path) for each in arguments]
    done = subprocess.run(
        [sys.executable, str(TOOL), *given], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert said in done.stderr
    assert 'Traceback' not in done.stderr
