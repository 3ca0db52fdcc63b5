"""The folder that keeps what an interrupted run has done: no other run deletes it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from drnet_offline.errors import OfflineError
from drnet_offline.outputs.files import write_text

__all__ = ['begin_unfinished', 'is_same_run']

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


def _text(key: Mapping[str, Any]) -> str:
    return json.dumps(key, indent=1, sort_keys=True)
