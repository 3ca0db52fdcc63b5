"""Pixels with few neighbours near them: against a loop over neighbours, and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from known_depth import KnownEngine

from drnet_ros.inference import CameraModel, DepthEstimator, Frame, Settings
from drnet_ros.inference.camera import rays
from drnet_ros.inference.postprocess.outliers import find_outliers, neighbour_spacing
from drnet_ros.inference.postprocess.voxels import voxel_cloud

NAN = math.nan


@pytest.mark.parametrize('spacing', [1, 2, 3])
@pytest.mark.parametrize(('radius', 'least'), [(0.02, 5), (0.1, 3), (0.5, 8)])
def test_outliers_against_a_loop_over_neighbours(radius: float, least: int, spacing: int) -> None:
    random = np.random.default_rng(least)
    depth = (2 + random.normal(0, radius, (70, 23))).astype(np.float32)  # more rows than a block
    depth[random.random(depth.shape) < 0.1] = NAN
    expected = np.zeros(depth.shape, bool)
    for v, u in np.argwhere(~np.isnan(depth)):
        count = 0
        for dv in (-spacing, 0, spacing):
            for du in (-spacing, 0, spacing):
                if dv or du:
                    there = depth[min(max(v + dv, 0), 69), min(max(u + du, 0), 22)]
                    near, far = sorted((depth[v, u], there))
                    count += bool(far <= near * np.float32(1 + radius))
        expected[v, u] = count < least
    before = depth.copy()
    found = find_outliers(depth, radius, least, spacing)
    assert 0.02 < expected.mean() < 0.98
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(depth, before)


def test_a_ramp_between_two_walls_goes_and_the_walls_stay() -> None:
    """What bilinear resizing makes of an edge: two columns of flying pixels."""
    row = np.array([1.0, 1.0, 1.0, 1.0, 1.4, 1.8, 2.0, 2.0, 2.0], np.float32)
    found = find_outliers(np.tile(row, (6, 1)), 0.05, 5, 1)
    assert np.flatnonzero(found.all(axis=0)).tolist() == [4, 5]
    assert np.flatnonzero(found.any(axis=0)).tolist() == [4, 5]


def test_a_corner_needs_three_neighbours() -> None:
    depth = np.full((8, 8), 3.0, np.float32)
    depth[:4, :4] = 1.0
    assert np.argwhere(find_outliers(depth, 0.05, 4, 1)).tolist() == [[3, 3]]
    assert not find_outliers(depth, 0.05, 3, 1).any()


@pytest.mark.parametrize(
    ('depth_hw', 'spacing'), [((48, 64), 1), ((80, 107), 2), ((24, 32), 1), ((192, 256), 4)]
)
def test_neighbours_are_pixels_of_the_network_away(
    depth_hw: tuple[int, int], spacing: int
) -> None:
    assert neighbour_spacing(depth_hw, (48, 64)) == spacing


def test_the_estimator_drops_them_in_depth_clouds_and_deviation() -> None:
    camera = CameraModel(64, 48, 50.0, 50.0, 31.5, 23.5)
    image = np.zeros((48, 64, 3), np.uint8)
    image[:, 30:, 0] = 200  # a wall at 1 m, then one at 3 m
    image[:, 29, 0], image[:, 30, 0] = 60, 130  # and flying pixels between
    settings = Settings(
        refine_edges=False,
        outlier_radius=0.05,
        point_stride=2,
        point_color=False,
        point_voxel=0.05,
    )
    frame = Frame(image, camera, points=True, voxels=True, stddev=True)
    with DepthEstimator(settings, engine=KnownEngine()) as estimator:
        (result,) = estimator.submit([frame]).result()
        estimator.update(settings.changed(outlier_radius=0.0))
        (unfiltered,) = estimator.submit([frame]).result()
    is_dropped = np.isnan(result.depth_hw)
    assert np.flatnonzero(is_dropped.all(axis=0)).tolist() == [29, 30]
    assert is_dropped.sum() == 2 * 48
    assert result.points is not None
    assert result.stddev_hw is not None
    assert result.voxels is not None
    np.testing.assert_array_equal(np.isnan(result.points[..., 2]), is_dropped[::2, ::2])
    np.testing.assert_array_equal(np.isnan(result.stddev_hw), is_dropped)
    assert set(result.voxels[..., 2].ravel().tolist()) == {1.0, 3.0}
    np.testing.assert_array_equal(
        result.voxels, voxel_cloud(result.depth_hw, rays(camera), 0.05, None, 2)
    )
    assert np.isfinite(unfiltered.depth_hw).all()
