"""The floor in a cloud: boxes stay, ramps and stairs are not taken for it."""

from __future__ import annotations

import numpy as np
import pytest
from ground_scene import Array, Box, Ramp, depth_of, heights_of, pose
from numpy.typing import NDArray

from drnet_ros.errors import GroundError
from drnet_ros.inference import CameraModel, Settings
from drnet_ros.inference.camera import rays
from drnet_ros.inference.depth import point_cloud
from drnet_ros.inference.postprocess.ground import Floor, find_floor

CAMERA = CameraModel(160, 120, 130.0, 130.0, 79.5, 59.5)
SETTINGS = Settings(ground_frame='base_footprint')
HEIGHT_M = 0.6
LEVEL = pose(HEIGHT_M, 10)
BOX = Box((1.5, -0.3, 0.0), (1.9, 0.3, 0.3))


def steps(first_m: float, count: int = 8) -> tuple[Box, ...]:
    """Stairs that go up: treads of 28 cm, 17 cm high."""
    return tuple(
        Box((first_m + 0.28 * index, -2, -1), (first_m + 4, 2, 0.17 * (index + 1)))
        for index in range(count)
    )


def cloud(depth: NDArray[np.float32]) -> NDArray[np.float32]:
    return point_cloud(depth, rays(CAMERA))


def left(
    *things: Box | Ramp, camera_pose: Array = LEVEL, scale: float = 1.0, told: Array | None = None
) -> tuple[Floor, NDArray[np.bool_], Array]:
    """Return the floor, which pixels stay, and how high they truly are.

    `scale` is the error of the depth; `told` is the pose that tf has, if it is not the true one.
    """
    depth = depth_of(CAMERA, camera_pose, *things)
    points = cloud(depth * np.float32(scale))
    floor = find_floor(points, camera_pose if told is None else told, SETTINGS)
    kept = floor.without(points, SETTINGS.ground_tolerance)
    is_kept = np.isin(points[..., 0], kept[0, :, 0]) & np.isin(points[..., 1], kept[0, :, 1])
    assert is_kept.sum() == kept.shape[1]
    return floor, is_kept, heights_of(CAMERA, camera_pose, depth)


@pytest.mark.parametrize('scale', [0.8, 1.0, 1.25])
def test_the_floor_goes_and_a_box_stays_whatever_the_scale(scale: float) -> None:
    floor, is_kept, height = left(BOX, scale=scale)
    assert floor.is_fitted
    assert floor.camera_height == pytest.approx(scale * HEIGHT_M, abs=0.01)
    is_box = height > 0.08 / scale + 0.01
    assert is_box.sum() > 500
    np.testing.assert_array_equal(is_kept[is_box], True)
    np.testing.assert_array_equal(is_kept[np.abs(height) < 0.05], False)


def test_a_camera_that_is_tilted_more_than_tf_says() -> None:
    told = pose(HEIGHT_M, 7.0)  # the floor of tf is 3 degrees off: 21 cm at 4 m
    floor, is_kept, height = left(BOX, told=told)
    assert floor.is_fitted
    np.testing.assert_array_equal(is_kept[height > 0.09], True)
    np.testing.assert_array_equal(is_kept[np.abs(height) < 0.05], False)


def test_a_ramp_is_not_the_floor() -> None:
    with pytest.raises(GroundError, match=r'\(8 degrees\), got a plane of 10\.\d degrees'):
        left(Ramp(0.3, 10.0))


def test_a_gentle_slope_is_the_floor() -> None:
    floor, is_kept, height = left(Ramp(0.3, 3.0))
    assert floor.is_fitted
    np.testing.assert_array_equal(is_kept[~np.isnan(height)], False)


def test_a_ramp_ahead_stays_and_the_floor_before_it_goes() -> None:
    _, is_kept, height = left(Ramp(2.5, 12.0))
    np.testing.assert_array_equal(is_kept[height > 0.15], True)
    before = np.abs(height) < 0.001
    assert before.sum() > 2000
    np.testing.assert_array_equal(is_kept[before], False)


@pytest.mark.parametrize('first_m', [0.7, 2.0], ids=['at the stairs', 'before the stairs'])
def test_stairs_stay(first_m: float) -> None:
    _, is_kept, height = left(*steps(first_m))
    is_step = height > 0.1
    assert is_step.sum() > 3000
    np.testing.assert_array_equal(is_kept[is_step], True)


def test_the_floor_goes_before_stairs_that_lead_down() -> None:
    """The edge of a landing: what lies beyond it, 30 cm lower, stays."""
    camera_pose = pose(HEIGHT_M + 0.3, 10)
    landing = Box((-3.0, -9.0, 0.0), (1.8, 9.0, 0.3))
    floor, is_kept, height = left(landing, camera_pose=camera_pose, told=LEVEL)
    assert floor.camera_height == pytest.approx(HEIGHT_M, abs=0.01)
    np.testing.assert_array_equal(is_kept[np.abs(height - 0.3) < 0.01], False)
    is_lower = np.abs(height) < 0.01
    assert is_lower.sum() > 1000
    np.testing.assert_array_equal(is_kept[is_lower], True)


def test_a_strip_of_floor_before_a_wall_is_that_of_tf() -> None:
    camera_pose = pose(0.3)
    wall = Box((0.75, -5, 0), (1.0, 5, 3))
    floor, is_kept, height = left(wall, camera_pose=camera_pose)
    assert not floor.is_fitted
    assert floor.camera_height == pytest.approx(0.3)
    np.testing.assert_array_equal(is_kept, height > 0.08)


def test_without_a_floor_all_stays() -> None:
    wall = Box((1.0, -5, -5), (1.5, 5, 5))
    floor, is_kept, height = left(wall, camera_pose=pose(3.0))
    assert not floor.is_fitted
    np.testing.assert_array_equal(is_kept, ~np.isnan(height))


def test_ground_height_is_where_the_floor_is() -> None:
    base = LEVEL.copy()
    base[2, 3] = 0.5  # base_link is 10 cm above the floor
    settings = SETTINGS.changed(ground_height=-0.1)
    floor = find_floor(cloud(depth_of(CAMERA, LEVEL)), base, settings)
    assert floor.camera_height == pytest.approx(HEIGHT_M, abs=1e-4)


def test_the_camera_must_be_above_the_ground() -> None:
    with pytest.raises(GroundError, match=r'above the ground of base_footprint, got -0\.40 m'):
        find_floor(
            cloud(depth_of(CAMERA, LEVEL)), LEVEL, SETTINGS.changed(ground_height=1.0)
        )  # fmt: skip


def test_invalid_points_go_and_colours_stay() -> None:
    depth = depth_of(CAMERA, LEVEL, BOX)
    depth[40:60:3] = np.nan
    colours = np.random.default_rng(0).integers(0, 255, (120, 160, 3), np.uint8)
    points = point_cloud(depth, rays(CAMERA), colours)
    before = points.copy()
    floor = find_floor(points, LEVEL, SETTINGS)
    kept = floor.without(points, 0.08)
    expected = [
        point
        for point in points.reshape(-1, 4)
        if abs(float(np.dot(point[:3], floor.up)) + floor.camera_height) > 0.08
    ]
    np.testing.assert_array_equal(kept[0].view(np.uint32), np.array(expected).view(np.uint32))
    np.testing.assert_array_equal(points.view(np.uint32), before.view(np.uint32))
