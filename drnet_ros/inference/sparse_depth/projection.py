"""Projects sparse depth into an image, in bounded time however many points there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from drnet_ros.inference.distortion import distort, undistort
from drnet_ros.inference.sparse_depth.points import VAGUEST
from drnet_ros.inference.sparse_depth.thinning import thinned

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from drnet_ros.inference.camera import CameraModel
    from drnet_ros.inference.sparse_depth.points import SparseDepth

__all__ = ['ImagePoints', 'project']

_NEAREST_M = 0.01
# Of larger clouds every n-th point is taken: 30 000 are projected in 3 ms, and far more lie in
# the image than are used.
_MAX_PROJECTED = 30_000
# tan of 0.01 degrees: where a lens model folds, distinct rays meet in one pixel.
_SAME_RAY = 2e-4


@dataclass(frozen=True, slots=True, eq=False)
class ImagePoints:
    """Sparse depth in pixels.

    Attributes:
        columns: Nearest pixel's column, (N,), whole numbers within the image.
        rows: Nearest pixel's row, (N,).
        depth_m: Depth along the optical axis, (N,), float32.
        relative_stddev: One standard deviation of `depth_m` divided by it, (N,), float32.
        parts: Index of each point's source in `names`, (N,); None if it is one source.
        names: The sources.
        invalid: Points left out as they are not finite, not in front of the camera, or of no
            usable deviation.
        outside: Points left out as they are not in the image.
        skipped: Points of a large cloud that were not looked at.
    """

    columns: NDArray[np.intp]
    rows: NDArray[np.intp]
    depth_m: NDArray[np.float32]
    relative_stddev: NDArray[np.float32]
    parts: NDArray[np.intp] | None = None
    names: tuple[str, ...] = ()
    invalid: int = 0
    outside: int = 0
    skipped: int = 0

    def __len__(self) -> int:
        """Return the number of points."""
        return len(self.depth_m)


def project(sparse_depth: SparseDepth, camera: CameraModel) -> ImagePoints:
    """Project points into the image of a camera, through its lens distortion.

    Args:
        sparse_depth: The points, in the camera's optical frame.
        camera: The camera at the size of the image.

    Returns:
        Those that lie in the image, and how many do not.
    """
    parts = sparse_depth.part_n
    every = thinned(len(sparse_depth), parts, _MAX_PROJECTED)
    points = sparse_depth.points_xyz[every].astype(np.float64)
    stddev = sparse_depth.stddev_n[every]
    skipped = len(sparse_depth) - len(points)
    with np.errstate(all='ignore'):
        is_valid = np.isfinite(points).all(axis=1) & (points[:, 2] >= _NEAREST_M)
        is_valid &= (stddev > 0) & (stddev <= VAGUEST)
        points, stddev = points[is_valid], stddev[is_valid]
        ray_x, ray_y = points[:, 0] / points[:, 2], points[:, 1] / points[:, 2]
        columns, rows = _to_pixels(camera, ray_x, ray_y)
        is_inside = (columns >= -0.5) & (columns < camera.width - 0.5)
        is_inside &= (rows >= -0.5) & (rows < camera.height - 0.5)
        depth_m = points[:, 2].astype(np.float32)
    inside = np.flatnonzero(is_inside)
    if camera.d:
        is_same = _is_same_ray(camera, columns[inside], rows[inside], ray_x[inside], ray_y[inside])
        inside = inside[is_same]
    return ImagePoints(
        _nearest(columns[inside], camera.width),
        _nearest(rows[inside], camera.height),
        depth_m[inside],
        stddev[inside].astype(np.float32),
        None if parts is None else parts[every][is_valid][inside],
        sparse_depth.names,
        invalid=int(np.count_nonzero(~is_valid)),
        outside=len(points) - len(inside),
        skipped=skipped,
    )


def _to_pixels(
    camera: CameraModel, ray_x: NDArray[np.float64], ray_y: NDArray[np.float64]
) -> tuple[NDArray[Any], NDArray[Any]]:
    if camera.d:
        ray_x, ray_y = distort(camera.distortion_model, camera.d, ray_x, ray_y)
    return ray_x * camera.fx + camera.cx, ray_y * camera.fy + camera.cy


def _is_same_ray(
    camera: CameraModel,
    columns: NDArray[np.float64],
    rows: NDArray[np.float64],
    ray_x: NDArray[np.float64],
    ray_y: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Return which pixels look along the ray that was projected to them."""
    x, y = (columns - camera.cx) / camera.fx, (rows - camera.cy) / camera.fy
    with np.errstate(all='ignore'):
        undistort(camera.distortion_model, camera.d, x, y)
        tolerance = _SAME_RAY * (1 + ray_x**2 + ray_y**2)
        return (np.abs(x - ray_x) < tolerance) & (np.abs(y - ray_y) < tolerance)


def _nearest(pixels: NDArray[np.float64], size: int) -> NDArray[np.intp]:
    return np.clip(np.rint(pixels).astype(np.intp), 0, size - 1)
