"""A floor with boxes and ramps on it, as an exact depth camera sees it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drnet_ros.inference import CameraModel
from drnet_ros.inference.camera import rays

Array = NDArray[np.float64]

OPTICAL_TO_BODY = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])


@dataclass(frozen=True)
class Box:
    """What is between two corners, x forward, y left, z up, in metres."""

    low: tuple[float, float, float]
    high: tuple[float, float, float]

    def cast(self, start: Array, directions: Array) -> Array:
        """Depth of each ray, +inf where it misses."""
        first = (np.array(self.low) - start) / directions
        second = (np.array(self.high) - start) / directions
        enter = np.minimum(first, second).max(axis=-1)
        leave = np.maximum(first, second).min(axis=-1)
        return np.where((enter > 0) & (enter < leave), enter, np.inf)


@dataclass(frozen=True)
class Ramp:
    """A plane that rises along x from the floor at `start_m`, as wide as the world."""

    start_m: float
    slope_deg: float

    def cast(self, start: Array, directions: Array) -> Array:
        """Depth of each ray, +inf where it misses."""
        slope = math.tan(math.radians(self.slope_deg))
        rise = directions[..., 2] - slope * directions[..., 0]
        depth = (slope * (start[0] - self.start_m) - start[2]) / rise
        is_on_it = (depth > 0) & (start[0] + depth * directions[..., 0] >= self.start_m)
        return np.where(is_on_it, depth, np.inf)


def pose(height_m: float, pitch_deg: float = 0.0) -> Array:
    """Pose of an optical frame above the origin that looks along x and `pitch_deg` downwards."""
    pitch = math.radians(pitch_deg)
    tilt = np.array(
        [[math.cos(pitch), 0, math.sin(pitch)], [0, 1, 0], [-math.sin(pitch), 0, math.cos(pitch)]]
    )
    matrix = np.eye(4)
    matrix[:3, :3] = tilt @ OPTICAL_TO_BODY
    matrix[2, 3] = height_m
    return matrix


def depth_of(
    camera: CameraModel, camera_pose: Array, *things: Box | Ramp, far_m: float = 6.0
) -> NDArray[np.float32]:
    """Depth of the floor (z = 0) and of what is on it; NaN beyond `far_m`."""
    directions = np.dstack((rays(camera), np.ones((camera.height, camera.width))))
    directions = directions.astype(np.float64) @ camera_pose[:3, :3].T
    start = camera_pose[:3, 3]
    with np.errstate(divide='ignore', invalid='ignore'):
        depth = -start[2] / directions[..., 2]
        depth[depth <= 0] = np.inf
        for thing in things:
            depth = np.fmin(depth, thing.cast(start, directions))
    depth[depth > far_m] = np.nan
    seen: NDArray[np.float32] = depth.astype(np.float32)
    return seen


def heights_of(
    camera: CameraModel, camera_pose: Array, depth: NDArray[np.float32]
) -> NDArray[np.float64]:
    """True height of each pixel above z = 0."""
    ray_x, ray_y = np.moveaxis(rays(camera).astype(np.float64), 2, 0)
    row = camera_pose[2]
    heights: Array = (row[0] * ray_x + row[1] * ray_y + row[2]) * depth + row[3]
    return heights
