"""Writing into the folder of a training, which somebody may delete in that very moment."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from drnet_ros.errors import DrnetError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ['write_kept']

# A large folder takes a moment to delete.
_TRIES = 20
_PAUSE_S = 0.05


def write_kept(folder: Path, write: Callable[[], None]) -> None:
    """Make a folder and write into it, again where it is deleted meanwhile.

    Args:
        folder: Made with its parents where it is not there.
        write: Writes files in it; may be called several times.

    Raises:
        OSError: As `write` raises it, where that is not for want of the folder or is so each time.
        DrnetError: Likewise.
    """
    left = _TRIES
    while not _is_written(folder, write, is_last=left == 1):
        left -= 1
        time.sleep(_PAUSE_S)


def _is_written(folder: Path, write: Callable[[], None], *, is_last: bool) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write()
    except (OSError, DrnetError) as error:
        cause = error if isinstance(error, OSError) else error.__cause__
        if is_last or not isinstance(cause, FileNotFoundError):
            raise
        return False
    return True
