"""A digest of converted models: what a power cut or a bad disk did to them does not run."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ['is_sealed', 'seal']

_SEAL = 'sha256'


def seal(folder: Path) -> None:
    """Write the digest of all files of a folder into it, and have the disk keep them.

    Args:
        folder: A folder of files.

    Raises:
        OSError: The disk has no room, or fails.
    """
    (folder / _SEAL).write_text(_digest(folder), encoding='ascii')
    for path in (*folder.iterdir(), folder):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def is_sealed(folder: Path) -> bool:
    """Return whether the files of a folder are as they were when it was sealed."""
    with suppress(OSError, UnicodeDecodeError):
        return (folder / _SEAL).read_text(encoding='ascii') == _digest(folder)
    return False


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        # Folders hold what is made of the model later, such as TensorRT's plans.
        if path.name != _SEAL and not path.is_dir():
            content = path.read_bytes()
            digest.update(f'{path.name} {len(content)}\n'.encode())
            digest.update(content)
    return digest.hexdigest()
