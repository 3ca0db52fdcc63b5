"""The demo's depth against recorded depth, and why frames are not compared."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from recorded_messages import readable_messages, unreadable_text

from drnet_offline.datasets.matching import match_stamps
from drnet_offline.evaluation.figures import own_depth_warning, shape_difference
from drnet_offline.evaluation.metrics import DepthMetrics
from drnet_offline.evaluation.protocols import PROTOCOLS
from drnet_offline.outputs.wording import counted
from drnet_offline.replay.headers import header_of
from drnet_ros.errors import ImageError, RecordingError
from drnet_ros.messages.reading import decode_depth_message

if TYPE_CHECKING:
    from collections.abc import Collection

    from collector import Collector, KeptFrame
    from numpy.typing import NDArray

    from drnet_ros.recordings.recording import Recording
    from drnet_ros.recordings.topics import TopicChoice

__all__ = ['Comparison', 'compare', 'has_own_stamps']

_TOLERANCE_MS = 20


@dataclass(slots=True)
class Comparison:
    """Recorded depth of the kept frames, by the stamp of the image.

    Attributes:
        metrics: Over all of them.
        truths: Of those that are drawn, float32 (H, W) in metres.
        reasons: Why frames were not compared, and how many of them.
        problems: What could not be read of recorded depth, in whole sentences.
        differences: REL of each compared frame after it was multiplied by its scale.
    """

    metrics: DepthMetrics = field(default_factory=lambda: DepthMetrics(PROTOCOLS['full']))
    truths: dict[int, NDArray[np.float32]] = field(default_factory=dict)
    reasons: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    differences: list[float] = field(default_factory=list)

    @property
    def frames(self) -> int:
        """How many frames were compared."""
        return int(self.metrics.images)

    @property
    def reason(self) -> str:
        """Why no frame was compared, '' if one was."""
        return '' if self.frames else '; '.join(text for text, _ in self.reasons.most_common())

    @property
    def warnings(self) -> list[str]:
        """What is doubtful about recorded depth, and why some frames were not compared."""
        if not self.frames:
            return []
        text = own_depth_warning(self.differences)
        return [text] * bool(text) + [
            f'{counted(count, "frame")} not compared with recorded depth: {text}'
            for text, count in self.reasons.most_common()
        ]


def has_own_stamps(collector: Collector) -> bool:
    """Return whether each frame that arrived can be told by its stamp."""
    return len({frame.stamp_ns for frame in collector.kept}) == len(collector.kept)


def compare(
    recording: Recording, choice: TopicChoice, collector: Collector, drawn: Collection[int]
) -> Comparison:
    """Compare the frames that were kept with recorded depth.

    Args:
        recording: What was played.
        choice: Its topics.
        collector: What arrived.
        drawn: Stamps of the frames whose recorded depth is kept.
    """
    comparison = Comparison()
    if choice.depth is None:
        comparison.reasons['it has no depth topic'] = len(collector.kept)
        return comparison
    if not has_own_stamps(collector):
        text = 'its images share stamps, so that nothing tells which depth is whose'
        comparison.reasons[text] = len(collector.kept)
        return comparison
    frames = _frames_by_depth(recording, choice.depth, collector, comparison)
    errors: list[ImageError | RecordingError] = []
    for position, message in enumerate(readable_messages(recording, choice.depth, [])):
        if position not in frames:
            continue
        try:
            truth = decode_depth_message(recording.deserialize(message))
        except (ImageError, RecordingError) as error:
            errors.append(error)
            continue
        if frame := frames[position]:
            _compare_frame(comparison, choice.depth, frame, truth)
            if frame.stamp_ns in drawn and truth.shape == frame.depth_hw.shape:
                comparison.truths[frame.stamp_ns] = truth
    if errors:
        comparison.problems.append(unreadable_text(choice.depth, errors))
        if not comparison.frames:
            comparison.reasons[f'{choice.depth} cannot be decoded: {errors[0]}'] = len(errors)
    return comparison


def _frames_by_depth(
    recording: Recording, topic: str, collector: Collector, comparison: Comparison
) -> dict[int, KeptFrame | None]:
    """Return the frame of each depth image that has one, by its position, and None of damaged."""
    messages = readable_messages(recording, topic, comparison.problems)
    headers = [header_of(message) for message in messages]
    kept_ns = [frame.stamp_ns for frame in collector.kept]
    pairs = match_stamps(kept_ns, [each.stamp_ns for each in headers], _TOLERANCE_MS * 1_000_000)
    if missing := len(kept_ns) - len(pairs):
        text = f'no image of {topic} was taken within {_TOLERANCE_MS} ms of one with depth'
        comparison.reasons[text] = missing
    damaged = dict.fromkeys(i for i, header in enumerate(headers) if not header.is_whole)
    return {**damaged, **{depth: collector.kept[image] for image, depth in pairs.items()}}


def _compare_frame(
    comparison: Comparison, topic: str, frame: KeptFrame, truth: NDArray[np.float32]
) -> None:
    if truth.shape != frame.depth_hw.shape:
        sizes = (f'{w} x {h}' for h, w in (truth.shape, frame.depth_hw.shape))
        comparison.reasons['{} has {} pixels, the images have {}'.format(topic, *sizes)] += 1
        return
    depth = frame.depth_hw.astype(np.float32)
    before = comparison.frames
    comparison.metrics.update(depth, np.where(np.isfinite(depth), truth, np.float32(np.nan)))
    if comparison.frames == before:
        comparison.reasons['no pixel has both recorded and estimated depth'] += 1
    else:
        comparison.differences.append(shape_difference(depth, truth))
