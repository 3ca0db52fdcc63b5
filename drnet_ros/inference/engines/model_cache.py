"""Converted models on disk, so that only the first start of all has to convert."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import stat
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from drnet_ros import network
from drnet_ros.errors import EngineError
from drnet_ros.inference.engines.conversion import (
    CACHE_VARIABLE,
    CONVERT_TIMEOUT_S,
    MAKE_ROOM,
    run_conversion,
)
from drnet_ros.inference.engines.model_seal import is_sealed, seal

if TYPE_CHECKING:
    from drnet_ros.inference.engines.conversion import Conversion
    from drnet_ros.network.metadata import WeightsMetadata

__all__ = ['cache_folder', 'cached_model', 'model_key', 'weights_digest']

_LOG = logging.getLogger(__name__)
_PART_PREFIX = '.part_'
_CHUNK_BYTES = 1 << 20


def cache_folder() -> Path:
    """Return the folder for converted models, made if need be.

    Returns:
        `$DRNET_CACHE_DIR`, else `$XDG_CACHE_HOME/drnet_ros`, else `~/.cache/drnet_ros`; where that
        cannot be written, a folder in the system's temporary one, private to this user and the
        same at each start.

    Raises:
        EngineError: If no folder can be written.
    """
    folder = _named_folder()
    try:
        # Where there is no home folder, this raises RuntimeError.
        folder = folder.expanduser()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (OSError, RuntimeError) as error:
        fallback = _private_folder(folder, error)
        _LOG.warning(
            'cannot write %s (%s): models are kept in %s; set %s to a folder that can be written',
            folder,
            error,
            fallback,
            CACHE_VARIABLE,
        )
        folder = fallback
    _remove_stale_parts(folder)
    return folder


def _named_folder() -> Path:
    """Return the folder as the environment names it; it may start with '~'."""
    named = os.environ.get(CACHE_VARIABLE)
    return Path(named or Path(os.environ.get('XDG_CACHE_HOME') or '~/.cache', 'drnet_ros'))


def _private_folder(named: Path, reason: Exception) -> Path:
    """Return a folder in the system's temporary one that nobody else can have put there."""
    try:
        folder = Path(tempfile.gettempdir(), f'drnet_ros_{os.getuid()}')
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        is_ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
        if not is_ours or found.st_mode & 0o022:
            msg = f'{folder} belongs to somebody else'
            raise PermissionError(msg)
    except OSError as error:
        msg = (
            f'converted models need a folder that can be written, got {named} ({reason}) and '
            f'{error}; set {CACHE_VARIABLE}'
        )
        raise EngineError(msg) from error
    return folder


def _remove_stale_parts(folder: Path) -> None:
    """Remove what conversions left that were killed; those that may still run are younger."""
    for part in folder.glob(f'{_PART_PREFIX}*'):
        with suppress(OSError):  # another process was faster
            if time.time() - part.lstat().st_mtime > CONVERT_TIMEOUT_S:
                shutil.rmtree(part)


def weights_digest(weights_path: Path) -> str:
    """Return the SHA-256 of a weights file, in hexadecimal.

    Args:
        weights_path: The weights file.

    Raises:
        EngineError: It cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with weights_path.open('rb') as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
    except OSError as error:
        msg = f'{weights_path} must stay where it is while it is in use, got: {error.strerror}'
        raise EngineError(msg) from error
    return digest.hexdigest()


def model_key(weights_path: Path, metadata: WeightsMetadata, conversion: Conversion) -> str:
    """Return a name for a converted model that changes with everything that goes into it.

    Args:
        weights_path: The weights file; its content counts, not its name.
        metadata: Its metadata.
        conversion: What converts it.

    Returns:
        A name fit for a folder, with the backbone and the label in clear.

    Raises:
        EngineError: The weights cannot be read.
    """
    digest = hashlib.sha256(weights_digest(weights_path).encode())
    networks, engines = Path(network.__path__[0]), Path(__file__).parent
    for source in (*sorted(networks.glob('*.py')), *sorted(engines.glob(conversion.sources))):
        digest.update(source.read_bytes())
    facts = [metadata.to_json(), conversion.arguments, conversion.version]
    digest.update(json.dumps(facts).encode())
    return f'{metadata.network.backbone}_{conversion.label}_{digest.hexdigest()[:20]}'


def cached_model(
    weights_path: Path, metadata: WeightsMetadata, conversion: Conversion, folder: Path
) -> Path:
    """Return the converted model, from the cache where it is there, else made and kept.

    Args:
        weights_path: The weights file.
        metadata: Its metadata.
        conversion: What converts it.
        folder: The cache; several processes may use it at once.

    Returns:
        The model's file.

    Raises:
        EngineError: If the network cannot be converted, the cache has no room for it, or the
            weights were replaced meanwhile.
    """
    home = folder / model_key(weights_path, metadata, conversion)
    if home.exists() and not is_sealed(home):
        _LOG.warning('the cached model %s is damaged: it is converted again', home)
        shutil.rmtree(home, ignore_errors=True)
    if not (home / conversion.model_file).is_file():
        _LOG.info('converting %s for %s, once', weights_path.name, conversion.label)
        # A folder of its own, renamed when whole, is never seen half written.
        part = _new_part(folder)
        try:
            run_conversion(weights_path, conversion, part)
            if model_key(weights_path, metadata, conversion) != home.name:
                msg = (
                    f'{weights_path} must stay as it is while it is converted, got another file '
                    'in its place: start again'
                )
                raise EngineError(msg)
            _seal(part)
            with suppress(OSError):  # another process was faster, with the same result
                part.rename(home)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return home / conversion.model_file


def _new_part(folder: Path) -> Path:
    try:
        return Path(tempfile.mkdtemp(prefix=_PART_PREFIX, dir=folder))
    except OSError as error:
        msg = f'the cache {folder} must have room for a model, got: {error}; {MAKE_ROOM}'
        raise EngineError(msg) from error


def _seal(part: Path) -> None:
    try:
        seal(part)
    except OSError as error:
        msg = f'the cache {part.parent} must keep a model, got: {error}; {MAKE_ROOM}'
        raise EngineError(msg) from error
