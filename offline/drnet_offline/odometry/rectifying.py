"""Images and depth as one camera without distortion would have taken them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from drnet_ros.inference.arrays import FloatArray, UInt8Array
    from drnet_ros.inference.camera import CameraModel

__all__ = ['Rectifier']


class Rectifier:
    """Maps from a distorted image to one of a given K and size without distortion.

    Attributes:
        k: Intrinsic matrix of the result, float64 (3, 3).
    """

    def __init__(self, camera: CameraModel, target: CameraModel | None = None) -> None:
        """Make the maps.

        Args:
            camera: The camera of the images.
            target: Whose K and size the result has; None for those of `camera`.
        """
        target = target or camera
        own = _matrix(camera)
        self.k = _matrix(target)
        self._maps: tuple[Any, Any] | None = None
        size = (target.width, target.height)
        is_same = size == (camera.width, camera.height) and np.array_equal(own, self.k)
        if camera.d or not is_same:
            is_fisheye = camera.distortion_model == 'equidistant' and camera.d
            make = (cv2.fisheye if is_fisheye else cv2).initUndistortRectifyMap
            d = np.array(camera.d or (0.0,) * 4)
            self._maps = make(own, d, np.eye(3), self.k, size, cv2.CV_32FC1)

    def image(self, rgb_hwc: UInt8Array) -> UInt8Array:
        """Return the grey image without distortion, uint8 (H, W)."""
        gray = cv2.cvtColor(rgb_hwc, cv2.COLOR_RGB2GRAY)
        if self._maps is not None:
            gray = cv2.remap(gray, *self._maps, cv2.INTER_LINEAR)
        return np.asarray(gray, np.uint8)

    def depth(self, depth_hw: FloatArray) -> FloatArray:
        """Return depth likewise, each pixel with that of the nearest; NaN beyond the border."""
        if self._maps is None:
            return depth_hw
        mapped = cv2.remap(
            depth_hw, *self._maps, cv2.INTER_NEAREST, None, cv2.BORDER_CONSTANT, float('nan')
        )
        return np.asarray(mapped, np.float32)


def _matrix(camera: CameraModel) -> NDArray[np.float64]:
    return np.array([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]], np.float64)
