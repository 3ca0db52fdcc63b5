"""What colcon, rosdep and pip read and install: package.xml, setup.py and shared files."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import PathDistribution
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
BUILD_INPUTS = (
    'setup.py',
    'setup.cfg',
    'package.xml',
    'resource',
    'launch',
    'config',
    'drnet_ros',
)
OPENVINO = ('.xml', '.bin')
PROGRAMS = {'bag_publisher': 'bag_publisher', 'depth_node': 'program'}


@pytest.fixture(scope='module')
def manifest() -> Any:
    """package.xml as colcon reads it; what it finds fault with raises."""
    reader = pytest.importorskip('catkin_pkg.package', reason='catkin_pkg is not installed')
    warnings: list[str] = []
    package = reader.parse_package(str(ROOT), warnings=warnings)
    package.validate(warnings=warnings)
    assert not warnings
    return package


@pytest.fixture(scope='module')
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pip has installed a copy of the source, as a user would, without its dependencies."""
    source = tmp_path_factory.mktemp('source')
    for name in BUILD_INPUTS:
        if (ROOT / name).is_dir():
            shutil.copytree(
                ROOT / name, source / name, ignore=shutil.ignore_patterns('__pycache__')
            )
        else:
            shutil.copy(ROOT / name, source)
    installed = tmp_path_factory.mktemp('installed')
    pip = [sys.executable, '-m', 'pip', 'install', '--quiet', '--no-deps', '--no-build-isolation']
    subprocess.run([*pip, '--ignore-installed', '--prefix', installed, source], check=True)
    return installed


@pytest.fixture(scope='module')
def metadata(prefix: Path) -> PathDistribution:
    return PathDistribution(next(prefix.rglob('drnet_ros-*.dist-info')))


def find_one(folder: Path, pattern: str) -> Path:
    found = list(folder.rglob(pattern))
    assert len(found) == 1, f'{pattern}: {found}'
    return found[0]


def test_package_xml_is_valid_format_3_and_ament_python(manifest: Any) -> None:
    assert manifest.package_format == 3
    exports = {item.tagname: item.content for item in manifest.exports}
    assert exports == {'build_type': 'ament_python', 'rosdoc2': 'rosdoc2.yaml'}
    assert (ROOT / exports['rosdoc2']).is_file()
    assert manifest.licenses == ['Apache-2.0']


def test_package_xml_asks_for_pytorch_where_it_is_wished_for_and_not_elsewhere(
    manifest: Any,
) -> None:
    asked = []
    for environment in ({'DRNET_TORCH': '1'}, {}):
        manifest.evaluate_conditions(environment)
        asked.append({item.name for item in manifest.exec_depends if item.evaluated_condition})
    assert asked[0] - asked[1] == {'python3-torch', 'python3-torchvision'}


def test_package_xml_names_every_ros_package_that_is_imported(manifest: Any) -> None:
    declared = {item.name for item in manifest.exec_depends}
    imported = set()
    for path in [*(ROOT / 'drnet_ros').rglob('*.py'), *(ROOT / 'launch').rglob('*.py')]:
        for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            imported |= {name.partition('.')[0] for name in names}
    ros = {name for name in imported if name.endswith('_msgs')}
    ros |= imported & {'ament_index_python', 'launch', 'launch_ros', 'rclpy', 'rcl_interfaces'}
    ros |= imported & {'cv_bridge', 'std_srvs'}
    assert ros <= declared
    not_imported = {name for name in declared if not name.startswith('python3-')} - ros
    assert not not_imported, 'declared, but nothing imports them'


def test_versions_agree(manifest: Any, metadata: PathDistribution) -> None:
    offline = (ROOT / 'offline' / 'pyproject.toml').read_text(encoding='utf-8')
    found = re.search(r"^version = '([\d.]+)'", offline, re.MULTILINE)
    assert found
    assert manifest.version == metadata.version == found[1]


def test_programs_are_installed_where_pip_users_look(
    prefix: Path, metadata: PathDistribution
) -> None:
    scripts = {point.name: point.value for point in metadata.entry_points}
    assert scripts == {name: f'drnet_ros.node.{module}:main' for name, module in PROGRAMS.items()}
    for name in PROGRAMS:
        assert os.access(find_one(prefix, f'bin/{name}'), os.X_OK)


def test_ament_index_knows_the_package(prefix: Path) -> None:
    find_one(prefix, 'share/ament_index/resource_index/packages/drnet_ros')
    assert find_one(prefix, 'share/drnet_ros/package.xml').is_file()


@pytest.mark.parametrize('folder', ['config', 'launch'])
def test_shared_files_are_installed(prefix: Path, folder: str) -> None:
    installed = find_one(prefix, f'share/drnet_ros/{folder}')
    kept = {path.name for path in (ROOT / folder).iterdir() if path.is_file()}
    assert {path.name for path in installed.iterdir() if path.is_file()} == kept
    assert kept


def test_package_data_is_installed(prefix: Path) -> None:
    code = find_one(prefix, 'site-packages/drnet_ros')
    assert (code / 'py.typed').is_file()
    for path in weight_files():
        assert (code / 'weights' / path.name).read_bytes() == path.read_bytes(), path.name


def weight_files() -> list[Path]:
    folder = ROOT / 'drnet_ros' / 'weights'
    found = sorted(path for path in folder.iterdir() if path.suffix in {'.safetensors', *OPENVINO})
    assert {path.suffix for path in found} == {'.safetensors', *OPENVINO}
    return found


def test_installed_code_finds_its_shared_files(prefix: Path) -> None:
    code = find_one(prefix, 'site-packages/drnet_ros')
    program = 'import drnet_ros.share as s; print(s.__file__); print(s.share_directory())'
    lines = subprocess.run(
        [sys.executable, '-c', program],
        env=os.environ | {'PYTHONPATH': str(code.parent)},
        cwd=prefix,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert lines == [str(code / 'share.py'), str(find_one(prefix, 'share/drnet_ros'))]


def test_fast_dds_profile_has_room_for_large_images() -> None:
    text = (ROOT / 'config' / 'fastdds_large_messages.xml').read_text(encoding='utf-8')
    profile = ET.fromstring(text)  # noqa: S314 - our own file
    space = {'dds': 'http://www.eprosima.com'}
    transports = {
        transport.findtext('dds:type', namespaces=space): transport
        for transport in profile.iterfind('.//dds:transport_descriptor', space)
    }
    assert set(transports) == {'SHM', 'UDPv4'}
    segment = transports['SHM'].findtext('dds:segment_size', namespaces=space)
    assert segment == str(64 * 1024**2)
    participant = profile.find('.//dds:participant', space)
    assert participant is not None
    assert participant.get('is_default_profile') == 'true'


@pytest.mark.parametrize(
    ('words', 'said'),
    [
        ([], 'run_demo.py  '),
        (['BAG=my drive'], 'run_demo.py --bag "$BAG" '),
        (['BAG='], 'run_demo.py --bag "$BAG" '),
        (['bag=drive'], 'the recording of make demo is given as BAG=path, got bag=drive'),
    ],
)
def test_make_demo_plays_no_other_recording_than_was_given(words: list[str], said: str) -> None:
    of_make = ('BAG', 'DEMO_ARGS', 'MAKEFLAGS', 'MFLAGS', 'MAKELEVEL', 'MAKEOVERRIDES')
    environment = {name: value for name, value in os.environ.items() if name not in of_make}
    command = ['make', '--dry-run', '--no-print-directory', 'demo', *words]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True
    )
    assert said in (done.stdout + done.stderr).splitlines()[-1] + '\n'
