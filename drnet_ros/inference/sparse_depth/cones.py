"""Range finders that measure the nearest thing in a wide cone: where in the image that is."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from drnet_ros.inference.camera import rays

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from drnet_ros.inference.camera import CameraModel
    from drnet_ros.inference.sparse_depth.points import SparseDepth

__all__ = ['aimed']

# An echo needs a surface of some size: the nearest tenth of the cone.
_NEAREST_SHARE = 0.1


def aimed(
    sparse_depth: SparseDepth, depth_hw: NDArray[np.float32], camera: CameraModel, step: int
) -> SparseDepth:
    """Move points with a cone to where the estimate is nearest within it, at their own distance.

    On its axis a range finder would often be compared with what lies behind the thing it measured.

    Args:
        sparse_depth: The points, in the camera's optical frame.
        depth_hw: The estimate in metres, float32 (H, W), NaN where invalid.
        camera: The camera at that size.
        step: Every step-th pixel is looked at.

    Returns:
        Points without cones; those whose axis is not in the image stay where they are.
    """
    cones = sparse_depth.cone_n
    with_cone = np.flatnonzero(cones > 0)
    if not len(with_cone):
        return sparse_depth
    some = slice(step // 2, None, step)
    ray = rays(camera)[some, some]
    direction = np.concatenate([ray, np.ones_like(ray[..., :1])], axis=2)
    length = np.linalg.norm(direction, axis=2)
    direction /= length[..., None]
    distance = depth_hw[some, some] * length
    points = sparse_depth.points_xyz.astype(np.float64)
    for index in with_cone:
        points[index] = _aimed(points[index], float(cones[index]), direction, distance)
    return replace(sparse_depth, points_xyz=points, cone_rad=0.0)


def _aimed(
    point: NDArray[np.float64],
    cone_rad: float,
    direction: NDArray[np.float32],
    distance: NDArray[np.float32],
) -> NDArray[np.float64]:
    """Return a point at the same distance in the direction of the nearest pixels of its cone."""
    with np.errstate(all='ignore'):
        measured = np.linalg.norm(point)
        cosine = np.nan_to_num(direction @ (point / measured).astype(np.float32), nan=-1.0)
    row, column = np.divmod(int(np.argmax(cosine)), cosine.shape[1])
    # At the border the axis, and what is nearest, may well be outside.
    is_within = 0 < row < cosine.shape[0] - 1 and 0 < column < cosine.shape[1] - 1
    inside = np.flatnonzero((cosine >= np.cos(cone_rad / 2)) & np.isfinite(distance))
    if not is_within or not len(inside):
        return point
    ordered = inside[np.argsort(distance.ravel()[inside], kind='stable')]
    nearest = ordered[int(_NEAREST_SHARE * len(ordered))]
    towards = direction.reshape(-1, 3)[nearest].astype(np.float64)
    return np.asarray(towards * (measured / np.linalg.norm(towards)), np.float64)
