"""The camera of an image: intrinsics, distortion, their scaling, and the ray of each pixel."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from drnet_ros.errors import CameraError
from drnet_ros.inference.arrays import (
    Matrix,
    check_rotation,
    flat_matrix,
    flat_numbers,
    plain_fields,
    whole_numbers,
)
from drnet_ros.inference.distortion import checked_coefficients, undistort
from drnet_ros.inference.limits import MAX_CAMERAS

if TYPE_CHECKING:
    from drnet_ros.inference.arrays import FloatArray

__all__ = ['CameraModel', 'rays']

_IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
# 32 rows at a time keep the undistortion's float64 temporaries in the CPU's cache.
_ROWS_AT_ONCE = 32
_ASPECT_TOLERANCE = 0.01
_MOST_OFF_CENTRE = 0.2  # in shares of the sides


@dataclass(frozen=True, slots=True)
class CameraModel:
    """A pinhole camera with lens distortion, at the size of one image; hashable.

    Pixel centers have whole coordinates, as in OpenCV and ROS: the image reaches from -0.5 to
    width - 0.5. So scaling by s maps cx to (cx + 0.5) s - 0.5.

    Attributes:
        width: Columns of the image.
        height: Rows of the image.
        fx: Focal length along the columns, in pixels.
        fy: Focal length along the rows, in pixels.
        cx: Column of the principal point, in pixels.
        cy: Row of the principal point, in pixels.
        distortion_model: 'plumb_bob', 'rational_polynomial', 'equidistant', or 'none'.
        d: Coefficients of the distortion, in the order of sensor_msgs/CameraInfo; () for 'none'.
        r: Rectification rotation, 3 x 3 by rows.
        p: Projection of rectified points, 3 x 4 by rows, in pixels; p[3] and p[7] in pixel metres.
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    distortion_model: str = 'none'
    d: tuple[float, ...] = ()
    r: tuple[float, ...] = _IDENTITY
    p: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Complete and check the values.

        Raises:
            CameraError: If a value is no number, not finite or not positive where it must be, or
                the distortion model or its number of coefficients is unknown.
        """
        for name, value in plain_fields(self).items():
            object.__setattr__(self, name, value)
        if self.width <= 0 or self.height <= 0:
            msg = f'a camera must have a positive size, got {self.width} x {self.height}'
            raise CameraError(msg)
        if not (0 < self.fx < math.inf and 0 < self.fy < math.inf):
            msg = (
                f'focal lengths must be positive, got fx {self.fx} and fy {self.fy}; '
                'calibrate the camera'
            )
            raise CameraError(msg)
        object.__setattr__(self, 'd', checked_coefficients(self.distortion_model, self.d))
        if not self.d:
            object.__setattr__(self, 'distortion_model', 'none')
        if not any(self.p) or self.p[0] == self.p[5] == 0:
            p = (self.fx, 0.0, self.cx, 0.0, 0.0, self.fy, self.cy, 0.0, 0.0, 0.0, 1.0, 0.0)
            object.__setattr__(self, 'p', p)
        if not any(self.r):
            object.__setattr__(self, 'r', _IDENTITY)
        for name, values in (('K', (self.cx, self.cy)), ('R', self.r), ('P', self.p)):
            if not all(map(math.isfinite, values)):
                msg = f'{name} must have finite values, got {list(values)}'
                raise CameraError(msg)
        check_rotation('R', self.r)
        if not (self.p[0] > 0 and self.p[5] > 0):
            msg = f'P must have positive focal lengths or be zeros, got {list(self.p)}'
            raise CameraError(msg)

    @classmethod
    def from_fields(  # noqa: PLR0913 - the fields of CameraInfo are what they are
        cls,
        *,
        width: int,
        height: int,
        k: Matrix,
        d: Sequence[float] = (),
        distortion_model: str = '',
        r: Matrix = (),
        p: Matrix = (),
        binning: tuple[int, int] = (0, 0),
        roi: tuple[int, int, int, int] = (0, 0, 0, 0),
    ) -> CameraModel:
        """Build the model of the images that come with a sensor_msgs/CameraInfo.

        CameraInfo's matrices are those of the full sensor; region of interest and binning (in this
        order) lead from there to the image. Binning obeys the pixel-center rule above.

        Args:
            width: Columns of the full sensor.
            height: Rows of the full sensor.
            k: Intrinsic matrix: 9 values by rows, 3 rows of 3, or an array of either shape.
            d: Distortion coefficients.
            distortion_model: Their model; '' and 'none' are no distortion.
            r: Rectification rotation, given likewise; empty or zeros for none.
            p: Projection matrix, 12 values or 3 rows of 4; empty or zeros for K without
                rectification.
            binning: binning_x and binning_y; 0 means 1.
            roi: x_offset, y_offset, width and height on the full sensor; all zeros is all of it.

        Returns:
            The camera at the size of its images.

        Raises:
            CameraError: If K is zero (the camera is not calibrated), or values are not usable.
        """
        k_values = flat_matrix('K', k, (3, 3))
        if not any(k_values):
            msg = 'K must be calibrated, got zeros only; calibrate the camera'
            raise CameraError(msg)
        fx, _, cx, _, fy, cy, *_ = k_values
        if cx == 0 or cy == 0:
            msg = (
                f'K must have a principal point, got cx {cx:g} and cy {cy:g} with fx {fx} and fy '
                f'{fy}: it was not set; calibrate the camera'
            )
            raise CameraError(msg)
        d_values = flat_numbers('D', d)
        r_values, p_values = flat_matrix('R', r, (3, 3)), flat_matrix('P', p, (3, 4))
        full = cls(width, height, fx, fy, cx, cy, distortion_model, d_values, r_values, p_values)
        part = full._region(whole_numbers('ROI', roi, 4))
        return part._binned(*whole_numbers('binning', binning, 2))  # noqa: SLF001

    @property
    def is_off_centre(self) -> bool:
        """Whether the principal point is farther from the middle than that of a whole image."""
        shares = self.cx / self.width, self.cy / self.height
        return not all(abs(share - 0.5) <= _MOST_OFF_CENTRE for share in shares)

    def scaled_to(self, height: int, width: int) -> CameraModel:
        """Return the camera of the resized image: K and P (P[3], P[7] too) scale, D and R stay.

        Args:
            height: Rows of the resized image.
            width: Columns of the resized image.

        Returns:
            The scaled camera, or this one if it has the size already.

        Raises:
            CameraError: If the size is not of whole positive numbers.
        """
        whole_numbers('height and width', (height, width), 2)
        if (height, width) == (self.height, self.width):
            return self
        return self._scaled(width / self.width, height / self.height, (height, width))

    def matching(self, height: int, width: int) -> CameraModel:
        """Return the camera at the size of an image that it came with.

        Args:
            height: Rows of the image.
            width: Columns of the image.

        Returns:
            This camera, scaled if the image was resized as a whole.

        Raises:
            CameraError: If the aspect ratios differ by over 1 %, so that the image must have been
                cropped in a way that the camera does not tell; or the size is none.
        """
        scaled = self.scaled_to(height, width)
        if abs(width * self.height / (height * self.width) - 1) > _ASPECT_TOLERANCE:
            msg = (
                f'camera_info must be of the image, got {self.width} x {self.height} for an image '
                f'of {width} x {height}; publish matching ones, or set the ROI in camera_info'
            )
            raise CameraError(msg)
        return scaled

    def rectified(self) -> CameraModel:
        """Return the camera of the rectified image: intrinsics from P, no distortion and no R."""
        return replace(
            self,
            fx=self.p[0],
            fy=self.p[5],
            cx=self.p[2],
            cy=self.p[6],
            distortion_model='none',
            d=(),
            r=_IDENTITY,
        )

    def focal_at(self, height: int, width: int) -> float:
        """Return the focal length, geometric mean of both axes, of the image at another size.

        Args:
            height: Rows of the resized image.
            width: Columns of the resized image.

        Returns:
            The focal length in pixels at that size.
        """
        return math.sqrt(self.fx * (width / self.width) * self.fy * (height / self.height))

    def _region(self, roi: tuple[int, ...]) -> CameraModel:
        left, top, width, height = roi
        if not any(roi):
            return self
        right, bottom = left + width, top + height
        if not (0 <= left < right <= self.width and 0 <= top < bottom <= self.height):
            msg = (
                'the ROI must be all zeros for the whole image or have a size within '
                f'{self.width} x {self.height}, got {width} x {height} at {left}, {top}'
            )
            raise CameraError(msg)
        p = list(self.p)
        p[2] -= left
        p[6] -= top
        return replace(
            self, width=width, height=height, cx=self.cx - left, cy=self.cy - top, p=tuple(p)
        )

    def _binned(self, by_x: int, by_y: int) -> CameraModel:
        by_x, by_y = by_x or 1, by_y or 1
        if by_x < 0 or by_y < 0:
            msg = f'binning must not be negative, got {by_x} x {by_y}'
            raise CameraError(msg)
        if (by_x, by_y) == (1, 1):
            return self
        return self._scaled(1 / by_x, 1 / by_y, (self.height // by_y, self.width // by_x))

    def _scaled(self, by_x: float, by_y: float, size: tuple[int, int]) -> CameraModel:
        p = list(self.p)
        p[0], p[1], p[3] = p[0] * by_x, p[1] * by_x, p[3] * by_x
        p[4], p[5], p[7] = p[4] * by_y, p[5] * by_y, p[7] * by_y
        p[2], p[6] = (p[2] + 0.5) * by_x - 0.5, (p[6] + 0.5) * by_y - 0.5
        return replace(
            self,
            height=size[0],
            width=size[1],
            fx=self.fx * by_x,
            fy=self.fy * by_y,
            cx=(self.cx + 0.5) * by_x - 0.5,
            cy=(self.cy + 0.5) * by_y - 0.5,
            p=tuple(p),
        )


# Cameras take turns, so that one place too few makes every look a miss. An entry takes 8 bytes a
# pixel, and only where clouds are wanted: 2.5 MB for VGA, 17 MB for 1080p, 66 MB for 4K.
@lru_cache(maxsize=MAX_CAMERAS)
def rays(camera: CameraModel) -> FloatArray:
    """Return the ray of each pixel, with the lens distortion undone.

    Args:
        camera: The camera; results for the last `MAX_CAMERAS` are kept.

    Returns:
        x / z and y / z in the optical frame, float32 (H, W, 2), read-only and shared; the two
        channels lie in memory as separate planes. NaN where the distortion cannot be undone.
    """
    planes = np.empty((2, camera.height, camera.width), np.float32)
    # Absurd intrinsics make infinite rays, and folded distortion makes NaN; both are answers.
    with np.errstate(all='ignore'):
        columns = (np.arange(camera.width, dtype=np.float64) - camera.cx) / camera.fx
        rows = (np.arange(camera.height, dtype=np.float64) - camera.cy) / camera.fy
        for top in range(0, camera.height, _ROWS_AT_ONCE):
            block = rows[top : top + _ROWS_AT_ONCE, np.newaxis]
            x = np.repeat(columns[np.newaxis], len(block), axis=0)
            y = np.repeat(block, camera.width, axis=1)
            if camera.d:
                undistort(camera.distortion_model, camera.d, x, y)
            planes[0, top : top + _ROWS_AT_ONCE] = x
            planes[1, top : top + _ROWS_AT_ONCE] = y
    planes.flags.writeable = False
    return planes.transpose(1, 2, 0)
