"""Sparse depth drawn from the truth: where, how much, and with which noise."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from drnet_offline.errors import OfflineError
from drnet_offline.evaluation.scoring import pinhole
from drnet_offline.evaluation.sparse_draws import draw_sparse_depth

HW = (120, 160)
FOCAL = 130.0
CAMERA = pinhole(FOCAL, *HW)

Depth = npt.NDArray[np.float32]


def wall(depth_m: float = 2.0) -> Depth:
    return np.full(HW, depth_m, np.float32)


def draw(kind: str, truth: Depth) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    sparse, is_drawn = draw_sparse_depth(kind, truth, CAMERA, np.random.default_rng(3))
    return sparse.points_xyz.astype(np.float64), is_drawn


def pixels_of(points: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], ...]:
    column = points[:, 0] / points[:, 2] * FOCAL + (HW[1] - 1) / 2
    row = points[:, 1] / points[:, 2] * FOCAL + (HW[0] - 1) / 2
    return row, column


def noise_of(points: npt.NDArray[np.float64], depth_m: float = 2.0) -> float:
    return float(np.std(np.log(points[:, 2] / depth_m)))


def test_a_scan_is_one_row_with_a_ray_each_quarter_degree() -> None:
    points, is_drawn = draw('scan', wall())
    row, column = pixels_of(points)
    np.testing.assert_allclose(row, 60, atol=1e-3)  # the row nearest to 59.5, by round()
    assert is_drawn.sum() == len(points)
    assert is_drawn[60].sum() == len(points)
    # Neighbouring pixels are atan(1 / 130) = 0.44 degrees apart: each is hit, at the sides too.
    assert len(points) == HW[1]
    np.testing.assert_allclose(np.sort(column), np.arange(HW[1]), atol=1e-3)
    assert noise_of(points) == pytest.approx(0.01, rel=0.2)


def test_points_are_as_many_as_asked_for_and_never_where_nothing_is_known() -> None:
    truth = wall()
    truth[:, :80] = np.nan
    truth[:10] = 0
    points, is_drawn = draw('points:400', truth)
    assert len(points) == is_drawn.sum() == 400
    row, column = pixels_of(points)
    assert column.min() > 79.5
    assert row.min() > 9.5
    assert noise_of(points) == pytest.approx(0.03, rel=0.15)
    few = np.full(HW, np.nan, np.float32)
    few[5, 7] = 1.5
    points, is_drawn = draw('points:20', few)
    assert len(points) == 1
    np.testing.assert_array_equal(np.argwhere(is_drawn), [[5, 7]])


def test_zones_of_a_tof_sensor_see_medians_within_their_range() -> None:
    truth = wall(1.0)
    truth[:, 80:] = 3.0
    points, is_drawn = draw('tof:8x8', truth)
    assert len(points) == 64
    assert not is_drawn.any()  # a zone's median tells next to nothing about a single pixel
    row, column = pixels_of(points)
    # 45 degrees: 130 tan(22.5 degrees) = 53.8 pixels to each side of the centre.
    assert 59.5 - 53.8 < row.min() < row.max() < 59.5 + 53.8
    left = column < 79.5
    assert left.sum() == 32
    assert noise_of(points[left], 1.0) == pytest.approx(0.03, rel=0.4)
    assert noise_of(points[~left], 3.0) == pytest.approx(0.03, rel=0.4)
    truth[:, 80:] = 4.5  # beyond its range of 4 m
    assert len(draw('tof:8x8', truth)[0]) == 32
    truth[:, :80] = np.nan
    assert not len(draw('tof:8x8', truth)[0])


def test_a_range_finder_sees_the_nearest_in_its_cone() -> None:
    truth = wall(3.0)
    # 7 degrees: 8 pixels to each side of the centre; a sixth of them is near.
    truth[52:55] = 0.8
    points, is_drawn = draw('range', truth)
    assert len(points) == 1
    assert not is_drawn.any()
    assert points[0, 2] == pytest.approx(0.8, rel=0.06)
    np.testing.assert_allclose(points[0, :2] / points[0, 2], 0, atol=0.01)


def test_the_same_seed_draws_the_same() -> None:
    first, second = draw('points:50', wall()), draw('points:50', wall())
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])


@pytest.mark.parametrize(
    'kind', ['', 'points', 'points:0', 'points:-3', 'tof:8', 'tof:0x8', 'lidar']
)
def test_what_is_none_is_named(kind: str) -> None:
    with pytest.raises(OfflineError, match='sparse depth must be scan, points:N'):
        draw(kind, wall())
