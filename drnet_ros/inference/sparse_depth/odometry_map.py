"""Sparse depth from a moving camera: corners, triangulated with the robot's own odometry.

Corners are followed from image to image, triangulated with the poses that odometry gives, kept in
a small map of the world when they are lost, and seen again from there. Depth comes from parallax,
so a camera that stands still or only turns gets nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from drnet_ros.errors import SparseDepthError
from drnet_ros.inference.camera import CameraModel
from drnet_ros.inference.distortion import undistort
from drnet_ros.inference.sparse_depth.points import SparseDepth
from drnet_ros.inference.sparse_depth.tracks import CornerTracker
from drnet_ros.inference.sparse_depth.triangulation import RaySums

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ['OdometryMap']

_MAX_WIDTH = 400  # corners are followed in images at most so wide
_LEAST_RAYS = 5
_LEAST_ERROR_PX = 0.15
# A corner whose rays miss one another by more than those of most corners is no fixed point of the
# scene: an edge that passes behind another, say. An error across the parallax, which can be seen,
# says how large that along it is, which cannot.
_MOST_MISSED = 1.5
# If few corners have a depth, they have it by chance: the camera turned, and hardly moved.
_LEAST_GOOD_SHARE = 0.2
_ALONG_OVER_ACROSS = 1.5
_MAX_RELATIVE_STDDEV = 0.06
_MAX_AGED_STDDEV = 0.12
_MAX_AGE_FRAMES = 400
_MAX_MAP = 2000
# Odometry drifts; a point that is in the map for long is where it was not.
_AGEING = 0.1 / _MAX_AGE_FRAMES
_CELL_SHARE = 1 / 20  # of the image's width; one point for each
_FIELD = 2.0  # further from the axis than so many widths of the image no point is kept
_ORTHOGONAL = 1e-3
# Where most corners are so far from where they must be, the pose jumped by less than can be told
# from its speed: a correction of a SLAM, a wheel that slipped.
_TORN_PX = 5.0
_LEAST_TORN = 20


class OdometryMap:
    """Corners of one camera in the world; for one thread at a time."""

    def __init__(self) -> None:
        """Know nothing as yet."""
        self.reset()

    def reset(self) -> None:
        """Forget the corners and the map: after a jump of the odometry or of time."""
        self._tracker = CornerTracker()
        self._rays = RaySums()
        self._shape: tuple[int, ...] = ()
        self._frame = 0
        # Of the world that is kept: far from the world's own, in UTM say, digits would be lost.
        self._origin: NDArray[np.float64] | None = None
        self._corners = np.empty((0, 4))  # x, y, z from the origin, relative deviation
        self._map = np.empty((0, 5))  # x, y, z from the origin, relative deviation, frame

    def feed(
        self,
        gray_hw: NDArray[np.uint8],
        camera: CameraModel,
        world_from_camera: NDArray[np.floating],
    ) -> SparseDepth:
        """Take the next image, and return what is known of the depth in it.

        Args:
            gray_hw: The image, uint8 (H, W), grey; images of another size start anew.
            camera: Its camera, at any size of the same aspect ratio.
            world_from_camera: Pose of the camera's optical frame at the image's stamp in a frame
                that stands still, float (4, 4), metres.

        Returns:
            Points in the optical frame with their relative deviation, none if the camera has not
            moved enough; `source` is 'odometry'.

        Raises:
            SparseDepthError: If the image, the camera or the pose is not of that kind.
        """
        pose = _checked_pose(world_from_camera)
        _check_type('a grey image', gray_hw, np.ndarray)
        small = _checked_small(gray_hw)
        _check_type('camera', camera, CameraModel)
        if small.shape != self._shape:
            self.reset()
            self._shape = small.shape
        if self._origin is None:
            self._origin = pose[:3, 3].copy()
        pose[:3, 3] -= self._origin
        self._frame += 1
        seen = camera.scaled_to(*small.shape)
        is_found = self._tracker.follow(small)
        directions = _directions(self._tracker.pixels, seen) @ pose[:3, :3].T
        focal_px = seen.focal_at(*small.shape)
        if self._is_torn(is_found, pose[:3, 3], directions, focal_px):
            self._unlearn()
        self._remember(~is_found)
        self._rays.keep(is_found, len(directions) - int(np.count_nonzero(is_found)))
        self._rays.add(pose[:3, 3], directions)
        self._corners = self._triangulate(pose[:3, 3], focal_px)
        return self._seen(pose, seen)

    def _is_torn(
        self,
        is_found: NDArray[np.bool_],
        centre: NDArray[np.float64],
        directions: NDArray[np.float64],
        focal_px: float,
    ) -> bool:
        """Return whether corners are not seen where they must be from this pose."""
        towards = self._corners[is_found, :3] - centre
        missed = np.cross(towards, directions[: len(towards)])
        is_known = np.isfinite(missed).all(axis=1) & np.isfinite(self._corners[is_found, 3])
        if np.count_nonzero(is_known) < _LEAST_TORN:
            return False
        distance = np.linalg.norm(towards[is_known], axis=1)
        angle = np.linalg.norm(missed[is_known], axis=1) / distance
        return bool(np.median(angle) * focal_px > _TORN_PX)

    def _unlearn(self) -> None:
        """Forget where corners are, and go on to follow them."""
        self._corners[:] = np.nan
        self._map = self._map[:0]
        self._rays.keep(np.zeros(len(self._corners), bool), len(self._corners))

    def _triangulate(self, centre: NDArray[np.float64], focal_px: float) -> NDArray[np.float64]:
        """Return place and relative deviation of each corner, (N, 4); NaN where unknown."""
        found = self._rays.triangulate(centre)
        residual_px = found.residual * focal_px
        is_old = found.count >= _LEAST_RAYS
        # How far rays miss one another says how wrong poses, stamps and corners are together.
        missed = residual_px[is_old & np.isfinite(residual_px)]
        if not len(missed):
            return np.full((len(found.count), 4), np.nan)
        error_px = max(_LEAST_ERROR_PX, float(np.median(missed)))
        with np.errstate(divide='ignore', invalid='ignore'):
            stddev = _ALONG_OVER_ACROSS * error_px / focal_px / found.parallax
            is_good = is_old & (stddev < _MAX_RELATIVE_STDDEV)
            is_good &= residual_px < _MOST_MISSED * error_px
        if np.count_nonzero(is_good) < _LEAST_GOOD_SHARE * np.count_nonzero(is_old):
            is_good[:] = False
        stddev[~is_good] = np.nan
        return np.column_stack([found.points, stddev])

    def _remember(self, is_lost: NDArray[np.bool_]) -> None:
        """Move corners that are lost to the map, and forget what is too old."""
        lost = self._corners[is_lost]
        lost = lost[np.isfinite(lost).all(axis=1)]
        entries = np.column_stack([lost, np.full(len(lost), self._frame)])
        young = self._map[self._map[:, 4] > self._frame - _MAX_AGE_FRAMES]
        self._map = np.concatenate([young, entries])[-_MAX_MAP:]

    def _seen(self, pose: NDArray[np.float64], camera: CameraModel) -> SparseDepth:
        """Return corners and map as the camera sees them, the surest of each cell."""
        corners = self._corners[np.isfinite(self._corners).all(axis=1)]
        aged = self._map[:, 3] + _AGEING * (self._frame - self._map[:, 4])
        world = np.concatenate([corners[:, :3], self._map[:, :3]])
        stddev = np.concatenate([corners[:, 3], aged])
        points = (world - pose[:3, 3]) @ pose[:3, :3]
        with np.errstate(divide='ignore', invalid='ignore'):
            columns = points[:, 0] / points[:, 2] * camera.fx
            rows = points[:, 1] / points[:, 2] * camera.fy
        is_ahead = (points[:, 2] > 0) & (np.hypot(columns, rows) < _FIELD * camera.width)
        is_ahead &= stddev < _MAX_AGED_STDDEV
        points, stddev = points[is_ahead], stddev[is_ahead]
        side = camera.width * _CELL_SHARE
        cells = np.floor(np.stack([rows[is_ahead], columns[is_ahead]]) / side).astype(np.int64)
        order = np.argsort(stddev, kind='stable')
        _, first = np.unique(cells[0, order] * 4096 + cells[1, order], return_index=True)
        chosen = order[first]
        return SparseDepth(points[chosen], stddev[chosen], source='odometry')


def _check_type(name: str, value: object, kind: type) -> None:
    if not isinstance(value, kind):
        msg = f'{name} must be of type {kind.__name__}, got {type(value).__name__}'
        raise SparseDepthError(msg)


def _checked_pose(pose: NDArray[np.floating]) -> NDArray[np.float64]:
    try:
        matrix = np.array(pose, np.float64)
    except (TypeError, ValueError) as error:
        msg = f'world_from_camera must be an array of numbers, got {type(pose).__name__}'
        raise SparseDepthError(msg) from error
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all():
        msg = f'world_from_camera must be finite and 4 x 4, got the shape {matrix.shape}'
        raise SparseDepthError(msg)
    rotation = matrix[:3, :3]
    skew = float(np.abs(rotation @ rotation.T - np.eye(3)).max())
    if skew > _ORTHOGONAL or np.linalg.det(rotation) < 0:
        msg = 'world_from_camera must hold a rotation; normalise the quaternion it is made of'
        raise SparseDepthError(msg)
    return matrix


def _checked_small(gray_hw: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if gray_hw.ndim != 2 or gray_hw.dtype != np.uint8 or 0 in gray_hw.shape:
        msg = f'a grey image must be uint8 (H, W), got {gray_hw.dtype} {gray_hw.shape}'
        raise SparseDepthError(msg)
    height, width = gray_hw.shape
    shrink = max(1, round(width / _MAX_WIDTH))
    if shrink == 1:
        return np.ascontiguousarray(gray_hw)
    size = (max(1, width // shrink), max(1, height // shrink))
    return cv2.resize(gray_hw, size, interpolation=cv2.INTER_AREA)  # type: ignore[return-value]


def _directions(pixels: NDArray[np.float32], camera: CameraModel) -> NDArray[np.float64]:
    """Return unit vectors along pixels in the optical frame, (N, 3); NaN where unknown."""
    columns, rows = pixels.astype(np.float64).T
    x, y = (columns - camera.cx) / camera.fx, (rows - camera.cy) / camera.fy
    if camera.d:
        with np.errstate(all='ignore'):
            undistort(camera.distortion_model, camera.d, x, y)
    rays = np.stack([x, y, np.ones_like(x)], axis=1)
    unit: NDArray[np.float64] = rays / np.linalg.norm(rays, axis=1, keepdims=True)
    return unit
