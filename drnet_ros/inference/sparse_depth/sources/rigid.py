"""Rigid motions as 4 x 4 matrices: made of quaternions, inverted, interpolated."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from drnet_ros.errors import SparseDepthError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ['Pose', 'angle', 'interpolate', 'inverse', 'pose_of']

Pose: TypeAlias = 'NDArray[np.float64]'
"""A rigid motion, float64 (4, 4): p' = R p + t, metres."""

# Quaternions of messages are rounded, some to float32; one further from unit length is none.
_UNIT_TOLERANCE = 0.01
_SMALL_ANGLE = 1e-9


def pose_of(translation_xyz: Sequence[float], rotation_xyzw: Sequence[float]) -> Pose:
    """Return the motion of a translation and a quaternion, as ROS messages have them.

    Args:
        translation_xyz: Metres.
        rotation_xyzw: Unit quaternion; it is normalised.

    Raises:
        SparseDepthError: If a number is not finite, or the quaternion is not of unit length.
    """
    # Without numpy until the end: hundreds of these come in a second.
    tx, ty, tz = map(float, translation_xyz)
    x, y, z, w = map(float, rotation_xyzw)
    length = math.hypot(x, y, z, w)
    if not (math.isfinite(tx + ty + tz) and abs(length - 1) < _UNIT_TOLERANCE):
        msg = (
            'a transform must have finite numbers and a unit quaternion, got translation '
            f'{list(translation_xyz)} and rotation {list(rotation_xyzw)}'
        )
        raise SparseDepthError(msg)
    x, y, z, w = x / length, y / length, z / length, w / length
    return np.array(
        (
            (1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w), tx),
            (2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w), ty),
            (2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y), tz),
            (0.0, 0.0, 0.0, 1.0),
        )
    )


def inverse(pose: Pose) -> Pose:
    """Return the inverse motion."""
    result = np.eye(4)
    result[:3, :3] = pose[:3, :3].T
    result[:3, 3] = -pose[:3, :3].T @ pose[:3, 3]
    return result


def interpolate(first: Pose, second: Pose, share: float) -> Pose:
    """Return the motion between two others, of constant velocity and rate of turn.

    Args:
        first: The motion at a share of 0.
        second: The motion at a share of 1.
        share: Beyond 0 to 1 the motion goes on.
    """
    result = np.eye(4)
    vector = _rotation_vector(first[:3, :3].T @ second[:3, :3])
    result[:3, :3] = first[:3, :3] @ _rotation(share * vector)
    result[:3, 3] = first[:3, 3] + share * (second[:3, 3] - first[:3, 3])
    return result


def angle(first: Pose, second: Pose) -> float:
    """Return the angle of the rotation between two motions in radians."""
    return float(np.linalg.norm(_rotation_vector(first[:3, :3].T @ second[:3, :3])))


def _rotation_vector(rotation: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return axis times angle."""
    skew = np.array(
        (
            rotation[2, 1] - rotation[1, 2],
            rotation[0, 2] - rotation[2, 0],
            rotation[1, 0] - rotation[0, 1],
        )
    )
    sine, cosine = float(np.linalg.norm(skew)) / 2, (float(np.trace(rotation)) - 1) / 2
    turned = math.atan2(sine, cosine)
    if sine > _SMALL_ANGLE:
        return skew * (turned / (2 * sine))
    if cosine > 0:
        return skew / 2
    # Half a turn: the axis is the column of R + I that is longest.
    columns = rotation + np.eye(3)
    axis = columns[:, int(np.argmax(np.linalg.norm(columns, axis=0)))]
    return axis * (turned / float(np.linalg.norm(axis)))


def _rotation(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rotation by axis times angle (Rodrigues' formula)."""
    turned = float(np.linalg.norm(vector))
    x, y, z = vector.tolist()
    cross = np.array(((0, -z, y), (z, 0, -x), (-y, x, 0)), np.float64)
    if turned < _SMALL_ANGLE:
        return np.eye(3) + cross
    bent = (1 - math.cos(turned)) / turned**2
    return np.eye(3) + math.sin(turned) / turned * cross + bent * (cross @ cross)
