"""A run over a recording: every frame estimated, scored and noted; it goes on where it stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drnet_offline.replay.journal import Journal
from drnet_offline.replay.messages import depth_messages
from drnet_offline.replay.parts import Parts
from drnet_offline.replay.playback import Estimated, Playback
from drnet_offline.replay.results import Results
from drnet_offline.replay.steadiness import Steadiness, StepTracker
from drnet_ros.closing import Closing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from drnet_offline.replay.index import Index
    from drnet_offline.replay.task import Task

__all__ = ['Replay']


class Replay(Closing):
    """A task on a recording; all of its state is in a folder, so that another run can go on.

    Attributes:
        index: The index of the recording.
        task: What is asked for.
        folder: Where the state is.
        results: What came of the frames so far.
        parts: Messages for an output recording, None if none are asked for.
        described: What estimates, in words, for each variant; empty before `run`.
        frames_done: How many frames are done.
    """

    def __init__(self, index: Index, task: Task, folder: Path) -> None:
        """Begin, or go on from what an interrupted run of the same task left in the folder.

        Args:
            index: The index of the recording.
            task: What is asked for.
            folder: Made, or emptied if another run left it.
        """
        self.index = index
        self.task = task
        self.folder = folder
        self._journal = Journal(folder, task.key(index))
        self.results = Results(task, self._journal)
        closed = self._journal.notes.get('parts', 0)
        self.parts = Parts(folder / 'parts', closed) if task.writes else None
        self.described: list[dict[str, str]] = []
        self.frames_done = self._journal.frames_done

    def run(self, on_frame: Callable[[int], None] = lambda _: None) -> None:
        """Estimate and score the frames that are left.

        Args:
            on_frame: Called with the number of frames done, also at the start.

        Raises:
            DrnetError: Weights, settings or the engine; what is done is in the folder.
        """
        first, count = self.frames_done, len(self.index.images)
        on_frame(first)
        variants = self.task.variants
        wants_points = self.task.writes and variants[0].settings.points
        with Playback(
            self.index, variants, wants_points=wants_points, sparse_topics=self.task.sparse_topics
        ) as playback:
            self.described = playback.describe()
            if first == count:
                return
            # What depends on frames before is brought up to date with them: depth with all of
            # them, the following of corners with the last one.
            start = 0 if playback.has_memory else max(0, first - 1)
            tracker = StepTracker()
            for estimated in playback.frames(start):
                steps = _steps(tracker, estimated)
                if estimated.frame.position < first:
                    continue
                self._take(estimated, steps)
                if self._journal.is_due or self.frames_done == count:
                    self._save()
                on_frame(self.frames_done)

    def records(self) -> Iterator[dict[str, Any]]:
        """Read the figures of all frames done, one by one."""
        return self._journal.records()

    def close(self) -> None:
        """Close the files; the folder stays for a later run."""
        self._journal.close()

    def remove(self) -> None:
        """Close and delete the folder, when the outputs are written."""
        self._journal.remove()

    def _take(self, estimated: Estimated, steps: list[Steadiness | None]) -> None:
        """Score, note and keep a frame."""
        frame = estimated.frame
        self._journal.add(self.results.add(self.index, estimated, steps))
        if self.parts is not None and estimated.results:
            settings = self.task.variants[0].settings
            messages = depth_messages(frame, estimated.results[0], settings)
            self.parts.write(frame.position, messages)
        self.frames_done = frame.position + 1

    def _save(self) -> None:
        notes = self.results.notes()
        if self.parts is not None:
            self.parts.close_part()
            notes['parts'] = self.parts.closed
        self._journal.save(self.frames_done, self.results.arrays(), notes)
        self.results.gallery.sweep()


def _steps(tracker: StepTracker, estimated: Estimated) -> list[Steadiness | None]:
    frame = estimated.frame
    if frame.rgb_hwc is None or not estimated.results:
        return [None] * (1 + len(estimated.results))
    depths = [result.depth_hw for result in estimated.results]
    return tracker.add(frame.rgb_hwc, [frame.truth_hw, *depths])
