"""The results of a run over a recording, frame by frame: sums, warnings and pictures."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from drnet_offline.replay.gallery import Gallery
from drnet_offline.replay.registration import at_size, registration_warnings
from drnet_offline.replay.scores import Scores, score_frame
from drnet_offline.replay.sparse_records import count_kinds, sparse_fields

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from drnet_offline.replay.frames import RecordedFrame
    from drnet_offline.replay.index import Index
    from drnet_offline.replay.journal import Journal
    from drnet_offline.replay.playback import Estimated
    from drnet_offline.replay.steadiness import Steadiness
    from drnet_offline.replay.task import Task
    from drnet_ros.inference import DepthFrame
    from drnet_ros.inference.arrays import FloatArray

__all__ = ['Results']


class Results:
    """What came of the frames so far; with the journal's records the whole state of a run.

    Attributes:
        scores: The sums of each variant.
        gallery: Frames for pictures.
        warnings: What a person must know to read the figures.
        problems: How often what was wrong with a frame.
    """

    def __init__(self, task: Task, journal: Journal) -> None:
        """Begin, or go on from what an interrupted run saved in the journal."""
        notes = journal.notes
        self.scores = [Scores(task.protocols) for _ in task.variants]
        if journal.frames_done:
            for number, scores in enumerate(self.scores):
                scores.load({n: journal.arrays[f'{number}/{n}'] for n in scores.arrays})
        self.gallery = Gallery(journal.folder / 'pictures', notes.get('gallery'))
        self.warnings: list[str] = list(notes.get('warnings', []))
        self.problems: Counter[str] = Counter(notes.get('problems', {}))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all sums by name, as the journal saves them."""
        return {
            f'{number}/{name}': array
            for number, scores in enumerate(self.scores)
            for name, array in scores.arrays.items()
        }

    def notes(self) -> dict[str, Any]:
        """Return the rest of the state, plain JSON, as the journal saves it."""
        return {
            'gallery': self.gallery.notes,
            'problems': dict(self.problems),
            'warnings': self.warnings,
        }

    def add(
        self, index: Index, estimated: Estimated, steps: Sequence[Steadiness | None]
    ) -> dict[str, Any]:
        """Add a frame.

        Args:
            index: The index of the recording.
            estimated: The frame and its depth.
            steps: How recorded depth, and the depth of each variant, changed since the frame
                before.

        Returns:
            Its record for the journal.
        """
        frame, results = estimated.frame, estimated.results
        own = [estimated.problem] if estimated.problem else []
        count_kinds(self.problems, dict.fromkeys((*frame.problems, *own)))
        self._warn_of_registration(index, frame)
        truth = frame.truth_hw
        figures = [
            _figures(scores, result, truth, step)
            for scores, result, step in zip(self.scores, results, steps[1:], strict=False)
        ]
        for each, result, sources in zip(figures, results, estimated.sources, strict=True):
            each.update(sparse_fields(result.scale, sources))
        if results:
            depths = [result.depth_hw for result in results]
            self.gallery.consider(frame, depths, figures[0].get('rel'))
        return {
            'position': frame.position,
            'stamp_ns': frame.stamp_ns,
            'truth_gap_s': frame.truth_gap_s if truth is not None else None,
            'problems': list(frame.problems),
            'recorded': _step_fields(steps[0]),
            'variants': figures,
        }

    def _warn_of_registration(self, index: Index, frame: RecordedFrame) -> None:
        truth, rgb = frame.truth_hw, frame.rgb_hwc
        if truth is None or rgb is None:
            return
        sizes = (rgb.shape[0], rgb.shape[1]), (truth.shape[0], truth.shape[1])
        for text in registration_warnings(index, *sizes):
            if text not in self.warnings:
                self.warnings.append(text)


def _figures(
    scores: Scores, result: DepthFrame, truth_hw: FloatArray | None, step: Steadiness | None
) -> dict[str, Any]:
    depth_hw, stddev_hw = result.depth_hw, result.stddev_hw
    scores.add_estimate(depth_hw)
    valid = np.isfinite(depth_hw)
    figures: dict[str, Any] = {
        'median_m': float(np.median(depth_hw[valid])) if valid.any() else None,
        'valid': float(valid.mean()),
        **_step_fields(step),
    }
    if truth_hw is None:
        return figures
    size = (truth_hw.shape[0], truth_hw.shape[1])
    resized = at_size(depth_hw, size)
    if resized is None:
        return figures
    deviation = None if stddev_hw is None else at_size(stddev_hw, size)
    if deviation is not None:
        scores.add_deviations(resized, truth_hw, deviation)
    return {**figures, **score_frame(scores, resized, truth_hw)}


def _step_fields(step: Steadiness | None) -> dict[str, float | None]:
    if step is None:
        return {'step': None, 'flicker': None}
    return {'step': step.step, 'flicker': step.flicker}
