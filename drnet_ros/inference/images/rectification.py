"""Images without the distortion of their lens, as image_proc's rectify node makes them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from drnet_ros.errors import CameraError
from drnet_ros.inference.distortion import distort, undistort
from drnet_ros.inference.limits import MAX_CAMERAS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from drnet_ros.inference.camera import CameraModel
    from drnet_ros.inference.frames import Frame

__all__ = ['forget_rectifications', 'is_rectified', 'rectified', 'rectified_mask', 'source_pixels']

# So far may a ray come back from that went through the lens and back, in normalised units.
_SAME_RAY = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class _Rectification:
    """Where the pixels of a rectified image come from.

    Attributes:
        maps: What cv2.remap takes, fixed point.
        is_outside: Which pixels the camera does not see, bool (H, W).
    """

    maps: tuple[NDArray[Any], NDArray[Any]]
    is_outside: NDArray[np.bool_]


def is_rectified(camera: CameraModel) -> bool:
    """Return whether the images of a camera are rectified as they are."""
    return camera == camera.rectified()


def rectified(frame: Frame) -> Frame:
    """Return a frame with its image rectified.

    Args:
        frame: An image with its camera.

    Returns:
        The frame with an image of the same size that a camera with P's intrinsics and without
        distortion would take, turned by R; `raw_camera` is the camera before. The same frame if
        that is so already.

    Raises:
        CameraError: If the frame has no camera, or one whose aspect ratio differs.
    """
    if frame.camera is None:
        msg = 'rectify must have camera_info, got none that fits the image; publish it'
        raise CameraError(msg)
    height, width, _ = frame.rgb_hwc.shape
    camera = frame.camera.matching(height, width)
    if is_rectified(camera):
        return frame
    maps = _rectification(camera).maps
    rgb_hwc = np.asarray(cv2.remap(frame.rgb_hwc, *maps, cv2.INTER_LINEAR), np.uint8)
    return replace(frame, rgb_hwc=rgb_hwc, camera=camera.rectified(), raw_camera=camera)


def rectified_mask(
    mask: NDArray[np.bool_] | None, camera: CameraModel
) -> NDArray[np.bool_]:  # fmt: skip
    """Return which pixels of a rectified image show nothing, or something that is masked.

    Args:
        mask: Masked pixels of the raw image, bool (H, W), or None.
        camera: The camera of the raw image, at its size.
    """
    rectification = _rectification(camera)
    if mask is None:
        return rectification.is_outside
    moved = cv2.remap(mask.astype(np.float32), *rectification.maps, cv2.INTER_LINEAR)
    masked: NDArray[np.bool_] = (moved > 0) | rectification.is_outside
    return masked


def source_pixels(camera: CameraModel) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return where in the raw image each pixel of the rectified one lies.

    That is OpenCV's initUndistortRectifyMap, but for rays that the distortion model folds back
    into the image, which have no pixel.

    Args:
        camera: The camera of the raw image.

    Returns:
        Columns and rows, float32 (H, W) each; NaN where no pixel shows the ray.
    """
    ideal = camera.rectified()
    columns = (np.arange(camera.width, dtype=np.float64) - ideal.cx) / ideal.fx
    rows = (np.arange(camera.height, dtype=np.float64) - ideal.cy) / ideal.fy
    u, v = np.meshgrid(columns, rows)
    back = np.array(camera.r, np.float64).reshape(3, 3).T
    x, y, z = (each[0] * u + each[1] * v + each[2] for each in back)
    with np.errstate(all='ignore'):
        x, y = np.where(z > 0, x / z, np.nan), np.where(z > 0, y / z, np.nan)
        if camera.d:
            ray_x, ray_y = x, y
            x, y = distort(camera.distortion_model, camera.d, x, y)
            again_x, again_y = x.copy(), y.copy()
            undistort(camera.distortion_model, camera.d, again_x, again_y)
            error = np.maximum(np.abs(again_x - ray_x), np.abs(again_y - ray_y))
            x[~(error <= _SAME_RAY * (1 + ray_x**2 + ray_y**2))] = np.nan
    found = (x * camera.fx + camera.cx, y * camera.fy + camera.cy)
    return found[0].astype(np.float32), found[1].astype(np.float32)


def forget_rectifications() -> None:
    """Free what is kept of cameras."""
    _rectification.cache_clear()


# An entry takes 7 bytes a pixel: 2 MB for VGA.
@lru_cache(maxsize=MAX_CAMERAS)
def _rectification(camera: CameraModel) -> _Rectification:
    columns, rows = source_pixels(camera)
    is_outside = ~(
        (columns >= -0.5)
        & (columns <= camera.width - 0.5)
        & (rows >= -0.5)
        & (rows <= camera.height - 0.5)
    )
    columns[is_outside], rows[is_outside] = -1e4, -1e4  # black
    return _Rectification(cv2.convertMaps(columns, rows, cv2.CV_16SC2), is_outside)
