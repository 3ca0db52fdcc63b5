"""A cloud thinned to one point for each cube of space."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import cv2
import numpy as np

from drnet_ros.inference.depth import ROWS_AT_ONCE, pack_rgb

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from drnet_ros.inference.arrays import FloatArray, UInt8Array

__all__ = ['voxel_cloud', 'voxel_points']

# Added to a whole number below 2^22, its lowest bits are that number.
_WHOLE = np.float32(1.5 * 2**23)
_BITS = 21
_LOWEST = np.int64((1 << _BITS) - 1)
# x + stride_y y + stride_z z of a voxel. Within these distances from the origin on either side,
# no two voxels have the same: they differ by less than 2^32, and strides are longer than a row.
_STRIDE_Y, _STRIDE_Z = np.int32(1291), np.int32(1291 * 1291)
_REACH = np.array([645, 645, 1287], np.float32)


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

    def scale(rows: slice, x: FloatArray, y: FloatArray, z: FloatArray) -> None:
        np.multiply(depth[rows], per_metre, out=z)
        np.multiply(ray_x[rows], z, out=x)
        np.multiply(ray_y[rows], z, out=y)

    pixels = _first_pixels(scale, depth.shape)
    x, y, z = (plane.reshape(-1).take(pixels) for plane in (ray_x, ray_y, depth))
    channels = [x * z, y * z, z]
    if rgb_hw3 is not None:
        colours = np.ascontiguousarray(rgb_hw3[every, every]).reshape(-1, 3)
        channels.append(pack_rgb(colours.take(pixels, axis=0)[np.newaxis])[0])
    points = np.empty((1, len(pixels), len(channels)), np.float32)
    if points.size:  # OpenCV refuses what is empty
        cv2.merge([channel[np.newaxis] for channel in channels], dst=points)
    return points


def voxel_points(points_hwc: FloatArray, size_m: float) -> FloatArray:
    """Return one point of each voxel: the first of the cloud, row by row.

    Args:
        points_hwc: Cloud, float32 (H, W, 3 or 4), NaN where invalid; not changed.
        size_m: Side of a voxel in metres; its corners are at multiples of it.

    Returns:
        float32 (1, N, 3 or 4), valid points alone, in the order of their pixels.
    """
    per_metre = np.float32(1 / size_m)

    def scale(rows: slice, *xyz: FloatArray) -> None:
        for axis, out in enumerate(xyz):
            np.multiply(points_hwc[rows, :, axis], per_metre, out=out)

    pixels = _first_pixels(scale, points_hwc.shape[:2])
    return points_hwc.reshape(-1, points_hwc.shape[2])[pixels][np.newaxis]


def _first_pixels(
    scale: Callable[[slice, FloatArray, FloatArray, FloatArray], None], shape: tuple[int, ...]
) -> NDArray[np.intp]:
    """Find the first pixel of each voxel, row by row.

    Neighbouring pixels mostly lie in one voxel. So the pixels that are in another voxel than those
    to the left and above are found first, which drops most pixels at little cost.

    Args:
        scale: Fills in x, y and z of some rows, in voxels.
        shape: Height and width.
    """
    height, width = shape
    # All memory is taken once: new memory costs more than the arithmetic.
    values = np.empty((6, min(height, ROWS_AT_ONCE) * width), np.float32)
    flags = np.empty((3, values.shape[1]), np.bool_)
    starts, keys = [np.empty(0, np.intp)], [np.empty(0, np.int32)]
    places = [np.empty((3, 0), np.float32)]
    for top in range(0, height, ROWS_AT_ONCE):
        rows = slice(top, min(top + ROWS_AT_ONCE, height))
        size = (rows.stop - top) * width
        xyz, whole = values[:3, :size], values[3:, :size]
        scale(rows, *xyz.reshape(3, -1, width))
        key = _key(np.floor(xyz, out=whole))
        is_start, is_invalid, differs = flags[:, :size]
        np.isnan(xyz[0], out=is_invalid)  # x is NaN wherever z is
        np.logical_not(is_invalid, out=is_start)
        for step in (1, width):
            other = differs[step:]
            np.not_equal(key[step:], key[:-step], out=other)
            other |= is_invalid[:-step]
            if step == 1:
                differs[::width] = True  # the pixel before is that of another row
            is_start[step:] &= other
        found = np.flatnonzero(is_start)
        keys.append(key.take(found))
        places.append(xyz.take(found, axis=1))
        starts.append(found + top * width)
    first = _first_of_each(np.concatenate(keys), np.concatenate(places, axis=1))
    return np.concatenate(starts)[first]


def _key(whole: FloatArray) -> NDArray[np.int32]:
    """Return a number for the voxel of each point, (N,).

    It is different for voxels that are within hundreds of voxels of each other.

    Args:
        whole: x, y and z in voxels, rounded down, (3, N); overwritten.
    """
    key: NDArray[np.int32]
    key, step_y, step_z = _bits(whole)
    step_y *= _STRIDE_Y
    step_z *= _STRIDE_Z
    key += step_y
    key += step_z
    return key


def _first_of_each(key: NDArray[np.int32], xyz: FloatArray) -> NDArray[np.intp]:
    """Return which points are the first of their voxel, in order.

    Args:
        key: `_key` of the points, (N,).
        xyz: x, y and z in voxels, (3, N); may be overwritten.
    """
    if not (np.abs(xyz).max(axis=1, initial=0) < _REACH).all():
        unique = np.zeros(len(key), np.int64)
        for bits in _bits(np.floor(xyz, out=xyz)):
            unique <<= _BITS
            unique |= bits & _LOWEST
        return np.sort(np.unique(unique, return_index=True)[1])
    # Sorted as one number each, key before position, the first point of each key comes first.
    ordered = np.empty(len(key), np.int64)
    position, sorted_key = _halves(ordered)
    position[:], sorted_key[:] = np.arange(len(key), dtype=np.int32), key
    ordered.sort()
    is_first = np.ones(len(key), np.bool_)
    np.not_equal(sorted_key[1:], sorted_key[:-1], out=is_first[1:])
    return np.sort(position[is_first]).astype(np.intp)


def _halves(values: NDArray[np.int64]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return the lower and the upper halves of numbers; they share memory."""
    halves = values.view(np.int32).reshape(-1, 2)
    low, high = (0, 1) if sys.byteorder == 'little' else (1, 0)
    return halves[:, low], halves[:, high]


def _bits(whole: FloatArray) -> NDArray[np.int32]:
    """Return integers that differ as whole numbers do, which are overwritten."""
    whole += _WHOLE
    return whole.view(np.int32)
