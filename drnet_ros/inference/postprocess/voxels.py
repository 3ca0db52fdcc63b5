"""A cloud thinned to one point for each cube of space."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from drnet_ros.inference.depth import ROWS_AT_ONCE, pack_rgb

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from drnet_ros.inference.arrays import FloatArray, UInt8Array

__all__ = ['voxel_cloud', 'voxel_points']

# Added to a whole number below 2^22, its lowest bits are that number.
_WHOLE = np.float32(1.5 * 2**23)
_BITS = 21
_LOWEST = np.int64((1 << _BITS) - 1)
_STRIDE_Y, _STRIDE_Z = np.int32(1291), np.int32(1291 * 1291)
_MIXING = np.uint64(0x9E3779B97F4A7C15)  # Knuth, TAOCP 3, 6.4: 2^64 divided by the golden ratio


def voxel_cloud(
    depth_hw: FloatArray,
    rays_hw2: FloatArray,
    size_m: float,
    rgb_hw3: UInt8Array | None = None,
    stride: int = 1,
) -> FloatArray:
    """Build the cloud of an image with one point of each voxel: the first, row by row.

    It has points of `depth.point_cloud`, bit for bit, without building all of that.

    Args:
        depth_hw: Metres, float32 (H, W), NaN where invalid.
        rays_hw2: x / z and y / z of each pixel, as `camera.rays` gives them.
        size_m: Side of a voxel in metres; its corners are at multiples of it.
        rgb_hw3: Image of the same size for coloured points, uint8, or None.
        stride: Look at every n-th row and column, from the first on.

    Returns:
        float32 (1, N, 3), or 4 channels with colour as `depth.pack_rgb`; valid points alone, in
        the order of their pixels.
    """
    every = slice(None, None, stride)
    depth, ray_x, ray_y = (
        np.ascontiguousarray(plane[every, every])
        for plane in (depth_hw, rays_hw2[..., 0], rays_hw2[..., 1])
    )
    per_metre = np.float32(1 / size_m)

    def blocks() -> Iterator[tuple[FloatArray, FloatArray, FloatArray]]:
        for top in range(0, len(depth), ROWS_AT_ONCE):
            rows = slice(top, top + ROWS_AT_ONCE)
            z = depth[rows] * per_metre
            yield ray_x[rows] * z, ray_y[rows] * z, z

    pixels = _starts_of_runs(blocks())
    x, y, z = (plane.reshape(-1).take(pixels) for plane in (ray_x, ray_y, depth))
    scaled = z * per_metre
    first = _first_of_each(x * scaled, y * scaled, scaled)
    z = z[first]
    channels = [x[first] * z, y[first] * z, z]
    if rgb_hw3 is not None:
        colours = np.ascontiguousarray(rgb_hw3[every, every]).reshape(-1, 3)
        channels.append(pack_rgb(colours.take(pixels[first], axis=0)[np.newaxis])[0])
    return np.stack(channels, axis=-1)[np.newaxis]


def voxel_points(points_hwc: FloatArray, size_m: float) -> FloatArray:
    """Return one point of each voxel: the first of the cloud, row by row.

    Args:
        points_hwc: Cloud, float32 (H, W, 3 or 4), NaN where invalid; not changed.
        size_m: Side of a voxel in metres; its corners are at multiples of it.

    Returns:
        float32 (1, N, 3 or 4), valid points alone, in the order of their pixels.
    """
    per_metre = np.float32(1 / size_m)

    def blocks() -> Iterator[tuple[FloatArray, FloatArray, FloatArray]]:
        for top in range(0, len(points_hwc), ROWS_AT_ONCE):
            block = points_hwc[top : top + ROWS_AT_ONCE]
            x, y, z = (block[..., axis] * per_metre for axis in range(3))
            yield x, y, z

    points = points_hwc.reshape(-1, points_hwc.shape[2])[_starts_of_runs(blocks())]
    x, y, z = (points[:, axis] * per_metre for axis in range(3))
    return points[_first_of_each(x, y, z)][np.newaxis]


def _starts_of_runs(
    blocks: Iterable[tuple[FloatArray, FloatArray, FloatArray]],
) -> NDArray[np.intp]:
    """Return the valid pixels that are in another voxel than those to the left and above.

    Neighbouring pixels mostly lie in one voxel, so that this drops most pixels at little cost.

    Args:
        blocks: x, y and z of some rows each, in voxels; changed.
    """
    starts, begun = [np.empty(0, np.intp)], 0
    for x, y, z in blocks:
        is_start = x == x  # noqa: PLR0124 - false for NaN, which x is wherever z is
        is_invalid = ~is_start
        # Different for different voxels that are within hundreds of voxels of each other.
        key, step_y, step_z = _whole(x), _whole(y), _whole(z)
        step_y *= _STRIDE_Y
        step_z *= _STRIDE_Z
        key += step_y
        key += step_z
        is_start[:, 1:] &= (key[:, 1:] != key[:, :-1]) | is_invalid[:, :-1]
        is_start[1:] &= (key[1:] != key[:-1]) | is_invalid[:-1]
        starts.append(np.flatnonzero(is_start) + begun)
        begun += is_start.size
    return np.concatenate(starts)


def _first_of_each(x: FloatArray, y: FloatArray, z: FloatArray) -> NDArray[np.intp]:
    """Return which points are the first of their voxel.

    All points are entered in a table at a hash of their voxel, the first ones last, so that they
    stay. Points of other voxels that a table entry belongs to take part in the next round.

    Args:
        x: In voxels, (N,); changed, as y and z are.
        y: The same.
        z: The same.
    """
    key = np.zeros(len(x), np.int64)
    for axis in (x, y, z):
        key <<= _BITS
        key |= _whole(axis) & _LOWEST
    bits = np.uint64(max(8, len(x).bit_length() + 2))
    slot = ((key.view(np.uint64) * _MIXING) >> (np.uint64(64) - bits)).astype(np.intp)
    table = np.empty(1 << int(bits), np.intp)
    is_first = np.zeros(len(x), np.bool_)
    waiting = np.arange(len(x))
    while waiting.size:
        at = slot[waiting]
        table[at[::-1]] = waiting[::-1]
        first = table[at]
        is_first[first] = True
        waiting = waiting[key[first] != key[waiting]]
    return np.flatnonzero(is_first)


def _whole(values: FloatArray) -> NDArray[np.int32]:
    """Return integers that differ as the values rounded down do; the values are overwritten."""
    np.floor(values, out=values)
    values += _WHOLE
    return values.view(np.int32)
