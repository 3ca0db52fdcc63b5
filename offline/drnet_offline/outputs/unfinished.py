"""The folder that keeps what an interrupted run has done: no other run deletes it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from drnet_offline.errors import OfflineError
from drnet_offline.outputs.files import write_text

__all__ = ['begin_unfinished', 'check_unfinished', 'is_same_run', 'named_if_deleted']

_KEY = 'key.json'


def is_same_run(folder: Path, key: Mapping[str, Any]) -> bool:
    """Return whether a folder is of an interrupted run of the same task.

    Args:
        folder: Where such runs keep what is done; need not be there.
        key: What the results depend on; plain JSON.
    """
    try:
        return (folder / _KEY).read_text(encoding='utf-8') == _text(key)
    except (OSError, ValueError):
        return False


def begin_unfinished(folder: Path, key: Mapping[str, Any], work: str) -> None:
    """Make the folder of a run, or empty it if nothing is lost by that.

    Args:
        folder: As in `is_same_run`.
        key: As in `is_same_run`.
        work: Name of the file or folder in it that is there once there is work to lose.

    Raises:
        OfflineError: It has the work of a run of another task, or is no folder of such a run.
    """
    is_ours = (folder / _KEY).is_file()
    has_work = (folder / work).exists() and not is_same_run(folder, key)
    if is_ours and has_work:
        msg = (
            f'{folder} has what an interrupted run with other arguments or other files has done: '
            'repeat its command to go on with it, or delete the folder to begin anew'
        )
        raise OfflineError(msg)
    others = [path for path in folder.glob('*') if not path.name.startswith('.')]
    if others and not is_ours:
        msg = f'{folder} is needed for what is not finished, but has other files: move them'
        raise OfflineError(msg)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    write_text(folder / _KEY, _text(key))


def check_unfinished(folder: Path) -> None:
    """Refuse to go on where the folder of a run was deleted meanwhile.

    Args:
        folder: The folder, after `begin_unfinished`.

    Raises:
        OfflineError: It is not there any more, or another one is in its place.
    """
    if not (folder / _KEY).is_file():
        msg = (
            f'{folder} was deleted while this run kept in it what is done, which is lost: run the '
            'same command again, and leave its outputs where they are until it has ended'
        )
        raise OfflineError(msg)


@contextmanager
def named_if_deleted(folder: Path) -> Iterator[None]:
    """Say that the folder of a run was deleted where an error only names a file in it.

    Args:
        folder: The folder, after `begin_unfinished`.

    Raises:
        OfflineError: As `check_unfinished`.
    """
    try:
        yield
    except (OSError, OfflineError):
        check_unfinished(folder)
        raise


def _text(key: Mapping[str, Any]) -> str:
    return json.dumps(key, indent=1, sort_keys=True)
