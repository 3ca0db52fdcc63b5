"""How a picture moved from one frame to the next, and how far the camera went along its axis."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from drnet_ros.inference.camera import CameraModel
from drnet_ros.inference.distortion import undistort

if TYPE_CHECKING:
    from drnet_ros.inference.arrays import UInt8Array

__all__ = ['ImageMotion', 'image_motion', 'small_gray']

_AREA = 160 * 120
_CORNERS = 150
_CORNER_QUALITY = 0.01
_CORNER_DISTANCE_PX = 5
_WINDOW = (11, 11)
_PYRAMID_LEVELS = 3
_INLIER_PX = 1.0
# Fewer corners that agree say nothing; in a cut to another scene some agree by chance.
_LEAST_INLIERS = 12
_LEAST_INLIER_SHARE = 0.3
_FIT_STEPS = 10
_FIT_SCALE_PX = 0.5
# Of a camera that nobody has calibrated: 63 degrees across.
_USUAL_FOCAL_PER_WIDTH = 0.82


@dataclass(frozen=True, slots=True, eq=False)
class ImageMotion:
    """What most corners of a picture did.

    Attributes:
        similarity: Shift, turn and zoom that bring pixels of the earlier picture to the later one,
            float64 (2, 3).
        log_zoom: Logarithm of the factor by which things grew, the camera's turning set aside:
            that of depth before to depth now.
    """

    similarity: NDArray[np.float64]
    log_zoom: float


def small_gray(rgb_hwc: UInt8Array) -> UInt8Array:
    """Return a picture small enough to be followed in a millisecond or two.

    Args:
        rgb_hwc: Image, uint8 (H, W, 3), RGB.

    Returns:
        uint8 (h, w) of about 160 x 120 pixels, its aspect ratio kept; never larger than the image.
    """
    height, width = rgb_hwc.shape[:2]
    scale = min(1.0, math.sqrt(_AREA / (height * width)))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(rgb_hwc, size, interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)  # type: ignore[return-value]


def image_motion(
    before: UInt8Array, now: UInt8Array, camera: CameraModel | None = None
) -> ImageMotion | None:
    """Follow the corners of a picture into the next one.

    Args:
        before: The earlier picture, uint8 (H, W).
        now: The later picture, of the same size.
        camera: Its camera at any size; None if unknown, then a usual one is assumed.

    Returns:
        The motion, the same for the same pictures; None if there is too little to follow, or most
        of it went elsewhere.
    """
    corners = _corners(before)
    if corners is None or len(corners) < _LEAST_INLIERS:
        return None
    moved, found, _ = cv2.calcOpticalFlowPyrLK(
        before, now, corners, np.empty_like(corners), winSize=_WINDOW, maxLevel=_PYRAMID_LEVELS
    )
    is_found = found[:, 0] > 0
    if is_found.sum() < _LEAST_INLIERS:
        return None
    corners, moved = corners[is_found], moved[is_found]
    similarity = _similarity(corners, moved, len(is_found))
    if similarity is None:
        return None
    height, width = before.shape
    seen = _usual_camera(height, width) if camera is None else camera.scaled_to(height, width)
    log_zoom = _log_zoom(_rays_of(corners, seen), _rays_of(moved, seen), _FIT_SCALE_PX / seen.fx)
    return ImageMotion(similarity, log_zoom)


def _corners(picture: UInt8Array) -> NDArray[np.float32] | None:
    return cv2.goodFeaturesToTrack(  # type: ignore[return-value]
        picture, _CORNERS, _CORNER_QUALITY, _CORNER_DISTANCE_PX
    )


def _similarity(
    corners: NDArray[Any], moved: NDArray[Any], tried: int
) -> NDArray[np.float64] | None:
    found: tuple[Any, Any] = cv2.estimateAffinePartial2D(
        corners, moved, ransacReprojThreshold=_INLIER_PX
    )
    similarity, is_inlier = found
    least = max(_LEAST_INLIERS, _LEAST_INLIER_SHARE * tried)
    return None if similarity is None or is_inlier.sum() < least else np.asarray(similarity)


def _usual_camera(height: int, width: int) -> CameraModel:
    focal = _USUAL_FOCAL_PER_WIDTH * width
    return CameraModel(width, height, focal, focal, (width - 1) / 2, (height - 1) / 2)


def _rays_of(points: NDArray[Any], camera: CameraModel) -> NDArray[np.float64]:
    """Return x / z and y / z of pixels, (2, N); NaN where the distortion cannot be undone."""
    columns, rows = points.reshape(-1, 2).T.astype(np.float64)
    x, y = (columns - camera.cx) / camera.fx, (rows - camera.cy) / camera.fy
    if camera.d:
        with np.errstate(all='ignore'):
            undistort(camera.distortion_model, camera.d, x, y)
    return np.stack([x, y])


def _log_zoom(before: NDArray[np.float64], now: NDArray[np.float64], scale: float) -> float:
    """Fit a turn about any axis and a zoom to how rays moved; return the zoom.

    The equations are those of a turning camera's flow (Longuet-Higgins and Prazdny, 1980), with a
    zoom common to all for the camera's advance; weights are Cauchy's, so that what moves by itself
    hardly counts. A turn alone makes the picture grow towards its borders: a similarity would take
    that for an advance.
    """
    is_known = np.isfinite(before).all(axis=0) & np.isfinite(now).all(axis=0)
    before, now = before[:, is_known], now[:, is_known]
    x, y = (before + now) / 2
    equations = np.concatenate(
        [np.stack([1 + x * x, -x * y, -y, x], axis=1), np.stack([x * y, -1 - y * y, x, y], axis=1)]
    )
    change = (now - before).ravel()
    weights = np.ones(x.size)
    for _ in range(_FIT_STEPS):
        root = np.sqrt(np.tile(weights, 2))
        rotation_and_expansion = np.linalg.lstsq(
            equations * root[:, None], change * root, rcond=None
        )[0]
        residual = (equations @ rotation_and_expansion - change).reshape(2, -1)
        weights = 1 / (1 + (residual**2).sum(axis=0) / scale**2)
    return float(rotation_and_expansion[3])
