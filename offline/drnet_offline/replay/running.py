"""One run over a recording: every frame estimated, scored, noted, and perhaps written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from drnet_offline.replay.estimating import Estimated, estimate_all
from drnet_offline.replay.frames import read_frames
from drnet_offline.replay.gallery import Gallery
from drnet_offline.replay.journal import Journal
from drnet_offline.replay.messages import depth_messages
from drnet_offline.replay.registration import at_size, registration_warnings
from drnet_offline.replay.scores import Scores, score_frame
from drnet_offline.replay.steadiness import Steadiness, StepTracker
from drnet_offline.replay.writing import Parts
from drnet_ros.inference import DepthEstimator

if TYPE_CHECKING:
    from drnet_offline.evaluation.protocols import Protocol
    from drnet_offline.replay.index import Index
    from drnet_offline.replay.variants import Variant
    from drnet_ros.inference.arrays import FloatArray
    from drnet_ros.recordings.recording import Recording

__all__ = ['Run', 'Task', 'run']


@dataclass(frozen=True, slots=True)
class Task:
    """What is asked for.

    Attributes:
        variants: What estimates depth; the first one ranks frames, and is written.
        protocols: Which pixels count; the first one ranks frames.
        tolerance_s: Largest distance of the stamps of an image and its depth.
        writes: Whether messages are kept for an output recording.
    """

    variants: tuple[Variant, ...]
    protocols: tuple[Protocol, ...]
    tolerance_s: float
    writes: bool = False

    def key(self, recording: Recording, index: Index) -> dict[str, Any]:
        """Return all that the results depend on."""
        path = recording.path
        files = sorted(path.rglob('*')) if path.is_dir() else [path]
        choice = index.choice
        return {
            'recording': [
                [str(file), file.stat().st_size, file.stat().st_mtime_ns]
                for file in files
                if file.is_file()
            ],
            'topics': [choice.image, choice.camera_info, choice.depth],
            'variants': [[v.name, v.fingerprint()] for v in self.variants],
            'protocols': [protocol.name for protocol in self.protocols],
            'tolerance_s': self.tolerance_s,
            'writes': self.writes,
        }


@dataclass(slots=True)
class Run:
    """What came of it.

    Attributes:
        scores: The sums of each variant.
        about: What estimated, in words, by variant.
        warnings: What a person must know to read the figures.
        problems: How often what was wrong with a frame.
        gallery: Frames for pictures.
        parts: Messages for an output recording, None if none were asked for.
        resumed_at: How many frames an earlier, interrupted run had done.
    """

    scores: list[Scores]
    gallery: Gallery
    parts: Parts | None
    resumed_at: int
    about: list[dict[str, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    problems: Counter[str] = field(default_factory=Counter)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all sums by name."""
        return {
            f'{number}/{name}': array
            for number, scores in enumerate(self.scores)
            for name, array in scores.arrays.items()
        }

    def notes(self) -> dict[str, Any]:
        """Return what else a state must hold."""
        return {
            'gallery': self.gallery.notes,
            'problems': dict(self.problems),
            'warnings': self.warnings,
            'parts': self.parts.closed if self.parts else 0,
        }


def run(
    recording: Recording,
    index: Index,
    task: Task,
    journal: Journal,
    on_frame: Callable[[int], None] = lambda _: None,
) -> Run:
    """Go through a recording, from where the journal ends.

    Args:
        recording: The recording.
        index: Its index.
        task: What to do.
        journal: Opened with `task.key`; holds all results.
        on_frame: Called with the number of frames done, also at the start.

    Raises:
        DrnetError: Weights, settings or the engine; what is done is in the journal.
    """
    state = _begin(task, journal)
    first = journal.frames_done
    on_frame(first)
    with ExitStack() as stack:
        estimators = [
            stack.enter_context(DepthEstimator(variant.settings)) for variant in task.variants
        ]
        state.about = [estimator.describe() for estimator in estimators]
        if first == len(index.images):
            return state
        # What depends on frames before is brought up to date with them: a filter over time with
        # all of them, the following of corners with the last one.
        has_memory = any(variant.settings.temporal_filter > 0 for variant in task.variants)
        start = 0 if has_memory else max(0, first - 1)
        tracker = StepTracker()
        points = state.parts is not None and task.variants[0].settings.points
        frames = read_frames(recording, index, start)
        for estimated in estimate_all(frames, estimators, points=points):
            steps = _steps(tracker, estimated)
            if estimated.frame.position < first:
                continue
            _take(state, index, task, journal, estimated, steps)
            done = estimated.frame.position + 1
            if journal.is_due or done == len(index.images):
                _save(state, journal, done)
            on_frame(done)
    return state


def _begin(task: Task, journal: Journal) -> Run:
    """Make the state of a new run, or load that of the interrupted one."""
    scores = [Scores(task.protocols) for _ in task.variants]
    if journal.frames_done:
        for number, each in enumerate(scores):
            each.load({n: journal.arrays[f'{number}/{n}'] for n in each.arrays})
    notes = journal.notes
    parts = Parts(journal.folder / 'parts', notes.get('parts', 0)) if task.writes else None
    gallery = Gallery(journal.folder / 'pictures', notes.get('gallery'))
    state = Run(scores, gallery, parts, journal.frames_done)
    state.warnings = list(notes.get('warnings', []))
    state.problems = Counter(notes.get('problems', {}))
    return state


def _save(state: Run, journal: Journal, done: int) -> None:
    if state.parts is not None:
        state.parts.close_part()
    journal.save(done, state.arrays(), state.notes())
    state.gallery.sweep()


def _steps(tracker: StepTracker, estimated: Estimated) -> list[Steadiness | None]:
    frame = estimated.frame
    if frame.rgb_hwc is None or not estimated.results:
        return [None] * (1 + len(estimated.results))
    depths = [result.depth_hw for result in estimated.results]
    return tracker.add(frame.rgb_hwc, [frame.truth_hw, *depths])


def _take(
    state: Run,
    index: Index,
    task: Task,
    journal: Journal,
    estimated: Estimated,
    steps: Sequence[Steadiness | None],
) -> None:
    """Score, note and keep one frame."""
    frame, results = estimated.frame, estimated.results
    state.problems.update({*frame.problems, *([estimated.problem] if estimated.problem else [])})
    truth = frame.truth_hw
    if truth is not None and frame.rgb_hwc is not None:
        image_hw = (frame.rgb_hwc.shape[0], frame.rgb_hwc.shape[1])
        for text in registration_warnings(index, image_hw, (truth.shape[0], truth.shape[1])):
            if text not in state.warnings:
                state.warnings.append(text)
    figures = [
        _figures(scores, result.depth_hw, truth, step)
        for scores, result, step in zip(state.scores, results, steps[1:], strict=False)
    ]
    journal.add(
        {
            'position': frame.position,
            'stamp_ns': frame.stamp_ns,
            'truth_gap_s': frame.truth_gap_s if truth is not None else None,
            'problems': list(frame.problems),
            'recorded': _step_fields(steps[0]),
            'variants': figures,
        }
    )
    if results:
        state.gallery.consider(
            frame, [result.depth_hw for result in results], figures[0].get('rmse')
        )
        if state.parts is not None:
            settings = task.variants[0].settings
            state.parts.write(frame.position, depth_messages(frame, results[0], settings))


def _figures(
    scores: Scores, depth_hw: FloatArray, truth_hw: FloatArray | None, step: Steadiness | None
) -> dict[str, Any]:
    scores.add_estimate(depth_hw)
    valid = np.isfinite(depth_hw)
    figures: dict[str, Any] = {
        'median_m': float(np.median(depth_hw[valid])) if valid.any() else None,
        'valid': float(valid.mean()),
        **_step_fields(step),
    }
    if truth_hw is None:
        return figures
    resized = at_size(depth_hw, (truth_hw.shape[0], truth_hw.shape[1]))
    return figures if resized is None else {**figures, **score_frame(scores, resized, truth_hw)}


def _step_fields(step: Steadiness | None) -> Mapping[str, float | None]:
    if step is None:
        return {'step': None, 'flicker': None}
    return {'step': step.step, 'flicker': step.flicker}
