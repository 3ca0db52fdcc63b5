"""Clouds thinned to voxels: one point of each, as a dictionary would keep them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from drnet_ros.errors import SettingsError
from drnet_ros.inference import Settings
from drnet_ros.inference.depth import point_cloud
from drnet_ros.inference.postprocess.voxels import voxel_cloud, voxel_points

SIZES = [0.002, 0.01, 0.05, 0.3, 5.0]  # with the first, the scene is wider than 32-bit keys reach


def scene(seed: int) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.uint8]]:
    """Depth, rays and colours of a bent wall with steps and holes."""
    random = np.random.default_rng(seed)
    v, u = np.mgrid[:50, :70]
    z = 2 + 0.01 * u + 0.2 * np.sin(v / 7) + (u > 40) * 0.7
    z[random.random(z.shape) < 0.2] = np.nan
    rays = np.stack(((u - 35) / 60, (v - 25) / 60), axis=-1)
    rays[:3, :4] = np.nan
    colours = random.integers(0, 256, (50, 70, 3), np.uint8)
    return z.astype(np.float32), rays.astype(np.float32), colours


def surface(seed: int, channels: int = 4) -> NDArray[np.float32]:
    """The organised cloud of it."""
    depth, rays, colours = scene(seed)
    return point_cloud(depth, rays, colours if channels == 4 else None)


def bits(points: NDArray[np.float32]) -> NDArray[np.uint32]:
    """Colours are bits of floats, and may be those of NaN."""
    return np.ascontiguousarray(points).view(np.uint32)


@pytest.mark.parametrize('size', SIZES)
@pytest.mark.parametrize('channels', [3, 4])
def test_the_first_point_of_each_voxel_stays(size: float, channels: int) -> None:
    cloud = surface(1, channels)
    first: dict[tuple[int, ...], NDArray[np.float32]] = {}
    for point in cloud.reshape(-1, channels):
        if not np.isnan(point[2]):
            voxel = tuple(np.floor(point[:3] * np.float32(1 / size)).astype(int))
            first.setdefault(voxel, point)
    found = voxel_points(cloud, size)
    assert found.shape == (1, len(first), channels)
    np.testing.assert_array_equal(bits(found[0]), bits(np.array(list(first.values()))))


@pytest.mark.parametrize('size', SIZES)
@pytest.mark.parametrize('stride', [1, 3])
@pytest.mark.parametrize('has_colour', [False, True])
def test_a_cloud_of_depth_has_the_first_point_of_each_voxel(
    size: float, stride: int, has_colour: bool
) -> None:
    depth, rays, colours = scene(3)
    whole = point_cloud(depth, rays, colours if has_colour else None, stride)
    per_metre = np.float32(1 / size)
    first: dict[tuple[int, ...], NDArray[np.float32]] = {}
    for row, column in np.ndindex(whole.shape[:2]):
        z = depth[stride * row, stride * column] * per_metre
        x, y = rays[stride * row, stride * column] * z
        if not np.isnan(whole[row, column, 2]):
            first.setdefault(tuple(np.floor((x, y, z)).astype(int)), whole[row, column])
    found = voxel_cloud(depth, rays, size, colours if has_colour else None, stride)
    assert found.shape == (1, len(first), 4 if has_colour else 3)
    assert found.flags.c_contiguous
    np.testing.assert_array_equal(bits(found[0]), bits(np.array(list(first.values()))))


def test_points_far_apart_in_the_image_share_voxels() -> None:
    """Points on a diagonal, each in its own voxel, and all of them once more."""
    axis = np.arange(-3000, 3000, dtype=np.float32) / np.float32(10) + np.float32(0.05)
    diagonal = np.stack((axis, axis, axis), axis=-1)
    twice = np.concatenate((diagonal, diagonal)).astype(np.float32)[np.newaxis]
    np.testing.assert_array_equal(voxel_points(twice, 0.1)[0], diagonal)


@pytest.mark.parametrize('reach', [(645, 645, 1287), (646, 645, 1287), (645, 645, 1288)])
def test_voxels_as_far_apart_as_can_be_stay_apart(reach: tuple[int, int, int]) -> None:
    """Those within reach of the origin have 32-bit keys, and others longer ones."""
    ends = [np.r_[-end : 3 - end, -1:2, end - 3 : end] + 0.5 for end in reach]
    grid = np.stack(np.meshgrid(*ends), axis=-1).reshape(1, -1, 3).astype(np.float32)
    np.testing.assert_array_equal(voxel_points(np.repeat(grid, 3, axis=1), 1.0), grid)


def test_an_empty_cloud_stays_empty() -> None:
    assert voxel_points(np.full((4, 6, 3), np.nan, np.float32), 0.1).shape == (1, 0, 3)
    depth, rays, colours = scene(1)
    nothing = np.full_like(depth, np.nan)
    assert voxel_cloud(nothing, rays, 0.1, colours).shape == (1, 0, 4)


def test_what_is_thinned_is_not_changed() -> None:
    cloud, (depth, rays, colours) = surface(2), scene(2)
    inputs: tuple[NDArray[Any], ...] = (cloud, depth, rays, colours)
    before = [each.copy() for each in inputs]
    voxel_points(cloud, 0.1)
    voxel_cloud(depth, rays, 0.1, colours)
    for given, copy in zip(inputs, before, strict=True):
        np.testing.assert_array_equal(given.view(np.uint8), copy.view(np.uint8))


def test_voxels_too_small_to_count_are_refused() -> None:
    with pytest.raises(SettingsError, match=r'at least 0\.005 m, or 0'):
        Settings(point_voxel=0.001)
