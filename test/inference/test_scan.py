"""Laser scans of depth: against depthimage_to_laserscan's rule and a room of known planes."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from drnet_ros.errors import CameraError, SettingsError
from drnet_ros.inference import CameraModel, DepthFrame, Settings
from drnet_ros.inference.postprocess.height_scan import HeightScanner
from drnet_ros.inference.postprocess.scan import Scan, scan_of_rows

CAMERA = CameraModel(160, 120, 130.0, 130.0, 79.5, 59.5)
OPTICAL_TO_BODY = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])


def frame_of(depth: NDArray[np.floating], max_depth: float = 10.0) -> DepthFrame:
    """What the estimator makes of it where `beyond` is asked for."""
    beyond = depth > max_depth
    limited = np.where(beyond, np.nan, depth).astype(np.float32)
    return DepthFrame(limited, CAMERA, beyond_hw=beyond)


def angles_of(scan: Scan) -> NDArray[np.float64]:
    beams = np.arange(len(scan.ranges), dtype=np.float64)
    return scan.angle_min + scan.angle_increment * beams


def random_depth(seed: int) -> NDArray[np.float32]:
    """Blocks of 0.5 to 20 m, of which some are invalid."""
    random = np.random.default_rng(seed)
    blocks = random.uniform(0.5, 20, (24, 20))
    blocks[random.random((24, 20)) < 0.1] = np.nan
    return blocks.repeat(5, 0).repeat(8, 1).astype(np.float32)


@pytest.mark.parametrize('rows', [1, 10, 30])
def test_a_beam_is_the_nearest_of_its_pixels(rows: int) -> None:
    """depthimage_to_laserscan's use_point, pixel by pixel, but far is free and unknown is NaN."""
    depth = random_depth(rows)
    scan = scan_of_rows(frame_of(depth), CAMERA, Settings(scan_rows=rows))
    expected = np.full(len(scan.ranges), np.inf)
    has_unknown = np.zeros(len(scan.ranges), bool)
    top = int(CAMERA.cy - rows / 2)
    for row in depth[top : top + rows]:
        for u, z in enumerate(row):
            th = -math.atan2(u - CAMERA.cx, CAMERA.fx)
            index = round((th - scan.angle_min) / scan.angle_increment)
            distance = math.hypot((u - CAMERA.cx) / CAMERA.fx * z, z)
            if math.isnan(z):
                has_unknown[index] = True
            elif z <= 10 and 0.1 <= distance <= 10:
                expected[index] = min(expected[index], distance)
    expected[np.isinf(expected) & has_unknown] = np.nan
    np.testing.assert_allclose(scan.ranges, expected, rtol=1e-5)
    if rows == 1:
        assert np.isnan(expected).any()
        assert np.isinf(expected).any()


def test_a_wall_has_no_holes_and_the_angles_of_the_lens() -> None:
    scan = scan_of_rows(frame_of(np.full((120, 160), 2.0)), CAMERA, Settings())
    angles = angles_of(scan)
    np.testing.assert_allclose(scan.ranges, 2 / np.cos(angles), rtol=0.005)
    assert angles[0] == pytest.approx(-math.atan(79.5 / 130))
    assert angles[-1] == pytest.approx(math.atan(79.5 / 130))
    assert (scan.range_min, scan.range_max) == (0.1, 10.0)


def test_the_left_of_the_image_is_at_positive_bearings() -> None:
    depth = np.full((120, 160), 4.0)
    depth[:, :20] = 1.0
    scan = scan_of_rows(frame_of(depth), CAMERA, Settings())
    near = angles_of(scan)[scan.ranges < 2]
    assert near.min() == pytest.approx(math.atan((79.5 - 19) / 130), abs=0.01)


def test_nothing_within_reach_is_free_and_invalid_is_not() -> None:
    depth = np.full((120, 160), 50.0)
    depth[58, 30:40] = np.nan
    depth[59, 35:50] = 3.0
    scan = scan_of_rows(frame_of(depth), CAMERA, Settings(scan_max_range=5.0))
    index = np.rint((-np.arctan((np.arange(160) - 79.5) / 130) - scan.angle_min)
                    / scan.angle_increment).astype(int)  # fmt: skip
    assert np.isinf(scan.ranges[index[:28]]).all()
    assert np.isnan(scan.ranges[index[31:34]]).all()
    assert (scan.ranges[index[36:49]] < 3.5).all()
    assert np.isinf(scan.ranges[index[52:]]).all()
    assert scan.range_max == 5.0
    near = scan_of_rows(frame_of(np.full((120, 160), 6.0)), CAMERA, Settings(scan_max_range=5.0))
    assert np.isinf(near.ranges).all()
    assert scan_of_rows(frame_of(depth), CAMERA, Settings(scan_max_range=50.0)).range_max == 10


def test_rays_of_a_distorted_lens_count_and_not_its_pixels() -> None:
    camera = replace(CAMERA, distortion_model='plumb_bob', d=(-0.3, 0.1, 0.0, 0.0, 0.0))
    scan = scan_of_rows(frame_of(np.full((120, 160), 2.0)), camera, Settings(scan_rows=2))
    assert angles_of(scan)[-1] > math.atan(79.5 / 130) + 0.02
    np.testing.assert_allclose(scan.ranges, 2 / np.cos(angles_of(scan)), rtol=0.01)


def pose(x: float, y: float, z: float, yaw: float, pitch: float) -> NDArray[np.float64]:
    """Of the optical frame of a camera at a place that looks `pitch` downwards."""
    turn = np.array([[math.cos(yaw), -math.sin(yaw), 0], [math.sin(yaw), math.cos(yaw), 0],
                     [0, 0, 1.0]])  # fmt: skip
    tilt = np.array([[math.cos(pitch), 0, math.sin(pitch)], [0, 1, 0],
                     [-math.sin(pitch), 0, math.cos(pitch)]])  # fmt: skip
    matrix = np.eye(4)
    matrix[:3, :3] = turn @ tilt @ OPTICAL_TO_BODY
    matrix[:3, 3] = x, y, z
    return matrix


def room(camera_pose: NDArray[np.float64], wall_x: float) -> NDArray[np.float64]:
    """Depth of a floor at z = 0 and a wall at x = wall_x, from the equations of the planes."""
    u, v = np.meshgrid(np.arange(160), np.arange(120))
    rays = np.stack([(u - 79.5) / 130, (v - 59.5) / 130, np.ones(u.shape)], axis=-1)
    along = rays @ camera_pose[:3, :3].T
    with np.errstate(divide='ignore'):
        floor = -camera_pose[2, 3] / along[..., 2]
        wall = (wall_x - camera_pose[0, 3]) / along[..., 0]
    candidates = np.stack([floor, wall])
    candidates[candidates <= 0] = np.inf
    nearest: NDArray[np.float64] = candidates.min(axis=0)
    return nearest


@pytest.mark.parametrize(('yaw', 'pitch'), [(0.0, 0.0), (0.3, 0.15), (-0.4, 0.3)])
def test_a_tilted_camera_sees_the_wall_and_not_the_floor(yaw: float, pitch: float) -> None:
    camera_pose = pose(0.2, -0.1, 0.6, yaw, pitch)
    result = frame_of(room(camera_pose, 3.0))
    scan = HeightScanner().scan(result, CAMERA, camera_pose, Settings(scan_frame='base_link'))
    angles = angles_of(scan)
    is_seen = np.isfinite(scan.ranges)
    assert is_seen.sum() > 0.9 * len(angles)
    np.testing.assert_allclose(scan.ranges[is_seen], 3 / np.cos(angles[is_seen]), rtol=0.02)
    assert angles[0] < yaw < angles[-1]


def test_behind_the_robot_bearings_go_on_past_half_a_turn() -> None:
    camera_pose = pose(0.0, 0.0, 0.5, math.pi, 0.0)
    depth = np.full((120, 160), 2.0)
    scan = HeightScanner().scan(
        frame_of(depth), CAMERA, camera_pose, Settings(scan_frame='base_link')
    )
    middle = angles_of(scan).mean()
    assert math.cos(middle) == pytest.approx(-1, abs=0.001)
    np.testing.assert_allclose(scan.ranges, 2 / np.cos(angles_of(scan) - middle), rtol=0.01)


def test_free_space_is_told_only_by_rays_that_stay_between_the_heights() -> None:
    settings = Settings(scan_frame='base_link', scan_max_range=5.0)

    def scan(camera_pose: NDArray[np.float64], **values: Any) -> Scan:
        changed = settings.changed(**values)
        return HeightScanner().scan(
            frame_of(room(camera_pose, 50.0)), CAMERA, camera_pose, changed
        )

    level, downwards = pose(0, 0, 0.6, 0, 0), pose(0, 0, 0.6, 0, 0.8)
    assert np.isinf(scan(level).ranges).all()
    assert np.isnan(scan(downwards).ranges).all()  # sees the floor alone
    assert np.isnan(scan(level, scan_max_height=0.5).ranges).all()  # the camera is above
    low = frame_of(room(level, 50.0))
    low.depth_hw[59, 80:100] = np.nan
    assert low.beyond_hw is not None
    low.beyond_hw[59, 80:100] = False
    found = HeightScanner().scan(low, CAMERA, level, settings).ranges
    assert 15 <= np.isnan(found).sum() <= 25


def test_a_camera_that_looks_down_makes_no_scan() -> None:
    camera_pose = pose(0, 0, 0.6, 0, math.pi / 2)
    with pytest.raises(CameraError, match='straight up or down'):
        HeightScanner().scan(
            frame_of(np.full((120, 160), 0.6)), CAMERA, camera_pose, Settings(scan_frame='b')
        )


def test_heights_must_be_in_order() -> None:
    with pytest.raises(SettingsError, match='scan_min_height must be less'):
        Settings(scan_min_height=1.0, scan_max_height=0.5)
