"""A recording played through the estimators of all variants."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from drnet_offline.replay.frames import RecordedFrame, read_frames
from drnet_offline.replay.sparse_player import SparsePlayer
from drnet_offline.replay.sparse_topics import SparseTopics
from drnet_ros.closing import Closing
from drnet_ros.errors import CameraError, ImageError, RecordingError, SettingsError, one_line
from drnet_ros.inference import DepthEstimator, DepthFrame, Frame

if TYPE_CHECKING:
    from drnet_offline.replay.index import Index
    from drnet_offline.replay.variants import Variant
    from drnet_ros.inference.camera import CameraModel
    from drnet_ros.inference.engines.engine import Pending
    from drnet_ros.inference.sparse_depth.sources.sensor import SourceStatus
    from drnet_ros.recordings.recording import RecordedMessage

__all__ = ['Estimated', 'Playback']

_NO_TOPICS = SparseTopics()


@dataclass(frozen=True, slots=True, eq=False)
class Estimated:
    """A recorded frame with its depth.

    Attributes:
        frame: The frame.
        results: One for each estimator; empty if the frame could not be estimated.
        problem: Why not, '' if it could.
        sources: How the sources of sparse depth of each estimator fared with it, by their names.
    """

    frame: RecordedFrame
    results: tuple[DepthFrame, ...]
    problem: str = ''
    sources: tuple[Mapping[str, SourceStatus], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class _UnderWay:
    """A frame that the estimators work on."""

    frame: RecordedFrame
    pending: Sequence[Pending] = ()
    problem: str = ''
    sources: Sequence[Mapping[str, SourceStatus]] = ()

    def finish(self) -> Estimated:
        results = tuple(each.result()[0] for each in self.pending)
        return Estimated(self.frame, results, self.problem, tuple(self.sources))


class Playback(Closing):
    """One pass over a recording through the estimators of all variants, just as the node runs.

    Attributes:
        has_memory: Whether the depth of a frame depends on the frames before it.
    """

    def __init__(
        self,
        index: Index,
        variants: Sequence[Variant],
        *,
        wants_points: bool = False,
        sparse_topics: SparseTopics = _NO_TOPICS,
    ) -> None:
        """Open the estimators.

        Args:
            index: The index of the recording.
            variants: What estimates depth.
            wants_points: Whether the first one makes a cloud.
            sparse_topics: Where the sources of sparse depth of all variants are recorded.

        Raises:
            DrnetError: Weights, settings or the engine.
        """
        settings = [variant.settings for variant in variants]
        if any(each.rectify for each in settings):
            msg = (
                'rectify must be false for recordings, got true: their depth belongs to the '
                'images as they are; record image_rect and set image_is_rectified'
            )
            raise SettingsError(msg)
        self.has_memory = any(
            each.temporal_filter > 0 or each.sparse_depth_names for each in settings
        )
        self._index = index
        self._wants_points = wants_points
        self._sparse_topics = sparse_topics
        self._players = [
            SparsePlayer(each, sparse_topics) if each.sparse_depth_names else None
            for each in settings
        ]
        with ExitStack() as opened:
            self._estimators = [opened.enter_context(DepthEstimator(each)) for each in settings]
            self._opened = opened.pop_all()

    def close(self) -> None:
        """Close the estimators."""
        self._opened.close()

    def describe(self) -> list[dict[str, str]]:
        """Return what estimates, in words, for each variant."""
        return [estimator.describe() for estimator in self._estimators]

    def frames(self, start: int = 0) -> Iterator[Estimated]:
        """Estimate the depth of each frame with each estimator, in the order of the recording.

        The next image is decoded while the networks run.

        Args:
            start: Position of the first image wanted.

        Yields:
            Each frame with its depth.

        Raises:
            EngineError: The network fails.
            RecordingError: The recording is damaged before the end of its index.
        """
        self._receive_static_transforms()
        under_way: deque[_UnderWay] = deque()
        for frame in read_frames(self._index, start, self._sparse_topics.all):
            under_way.append(self._submit(self._received(frame)))
            if len(under_way) > 1:
                yield under_way.popleft().finish()
        while under_way:
            yield under_way.popleft().finish()

    def _receive_static_transforms(self) -> None:
        """Give the sources what the latched topics hold, whenever it was recorded.

        A node gets it at its start. Where a transform was published anew, the first one holds
        until the recording comes to the second. What is wrong with one is said at its place.
        """
        if not any(self._players):
            return
        topics = self._sparse_topics.static_transforms
        recorded: list[RecordedMessage] = []
        try:
            recorded.extend(self._index.recording.messages(topics) if topics else ())
        except RecordingError as error:
            self._index.damage = self._index.damage or str(error)
        messages = [(each.topic, self._deserialized(each)) for each in reversed(recorded)]
        for player in self._players:
            if player is not None:
                player.receive([each for each in messages if each[1] is not None])

    def _received(self, frame: RecordedFrame) -> RecordedFrame:
        """Give the sources what was recorded before a frame; return it with what is wrong."""
        messages = [(each.topic, self._deserialized(each)) for each in frame.side_messages]
        readable = [(topic, message) for topic, message in messages if message is not None]
        problems = [
            f'message on {topic}: unreadable message'
            for topic, message in messages
            if message is None
        ]
        for player in self._players:
            if player is not None:
                problems += [f'transform {problem}' for problem in player.receive(readable)]
        return replace(
            frame, side_messages=(), problems=tuple(dict.fromkeys((*frame.problems, *problems)))
        )

    def _deserialized(self, recorded: RecordedMessage) -> Any:
        try:
            return self._index.recording.deserialize(recorded)
        except RecordingError:
            return None

    def _submit(self, frame: RecordedFrame) -> _UnderWay:
        if frame.rgb_hwc is None:
            problem = next((p for p in frame.problems if p.startswith('image')), 'image')
            return _UnderWay(frame, problem=problem)
        pending: list[Pending] = []
        sources: list[Mapping[str, SourceStatus]] = []
        try:
            for estimator, player in zip(self._estimators, self._players, strict=True):
                camera = _usable(frame.camera, is_rectified=estimator.settings.image_is_rectified)
                points = self._wants_points and not pending and camera is not None
                one = Frame(
                    frame.rgb_hwc,
                    camera,
                    points,
                    frame.stamp_ns,
                    stddev=frame.truth_hw is not None,
                )
                if player is not None:
                    one = player.complete(one, frame.frame_id)
                sources.append({} if player is None else player.status())
                pending.append(estimator.submit([one]))
        except ImageError as error:
            return _UnderWay(frame, problem=f'image: {one_line(error)}')
        return _UnderWay(frame, pending, sources=sources)


def _usable(camera: CameraModel | None, *, is_rectified: bool) -> CameraModel | None:
    """Return the camera unless its P, which rectified images need, is not usable."""
    if camera is not None and is_rectified:
        try:
            camera.rectified()
        except CameraError:
            return None
    return camera
