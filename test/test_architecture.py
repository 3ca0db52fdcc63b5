"""Imports only go down: node -> messages, recordings -> inference -> network, in no circle."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
RUNTIME = ROOT / 'drnet_ros'
OFFLINE = ROOT / 'offline' / 'drnet_offline'

# What a floor may import of this package; modules beside the floors are open to all of them.
FLOORS = {
    'node': {'node', 'messages', 'recordings', 'inference', 'network'},
    'messages': {'messages', 'recordings', 'inference'},
    'recordings': {'recordings'},
    'inference': {'inference', 'network'},
    'network': {'network'},
}
ROS_PACKAGES = {'ament_index_python', 'builtin_interfaces', 'cv_bridge', 'launch', 'launch_ros'}
OFFLINE_MAY_USE = (
    *('messages', 'recordings', 'inference', 'network'),
    *('allocator', 'closing', 'errors', 'opencv_log', 'ply', 'weights'),
)


def is_ros(module: str) -> bool:
    top = module.partition('.')[0]
    return (
        top in ROS_PACKAGES
        or top.startswith(('rcl', 'ros2', 'tf2'))
        or top.endswith(('_msgs', '_srvs'))
    )


def module_name(path: Path) -> str:
    parts = path.relative_to(RUNTIME.parent if RUNTIME in path.parents else OFFLINE.parent)
    return '.'.join(parts.with_suffix('').parts).removesuffix('.__init__')


@cache
def imports_of(path: Path) -> set[str]:
    """Return dotted names; of `from a import b` both a and a.b, since b may be a module.

    What is imported in a function, for types only or in an `else:` branch counts like the rest.
    """
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'), filename=str(path))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None, 'relative imports hide what is imported'
            assert node.level == 0, 'relative imports hide what is imported'
            names |= {node.module, *(f'{node.module}.{alias.name}' for alias in node.names)}
    return names


def sources(folder: Path) -> list[Path]:
    return sorted(folder.rglob('*.py'))


RUNTIME_FILES = sources(RUNTIME)
OFFLINE_FILES = sources(OFFLINE)
PROGRAMS = [
    path
    for folder in (RUNTIME, ROOT / 'offline', ROOT / 'tools', ROOT / 'launch')
    for path in sources(folder)
    if 'test' not in path.relative_to(ROOT).parts
]


@pytest.mark.parametrize('path', RUNTIME_FILES, ids=module_name)
def test_imports_only_go_down(path: Path) -> None:
    floor = path.relative_to(RUNTIME).parts[0]
    allowed = FLOORS.get(floor, set())
    upward = {
        name
        for name in imports_of(path)
        if name.startswith('drnet_ros.')
        and name.split('.')[1] in FLOORS
        and name.split('.')[1] not in allowed
    }
    assert not upward, f'{floor} must not import {upward}'


@pytest.mark.parametrize('path', RUNTIME_FILES, ids=module_name)
def test_only_the_node_knows_ros(path: Path) -> None:
    if path.relative_to(RUNTIME).parts[0] == 'node':
        return
    assert not {name for name in imports_of(path) if is_ros(name)}


@pytest.mark.parametrize('path', RUNTIME_FILES, ids=module_name)
def test_the_robot_never_needs_the_offline_package(path: Path) -> None:
    assert not {name for name in imports_of(path) if name.startswith('drnet_offline')}


@pytest.mark.parametrize('path', OFFLINE_FILES, ids=module_name)
def test_offline_uses_the_lower_floors_and_no_ros(path: Path) -> None:
    names = imports_of(path)
    of_runtime = {name.split('.')[1] for name in names if name.startswith('drnet_ros.')}
    assert of_runtime <= set(OFFLINE_MAY_USE)
    assert not {name for name in names if is_ros(name)}


@pytest.mark.parametrize(
    'files', [RUNTIME_FILES, OFFLINE_FILES], ids=['drnet_ros', 'drnet_offline']
)
def test_no_import_cycles(files: list[Path]) -> None:
    modules = {module_name(path): path for path in files}
    graph = {name: (imports_of(path) & modules.keys()) - {name} for name, path in modules.items()}
    # Raises CycleError, which names the modules of the cycle.
    assert len(list(TopologicalSorter(graph).static_order())) == len(modules)


@pytest.mark.parametrize(
    'module',
    [
        'drnet_ros',
        'drnet_ros.errors',
        'drnet_ros.inference',
        'drnet_ros.inference.estimator',
        'drnet_ros.inference.settings',
        'drnet_ros.network.metadata',
        'drnet_ros.weights',
    ],
)
def test_pytorch_and_ros_stay_out_until_needed(module: str) -> None:
    program = f'import sys, {module}; print(*sys.modules)'
    done = subprocess.run(
        [sys.executable, '-c', program], capture_output=True, text=True, check=True, cwd=ROOT
    )
    loaded = set(done.stdout.split())
    assert module in loaded
    assert not {name for name in loaded if is_ros(name)}
    assert not loaded & {'torch', 'torchvision', 'timm', 'lightning'}


def test_openvino_reports_its_use_to_nobody() -> None:
    program = (
        'import drnet_ros.inference.engines, openvino\n'
        'from openvino.tools.ovc.telemetry_utils import init_ovc_telemetry\n'
        'print(type(init_ovc_telemetry()).__module__)'
    )
    done = subprocess.run(
        [sys.executable, '-c', program], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == 'openvino.tools.ovc.telemetry_stub'


@pytest.mark.parametrize(('folder', 'most'), [(RUNTIME / 'inference', 16), (OFFLINE, 14)])
def test_a_folder_has_few_entries(folder: Path, most: int) -> None:
    entries = {path.name for path in folder.iterdir()} - {'__pycache__'}
    assert len(entries) <= most, sorted(entries)


@pytest.mark.parametrize('path', [*RUNTIME_FILES, *OFFLINE_FILES], ids=module_name)
def test_files_stay_readable(path: Path) -> None:
    text = path.read_text(encoding='utf-8')
    assert len(text.splitlines()) <= 300
    long = [
        node.name
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and body_lines(node) > 40
    ]
    assert not long, f'more than 40 lines: {long}'


def test_opencv_opens_no_image_file() -> None:
    """Its functions crash on names that are not UTF-8, and say nothing where they fail."""
    calls = re.compile(r'\bcv2\.im(read|write)(multi)?\(')
    assert PROGRAMS
    assert not [path for path in PROGRAMS if calls.search(path.read_text(encoding='utf-8'))]


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count lines without the docstring."""
    first = function.body[0]
    assert function.end_lineno is not None
    lines = function.end_lineno - function.lineno + 1
    if ast.get_docstring(function) is not None:
        assert first.end_lineno is not None
        lines -= first.end_lineno - first.lineno + 1
    return lines
