"""What an adaptation remembers on disk, so that one that was killed goes on."""

from __future__ import annotations

import json
import shutil
import time
from typing import TYPE_CHECKING, Any

from drnet_offline.outputs.files import write_text
from drnet_offline.outputs.unfinished import begin_unfinished, check_unfinished, is_same_run

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ['State']


class State:
    """The folder of an unfinished adaptation.

    Attributes:
        folder: Where it lies.
        is_resumed: Whether an interrupted run of the same adaptation is gone on with.
    """

    def __init__(self, folder: Path, key: Mapping[str, Any]) -> None:
        """Open the folder.

        Args:
            folder: Made if it is not there.
            key: What the result depends on; plain JSON.

        Raises:
            OfflineError: The folder has the work of another adaptation.
        """
        self.folder = folder
        self.is_resumed = is_same_run(folder, key)
        if not self.is_resumed:
            begin_unfinished(folder, key, 'learned0')
        self._began_s = time.monotonic()
        self._notes_path = folder / 'notes.json'
        self._notes: dict[str, Any] = {'spent_s': 0.0}
        if self._notes_path.is_file():
            self._notes = json.loads(self._notes_path.read_text(encoding='utf-8'))
        self._spent_before_s = float(self._notes['spent_s'])

    @property
    def spent_s(self) -> float:
        """Time spent so far, by interrupted runs too."""
        return self._spent_before_s + time.monotonic() - self._began_s

    @property
    def checkpoint(self) -> Path:
        """The state of the training."""
        return self.folder / 'training.pt'

    def get(self, name: str) -> Any:
        """Return a note; None if there is none."""
        return self._notes.get(name)

    def note(self, **notes: Any) -> None:
        """Keep notes, plain JSON, and the time spent.

        Raises:
            OfflineError: The folder was deleted meanwhile.
        """
        check_unfinished(self.folder)
        self._notes |= {**notes, 'spent_s': self.spent_s}
        write_text(self._notes_path, json.dumps(self._notes))

    def remove(self) -> None:
        """Delete all of it, when the outputs are written."""
        shutil.rmtree(self.folder, ignore_errors=True)
