"""Odometry as a source of depth, before a textured wall that is seen from exact poses."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from drnet_ros.errors import SparseDepthError
from drnet_ros.inference import CameraModel, OdometryMap, SparseDepth
from drnet_ros.inference.sparse_depth.projection import project
from drnet_ros.inference.sparse_depth.sources.motion import ImageMoment
from drnet_ros.inference.sparse_depth.sources.odometry import OdometrySource
from drnet_ros.inference.sparse_depth.sources.transforms import TransformBuffer
from drnet_ros.inference.sparse_depth.triangulation import RaySums

CAMERA = CameraModel(320, 240, 260.0, 260.0, 159.5, 119.5)
MATRIX = np.array([[260.0, 0, 159.5], [0, 260.0, 119.5], [0, 0, 1]])
WALL_M = 2.0


def wall() -> NDArray[np.uint8]:
    noise = np.random.default_rng(0).integers(0, 256, (150, 200), np.uint8)
    return cv2.resize(noise, (1600, 1200), interpolation=cv2.INTER_CUBIC).astype(np.uint8)


def pose(x_m: float = 0.0, z_m: float = 0.0, yaw: float = 0.0) -> NDArray[np.float64]:
    matrix = np.eye(4)
    matrix[:3, :3], _ = cv2.Rodrigues(np.array([0.0, yaw, 0.0]))
    matrix[:3, 3] = x_m, 0.0, z_m
    return matrix


def view(texture: NDArray[np.uint8], world_from_camera: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return the wall z = 2 m of the world, 400 pixels a metre, as the camera sees it."""
    camera_from_world = np.linalg.inv(world_from_camera)
    # Columns: one metre along x, along y, and the place of the texture's corner.
    to_camera = np.column_stack(
        [
            camera_from_world[:3, 0] / 400,
            camera_from_world[:3, 1] / 400,
            camera_from_world[:3, :3] @ (-2.0, -1.5, WALL_M) + camera_from_world[:3, 3],
        ]
    )
    return cv2.warpPerspective(texture, MATRIX @ to_camera, (320, 240)).astype(np.uint8)


def followed(poses: list[NDArray[np.float64]]) -> Iterator[SparseDepth]:
    texture, odometry = wall(), OdometryMap()
    for world_from_camera in poses:
        yield odometry.feed(view(texture, world_from_camera), CAMERA, world_from_camera)


def wall_depths(found: SparseDepth, world_from_camera: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the true depth along the rays to points."""
    rays = found.points_xyz / found.points_xyz[:, 2:]
    towards = rays @ world_from_camera[:3, :3].T
    depths: NDArray[np.float64] = (WALL_M - world_from_camera[2, 3]) / towards[:, 2]
    return depths


def test_a_camera_that_moves_sideways_measures_the_wall() -> None:
    poses = [pose(x_m=0.02 * frame, yaw=0.004 * frame) for frame in range(20)]
    *_, last = followed(poses)
    assert len(last) > 60
    assert last.source == 'odometry'
    truth = wall_depths(last, poses[-1])
    relative = np.abs(last.points_xyz[:, 2] / truth - 1)
    assert np.median(relative) < 0.01
    assert np.quantile(relative, 0.95) < 0.04
    assert float(np.mean(relative < 2 * last.stddev_n)) > 0.9


def test_a_world_whose_origin_is_far_away_costs_no_digits() -> None:
    """Poses in UTM have millions of metres; squared, they leave no digits for the rays."""
    texture, near, far = wall(), OdometryMap(), OdometryMap()
    for frame in range(30):
        at = pose(x_m=0.02 * frame)
        in_utm = at.copy()
        in_utm[:3, 3] += 500_000, 5_000_000, 300
        expected = near.feed(view(texture, at), CAMERA, at)
        found = far.feed(view(texture, at), CAMERA, in_utm)
    assert len(expected) > 60
    np.testing.assert_allclose(found.points_xyz, expected.points_xyz, rtol=1e-5, atol=1e-5)


def test_a_camera_that_only_turns_gets_nothing() -> None:
    poses = [pose(yaw=0.01 * math.sin(frame / 3) * frame) for frame in range(30)]
    assert [len(found) for found in followed(poses)] == [0] * 30


def test_wrong_odometry_is_not_believed() -> None:
    texture, odometry, generator = wall(), OdometryMap(), np.random.default_rng(1)
    counts = []
    for frame in range(25):
        seen = view(texture, pose(yaw=0.01 * frame))
        said = pose(x_m=0.01 * frame, yaw=0.01 * frame)
        turn, _ = cv2.Rodrigues(generator.normal(0, 0.02, 3))
        said[:3, :3] = said[:3, :3] @ turn
        counts.append(len(odometry.feed(seen, CAMERA, said)))
    assert sum(counts) == 0


def test_what_was_lost_from_view_is_known_when_it_comes_back() -> None:
    there = [pose(x_m=0.02 * frame) for frame in range(20)]
    away = [pose(x_m=0.38, yaw=0.06 * frame) for frame in range(1, 12)]
    found = list(followed([*there, *away, *away[::-1], there[-1]]))
    middle = len(there) + len(away)
    inside = [len(project(points, CAMERA)) for points in (found[middle], found[-1])]
    assert inside[0] < inside[1] / 2
    assert inside[1] > 100
    relative = np.abs(found[-1].points_xyz[:, 2] / WALL_M - 1)
    assert np.median(relative) < 0.02


def test_a_robot_that_is_carried_away_measures_the_new_place_and_forgets_the_old_one() -> None:
    texture, source, transforms = wall(), OdometrySource(), TransformBuffer()
    counts, errors = [], []
    for frame in range(40):
        # The old wall is 2 m away. The new one, 7 m on, is 1 m before the camera.
        seen = pose(x_m=0.02 * (frame % 20), z_m=1.0 if frame >= 20 else 0.0)
        said = pose(x_m=0.02 * (frame % 20) + (7.0 if frame >= 20 else 0.0))
        stamp_ns = 50_000_000 * frame
        source.add(stamp_ns, 'odom', 'optical', said, transforms)
        rgb = cv2.cvtColor(view(texture, seen), cv2.COLOR_GRAY2RGB).astype(np.uint8)
        found = source.at(ImageMoment(stamp_ns, 'optical'), rgb, CAMERA, transforms, 'odom')
        counts.append(sum(map(len, found)))
        truth = 1.0 if frame >= 20 else WALL_M
        errors += [float(np.abs(points.points_xyz[:, 2] / truth - 1).max()) for points in found]
    assert counts[19] > 60
    assert counts[20:23] == [0] * 3
    assert counts[39] > 60
    assert max(errors[-5:]) < 0.1


@pytest.mark.parametrize(('x_m', 'z_m'), [(0.3, 0.0), (0.0, 0.4), (-0.1, 0.6)])
def test_a_pose_that_is_corrected_starts_the_map_anew(x_m: float, z_m: float) -> None:
    """A SLAM corrects the pose by what the robot may drive in a frame: nobody has to wait long."""
    texture, odometry = wall(), OdometryMap()
    counts, medians = [], []
    for frame in range(35):
        seen = pose(x_m=0.02 * frame)
        said = pose(x_m=0.02 * frame + (x_m if frame >= 20 else 0), z_m=z_m if frame >= 20 else 0)
        found = odometry.feed(view(texture, seen), CAMERA, said)
        counts.append(len(found))
        medians.append(float(np.median(found.points_xyz[:, 2])) if len(found) else math.nan)
    assert counts[19] > 60
    assert counts[20:24] == [0] * 4
    assert min(counts[26:]) > 60
    assert medians[26:] == pytest.approx([WALL_M] * 9, rel=0.02)


def test_images_and_poses_of_a_wrong_kind_are_refused() -> None:
    odometry, gray = OdometryMap(), np.zeros((240, 320), np.uint8)
    with pytest.raises(SparseDepthError, match='must be finite and 4 x 4'):
        odometry.feed(gray, CAMERA, np.eye(3))
    with pytest.raises(SparseDepthError, match='must hold a rotation'):
        odometry.feed(gray, CAMERA, np.diag([2.0, 1, 1, 1]))
    with pytest.raises(SparseDepthError, match=r'uint8 \(H, W\)'):
        odometry.feed(np.zeros((240, 320, 3), np.uint8), CAMERA, np.eye(4))
    nothing: Any = None
    with pytest.raises(SparseDepthError, match='a grey image must be of type ndarray, got NoneT'):
        odometry.feed(nothing, CAMERA, np.eye(4))
    with pytest.raises(SparseDepthError, match='camera must be of type CameraModel, got NoneType'):
        odometry.feed(gray, nothing, np.eye(4))
    with pytest.raises(SparseDepthError, match='must be an array of numbers, got str'):
        odometry.feed(gray, CAMERA, 'identity')  # type: ignore[arg-type]
    assert len(odometry.feed(gray, CAMERA, np.eye(4))) == 0


def test_images_of_another_size_start_anew() -> None:
    odometry, texture = OdometryMap(), wall()
    for frame in range(15):
        at = pose(x_m=0.02 * frame)
        odometry.feed(view(texture, at), CAMERA, at)
    small = cv2.resize(view(texture, at), (160, 120)).astype(np.uint8)
    assert len(odometry.feed(small, CAMERA, at)) == 0


def test_rays_meet_where_least_squares_says() -> None:
    generator = np.random.default_rng(2)
    point = np.array([0.3, -0.2, 3.0])
    far_away = np.array([50.0, -20.0, 0.0])
    centres = generator.normal(0, 0.2, (6, 3)) + far_away
    point += far_away
    directions = point - centres + generator.normal(0, 0.01, (6, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    sums = RaySums()
    sums.keep(np.zeros(0, bool), 1)
    for centre, direction in zip(centres, directions, strict=True):
        sums.add(centre, direction[None])
    found = sums.triangulate(centres[-1])
    # The same by stacking the equations, weights fading by exp(-1 / 60) a ray.
    weights = np.exp(-(np.arange(6)[::-1]) / 120)  # of equations: roots
    across = np.eye(3) - directions[:, :, None] * directions[:, None, :]
    left = (across * weights[:, None, None]).reshape(-1, 3)
    right = (np.einsum('nij,nj->ni', across, centres) * weights[:, None]).ravel()
    expected, *_ = np.linalg.lstsq(left, right, rcond=None)
    np.testing.assert_allclose(found.points[0], expected, rtol=1e-6)
    missed = np.linalg.norm(np.einsum('nij,nj->ni', across, expected - centres), axis=1)
    mean = math.sqrt(float(np.average(missed**2, weights=weights**2)))
    distance = float(np.linalg.norm(expected - centres[-1]))
    assert float(found.residual[0]) == pytest.approx(mean / distance, rel=1e-3)
