"""A cloud thinned to one point for each cube of space."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from drnet_ros.inference.arrays import FloatArray

__all__ = ['voxel_points']

_BITS = 21
_STRIDE_Y, _STRIDE_Z = 1291, 1291 * 1291
_ROWS_AT_ONCE = 16  # keeps temporaries in the CPU's cache


def voxel_points(points_hwc: FloatArray, size_m: float) -> FloatArray:
    """Return one point of each voxel: the first of the cloud, row by row.

    Neighbouring pixels mostly lie in one voxel, so that most points are dropped by a look at the
    pixels to the left and above; only what is left is sorted.

    Args:
        points_hwc: Organised cloud, float32 (H, W, 3 or 4), NaN where invalid; not changed.
        size_m: Side of a voxel in metres; its corners are at multiples of it.

    Returns:
        float32 (1, N, 3 or 4), valid points alone, in the order of their pixels.
    """
    width = points_hwc.shape[1]
    pixels, per_metre = [], np.float32(1 / size_m)
    for top in range(0, len(points_hwc), _ROWS_AT_ONCE):
        block = points_hwc[top : top + _ROWS_AT_ONCE]
        pixels.append(_first_of_runs(block, per_metre) + top * width)
    kept = np.concatenate(pixels)
    points = points_hwc.reshape(-1, points_hwc.shape[2])[kept]
    voxels = np.floor(points[:, :3] * per_metre).astype(np.int64)
    keys = (voxels[:, 0] << 2 * _BITS) + (voxels[:, 1] << _BITS) + voxels[:, 2]
    _, first = np.unique(keys, return_index=True)
    thinned: FloatArray = points[np.sort(first)][np.newaxis]
    return thinned


def _first_of_runs(points_hwc: FloatArray, per_metre: np.float32) -> NDArray[np.intp]:
    """Return the valid pixels that are in another voxel than those to the left and above."""
    is_new = ~np.isnan(points_hwc[..., 2])
    with np.errstate(invalid='ignore'):
        x, y, z = (
            np.floor(points_hwc[..., axis] * per_metre).astype(np.int32) for axis in range(3)
        )
    # Different for different voxels that are within hundreds of voxels of each other.
    x += y * np.int32(_STRIDE_Y) + z * np.int32(_STRIDE_Z)
    is_new[:, 1:] &= x[:, 1:] != x[:, :-1]
    is_new[1:] &= x[1:] != x[:-1]
    return np.flatnonzero(is_new)
