"""What the recorded laser scan and odometry of a robot make of depth, frame by frame."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from drnet_offline.evaluation.metrics import DepthMetrics
from drnet_offline.evaluation.protocols import PROTOCOLS
from drnet_offline.replay.index import index_recording
from drnet_offline.replay.playback import Playback
from drnet_offline.replay.sparse_topics import SparseTopics, choose_sparse_topics
from drnet_offline.replay.variants import Variant
from drnet_ros.errors import RecordingError
from drnet_ros.inference import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from numpy.typing import NDArray

    from drnet_ros.recordings.recording import Recording
    from drnet_ros.recordings.topics import TopicChoice

__all__ = ['SourceOutcome', 'replay_sources']

_SOURCES = ('scan', 'odometry')
_TOLERANCE_S = 0.02
# Of a long recording the beginning is enough for a demo.
_MOST_FRAMES = 400


@dataclass(slots=True)
class SourceOutcome:
    """Depth whose scale is set by a source.

    Attributes:
        name: The source, as in `sparse_depth_sources`.
        metrics: Over the frames that were asked for and have recorded depth.
        depths: Of those that are drawn, by the stamp of the image: float32 (H, W), metres, NaN
            where invalid.
    """

    name: str
    metrics: DepthMetrics = field(default_factory=lambda: DepthMetrics(PROTOCOLS['full']))
    depths: dict[int, NDArray[np.float32]] = field(default_factory=dict)


def replay_sources(
    recording: Recording,
    choice: TopicChoice,
    scored_ns: Collection[int],
    drawn_ns: Collection[int],
    on_frame: Callable[[int, int], None] = lambda *_: None,
) -> list[SourceOutcome]:
    """Estimate depth with each source that a recording has, as the node would have.

    Args:
        recording: What was played.
        choice: Its topics.
        scored_ns: Stamps of the images that are compared with recorded depth.
        drawn_ns: Stamps of those whose depth is kept.
        on_frame: Called with the number of frames done and of all.

    Returns:
        One outcome for each source; none if the recording has none.

    Raises:
        RecordingError: The recording is damaged.
    """
    topics = {name: found for name in _SOURCES if (found := _topics(recording, choice, name))}
    outcomes = [SourceOutcome(name) for name in topics]
    if not outcomes:
        return []
    index = index_recording(recording, choice, _TOLERANCE_S)
    both = choose_sparse_topics(recording.topics, tuple(topics), choice, {})
    variants = [Variant(name, Settings().changed(sparse_depth_sources=(name,))) for name in topics]
    count = min(_MOST_FRAMES, len(index.images))
    with Playback(index, variants, sparse_topics=both) as playback:
        for done, estimated in enumerate(playback.frames(), 1):
            truth, stamp_ns = estimated.frame.truth_hw, estimated.frame.stamp_ns
            for outcome, result in zip(outcomes, estimated.results, strict=False):
                depth = result.depth_hw
                if stamp_ns in drawn_ns:
                    outcome.depths[stamp_ns] = depth
                if truth is not None and truth.shape == depth.shape and stamp_ns in scored_ns:
                    known = np.where(np.isfinite(depth), truth, np.float32(np.nan))
                    outcome.metrics.update(depth, known)
            on_frame(done, count)
            if done == count:
                break
    return outcomes


def _topics(recording: Recording, choice: TopicChoice, name: str) -> SparseTopics | None:
    try:
        return choose_sparse_topics(recording.topics, (name,), choice, {})
    except RecordingError:  # there is none, or nobody knows which of several
        return None
