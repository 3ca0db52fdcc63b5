"""Conversions of weights, in a process of their own: PyTorch takes memory that a node keeps."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from drnet_ros.errors import EngineError

__all__ = [
    'CACHE_VARIABLE',
    'CONVERT_TIMEOUT_S',
    'MAKE_ROOM',
    'NO_ROOM',
    'Conversion',
    'run_conversion',
    'serve_parent',
]

_LOG = logging.getLogger(__name__)
_REMARK = 'remark: '

CACHE_VARIABLE = 'DRNET_CACHE_DIR'
"""The environment variable that names the folder of converted models."""

CONVERT_TIMEOUT_S = 600
"""A conversion that takes longer is ended."""

MAKE_ROOM = f'free disk space there, or set {CACHE_VARIABLE} to a folder with room'
"""What to do where the cache has no room."""

NO_ROOM = 3
"""Exit code of a conversion that cannot write its model."""


@dataclass(frozen=True, slots=True)
class Conversion:
    """A program of this package that converts weights, in a process of its own.

    Attributes:
        module: Its module; it takes the weights file, `arguments` and the folder to write to.
        arguments: What it takes besides.
        model_file: The file that it writes; others may lie beside it.
        label: What is converted to, for file names and messages.
        version: Of the library whose other versions need another conversion.
        sources: Name pattern of the modules beside this one whose code makes the model.
    """

    module: str
    arguments: tuple[str, ...]
    model_file: str
    label: str
    version: str
    sources: str


def run_conversion(weights_path: Path, conversion: Conversion, folder: Path) -> None:
    """Convert weights in a process of its own, and log what it remarks, once each.

    Args:
        weights_path: The weights file.
        conversion: What converts it.
        folder: Where to, a folder of the cache.

    Raises:
        EngineError: If it cannot be done.
    """
    done = _run(weights_path, conversion, folder)
    for line in done.stdout.splitlines():
        if line.startswith(_REMARK):
            _log_once(line.removeprefix(_REMARK))
    if done.returncode < 0:
        msg = f'converting {weights_path.name} must finish, got: {_killed_by(-done.returncode)}'
        raise EngineError(msg)
    if done.returncode == NO_ROOM:
        msg = f'the cache {folder.parent} must have room for {weights_path.name}, got: '
        raise EngineError(msg + f'{done.stderr.strip().splitlines()[-1]}; {MAKE_ROOM}')
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f'exit code {done.returncode}']
        raise EngineError(lines[-1])


def _run(
    weights_path: Path, conversion: Conversion, folder: Path
) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        '-m',
        conversion.module,
        str(weights_path.resolve()),
        *conversion.arguments,
        str(folder),
    ]
    paths = os.pathsep.join(path for path in sys.path if path)
    # The child ends when its stdin does: however this process ends, it leaves no orphan behind.
    stdin, lifeline = os.pipe()
    try:
        return subprocess.run(  # noqa: S603 - our own module, no shell
            command,
            stdin=stdin,
            env={**os.environ, 'PYTHONPATH': paths},
            capture_output=True,
            text=True,
            timeout=CONVERT_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        msg = f'converting {weights_path.name} must finish, got: {error}'
        raise EngineError(msg) from error
    finally:
        os.close(stdin)
        os.close(lifeline)


@cache
def _log_once(remark: str) -> None:
    _LOG.warning('%s', remark)


def _killed_by(number: int) -> str:
    try:
        name = signal.Signals(number).name
    except ValueError:  # real-time signals have none
        name = f'signal {number}'
    if number == signal.SIGKILL:
        return f'killed by {name} (out of memory?); free memory, or lower input_size'
    return f'killed by {name}'


def serve_parent() -> None:
    """Make this process the conversion of another: it ends with that, and remarks to it.

    It ends once standard input is at its end, as when the parent is killed. What this package
    warns of goes to the parent's log.
    """

    def wait() -> None:
        while os.read(0, 1):
            pass
        os._exit(1)

    threading.Thread(target=wait, name='lifeline', daemon=True).start()
    remarks = logging.StreamHandler(sys.stdout)
    remarks.setFormatter(logging.Formatter(f'{_REMARK}%(message)s'))
    logging.getLogger('drnet_ros').addHandler(remarks)
