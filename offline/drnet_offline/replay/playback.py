"""A recording played through the estimators of all variants."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from drnet_offline.replay.frames import RecordedFrame, read_frames
from drnet_ros.closing import Closing
from drnet_ros.errors import CameraError, ImageError
from drnet_ros.inference import DepthEstimator, DepthFrame, Frame

if TYPE_CHECKING:
    from drnet_offline.replay.index import Index
    from drnet_offline.replay.variants import Variant
    from drnet_ros.inference.camera import CameraModel
    from drnet_ros.inference.engines.engine import Pending

__all__ = ['Estimated', 'Playback']


@dataclass(frozen=True, slots=True, eq=False)
class Estimated:
    """A recorded frame with its depth.

    Attributes:
        frame: The frame.
        results: One for each estimator; empty if the frame could not be estimated.
        problem: Why not, '' if it could.
    """

    frame: RecordedFrame
    results: tuple[DepthFrame, ...]
    problem: str = ''


class Playback(Closing):
    """One pass over a recording through the estimators of all variants, just as the node runs.

    Attributes:
        has_memory: Whether the depth of a frame depends on the frames before it.
    """

    def __init__(
        self, index: Index, variants: Sequence[Variant], *, wants_points: bool = False
    ) -> None:
        """Open the estimators.

        Args:
            index: The index of the recording.
            variants: What estimates depth.
            wants_points: Whether the first one makes a cloud.

        Raises:
            DrnetError: Weights, settings or the engine.
        """
        self.has_memory = any(variant.settings.temporal_filter > 0 for variant in variants)
        self._index = index
        self._wants_points = wants_points
        with ExitStack() as opened:
            self._estimators = [
                opened.enter_context(DepthEstimator(variant.settings)) for variant in variants
            ]
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
        under_way: deque[tuple[RecordedFrame, list[Pending], str]] = deque()
        for frame in read_frames(self._index, start):
            under_way.append(self._submit(frame))
            if len(under_way) > 1:
                yield _finish(*under_way.popleft())
        while under_way:
            yield _finish(*under_way.popleft())

    def _submit(self, frame: RecordedFrame) -> tuple[RecordedFrame, list[Pending], str]:
        if frame.rgb_hwc is None:
            return frame, [], next((p for p in frame.problems if p.startswith('image')), 'image')
        pending = []
        try:
            for number, estimator in enumerate(self._estimators):
                camera = _usable(frame.camera, is_rectified=estimator.settings.image_is_rectified)
                points = self._wants_points and number == 0 and camera is not None
                batch = [Frame(frame.rgb_hwc, camera, points, frame.stamp_ns)]
                pending.append(estimator.submit(batch))
        except ImageError as error:
            return frame, [], f'image: {error.kind}'
        return frame, pending, ''


def _finish(frame: RecordedFrame, pending: list[Pending], problem: str) -> Estimated:
    return Estimated(frame, tuple(each.result()[0] for each in pending), problem)


def _usable(camera: CameraModel | None, *, is_rectified: bool) -> CameraModel | None:
    """Return the camera unless its P, which rectified images need, is not usable."""
    if camera is not None and is_rectified:
        try:
            camera.rectified()
        except CameraError:
            return None
    return camera
