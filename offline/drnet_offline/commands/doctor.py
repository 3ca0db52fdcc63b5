"""The command `drnet doctor`: what is installed here, and what to do about what is not."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from rich.console import Console

from drnet_offline.errors import OfflineError
from drnet_ros.errors import DrnetError, one_line

__all__ = ['Finding', 'doctor', 'examine']

_MARKS = {'ok': '[green]ok  [/]  ', 'note': '[yellow]note[/]  ', 'bad': '[red]bad [/]  '}
_SHARED_MEMORY = '/dev/shm'  # noqa: S108 - where Fast DDS has its segments
_SHARED_MEMORY_BYTES = 64 * 1024**2  # the segment of config/fastdds_large_messages.xml

# The extras, as setup.py and offline/pyproject.toml name them: a package alone is not enough.
_NEEDS_TORCH = (
    "for other weights and GPUs: pip install '.[torch]'; for training: pip install "
    "'./offline[train]'"
)
_NEEDS_ONNX_RUNTIME = "for engine onnxruntime: pip install '.[torch,onnxruntime]'"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: What it is.
        state: 'ok'; 'note' if something that some need is missing; 'bad' if nothing works so.
        found: What was found.
        advice: What to do, '' if nothing.
    """

    name: str
    state: Literal['ok', 'note', 'bad']
    found: str
    advice: str = ''


def doctor() -> None:
    """Say what is installed and what is missing: ROS, engines, GPU, cache, weights."""
    findings = list(examine())
    console = Console(soft_wrap=True, highlight=False)
    for each in findings:
        console.print(_MARKS[each.state], end='')
        advice = f'; {each.advice}' if each.advice else ''
        console.print(f'{each.name:<14}{each.found}{advice}', markup=False)
    if bad := [each.name for each in findings if each.state == 'bad']:
        msg = f'no depth can be estimated here: see {", ".join(bad)}'
        raise OfflineError(msg)


def examine() -> Iterator[Finding]:
    """Look at all that depth and the node need.

    Yields:
        The findings, in the order in which they are shown.
    """
    yield Finding('Python', 'ok', f'{platform.python_version()}, {sys.executable}')
    yield _weights()
    yield _package('OpenVINO', 'openvino', 'bad', 'pip install openvino')
    yield _package('PyTorch', 'torch', 'note', _NEEDS_TORCH)
    yield _package('ONNX Runtime', 'onnxruntime', 'note', _NEEDS_ONNX_RUNTIME)
    yield _gpu()
    yield _cache()
    yield _ros()
    yield _shared_memory()
    yield _webcams()


def _weights() -> Finding:
    from drnet_ros.network.metadata import read_metadata  # noqa: PLC0415 - may be what is missing
    from drnet_ros.weights import resolve_weights  # noqa: PLC0415

    try:
        metadata = read_metadata(resolve_weights('embedded'))
    except DrnetError as error:
        return Finding('weights', 'bad', one_line(error), 'install drnet_ros again')
    return Finding('weights', 'ok', f'embedded, {metadata.network.backbone}')


def _package(name: str, package: str, if_missing: Literal['note', 'bad'], advice: str) -> Finding:
    try:
        return Finding(name, 'ok', version(package))
    except PackageNotFoundError:
        return Finding(name, if_missing, 'not installed', advice)


def _gpu() -> Finding:
    from drnet_ros.inference.engines.devices import has_cuda  # noqa: PLC0415 - may be slow

    if has_cuda():
        return Finding('NVIDIA GPU', 'ok', 'usable: engine auto takes torch')
    if shutil.which('nvidia-smi'):
        return Finding(
            'NVIDIA GPU', 'note', 'not usable', 'install PyTorch with CUDA, and its driver'
        )
    return Finding('NVIDIA GPU', 'ok', 'none: the CPU computes')


def _cache() -> Finding:
    from drnet_ros.inference.engines.model_cache import cache_folder  # noqa: PLC0415

    try:
        folder = cache_folder()
    except DrnetError as error:
        return Finding('cache', 'bad', one_line(error), 'set DRNET_CACHE_DIR')
    free_gb = shutil.disk_usage(folder).free / 1e9
    models = sum(1 for each in folder.iterdir() if each.is_dir())
    if free_gb < 0.2:
        return Finding('cache', 'bad', f'{folder}: {free_gb:.2f} GB free', 'free disk space')
    return Finding('cache', 'ok', f'{folder}: {models} models, {free_gb:.0f} GB free')


def _ros() -> Finding:
    if find_spec('rclpy') is None:
        advice = "for the node: source /opt/ros/*/setup.bash, or pip install '.[ros]'"
        return Finding('ROS 2', 'note', 'no rclpy in this Python', advice)
    distribution = os.environ.get('ROS_DISTRO', 'of an unnamed distribution')
    middleware = os.environ.get('RMW_IMPLEMENTATION', 'the default middleware')
    return Finding('ROS 2', 'ok', f'{distribution}, {middleware}')


def _shared_memory() -> Finding:
    folder = Path(_SHARED_MEMORY)
    if not folder.is_dir():
        return Finding(
            _SHARED_MEMORY, 'note', 'not there', 'large images go over UDP, and get lost'
        )
    size = shutil.disk_usage(folder)
    found = f'{size.free / 1e6:.0f} of {size.total / 1e6:.0f} MB free'
    if size.free < 2 * _SHARED_MEMORY_BYTES:
        advice = 'fastdds shm clean; in Docker: --shm-size=512m, or --ipc=host'
        return Finding(_SHARED_MEMORY, 'note', found, advice)
    return Finding(_SHARED_MEMORY, 'ok', found)


def _webcams() -> Finding:
    devices = sorted(Path('/dev').glob('video*'))
    if not devices:
        return Finding('webcams', 'note', 'none', 'plug one in; in Docker: --device /dev/video0')
    unreadable = [device.name for device in devices if not os.access(device, os.R_OK | os.W_OK)]
    if unreadable:
        advice = 'sudo usermod -aG video $USER, and log in again'
        return Finding('webcams', 'note', f'no access to {", ".join(unreadable)}', advice)
    return Finding('webcams', 'ok', ', '.join(device.name for device in devices))
