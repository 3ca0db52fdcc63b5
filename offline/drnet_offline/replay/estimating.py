"""Frames through the estimators of all variants: the next image is decoded meanwhile."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from drnet_ros.errors import CameraError, ImageError
from drnet_ros.inference import DepthEstimator, DepthFrame, Frame

if TYPE_CHECKING:
    from drnet_offline.replay.frames import RecordedFrame
    from drnet_ros.inference.camera import CameraModel
    from drnet_ros.inference.engines.engine import Pending

__all__ = ['Estimated', 'estimate_all']


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


def estimate_all(
    frames: Iterable[RecordedFrame], estimators: Sequence[DepthEstimator], *, points: bool = False
) -> Iterator[Estimated]:
    """Estimate the depth of each frame with each estimator, in order, just as the node does.

    Args:
        frames: The frames.
        estimators: The estimators.
        points: Whether the first one makes a cloud.

    Yields:
        Each frame with its depth.

    Raises:
        EngineError: The network fails.
    """
    under_way: deque[tuple[RecordedFrame, list[Pending], str]] = deque()
    for frame in frames:
        under_way.append(_submit(frame, estimators, points=points))
        if len(under_way) > 1:
            yield _finish(*under_way.popleft())
    while under_way:
        yield _finish(*under_way.popleft())


def _submit(
    frame: RecordedFrame, estimators: Sequence[DepthEstimator], *, points: bool
) -> tuple[RecordedFrame, list[Pending], str]:
    if frame.rgb_hwc is None:
        return frame, [], next((p for p in frame.problems if p.startswith('image')), 'image')
    pending = []
    try:
        for number, estimator in enumerate(estimators):
            camera = _usable(frame.camera, is_rectified=estimator.settings.image_is_rectified)
            wants_points = points and number == 0 and camera is not None
            batch = [Frame(frame.rgb_hwc, camera, wants_points, frame.stamp_ns)]
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
