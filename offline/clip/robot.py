"""The robot that carries the camera: mounts, laser scanner and odometry. Pure numpy.

Camera and laser are fixed to `base_link` (x forward, y left, z up), which rocks as it walks: the
plane of the laser stays within 2.1 degrees of level (1.8 in the walk).
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from rendered_recordings import Matrix, RenderedRecording

BASE_FRAME, LASER_FRAME, ODOM_FRAME = 'base_link', 'laser', 'odom'

CAMERA_PITCH_DEG = -12.75
CAMERA_PLACE_M = (0.1, 0.0, 0.25)
LASER_PLACE_M = (0.05, 0.0, 0.0)

SCAN_RATE_HZ = 10.0
RAYS = 720
RAY_STEP_RAD = 2 * np.pi / RAYS
# The scanner looks back when a scan begins: the rays to the front are of the scan's middle.
FIRST_RAY_RAD = -np.pi
FIRST_SCAN_S = 0.012
LIMITS_M = (0.1, 8.0)
RANGE_STDDEV_M = 0.01
LOST_SHARE = 0.02

ODOMETRY_RATE_HZ = 40.0
# Legs that slip measure the way too long; a small gyroscope measures the turn, a little too small.
LENGTH_FACTOR, TURN_FACTOR = 1.02, 0.998
STEP_STDDEV_M, STEP_STDDEV_DEG = 0.0001, 0.002


def camera_in_base() -> Matrix:
    """Returns the 4x4 pose of the optical frame in `base_link`."""
    pitch = np.deg2rad(CAMERA_PITCH_DEG)
    pose = np.eye(4)
    pose[:3, 2] = np.cos(pitch), 0.0, np.sin(pitch)
    pose[:3, 0] = 0.0, -1.0, 0.0
    pose[:3, 1] = np.cross(pose[:3, 2], pose[:3, 0])
    pose[:3, 3] = CAMERA_PLACE_M
    return pose


def laser_in_base() -> Matrix:
    """Returns the 4x4 pose of the laser in `base_link`."""
    pose = np.eye(4)
    pose[:3, 3] = LASER_PLACE_M
    return pose


def base_pose(recording: RenderedRecording, time_s: float) -> Matrix:
    """Returns the true 4x4 pose of `base_link` in `map`.

    Args:
        recording: The path.
        time_s: Since the first image.
    """
    optical = recording.optical_pose(time_s * recording.rate_hz)
    return np.asarray(optical @ np.linalg.inv(camera_in_base()))


def scan_times_s(recording: RenderedRecording) -> Matrix:
    """Returns when each whole scan begins, since the first image."""
    count = int((recording.duration_s - FIRST_SCAN_S) * SCAN_RATE_HZ)
    return FIRST_SCAN_S + np.arange(count) / SCAN_RATE_HZ


def odometry_times_s(recording: RenderedRecording) -> Matrix:
    """Returns when odometry is published, since the first image."""
    return np.arange(round(recording.duration_s * ODOMETRY_RATE_HZ) + 1) / ODOMETRY_RATE_HZ


def odometry_poses(recording: RenderedRecording, generator: np.random.Generator) -> list[Matrix]:
    """Returns the 4x4 poses of `base_link` in `odom` that the robot measures, with drift.

    `odom` begins where `base_link` is at the first image, level and facing the same way.
    """
    truth = [base_pose(recording, float(time_s)) for time_s in odometry_times_s(recording)]
    poses = [np.linalg.inv(odom_start(recording)) @ truth[0]]
    for before, after in pairwise(truth):
        step = np.linalg.inv(before) @ after
        step[:3, 3] = step[:3, 3] * LENGTH_FACTOR + generator.normal(0.0, STEP_STDDEV_M, 3)
        noise = generator.normal(0.0, np.deg2rad(STEP_STDDEV_DEG), 3)
        step[:3, :3] = rotation_matrix(small_turn(step) * (1.0, 1.0, TURN_FACTOR) + noise)
        poses.append(poses[-1] @ step)
    return poses


def odom_start(recording: RenderedRecording) -> Matrix:
    """Returns the 4x4 pose in `map` that `odom` has before there is any drift."""
    start = base_pose(recording, 0.0)
    yaw = np.arctan2(start[1, 0], start[0, 0])
    start[:3, :3] = rotation_matrix(np.array([0.0, 0.0, yaw]))
    return start


def small_turn(pose: Matrix) -> Matrix:
    """Returns the rotation vector of a 4x4 pose that turns by a degree at most, in radians."""
    r = pose[:3, :3]
    return np.array([r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1]]) / 2


def rotation_matrix(vector: Matrix) -> Matrix:
    """Returns the 3x3 matrix of a rotation vector (Rodrigues)."""
    angle = float(np.linalg.norm(vector))
    if not angle:
        return np.eye(3)
    x, y, z = vector / angle
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.asarray(np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross)
