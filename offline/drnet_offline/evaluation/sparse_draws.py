"""Sparse depth drawn from the true depth of an image, as a sensor next to the camera gives it."""

from __future__ import annotations

import math
import re
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from drnet_offline.errors import OfflineError
from drnet_ros.inference import SparseDepth
from drnet_ros.inference.camera import rays

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from drnet_ros.inference import CameraModel

__all__ = ['KINDS', 'draw_sparse_depth', 'parse_kind']

KINDS = 'scan, points:N, tof:ROWSxCOLUMNS or range'
"""What can be drawn, for messages."""

_SCAN_STDDEV, _POINT_STDDEV, _TOF_STDDEV, _RANGE_STDDEV = 0.01, 0.03, 0.03, 0.02
# What the node says of a range finder with a cone, of which it does not know what it met.
_STATED_RANGE_STDDEV = 0.15
_SCAN_STEP = math.radians(0.25)
_TOF_ANGLE, _RANGE_ANGLE = math.radians(45.0), math.radians(7.0)
_TOF_RANGE_M, _RANGE_RANGE_M = 4.0, 4.0
_LEAST_SHARE = 0.2  # of a zone's pixels must have a true depth


def draw_sparse_depth(
    kind: str, depth_hw: NDArray[np.float32], camera: CameraModel, generator: np.random.Generator
) -> tuple[SparseDepth, NDArray[np.bool_]]:
    """Draw what a sensor would know of a scene.

    - `scan`: a laser scanner at the camera, in the plane through its optical axis and its
      columns' axis: one ray every 0.25 degrees, 1 % noise.
    - `points:N`: N random pixels, 3 % noise, as landmarks of a SLAM have it.
    - `tof:ROWSxCOLUMNS`: zones of a time-of-flight sensor 45 degrees wide and high; the median of
      each, up to 4 m, 3 % noise.
    - `range`: a range finder with a cone of 7 degrees about the optical axis: the nearest tenth in
      it, up to 4 m, 2 % noise; its cone is stated, and the deviation that the node states.

    Args:
        kind: One of these.
        depth_hw: True depth in metres, float32 (H, W), NaN or 0 where unknown.
        camera: The camera at that size.
        generator: Source of randomness.

    Returns:
        The points, none where no truth is known, and which pixels must not be scored as their
        truth was drawn, bool (H, W).

    Raises:
        OfflineError: If the kind is unknown.
    """
    directions = rays(camera)
    is_known = np.isfinite(depth_hw) & (depth_hw > 0) & np.isfinite(directions[..., 0])
    is_drawn = np.zeros(depth_hw.shape, bool)
    sensor, *numbers = parse_kind(kind)
    depths: NDArray[np.floating]
    if sensor == 'scan':
        pixels, stddev = _scanned(is_known, camera), _SCAN_STDDEV
        depths = depth_hw.ravel()[pixels]
    elif sensor == 'points':
        known = np.flatnonzero(is_known)
        number = min(int(numbers[0]), len(known))
        pixels, stddev = generator.choice(known, number, replace=False), _POINT_STDDEV
        depths = depth_hw.ravel()[pixels]
    elif sensor == 'tof':
        shape = int(numbers[0]), int(numbers[1])
        pixels, depths = _zones(depth_hw, is_known, camera, shape, _TOF_ANGLE, 0.5, _TOF_RANGE_M)
        stddev = _TOF_STDDEV
    else:
        pixels, depths = _zones(
            depth_hw, is_known, camera, (1, 1), _RANGE_ANGLE, 0.1, _RANGE_RANGE_M
        )
        stddev = _RANGE_STDDEV
    if sensor in {'scan', 'points'}:
        is_drawn.ravel()[pixels] = True
    noisy = depths * np.exp(generator.normal(0.0, stddev, len(depths)))
    ray = directions.reshape(-1, 2)[pixels]
    points = np.column_stack([ray * noisy[:, None], noisy])
    if sensor == 'range':
        stated, cone_rad = _STATED_RANGE_STDDEV, _RANGE_ANGLE
    else:
        stated, cone_rad = stddev, 0.0
    return SparseDepth(points, stated, source=sensor, cone_rad=cone_rad), is_drawn


def parse_kind(kind: str) -> tuple[str, ...]:
    """Return the name of what is to be drawn, and its numbers.

    Args:
        kind: As of `draw_sparse_depth`.

    Raises:
        OfflineError: If it is unknown.
    """
    found = re.fullmatch(r'(scan|range)|(points):([1-9]\d{0,6})|(tof):([1-9]\d?)x([1-9]\d?)', kind)
    if found is None:
        msg = f'sparse depth must be {KINDS}, got {kind!r}'
        raise OfflineError(msg)
    return tuple(group for group in found.groups() if group is not None)


def _scanned(is_known: NDArray[np.bool_], camera: CameraModel) -> NDArray[np.intp]:
    height, width = is_known.shape
    half = math.atan(width / camera.fx)
    angles = np.arange(-half, half, _SCAN_STEP)
    columns = np.unique(np.rint(np.tan(angles) * camera.fx + camera.cx).astype(np.intp))
    columns = columns[(columns >= 0) & (columns < width)]
    row = min(height - 1, max(0, round(camera.cy)))
    pixels: NDArray[np.intp] = row * width + columns[is_known[row, columns]]
    return pixels


def _zones(  # noqa: PLR0917 - one zone needs all of it
    depth_hw: NDArray[np.float32],
    is_known: NDArray[np.bool_],
    camera: CameraModel,
    shape: tuple[int, int],
    angle: float,
    quantile: float,
    range_m: float,
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return the pixel in the middle of each zone that sees something, and the depth it sees."""
    height, width = depth_hw.shape
    edges = [np.tan(np.linspace(-angle / 2, angle / 2, zones + 1)) for zones in shape]
    rows = np.clip(edges[0] * camera.fy + camera.cy, 0, height).astype(np.intp)
    columns = np.clip(edges[1] * camera.fx + camera.cx, 0, width).astype(np.intp)
    pixels, depths = [], []
    for top, bottom in pairwise(rows):
        for left, right in pairwise(columns):
            zone = (slice(top, bottom), slice(left, right))
            seen = depth_hw[zone][is_known[zone]]
            if not seen.size or seen.size < _LEAST_SHARE * is_known[zone].size:
                continue
            depth = float(np.quantile(seen, quantile))
            if depth <= range_m:
                pixels.append((top + bottom) // 2 * width + (left + right) // 2)
                depths.append(depth)
    return np.array(pixels, np.intp), np.array(depths)
