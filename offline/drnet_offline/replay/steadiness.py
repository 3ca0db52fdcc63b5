"""How steady depth is from one frame to the next: at corners that are followed in the images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from drnet_ros.inference.arrays import FloatArray, UInt8Array

__all__ = ['Steadiness', 'StepTracker']

_MOST_CORNERS = 400
_LEAST_CORNERS = 20
_MAX_RETURN_PX = 0.5


@dataclass(frozen=True, slots=True)
class Steadiness:
    """How depth changed from the last frame to this one.

    Attributes:
        step: Median change of the logarithm of depth over the corners: of scale, and of nearness
            where the camera moved forward.
        flicker: Median distance of the corners' changes from that median: of shape.
    """

    step: float
    flicker: float


class StepTracker:
    """Follows corners from each image to the next (Lucas-Kanade, there and back)."""

    def __init__(self) -> None:
        self._gray: UInt8Array | None = None
        self._depths: list[FloatArray | None] = []

    def add(
        self, rgb_hwc: UInt8Array, depths: Sequence[FloatArray | None]
    ) -> list[Steadiness | None]:
        """Compare a frame with the last one.

        Args:
            rgb_hwc: The image.
            depths: Depths of it, from several sources, of any size, NaN where invalid.

        Returns:
            For each source how it changed, or None where too few corners have depth.
        """
        gray = cv2.cvtColor(rgb_hwc, cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False)
        before, self._gray = self._gray, gray
        old, self._depths = self._depths, list(depths)
        if before is None or before.shape != gray.shape or len(old) != len(depths):
            return [None] * len(depths)
        points = _follow(before, gray)
        if points is None:
            return [None] * len(depths)
        return [
            _change(was, now, points, gray.shape) for was, now in zip(old, depths, strict=True)
        ]


def _follow(
    before: UInt8Array, after: UInt8Array
) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
    corners: Any = cv2.goodFeaturesToTrack(before, _MOST_CORNERS, 0.01, 8)
    if corners is None:  # a picture without texture
        return None
    start = np.asarray(corners, np.float32)
    there, found, _ = cv2.calcOpticalFlowPyrLK(before, after, start, start.copy())
    back, returned, _ = cv2.calcOpticalFlowPyrLK(after, before, there, there.copy())
    is_good = (found[:, 0] > 0) & (returned[:, 0] > 0)
    is_good &= np.abs(back - start).max(axis=(1, 2)) < _MAX_RETURN_PX
    return start[is_good, 0], np.asarray(there, np.float32)[is_good, 0]


def _change(
    was: FloatArray | None,
    now: FloatArray | None,
    points: tuple[NDArray[np.float32], NDArray[np.float32]],
    image_hw: tuple[int, ...],
) -> Steadiness | None:
    if was is None or now is None:
        return None
    changes = np.log(_sample(now, points[1], image_hw)) - np.log(_sample(was, points[0], image_hw))
    changes = changes[np.isfinite(changes)]
    if changes.size < _LEAST_CORNERS:
        return None
    step = float(np.median(changes))
    return Steadiness(step, float(np.median(np.abs(changes - step))))


def _sample(
    depth_hw: FloatArray, points: NDArray[np.float32], image_hw: tuple[int, ...]
) -> NDArray[np.float64]:
    height, width = depth_hw.shape
    columns = ((points[:, 0] + 0.5) * (width / image_hw[1])).astype(int).clip(0, width - 1)
    rows = ((points[:, 1] + 0.5) * (height / image_hw[0])).astype(int).clip(0, height - 1)
    sampled: NDArray[np.float64] = depth_hw[rows, columns].astype(np.float64)
    return sampled
