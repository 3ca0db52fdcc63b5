"""The camera of the clip: intrinsics, timing and path. Pure numpy, shared by rendering and bag.

Frames: `map` has z up and its origin in a corner of the room's floor; the optical frame has x
right, y down, z forward. Pixel coordinates count from the centre of the top left pixel.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]

WIDTH, HEIGHT = 640, 480
FOCAL_PX = 525.0
CENTRE_PX = (319.5, 239.5)
FRAME_COUNT = 64
RATE_HZ = 20.0


def position_m(progress: float) -> Matrix:
    """Returns the camera centre in `map` for `progress` 0..1: a curved walk with a slight bob."""
    x = 0.62 + 0.78 * progress - 0.1 * np.sin(np.pi * progress)
    y = 0.92 + 0.36 * progress + 0.1 * np.sin(np.pi * progress)
    z = 1.43 - 0.07 * progress + 0.012 * np.sin(4 * np.pi * progress)
    return np.array([x, y, z])


def angles_deg(progress: float) -> tuple[float, float, float]:
    """Returns (yaw, pitch, roll): left of +x, up from level, clockwise; degrees."""
    eased = progress - 0.6 * np.sin(2 * np.pi * progress) / (2 * np.pi)
    yaw = 10.0 + 34.0 * eased
    pitch = -13.5 + 2.5 * np.sin(np.pi * progress + 0.4)
    roll = 1.3 * np.sin(2 * np.pi * progress)
    return float(yaw), float(pitch), float(roll)


def optical_pose(frame: float) -> Matrix:
    """Returns the 4x4 pose of the optical frame in `map` (optical point to map).

    Args:
        frame: Which frame; between two frames the camera is on its path between them.
    """
    progress = frame / (FRAME_COUNT - 1)
    yaw, pitch, roll = np.deg2rad(angles_deg(progress))
    forward = np.array([np.cos(pitch) * np.cos(yaw), np.cos(pitch) * np.sin(yaw), np.sin(pitch)])
    level_right = np.array([np.sin(yaw), -np.cos(yaw), 0.0])
    level_down = np.cross(forward, level_right)
    right = np.cos(roll) * level_right + np.sin(roll) * level_down
    pose = np.eye(4)
    pose[:3, 0] = right
    pose[:3, 1] = np.cross(forward, right)
    pose[:3, 2] = forward
    pose[:3, 3] = position_m(progress)
    return pose


def quaternion_xyzw(rotation: Matrix) -> Matrix:
    """Returns the unit quaternion of a 3x3 rotation, w >= 0 (largest component first taken)."""
    trace = float(np.trace(rotation))
    squares = np.array([*(1 + 2 * np.diag(rotation) - trace), 1 + trace]) / 4
    first = int(np.argmax(squares))
    r = rotation
    products = np.array(
        [
            [0, r[0, 1] + r[1, 0], r[0, 2] + r[2, 0], r[2, 1] - r[1, 2]],
            [r[0, 1] + r[1, 0], 0, r[1, 2] + r[2, 1], r[0, 2] - r[2, 0]],
            [r[0, 2] + r[2, 0], r[1, 2] + r[2, 1], 0, r[1, 0] - r[0, 1]],
            [r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1], 0],
        ]
    )
    quaternion = products[first] / (4 * np.sqrt(squares[first]))
    quaternion[first] = np.sqrt(squares[first])
    return np.asarray(quaternion if quaternion[3] >= 0 else -quaternion)
