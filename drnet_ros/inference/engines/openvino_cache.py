"""Converted models on disk, so that only the first start of all has to convert."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import openvino as ov

from drnet_ros import network
from drnet_ros.errors import EngineError
from drnet_ros.inference.engines import openvino_convert
from drnet_ros.inference.engines.openvino_convert import MODEL_FILE

if TYPE_CHECKING:
    from drnet_ros.network.metadata import WeightsMetadata

__all__ = ['cache_folder', 'converted_model', 'model_key']

_LOG = logging.getLogger(__name__)
_VARIABLE = 'DRNET_CACHE_DIR'
_CONVERT_TIMEOUT_S = 600
_PART_PREFIX = '.part_'
_CHUNK_BYTES = 1 << 20


def cache_folder() -> Path:
    """Return the folder for converted models, made if need be.

    Returns:
        `$DRNET_CACHE_DIR`, else `$XDG_CACHE_HOME/drnet_ros`, else `~/.cache/drnet_ros`; where that
        cannot be written, a folder in the system's temporary one, private to this user.
    """
    folder = _named_folder()
    try:
        # Where there is no home folder, this raises RuntimeError.
        folder = folder.expanduser()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (OSError, RuntimeError) as error:
        fallback = Path(tempfile.mkdtemp(prefix='drnet_ros_'))
        _LOG.warning(
            'cannot write %s (%s): models are in %s, converted again at each start; '
            'set %s to a folder that can be written',
            folder,
            error,
            fallback,
            _VARIABLE,
        )
        return fallback
    _remove_stale_parts(folder)
    return folder


def _named_folder() -> Path:
    """Return the folder as the environment names it; it may start with '~'."""
    named = os.environ.get(_VARIABLE)
    return Path(named or Path(os.environ.get('XDG_CACHE_HOME') or '~/.cache', 'drnet_ros'))


def _remove_stale_parts(folder: Path) -> None:
    """Remove what conversions left that were killed; those that may still run are younger."""
    for part in folder.glob(f'{_PART_PREFIX}*'):
        with suppress(OSError):  # another process was faster
            if time.time() - part.lstat().st_mtime > _CONVERT_TIMEOUT_S:
                shutil.rmtree(part)


def model_key(weights_path: Path, metadata: WeightsMetadata, size_hw: tuple[int, int]) -> str:
    """Return a name for a converted model that changes with everything that goes into it.

    Args:
        weights_path: The weights file; its content counts, not its name.
        metadata: Its metadata.
        size_hw: Height and width of the network's input.

    Returns:
        A name fit for a folder, with the backbone and size in clear.
    """
    digest = hashlib.sha256()
    with weights_path.open('rb') as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    code = sorted(Path(network.__path__[0]).glob('*.py'))
    for source in (*code, Path(openvino_convert.__file__)):
        digest.update(source.read_bytes())
    facts = [metadata.to_json(), size_hw, ov.__version__]
    digest.update(json.dumps(facts).encode())
    height, width = size_hw
    return f'{metadata.network.backbone}_{height}x{width}_{digest.hexdigest()[:20]}'


def converted_model(
    weights_path: Path, metadata: WeightsMetadata, size_hw: tuple[int, int], folder: Path
) -> Path:
    """Return the converted model, from the cache where it is there, else made and kept.

    Args:
        weights_path: The weights file.
        metadata: Its metadata.
        size_hw: Height and width of the network's input.
        folder: The cache; several processes may use it at once.

    Returns:
        The model's .xml; its .bin lies beside it.

    Raises:
        EngineError: If the network cannot be converted.
    """
    home = folder / model_key(weights_path, metadata, size_hw)
    if not (home / MODEL_FILE).is_file():
        _LOG.info(
            'converting %s for %d x %d, once for this image shape',
            weights_path.name,
            size_hw[1],
            size_hw[0],
        )
        # A folder of its own, renamed when whole, is never seen half written.
        part = Path(tempfile.mkdtemp(prefix=_PART_PREFIX, dir=folder))
        try:
            _convert(weights_path, size_hw, part)
            with suppress(OSError):  # another process was faster, with the same result
                part.rename(home)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return home / MODEL_FILE


def _convert(weights_path: Path, size_hw: tuple[int, int], folder: Path) -> None:
    command = [
        sys.executable,
        '-m',
        'drnet_ros.inference.engines.openvino_convert',
        str(weights_path.resolve()),
        str(size_hw[0]),
        str(size_hw[1]),
        str(folder),
    ]
    paths = os.pathsep.join(path for path in sys.path if path)
    # The child ends when its stdin does: however this process ends, it leaves no orphan behind.
    stdin, lifeline = os.pipe()
    try:
        done = subprocess.run(  # noqa: S603 - our own module, no shell
            command,
            stdin=stdin,
            env={**os.environ, 'PYTHONPATH': paths},
            capture_output=True,
            text=True,
            timeout=_CONVERT_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        msg = f'converting {weights_path.name} must finish, got: {error}'
        raise EngineError(msg) from error
    finally:
        os.close(stdin)
        os.close(lifeline)
    if done.returncode < 0:
        msg = f'converting {weights_path.name} must finish, got: {_killed_by(-done.returncode)}'
        raise EngineError(msg)
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f'exit code {done.returncode}']
        raise EngineError(lines[-1])


def _killed_by(number: int) -> str:
    try:
        name = signal.Signals(number).name
    except ValueError:  # real-time signals have none
        name = f'signal {number}'
    if number == signal.SIGKILL:
        return f'killed by {name} (out of memory?); free memory, or lower input_size'
    return f'killed by {name}'
