"""Checks that rosdep finds every dependency of package.xml, by the published lists.

git clone --depth 1 https://github.com/ros/rosdistro
python tools/check_rosdep_keys.py rosdistro humble jazzy kilted
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import yaml

ROOT = Path(__file__).resolve().parents[1]
_UBUNTU = {'humble': 'jammy', 'jazzy': 'noble', 'kilted': 'noble'}


def main() -> int:
    """Print what each distribution lacks; returns 1 if there is anything."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('lists', type=Path, help='a checkout of ros/rosdistro')
    parser.add_argument('distributions', nargs='+', choices=sorted(_UBUNTU), metavar='NAME')
    given = parser.parse_args()
    if not (given.lists / 'rosdep').is_dir():
        parser.error(f'lists must be a checkout of ros/rosdistro, got {given.lists}')
    found = {name: missing_keys(given.lists, name) for name in given.distributions}
    for name, keys in found.items():
        print(f'{name}: {", ".join(keys) + " missing" if keys else "all found"}')
    return int(any(found.values()))


def missing_keys(lists: Path, distribution: str) -> list[str]:
    """Return the dependencies of package.xml that rosdep does not find.

    Args:
        lists: A checkout of ros/rosdistro.
        distribution: Such as 'jazzy'.
    """
    known = released_packages(lists, distribution)
    known |= system_keys(lists, _UBUNTU[distribution])
    return sorted(dependencies() - known)


def dependencies() -> set[str]:
    """Return what package.xml depends on."""
    tree = ET.parse(ROOT / 'package.xml')  # noqa: S314 - our own file
    return {
        (each.text or '').strip() for each in tree.getroot() if each.tag.endswith('_depend')
    } | {(each.text or '').strip() for each in tree.getroot().iter('depend')}


def released_packages(lists: Path, distribution: str) -> set[str]:
    """Return the ROS packages that a distribution has as binaries."""
    repositories = _read(lists / distribution / 'distribution.yaml')['repositories']
    packages: set[str] = set()
    for name, repository in repositories.items():
        release = repository.get('release', {})
        if 'version' in release:
            packages |= set(release.get('packages', [name]))
    return packages


def system_keys(lists: Path, codename: str) -> set[str]:
    """Return the keys of packages from apt, which a release may depend on; pip is none."""
    keys: set[str] = set()
    for path in sorted((lists / 'rosdep').glob('*.yaml')):
        for key, systems in _read(path).items():
            rule = systems.get('ubuntu')
            if isinstance(rule, dict) and not ({'pip', 'apt', 'packages'} & set(rule)):
                rule = rule.get(codename, rule.get('*'))
            is_pip = isinstance(rule, dict) and 'pip' in rule
            if rule and not is_pip:
                keys.add(key)
    return keys


def _read(path: Path) -> dict[str, Any]:
    loader = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)
    loaded: dict[str, Any] = yaml.load(path.read_text('utf-8'), loader)  # noqa: S506 - it is safe
    return loaded


if __name__ == '__main__':
    sys.exit(main())
