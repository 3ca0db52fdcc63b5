"""What a run over a recording remembers on disk, so that an interrupted one can go on.

A folder beside the outputs holds `key.json` (what was asked for), `frames.jsonl` (a line for each
frame) and `state.npz` (all sums, and how far they reach). The state is replaced in one step now
and then; what lies beyond it, after a crash, is cut off and done again.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from drnet_offline.outputs.unfinished import begin_unfinished, check_unfinished, is_same_run

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ['SAVE_EVERY_S', 'Journal']

SAVE_EVERY_S = 5.0
"""How often a run saves its state."""

Arrays = dict[str, NDArray[Any]]


class Journal:
    """The memory of one run.

    Attributes:
        folder: Where it lies; other files of the run may lie there too.
        frames_done: How many frames the saved state covers.
        arrays: The saved arrays, as last given to `save`.
        notes: The saved notes likewise.
    """

    def __init__(self, folder: Path, key: Mapping[str, Any]) -> None:
        """Open the folder, and go on from it if it is of a run with the same key.

        Args:
            folder: The folder; made if it is not there.
            key: What the results depend on; plain JSON.

        Raises:
            OfflineError: The folder has the work of a run with another key.
        """
        self.folder = folder
        self.frames_done = 0
        self.arrays: Arrays = {}
        self.notes: dict[str, Any] = {}
        self._lines_path = folder / 'frames.jsonl'
        if not (is_same_run(folder, key) and self._resume()):
            begin_unfinished(folder, key, 'state.npz')
        self._lines = self._lines_path.open('ab')
        self._saved_s = time.monotonic()

    def add(self, record: Mapping[str, Any]) -> None:
        """Note the result of a frame."""
        self._lines.write(json.dumps(record).encode() + b'\n')

    @property
    def is_due(self) -> bool:
        """Whether it is time to save."""
        return time.monotonic() - self._saved_s > SAVE_EVERY_S

    def save(self, frames_done: int, arrays: Arrays, notes: Mapping[str, Any]) -> None:
        """Save the state; from here a later run goes on.

        Args:
            frames_done: How many frames it covers.
            arrays: Sums over them.
            notes: Plain JSON.

        Raises:
            OfflineError: The folder was deleted meanwhile.
        """
        check_unfinished(self.folder)
        # On the disk before it is relied upon: after a power cut a file may be short or empty.
        self._lines.flush()
        os.fsync(self._lines.fileno())
        about = {'frames_done': frames_done, 'bytes': self._lines.tell(), 'notes': dict(notes)}
        new = self.folder / 'state.new.npz'
        named: dict[str, Any] = {**arrays, 'about': np.array(json.dumps(about))}
        with new.open('wb') as file:
            np.savez(file, **named)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, self.folder / 'state.npz')  # noqa: PTH105 - in one step, on every system
        self.frames_done, self.arrays, self.notes = frames_done, arrays, dict(notes)
        self._saved_s = time.monotonic()

    def records(self) -> Iterator[dict[str, Any]]:
        """Read all frames noted so far."""
        self._lines.flush()
        with self._lines_path.open('rb') as lines:
            yield from map(json.loads, lines)

    def close(self) -> None:
        """Close the files; they stay for a later run."""
        self._lines.close()

    def remove(self) -> None:
        """Close and delete, when the outputs are written."""
        self.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _resume(self) -> bool:
        """Load the saved state; False if there is none."""
        try:
            with np.load(self.folder / 'state.npz', allow_pickle=False) as saved:
                arrays = {name: saved[name] for name in saved.files if name != 'about'}
                about = json.loads(str(saved['about']))
            if self._lines_path.stat().st_size < about['bytes']:
                return False
            os.truncate(self._lines_path, about['bytes'])
        # Whatever is wrong with it, the run can begin anew.
        except (OSError, ValueError, KeyError, EOFError, BadZipFile):
            return False
        self.frames_done, self.arrays, self.notes = about['frames_done'], arrays, about['notes']
        return True
