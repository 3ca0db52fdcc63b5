"""Clouds thinned to voxels: one point of each, as a dictionary would keep them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from drnet_ros.errors import SettingsError
from drnet_ros.inference import Settings
from drnet_ros.inference.postprocess.voxels import voxel_points


def surface(seed: int, channels: int = 4) -> NDArray[np.float32]:
    """A bent wall with steps, holes and colours."""
    random = np.random.default_rng(seed)
    v, u = np.mgrid[:50, :70]
    z = 2 + 0.01 * u + 0.2 * np.sin(v / 7) + (u > 40) * 0.7
    points = np.stack([(u - 35) / 60 * z, (v - 25) / 60 * z, z], axis=-1)
    points[random.random((50, 70)) < 0.2] = np.nan
    colour = random.random((50, 70, 1))
    cloud = np.concatenate([points, colour], axis=-1)[..., :channels]
    return cloud.astype(np.float32)


@pytest.mark.parametrize('size', [0.01, 0.05, 0.3, 5.0])
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
    np.testing.assert_array_equal(found[0], np.array(list(first.values())))


def test_an_empty_cloud_stays_empty() -> None:
    assert voxel_points(np.full((4, 6, 3), np.nan, np.float32), 0.1).shape == (1, 0, 3)


def test_the_cloud_is_not_changed() -> None:
    cloud = surface(2)
    before = cloud.copy()
    voxel_points(cloud, 0.1)
    np.testing.assert_array_equal(cloud, before)


def test_voxels_too_small_to_count_are_refused() -> None:
    with pytest.raises(SettingsError, match=r'at least 0\.005 m, or 0'):
        Settings(point_voxel=0.001)
