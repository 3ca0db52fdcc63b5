"""Where the results of `drnet bag` go: a JSON file, a report, and a recording."""

from __future__ import annotations

import json
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drnet_offline.errors import OfflineError
from drnet_offline.outputs.files import check_json, is_stream, make_folder, write_text
from drnet_offline.outputs.lock import locked_outputs
from drnet_offline.replay.summary import summarise
from drnet_offline.replay.writing import check_output, write_recording
from drnet_ros.errors import RecordingError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from drnet_offline.replay.replay import Replay
    from drnet_ros.recordings.recording import Recording

__all__ = ['Outputs', 'prepared_outputs']


@contextmanager
def prepared_outputs(folder: Path | None, json_path: Path | None) -> Iterator[None]:
    """Make the folder of a report, and hold it and the JSON file in a `with` statement.

    Raises:
        OfflineError: The JSON file has no folder, nothing can be written there, or another process
            writes the same.
    """
    if json_path is not None:
        check_json(json_path)
    if folder is not None:
        make_folder(folder)
    with locked_outputs(folder, json_path):
        yield


@dataclass(frozen=True, slots=True)
class Outputs:
    """What is written; None is not.

    Attributes:
        json: The file of the figures.
        report: The folder of report.html, pictures and frames.csv.
        recording: The recording with our depth: a file NAME.mcap, or a folder.
        namespace: Where our topics go in it, such as '/drnet'.
    """

    json: Path | None
    report: Path | None
    recording: Path | None
    namespace: str

    @property
    def unfinished(self) -> Path | None:
        """The folder next to the outputs for the state of a run; None without outputs.

        On the disk of the recording, if there is one: it is moved there when it is whole.
        """
        if self.report is not None and self.recording is None:
            return self.report / 'unfinished'
        output = self.recording or self.json
        if output is None or is_stream(output):
            return None
        return output.with_name(f'{output.name}.unfinished')

    def paths(self) -> list[Path]:
        """Return the files that `write` makes, for people to open."""
        page = None if self.report is None else self.report / 'report.html'
        return [path for path in (self.json, self.recording, page) if path is not None]

    def prepare(self, source: Recording, opened: ExitStack) -> None:
        """Make the folder of the report, and refuse what cannot be written, before hours of work.

        Args:
            source: The recording that is read.
            opened: Holds the outputs for this process until it is closed.

        Raises:
            OfflineError: A folder is not there, the recording is or has what we would write,
                another process writes the same, or the report has nothing to draw with.
        """
        if self.report is not None and find_spec('matplotlib') is None:
            msg = "--report needs matplotlib: pip install './offline[report]', or leave it out"
            raise OfflineError(msg)
        if self.recording is not None:
            check_output(self.recording, source, self.namespace)
        opened.enter_context(prepared_outputs(self.report, self.json))
        opened.enter_context(locked_outputs(self.recording))

    def write(
        self, replay: Replay, command: str, on_message: Callable[[], None]
    ) -> dict[str, Any]:
        """Write all outputs of a finished run.

        Args:
            replay: The run. Damage that shows only now is noted in its index.
            command: The command line, for the report.
            on_message: Called for each message of the recording that is copied.

        Returns:
            The summary, as in the JSON file.
        """
        # First: it reads all topics, and damage may be in one that is only copied.
        copied = self._write_recording(replay, on_message)
        summary = {**summarise(replay), 'command': command, **copied}
        if self.json is not None:
            write_text(self.json, json.dumps(summary, indent=2) + '\n')
        if self.report is not None:
            from drnet_offline.report.depth_report import write_report  # noqa: PLC0415 - slow

            make_folder(self.report)  # it may have been deleted during hours of work
            write_report(self.report, summary, replay)
        return summary

    def _write_recording(
        self, replay: Replay, on_message: Callable[[], None]
    ) -> dict[str, list[str]]:
        """Return what the summary says of the copy."""
        if self.recording is None:
            return {}
        try:
            left_out = write_recording(replay, self.recording, self.namespace, on_message)
        except RecordingError as error:
            replay.index.damage = replay.index.damage or str(error)
            return {}
        return {'topics_left_out': left_out}
