"""What a sensor measured at one moment, in its own frame."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from drnet_ros.inference.distortion import undistort

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from drnet_ros.inference.camera import CameraModel

__all__ = [
    'MAX_POINTS',
    'Reading',
    'cloud_reading',
    'depth_reading',
    'range_reading',
    'scan_reading',
]

MAX_POINTS = 30_000
"""So many points of a reading at most are used: every n-th of more."""

# Laser scanners: 2 cm and 1 % of the range, of data sheets of small ones.
_SCAN_STDDEV_M, _SCAN_RELATIVE_STDDEV = 0.02, 0.01
# A range finder measures the nearest thing within its cone, of which only the estimate says where
# it is; a beam meets what is on its axis.
_CONE_RELATIVE_STDDEV, _BEAM_RELATIVE_STDDEV = 0.15, 0.05
_WIDEST_BEAM_RAD = math.radians(3.0)
_SONAR_CONE_RAD = math.radians(15.0)  # where the driver states none
_CLOUD_RELATIVE_STDDEV = 0.03
# Time of flight: 1 cm and 2 %.
_DEPTH_STDDEV_M, _DEPTH_RELATIVE_STDDEV = 0.01, 0.02


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """Points in the frame of the sensor that measured them.

    Attributes:
        points_xyz: Metres, float (N, 3), finite or not.
        relative_stddev: One standard deviation of the distance, as a share of it: (N,), or a
            scalar.
        delay_s: How long after the stamp each point was measured, (N,), sorted; None if all were
            measured at once.
        cone_rad: Whole angle within which the point is the nearest thing; 0 if its direction is
            known.
    """

    points_xyz: NDArray[np.floating[Any]]
    relative_stddev: NDArray[np.floating[Any]] | float
    delay_s: NDArray[np.float64] | None = None
    cone_rad: float = 0.0

    def __len__(self) -> int:
        """Return the number of points."""
        return len(self.points_xyz)


def scan_reading(
    ranges: NDArray[np.floating[Any]],
    *,
    angle_min: float,
    angle_increment: float,
    limits_m: tuple[float, float],
    time_increment_s: float,
) -> Reading:
    """Return the points of a planar laser scan.

    Args:
        ranges: Distances in metres, (N,).
        angle_min: Angle of the first ray about the z axis, in radians; 0 is along the x axis.
        angle_increment: Angle between rays.
        limits_m: The least range that is a measurement, and the end of the range, which many
            drivers give where nothing is met.
        time_increment_s: Time between rays.
    """
    index = np.arange(len(ranges))[:: _stride(len(ranges))]
    distance = np.asarray(ranges)[index].astype(np.float64)
    with np.errstate(invalid='ignore'):
        is_valid = np.isfinite(distance) & (distance > 0)
        is_valid &= (distance >= limits_m[0]) & (distance < limits_m[1])
    index, distance = index[is_valid], distance[is_valid]
    angles = angle_min + angle_increment * index
    points = np.stack(
        (distance * np.cos(angles), distance * np.sin(angles), np.zeros_like(distance)), axis=1
    )
    stddev = np.hypot(_SCAN_RELATIVE_STDDEV, _SCAN_STDDEV_M / distance)
    delay = np.float64(time_increment_s) * index if time_increment_s else None
    return Reading(points, stddev, delay)


def range_reading(
    distance: float, *, limits_m: tuple[float, float], is_sonar: bool, field_of_view_rad: float
) -> Reading:
    """Return the point of a range finder, on its axis; none if it measures nothing.

    Args:
        distance: Metres along the x axis.
        limits_m: The least range that is a measurement, and the end of the range, which many
            drivers give where nothing is met.
        is_sonar: Whether it is ultrasound, which has a wide cone, and not infrared.
        field_of_view_rad: Angle of its cone; 0 or NaN if unknown.
    """
    is_valid = np.isfinite(distance) and distance > 0 and limits_m[0] <= distance < limits_m[1]
    points = np.array([[distance, 0.0, 0.0]] if is_valid else [], np.float64).reshape(-1, 3)
    cone_rad = min(field_of_view_rad, math.pi) if field_of_view_rad > 0 else 0.0
    if is_sonar and not cone_rad:
        cone_rad = _SONAR_CONE_RAD
    if cone_rad <= _WIDEST_BEAM_RAD:
        return Reading(points, _BEAM_RELATIVE_STDDEV)
    return Reading(points, _CONE_RELATIVE_STDDEV, cone_rad=cone_rad)


def cloud_reading(points_xyz: NDArray[np.floating[Any]]) -> Reading:
    """Return the points of a cloud.

    Args:
        points_xyz: Metres, float (N, 3), finite or not.
    """
    return Reading(points_xyz[:: _stride(len(points_xyz))], _CLOUD_RELATIVE_STDDEV)


def depth_reading(depth_hw: NDArray[np.floating[Any]], camera: CameraModel) -> Reading:
    """Return the points of a depth image, in the optical frame of its camera.

    Args:
        depth_hw: Metres along the optical axis, (H, W), NaN where invalid.
        camera: Its camera.

    Raises:
        CameraError: If the camera is of another aspect ratio.
    """
    camera = camera.matching(*depth_hw.shape)
    with np.errstate(invalid='ignore'):
        valid = np.flatnonzero(depth_hw > 0)
    valid = valid[:: _stride(len(valid))]
    rows, columns = np.divmod(valid, depth_hw.shape[1])
    z = depth_hw[rows, columns].astype(np.float64)
    with np.errstate(all='ignore'):
        ray_x, ray_y = (columns - camera.cx) / camera.fx, (rows - camera.cy) / camera.fy
        if camera.d:
            undistort(camera.distortion_model, camera.d, ray_x, ray_y)
        points = np.stack((ray_x * z, ray_y * z, z), axis=1)
    return Reading(points, np.hypot(_DEPTH_RELATIVE_STDDEV, _DEPTH_STDDEV_M / z))


def _stride(count: int) -> int:
    return max(1, -(-count // MAX_POINTS))
