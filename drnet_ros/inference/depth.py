"""Depth images: range, edges, millimetres, colors and points. Pure functions on float32 arrays.

Everywhere depth is z in the optical frame, in metres, float32 (H, W), and NaN is invalid.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from drnet_ros.inference.arrays import FloatArray, UInt8Array

__all__ = [
    'ROWS_AT_ONCE',
    'colourise',
    'depth_range',
    'drop_edges',
    'limit_range',
    'pack_rgb',
    'point_cloud',
    'to_millimetres',
]

ROWS_AT_ONCE = 32
"""So many rows of an image, with what is made of them, stay in the CPU's cache."""

_CROSS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.uint8)
_MAX_MILLIMETRES = 65535
_RGB_BITS = np.uint32(0x00FFFFFF)
_SHOWN_PERCENTILES = (2, 98)
_SHOWN_EVERY = 4
_LEAST_RATIO = 1.2  # of the farthest depth to the nearest: noise of a wall is no landscape


def limit_range(depth_hw: FloatArray, min_depth: float, max_depth: float) -> None:
    """Make everything outside a range invalid, in place; NaN and infinities too.

    Args:
        depth_hw: Depth; changed.
        min_depth: Least valid depth in metres.
        max_depth: Greatest valid depth in metres.
    """
    is_valid = depth_hw >= np.float32(min_depth)
    is_valid &= depth_hw <= np.float32(max_depth)
    depth_hw[~is_valid] = np.nan


def drop_edges(depth_hw: FloatArray, edge_threshold: float) -> None:
    """Make both sides of each depth jump invalid, in place.

    A jump is where two pixels that share a side differ by more than `edge_threshold` times the
    nearer depth. Flying pixels lie there: their depth is between that of a thing and that of what
    is behind it.

    Args:
        depth_hw: Positive depth; changed. An invalid neighbour makes no jump.
        edge_threshold: Relative jump; 0 drops nothing.
    """
    if edge_threshold <= 0:
        return
    grown = np.float32(1 + edge_threshold)
    # A jump to the farthest or to the nearest neighbour is a jump to any.
    farthest = cv2.dilate(np.nan_to_num(depth_hw, nan=-np.inf, neginf=-np.inf), _CROSS)
    nearest = cv2.erode(np.nan_to_num(depth_hw, nan=np.inf, posinf=np.inf), _CROSS)
    with np.errstate(over='ignore'):  # where all neighbours are invalid
        depth_hw[(farthest > depth_hw * grown) | (depth_hw > nearest * grown)] = np.nan


def to_millimetres(depth_hw: FloatArray) -> NDArray[np.uint16]:
    """Convert metres to the millimetres of a 16UC1 depth image (REP 118).

    Args:
        depth_hw: Depth.

    Returns:
        Rounded millimetres, uint16 (H, W); 0 where depth is invalid or beyond 65.535 m, rather
        than a wrong depth.
    """
    millimetres = depth_hw * np.float32(1000)
    millimetres += np.float32(0.5)
    millimetres[~((millimetres >= 1) & (millimetres < _MAX_MILLIMETRES + 1))] = 0
    return millimetres.astype(np.uint16)


def colourise(depth_hw: FloatArray, min_depth: float, max_depth: float) -> UInt8Array:
    """Paint depth for people to look at: red is near, blue is far, black is invalid.

    Args:
        depth_hw: Depth.
        min_depth: Depth of the reddest color, in metres.
        max_depth: Depth of the bluest color, in metres.

    Returns:
        Image, uint8 (H, W, 3), RGB, linear in depth through the colors of 'turbo'.
    """
    level = (np.float32(max_depth) - depth_hw) * np.float32(254 / (max_depth - min_depth))
    level += np.float32(1.5)
    # Level 0 is kept for invalid depth: NaN fails the comparison.
    np.clip(level, 1, 255, out=level)
    level[~(level >= 1)] = 0
    return cv2.applyColorMap(level.astype(np.uint8), _turbo())  # type: ignore[return-value]


def depth_range(depth_hw: FloatArray) -> tuple[float, float]:
    """Return the depths that colours should begin and end with: most of the image lies between.

    Args:
        depth_hw: Metres, NaN where invalid.

    Returns:
        The nearest and the farthest, metres; 0 and 1 if no depth is valid.
    """
    values = depth_hw[::_SHOWN_EVERY, ::_SHOWN_EVERY]
    values = values[np.isfinite(values)]
    if not values.size:
        return 0.0, 1.0
    near, far = np.percentile(values, _SHOWN_PERCENTILES)
    return float(near), max(float(far), float(near) * _LEAST_RATIO)


def pack_rgb(rgb_hwc: UInt8Array) -> FloatArray:
    """Pack color into the bits of a float, 0x00RRGGBB, as field 'rgb' of PointCloud2 wants it.

    Args:
        rgb_hwc: Image, uint8 (H, W, 3), RGB.

    Returns:
        float32 (H, W) whose bits are the color; its numeric values mean nothing.
    """
    if not rgb_hwc.size:  # which OpenCV refuses
        return np.empty(rgb_hwc.shape[:2], np.float32)
    bits = cv2.cvtColor(rgb_hwc, cv2.COLOR_RGB2BGRA).view(np.uint32)[..., 0]
    bits &= _RGB_BITS
    return bits.view(np.float32)


def point_cloud(
    depth_hw: FloatArray, rays_hw2: FloatArray, rgb_hw3: UInt8Array | None = None, stride: int = 1
) -> FloatArray:
    """Build the organised cloud: (x, y, z) = depth * (ray, 1), in the optical frame.

    Args:
        depth_hw: Depth.
        rays_hw2: x / z and y / z of each pixel, as `camera.rays` gives them.
        rgb_hw3: Image of the same size for colored points, uint8, or None.
        stride: Keep every n-th row and column, from the first on.

    Returns:
        float32 (ceil(H / stride), ceil(W / stride), 3), or 4 channels with color as `pack_rgb`;
        x, y and z are NaN where depth or ray is invalid. C-contiguous, owning its memory.
    """
    every = slice(None, None, stride)
    depth = depth_hw[every, every]
    ray_x, ray_y = rays_hw2[every, every, 0], rays_hw2[every, every, 1]
    color = None if rgb_hw3 is None else rgb_hw3[every, every]
    points = np.empty((*depth.shape, 3 if color is None else 4), np.float32)
    # Temporaries of whole images cost more in page faults than all the arithmetic.
    for top in range(0, depth.shape[0], ROWS_AT_ONCE):
        rows = slice(top, top + ROWS_AT_ONCE)
        x = ray_x[rows] * depth[rows]
        z = depth[rows].copy()
        z[np.isnan(x)] = np.nan  # some consumers look at z alone, and a ray may be invalid too
        channels = [x, ray_y[rows] * depth[rows], z]
        if color is not None:
            channels.append(pack_rgb(np.ascontiguousarray(color[rows])))
        cv2.merge(channels, dst=points[rows])
    return points


@lru_cache(maxsize=1)
def _turbo() -> UInt8Array:
    """Return the color table, (256, 1, 3), RGB, level 0 black."""
    levels = np.arange(256, dtype=np.uint8)
    table = cv2.applyColorMap(levels, cv2.COLORMAP_TURBO).astype(np.uint8).reshape(256, 1, 3)
    table[0] = 0
    return table[..., ::-1].copy()
