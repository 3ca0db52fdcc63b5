"""What a person must know of an image or a video to judge its depth."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from drnet_offline.outputs.wording import counted
from drnet_ros.inference.depth import depth_range
from drnet_ros.inference.images.doubts import stretch_doubt
from drnet_ros.inference.images.exposure import exposure_problem
from drnet_ros.inference.limits import MAX_PIXELS

if TYPE_CHECKING:
    from drnet_offline.datasets.image_files import Photo
    from drnet_ros.inference import CameraModel
    from drnet_ros.inference.arrays import FloatArray

__all__ = ['VideoDepths', 'remarks_on']

_RANGE_SMOOTHING = 0.1


def remarks_on(photo: Photo, camera: CameraModel | None) -> list[str]:
    """Return what makes depth of a photo doubtful, or less than was asked for.

    Args:
        photo: The photo.
        camera: Its camera, None if unknown.
    """
    height, width = photo.rgb_hwc.shape[:2]
    remarks = []
    if photo.reduction != 1:
        most = f'over {MAX_PIXELS / 1e6:.1f} million pixels'
        remarks.append(f'{most}, so reduced to {width} x {height}')
    if photo.facts.pages > 1:
        remarks.append(f'the first of {photo.facts.pages} pictures in the file')
    if photo.facts.is_gray16:
        remarks.append('gray of 16 bits: is it depth, and no picture?')
    elif exposure := exposure_problem(photo.rgb_hwc):
        remarks.append(f'the image is {exposure}')
    if camera is not None and camera.is_off_centre:
        remarks.append(
            f'the principal point {camera.cx:.0f}, {camera.cy:.0f} is far from the middle of '
            f'{width} x {height}: are the intrinsics of this size?'
        )
    if camera is not None and (doubt := stretch_doubt(camera)):
        remarks.append(doubt)
    return remarks


@dataclass(slots=True)
class VideoDepths:
    """What the frames of a video have shown so far.

    Attributes:
        count: How many frames.
        invalid: How many without any valid depth.
        nearest: Nearest depth of the colours, metres.
        farthest: Farthest depth of the colours, metres.
    """

    count: int = 0
    invalid: int = 0
    nearest: float = math.inf
    farthest: float = -math.inf
    _range_m: tuple[float, float] | None = None

    def add(self, depth_hw: FloatArray) -> tuple[float, float]:
        """Take a frame.

        Args:
            depth_hw: Its depth, metres, NaN where invalid.

        Returns:
            Depths of its first and last colour, which follow the video slowly.
        """
        self.count += 1
        found = depth_range(depth_hw)
        if not np.isfinite(depth_hw).any():
            self.invalid += 1
            return self._range_m or found
        if self._range_m is not None:
            old = self._range_m
            near, far = (a + _RANGE_SMOOTHING * (b - a) for a, b in zip(old, found, strict=True))
            found = near, far
        self._range_m = found
        self.nearest, self.farthest = min(self.nearest, found[0]), max(self.farthest, found[1])
        return found

    def describe(self, said: int) -> str:
        """Return depths and number of frames in words.

        Args:
            said: How many frames the video says that it has, 0 if it does not.
        """
        is_cut = self.count < said
        frames = f'{self.count} of the {said} frames' if is_cut else counted(self.count, 'frame')
        text = f'{self.nearest:.2f} to {self.farthest:.2f} m, {frames}'
        return f'{text}, {self.invalid} without valid depth' if self.invalid else text
