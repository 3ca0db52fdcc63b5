"""Sparse depth by value: projection, the scale field, its filter over time, and both engines."""

from __future__ import annotations

import math
import warnings
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from drnet_ros.errors import SparseDepthError
from drnet_ros.inference import CameraModel, DepthEstimator, Frame, Settings, SparseDepth
from drnet_ros.inference.camera import rays
from drnet_ros.inference.sparse_depth.agreement import believed_sources
from drnet_ros.inference.sparse_depth.coarse import CoarseDepth
from drnet_ros.inference.sparse_depth.cones import aimed
from drnet_ros.inference.sparse_depth.kernel import Observations
from drnet_ros.inference.sparse_depth.process import condition
from drnet_ros.inference.sparse_depth.projection import project
from drnet_ros.inference.sparse_depth.scale_field import ScaleField
from drnet_ros.inference.sparse_depth.scale_filter import SparseScaleFilter
from drnet_ros.inference.sparse_depth.scale_model import ScaleModel
from drnet_ros.inference.sparse_depth.scaling import Scaling, SparseScaler

CAMERA = CameraModel(160, 120, 130.0, 130.0, 79.5, 59.5)
LENSES = {
    'plumb_bob': (0.26, -0.95, -0.005, 0.003, 1.16),
    'rational_polynomial': (0.3, 0.1, 0.001, -0.002, 0.05, 0.2, 0.1, 0.02),
    'equidistant': (0.02, -0.01, 0.003, -0.001),
}
FRAME_NS = 33_000_000


def room() -> NDArray[np.float32]:
    """Return a floor, a wall at 4 m and a box at 1.5 m."""
    rows = np.arange(120, dtype=np.float32)[:, None]
    floor = 1.2 * 130 / np.maximum(rows - 59.5, 1)
    depth: NDArray[np.float32] = np.minimum(np.broadcast_to(floor, (120, 160)), np.float32(4.0))
    depth[50:90, 30:70] = 1.5
    return depth


def points_at(
    depth: NDArray[np.float32], pixels: NDArray[np.intp], camera: CameraModel = CAMERA
) -> NDArray[np.float64]:
    ray = rays(camera).reshape(-1, 2)[pixels].astype(np.float64)
    z = depth.ravel()[pixels].astype(np.float64)
    return np.column_stack([ray * z[:, None], z])


def drawn(depth: NDArray[np.float32], count: int, seed: int = 0) -> NDArray[np.float64]:
    pixels = np.random.default_rng(seed).choice(depth.size, count, replace=False)
    return points_at(depth, pixels)


def scaled(
    estimate: NDArray[np.float32], points: NDArray[Any], stddev: float = 0.01
) -> tuple[NDArray[np.float32], Scaling]:
    scaler = SparseScaler(ScaleModel())
    scaling = scaler.scale(estimate, CAMERA, SparseDepth(points, stddev))
    assert scaling is not None
    return estimate * scaling.field.factors(estimate), scaling


@pytest.mark.parametrize(
    ('points', 'stddev', 'said'),
    [
        (np.zeros((3, 2)), None, r'points_xyz must have the shape \(N, 3\), got \(3, 2\)'),
        (np.zeros(3), None, r'got \(3,\)'),
        ([['a', 'b', 'c']], None, 'points_xyz must be an array of numbers'),
        (np.zeros((2, 3)), np.ones(3), r'shape \(2,\).* got \(3,\)'),
        (np.zeros((2, 3)), 0.0, 'above 0 and at most 1, a share of the depth, got 0.0'),
        (np.zeros((2, 3)), math.nan, 'above 0 and at most 1, a share of the depth, got nan'),
        (np.zeros((2, 3)), 5.0, 'above 0 and at most 1, a share of the depth, got 5.0'),
    ],
)
def test_arrays_of_a_wrong_kind_are_refused(points: Any, stddev: Any, said: str) -> None:
    with pytest.raises(SparseDepthError, match=said):
        SparseDepth(points, stddev)


def test_masked_points_are_left_out() -> None:
    mask = np.array([[False] * 3, [True] * 3, [False, False, True]])
    points = np.ma.masked_array(np.full((3, 3), [0.0, 0.0, 2.0], np.float32), mask)
    found = project(SparseDepth(points), CAMERA)
    assert (len(found), found.invalid) == (1, 2)
    assert points.data[1, 2] == 2.0


def test_sources_of_a_wrong_kind_are_refused() -> None:
    points: Any = np.ones((2, 3))
    name: Any = 5
    with pytest.raises(SparseDepthError, match="source must be text, such as 'scan', got 5"):
        SparseDepth(points, source=name)
    with pytest.raises(SparseDepthError, match='points_xyz must be an array of numbers, got nd'):
        SparseDepth(points * 1j)
    with pytest.raises(SparseDepthError, match='must be a list of SparseDepth, got ndarray'):
        SparseDepth.fused(points)


def test_unusable_points_are_left_out_and_counted() -> None:
    points = np.array(
        [
            [0.0, 0.0, 2.0],
            [math.nan, 0.0, 2.0],
            [0.0, math.inf, 2.0],
            [0.0, 0.0, -2.0],
            [0.0, 0.0, 0.0],
            [9.0, 0.0, 2.0],
            [0.1, 0.0, 2.0],
        ]
    )
    stddev = np.array([0.02, 0.02, 0.02, 0.02, 0.02, 0.02, -1.0])
    found = project(SparseDepth(points, stddev), CAMERA)
    assert (len(found), found.invalid, found.outside, found.skipped) == (1, 5, 1, 0)
    assert (found.columns[0], found.rows[0]) == (80, 60)
    assert found.depth_m[0] == np.float32(2.0)
    assert found.relative_stddev[0] == np.float32(0.02)


@pytest.mark.parametrize('vague', [1.01, 1e3, 1e20, 1e300])
def test_points_that_say_nothing_change_nothing(vague: float) -> None:
    truth = room()
    sure, unsure = drawn(truth, 50), 2 * drawn(truth, 10, seed=1)
    expected = scaled(truth / 1.4, sure)[1]
    stddev = np.r_[np.full(50, 0.01), np.full(10, vague)]
    sparse = SparseDepth(np.concatenate([sure, unsure]), stddev)
    found = SparseScaler(ScaleModel()).scale(truth / 1.4, CAMERA, sparse)
    assert found is not None
    assert found.scale.dropped['invalid'] == 10
    assert (found.scale.factor, found.scale.relative_stddev) == (
        expected.scale.factor,
        expected.scale.relative_stddev,
    )


def test_points_too_far_for_float32_are_left_out_without_a_word() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        _, scaling = scaled(room(), np.concatenate([drawn(room(), 20), drawn(room(), 5) * 1e300]))
    assert scaling.scale.points == 20
    assert scaling.scale.dropped['no_estimate'] == 5


def test_sources_are_fused_with_their_own_deviations() -> None:
    near = SparseDepth(np.full((2, 3), 1.0), 0.01, source='scan')
    far = SparseDepth(np.full((1, 3), 5.0), np.array([0.2]), source='range', cone_rad=0.3)
    both = SparseDepth.fused([near, SparseDepth(np.empty((0, 3)), source='tof'), far])
    assert both.source == 'scan+range'
    np.testing.assert_array_equal(both.points_xyz[:, 2], [1.0, 1.0, 5.0])
    np.testing.assert_array_equal(both.stddev_n, [0.01, 0.01, 0.2])
    np.testing.assert_array_equal(both.cone_n, [0, 0, 0.3])
    np.testing.assert_array_equal(both.part_n, [0, 0, 1])
    assert len(SparseDepth.fused([])) == 0


@pytest.mark.parametrize('cone', [-0.1, 4.0, math.nan, [0.1], [[0.1, 0.1]]])
def test_cones_that_are_none_are_refused(cone: Any) -> None:
    with pytest.raises(SparseDepthError, match='cone_rad must be angles in 0 to pi'):
        SparseDepth(np.ones((2, 3)), cone_rad=cone)


def post_before_a_wall(wall_m: float, post_m: float) -> NDArray[np.float32]:
    """Return a wall with a post 4 degrees right of the axis."""
    depth = np.full((120, 160), wall_m, np.float32)
    depth[:, 86:92] = post_m
    return depth


def test_a_cone_is_compared_with_the_nearest_in_it_and_not_with_what_is_on_its_axis() -> None:
    """A sonar of 15 degrees hears the post at 1 m; the estimate has 0.7 of all depths."""
    estimate = post_before_a_wall(2.1, 0.7)
    sonar = SparseDepth(np.array([[0.0, 0.0, 1.0]]), 0.15, cone_rad=math.radians(15))
    beam = SparseDepth(np.array([[0.0, 0.0, 1.0]]), 0.15)
    point = aimed(sonar, estimate, CAMERA, 1).points_xyz[0]
    assert np.linalg.norm(point) == pytest.approx(1.0)
    column = point[0] / point[2] * CAMERA.fx + CAMERA.cx
    assert 86 <= round(column) < 92
    factors = []
    for sparse in (sonar, beam):
        scaling = SparseScaler(ScaleModel()).scale(estimate, CAMERA, sparse)
        assert scaling is not None
        factors.append(scaling.scale.factor)
    # One point of 15 % moves the prior's factor of 1 most of the way to 1 / 0.7.
    assert 1.2 < factors[0] < 1 / 0.7
    assert factors[1] < 0.7


def test_cones_whose_axis_is_not_in_the_image_and_points_stay_where_they_are() -> None:
    estimate = post_before_a_wall(2.1, 0.7)
    beside, behind, point = [1.3, 0.0, 1.0], [0.0, 0.0, -1.0], [0.1, 0.0, 1.0]
    cones = np.radians([30, 30, 0])
    sparse = SparseDepth(np.array([beside, behind, point]), 0.15, cone_rad=cones)
    found = aimed(sparse, estimate, CAMERA, 1)
    np.testing.assert_array_equal(found.points_xyz, sparse.points_xyz)
    unknown = np.full((120, 160), np.nan, np.float32)
    ahead = SparseDepth(np.array([[0.0, 0.0, 1.0]]), cone_rad=0.3)
    np.testing.assert_array_equal(aimed(ahead, unknown, CAMERA, 1).points_xyz, [[0, 0, 1]])
    strange = SparseDepth(np.array([[math.nan] * 3, [0.0] * 3]), cone_rad=0.3)
    np.testing.assert_array_equal(
        aimed(strange, estimate, CAMERA, 1).points_xyz, strange.points_xyz
    )


@pytest.mark.parametrize('model', LENSES)
def test_points_project_as_opencv_does(model: str) -> None:
    camera = CameraModel(640, 480, 400.0, 410.0, 320.0, 240.0, model, LENSES[model])
    generator = np.random.default_rng(1)
    points = generator.uniform((-1.0, -0.8, 2.0), (1.0, 0.8, 5.0), (200, 3))
    matrix = np.array([[400.0, 0, 320], [0, 410, 240], [0, 0, 1]])
    if model == 'equidistant':
        reference, _ = cv2.fisheye.projectPoints(
            points[:, None], np.zeros(3), np.zeros(3), matrix, np.array(LENSES[model])
        )
    else:
        reference, _ = cv2.projectPoints(
            points, np.zeros(3), np.zeros(3), matrix, np.array(LENSES[model])
        )
    found = project(SparseDepth(points), camera)
    assert len(found) == 200
    np.testing.assert_array_equal(found.columns, np.rint(reference[:, 0, 0]))
    np.testing.assert_array_equal(found.rows, np.rint(reference[:, 0, 1]))


def test_a_ray_that_the_lens_folds_into_the_image_is_outside() -> None:
    camera = CameraModel(640, 480, 500.0, 500.0, 320.0, 240.0, 'plumb_bob', (-0.3, 0, 0, 0, 0))
    # r (1 - 0.3 r^2) has its greatest value at r = 1.05 and is 0.21 at r = 1.72 too.
    found = project(SparseDepth(np.array([[1.72, 0.0, 1.0], [0.1, 0.0, 1.0]])), camera)
    assert (len(found), found.outside) == (1, 1)


def test_a_million_points_are_not_all_looked_at() -> None:
    generator = np.random.default_rng(2)
    cloud = generator.normal(0, 3, (1_000_000, 3)).astype(np.float32)
    _, scaling = scaled(room(), cloud)
    assert scaling.scale.dropped['skipped'] > 960_000
    assert scaling.scale.points + scaling.scale.dropped.get('outlier', 0) <= 150


@pytest.mark.parametrize('factor', [0.5, 0.8, 1.0, 1.4, 2.2])
@pytest.mark.parametrize('count', [5, 20, 150])
def test_exact_points_give_the_factor_within_a_percent(factor: float, count: int) -> None:
    truth = room()
    depth, scaling = scaled(truth / np.float32(factor), drawn(truth, count))
    assert scaling.scale.factor == pytest.approx(factor, rel=0.01)
    # Where few points are, the prior has its say.
    assert np.abs(depth / truth - 1).mean() < (0.05 if count == 5 else 0.01)


@pytest.mark.parametrize('seed', range(5))
def test_four_of_ten_points_may_be_wrong(seed: int) -> None:
    truth, generator = room(), np.random.default_rng(seed)
    points = drawn(truth, 100, seed)
    is_wrong = np.arange(100) < 40
    points[is_wrong] *= np.exp(generator.uniform(-1.5, 1.5, 40))[:, None]
    depth, scaling = scaled(truth / np.float32(1.3), points, 0.02)
    assert scaling.scale.factor == pytest.approx(1.3, rel=0.03)
    assert float(np.median(depth / truth)) == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize('count', [1, 5, 20, 100])
def test_perfect_depth_is_not_harmed(count: int) -> None:
    truth = room()
    depth, _ = scaled(truth, drawn(truth, count))
    assert np.abs(depth / truth - 1).mean() < 0.005


def test_points_at_one_depth_give_one_scale() -> None:
    estimate = room()
    wall = np.flatnonzero(estimate.ravel() == 4.0)[::97]
    points = points_at(estimate * np.float32(1.25), wall)
    _, scaling = scaled(estimate, points)
    factors = scaling.field.factors(estimate)
    assert scaling.scale.factor == pytest.approx(1.25, rel=0.01)
    # Away from the wall the field goes back to the mean of the prior a little, and never beyond.
    assert 1.1 < factors.min() <= factors.max() < 1.27


def test_the_field_follows_points_where_they_are_and_no_further() -> None:
    estimate = np.full((120, 160), 2.0, np.float32)
    truth = estimate.copy()
    truth[:, 80:] *= 1.3
    depth, scaling = scaled(estimate, drawn(truth, 100))
    error = np.abs(depth / truth - 1)
    assert np.median(error) < 0.02
    assert error[:, :60].max() < 0.1
    assert scaling.field.factors(estimate).min() > 0.9
    assert scaling.field.factors(estimate).max() < 1.4


@pytest.mark.parametrize('shape_hw', [(47, 61), (96, 128), (33, 400)])
@pytest.mark.parametrize('cells', [(1, 1), (6, 8), (24, 32)])
def test_factors_are_those_of_cells_enlarged_bilinearly(
    shape_hw: tuple[int, int], cells: tuple[int, int]
) -> None:
    random = np.random.default_rng(0)
    offset, slope, depth = (
        random.uniform(0.5, 2.0, size).astype(np.float32) for size in (cells, cells, shape_hw)
    )
    depth[3, 5] = np.nan
    field = ScaleField(0.0, 0.0, 0.0, offset, slope, lambda: offset)
    rows = (np.arange(shape_hw[0]) + 0.5) * cells[0] / shape_hw[0] - 0.5
    columns = (np.arange(shape_hw[1]) + 0.5) * cells[1] / shape_hw[1] - 0.5

    def at_pixels(values: NDArray[np.float32]) -> NDArray[np.float64]:
        across = np.array([np.interp(columns, np.arange(cells[1]), row) for row in values])
        return np.array([np.interp(rows, np.arange(cells[0]), column) for column in across.T]).T

    expected = at_pixels(offset) + at_pixels(slope) * depth
    np.testing.assert_allclose(field.factors(depth), expected, rtol=1e-5)


def test_the_process_is_that_of_the_textbook() -> None:
    model, generator = ScaleModel(), np.random.default_rng(3)
    estimate = room()
    coarse = CoarseDepth.of(estimate)
    assert coarse is not None
    pixels = generator.choice(estimate.size, 30, replace=False)
    rows, columns = np.divmod(pixels, 160)
    u, v = (columns + 0.5) / 160, (rows + 0.5) / 160
    log_depth = np.log(estimate.ravel()[pixels]).astype(np.float64)
    log_ratio = 0.2 + generator.normal(0, 0.05, 30)
    points = Observations(
        *(x.astype(np.float32) for x in (u, v, log_depth, log_ratio, np.full(30, 0.03**2)))
    )
    posterior = condition(model, points, 0.2, prior_log_factor=0.1, prior_variance=0.3**2)
    amplitude2 = posterior.kernel.amplitude2

    def k(a: tuple[float, float, float], b: tuple[float, float, float]) -> float:
        distance = math.sqrt(
            ((a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2) / model.local_length**2
            + (a[2] - b[2]) ** 2 / model.local_depth_length**2
        )
        local = model.local_stddev**2 * math.exp(-distance)
        row = model.row_slope_stddev**2 * (a[1] - v.mean()) * (b[1] - v.mean())
        slope = model.depth_slope_stddev**2
        depth = slope * (a[2] - log_depth.mean()) * (b[2] - log_depth.mean())
        return float(0.3**2 + amplitude2 * (local + row + depth))

    places = list(zip(u.tolist(), v.tolist(), log_depth.tolist(), strict=True))
    covariance = np.array([[k(a, b) for b in places] for a in places]) + 0.03**2 * np.eye(30)
    near, far = posterior.means(coarse)
    variance = posterior.variance(coarse)
    cell_u, cell_v = coarse.cell_positions()
    for i, j in ((0, 0), (10, 12), (23, 31)):
        for means, level in ((near, coarse.near), (far, coarse.far)):
            place = float(cell_u[j]), float(cell_v[i]), float(level[i, j])
            row = np.array([k(place, b) for b in places])
            expected = 0.1 + row @ np.linalg.solve(covariance, log_ratio - 0.1)
            assert float(means[i, j]) == pytest.approx(expected, abs=1e-3)
        middle = float(coarse.near[i, j] + coarse.far[i, j]) / 2
        place = float(cell_u[j]), float(cell_v[i]), middle
        row = np.array([k(place, b) for b in places])
        expected = k(place, place) - row @ np.linalg.solve(covariance, row)
        assert float(variance[i, j]) == pytest.approx(expected, abs=2e-3 * k(place, place))


@pytest.mark.parametrize('factor', [0.02, 0.2, 4.0, 30.0])
def test_points_of_another_scale_are_refused(factor: float) -> None:
    estimate = room()
    depth, scaling = scaled(estimate, drawn(estimate, 50) * factor)
    assert scaling.scale.points == 0
    assert 'must be within 0.3 to 3.0' in scaling.scale.refusal
    np.testing.assert_array_equal(depth, estimate)


def test_points_that_contradict_one_another_are_refused() -> None:
    estimate, generator = room(), np.random.default_rng(4)
    points = drawn(estimate, 60) * np.exp(generator.uniform(-3, 3, 60))[:, None]
    _, scaling = scaled(estimate, points)
    assert scaling.scale.points == 0
    assert 'of the points agree on a factor' in scaling.scale.refusal


@pytest.mark.parametrize('count', [50, 8000])
@pytest.mark.parametrize('wrong', [0.5, 2.0])
def test_landmarks_of_arbitrary_scale_do_not_spoil_a_scan(wrong: float, count: int) -> None:
    """A SLAM with one camera beside a lidar: however many its points, they are one source."""
    truth = room()
    row = points_at(truth, 70 * 160 + np.arange(0, 160, 2))
    scan = SparseDepth(row, 0.015, source='scan')
    slam = SparseDepth(drawn(truth, count) * wrong, 0.03, source='points')
    scaler = SparseScaler(ScaleModel())
    alone = scaler.scale(truth / 1.1, CAMERA, scan)
    both = scaler.scale(truth / 1.1, CAMERA, SparseDepth.fused([scan, slam]))
    assert alone is not None
    assert both is not None
    np.testing.assert_array_equal(both.field.slope, alone.field.slope)
    assert both.scale.factor == alone.scale.factor
    said = f'scan asks for a factor of 1.1, points for {1.1 * wrong:.3g}, which is left out'
    assert said in both.scale.contradiction
    assert alone.scale.contradiction == ''


def test_of_two_sources_that_contradict_the_one_of_the_frames_before_is_believed() -> None:
    truth, scaler = room(), SparseScaler(ScaleModel())
    near, far = (SparseDepth(drawn(truth, 80, n), 0.02, source=s) for n, s in enumerate('ab'))
    other = SparseDepth(near.points_xyz / 1.9, 0.02, source='a')
    for frame, sources in enumerate([[far], [far], [far], [other, far]]):
        sparse = SparseDepth.fused(sources)
        scaling = scaler.scale(truth / 1.9, CAMERA, sparse, stamp_ns=frame * FRAME_NS)
        assert scaling is not None
        # The image alone would say 1, as the other source does.
        assert scaling.scale.factor == pytest.approx(1.9, rel=0.01)
        said = 'b asks for a factor of 1.9, a for 1, which is left out'
        assert (said in scaling.scale.contradiction) == (len(sources) > 1)


def test_a_large_cloud_does_not_thin_out_a_scan() -> None:
    truth = room()
    cloud = SparseDepth(np.tile(drawn(truth, 5000), (20, 1)), 0.03, source='points')
    scan = SparseDepth(points_at(truth, 70 * 160 + np.arange(0, 160, 2)), 0.015, source='scan')
    found = project(SparseDepth.fused([cloud, scan]), CAMERA)
    assert found.parts is not None
    assert int(np.count_nonzero(found.parts)) == 80
    assert 10_000 < len(found) - 80 <= 15_000
    assert found.skipped == 100_080 - len(found)
    np.testing.assert_array_equal(
        found.depth_m[found.parts == 1], scan.points_xyz[:, 2].astype('f4')
    )


def test_sources_count_by_their_points_up_to_a_limit() -> None:
    parts = np.repeat([0, 1, 2], [200, 40, 1])
    ratios = np.log(np.repeat([1.0, 2.0, 2.1], [200, 40, 1]))
    is_believed, said = believed_sources(ratios, parts, ['scan', 'depth', 'range'], 0.0)
    # 30 votes against 31: the range finder decides.
    np.testing.assert_array_equal(is_believed, parts > 0)
    assert said.startswith('depth asks for a factor of 2, scan for 1, which is left out')
    is_believed, said = believed_sources(ratios[:240], parts[:240], ['scan', 'depth'], 0.1)
    np.testing.assert_array_equal(is_believed, parts[:240] == 0)
    assert believed_sources(ratios[200:], parts[200:], ['scan', 'depth', 'range'], 0.0)[1] == ''


@pytest.mark.parametrize('parts', [[0], [0, 2], [-1, 0], [0.0, 1.0]])
def test_parts_that_are_none_are_refused(parts: list[Any]) -> None:
    with pytest.raises(SparseDepthError, match='part_n must be an index of 2 sources for each'):
        SparseDepth(np.ones((2, 3)), source='scan+range', part_n=np.array(parts))


def test_hidden_points_are_outliers() -> None:
    truth = room()
    points = drawn(truth, 85)
    box = np.flatnonzero(truth.ravel() == 1.5)[::160]
    behind = points_at(np.full_like(truth, 4.0), box)
    _, scaling = scaled(truth, np.concatenate([points, behind]))
    assert scaling.scale.dropped['outlier'] >= len(behind) - 1
    factors = scaling.field.factors(truth)
    assert float(np.abs(factors[50:90, 30:70] - 1).mean()) < 0.02


@pytest.mark.parametrize(
    'mount_error',
    [(0.1, 0, 0), (-0.1, 0, 0), (0, 0.1, 0), (0, -0.1, 0), (0, 0, 0.1), (0, 0, -0.1)],
)
def test_the_residual_shows_a_mount_that_is_10_cm_wrong(
    mount_error: tuple[float, float, float],
) -> None:
    """With depth of the right shape; errors of a network may be larger than that."""
    truth = room()
    estimate, points = truth / np.float32(1.3), drawn(truth, 300, 1)
    noise = 1 + 0.01 * np.random.default_rng(1).normal(size=(300, 1))
    right = scaled(estimate, points * noise)[1].scale
    wrong = scaled(estimate, points * noise + np.array(mount_error))[1].scale
    assert right.residual == pytest.approx(0.01, abs=0.002)
    assert wrong.residual is not None
    assert wrong.residual > 0.04
    # A third of the points a factor e away, each of which counts as a factor of 1.5.
    strewn = points.copy()
    strewn[::3] *= math.e
    residual = scaled(truth, strewn)[1].scale.residual
    assert residual == pytest.approx(math.log(1.5) * math.sqrt(1 / 3), rel=1e-3)


def test_a_new_room_is_believed_after_three_frames() -> None:
    scaler, estimate = SparseScaler(ScaleModel()), room()
    seen = []
    for frame in range(14):
        factor = 0.8 if frame < 10 else 2.0
        sparse = SparseDepth(drawn(estimate, 50, frame) * factor, 0.01)
        scaling = scaler.scale(estimate, CAMERA, sparse, stamp_ns=frame * FRAME_NS)
        assert scaling is not None
        seen.append((scaling.scale.factor, scaling.scale.points, scaling.scale.refusal))
    assert [points for _, points, _ in seen[10:12]] == [0, 0]
    assert all('more frames must agree' in refusal for *_, refusal in seen[10:12])
    for factor, _, _ in seen[5:12]:
        assert factor == pytest.approx(0.8, rel=0.01)
    for factor, points, _ in seen[12:]:
        assert factor == pytest.approx(2.0, rel=0.01)
        assert points == 50


def test_a_source_that_contradicts_for_ever_takes_no_more_and_more_memory() -> None:
    memory = SparseScaleFilter(0.3**2)
    memory.update(0.0, 1e-4, 1e-4, memory.predict(0))
    for frame in range(1000):
        memory.predict(frame * FRAME_NS)
        assert not memory.accepts(20.0 + frame % 2, 1e-4)
    assert len(memory._contradictions) == 3


def test_without_data_the_scale_stays_and_its_deviation_grows() -> None:
    scaler, estimate = SparseScaler(ScaleModel()), room()
    for frame in range(20):
        sparse = SparseDepth(drawn(estimate, 50, frame) * 0.7, 0.01)
        scaler.scale(estimate, CAMERA, sparse, stamp_ns=frame * FRAME_NS)
    nothing = SparseDepth(np.empty((0, 3)))
    deviations = []
    for seconds in (1, 3, 10, 1000):
        stamp_ns = 19 * FRAME_NS + seconds * 1_000_000_000
        scaling = scaler.scale(estimate, CAMERA, nothing, stamp_ns=stamp_ns)
        assert scaling is not None
        assert scaling.scale.factor == pytest.approx(0.7, rel=0.02)
        assert scaling.scale.age_s == pytest.approx(seconds)
        assert scaling.scale.residual is None
        deviations.append(scaling.scale.relative_stddev)
    assert deviations == sorted(deviations)
    assert deviations[0] < 0.15
    assert deviations[-1] == pytest.approx(ScaleModel().factor_stddev)


def test_cameras_do_not_share_a_scale_and_time_that_goes_back_starts_anew() -> None:
    scaler, estimate = SparseScaler(ScaleModel()), room()
    nothing = SparseDepth(np.empty((0, 3)))
    for frame in range(10):
        sparse = SparseDepth(drawn(estimate, 50, frame) * 0.7, 0.01)
        scaler.scale(estimate, CAMERA, sparse, stream='front', stamp_ns=frame * FRAME_NS)
    rear = scaler.scale(estimate, CAMERA, nothing, stream='rear', stamp_ns=10 * FRAME_NS)
    front = scaler.scale(estimate, CAMERA, nothing, stream='front', stamp_ns=10 * FRAME_NS)
    assert rear is not None
    assert front is not None
    assert rear.scale.factor == 1.0
    assert front.scale.factor == pytest.approx(0.7, rel=0.02)
    early = scaler.scale(estimate, CAMERA, nothing, stream='front', stamp_ns=0)
    assert early is not None
    assert early.scale.factor == 1.0


@pytest.fixture(scope='module', params=['torch', 'openvino'])
def estimator(request: pytest.FixtureRequest, weights: str) -> Any:
    settings = Settings(engine=request.param, weights=weights, device='cpu', max_depth=80.0)
    with DepthEstimator(settings) as made:
        yield made


@pytest.mark.slow
def test_the_estimator_scales_depth_and_cloud(estimator: DepthEstimator) -> None:
    rgb = np.random.default_rng(5).integers(0, 256, (120, 160, 3), np.uint8)
    alone = estimator.submit([Frame(rgb, CAMERA, points=True)]).result()[0]
    assert alone.stddev_hw is None
    assert alone.scale is None
    truth = alone.depth_hw * np.float32(1.5)
    valid = np.flatnonzero(np.isfinite(truth))
    pixels = np.random.default_rng(6).choice(valid, 80, replace=False)
    sparse = SparseDepth(points_at(truth, pixels), 0.01, source='test')
    found = estimator.estimate(rgb, CAMERA, points=True, sparse_depth=sparse)
    both = np.isfinite(found.depth_hw) & np.isfinite(truth)
    assert both.mean() > 0.9
    assert np.abs(found.depth_hw[both] / truth[both] - 1).mean() < 0.01
    assert found.points is not None
    np.testing.assert_allclose(found.points[..., 2], found.depth_hw, rtol=1e-6)
    assert found.stddev_hw is not None
    np.testing.assert_array_equal(np.isnan(found.stddev_hw), np.isnan(found.depth_hw))
    assert np.nanmin(found.stddev_hw) > 0
    assert found.scale is not None
    assert found.scale.factor == pytest.approx(1.5, rel=0.01)
    assert found.scale.source == 'test'


def test_depth_beyond_the_range_may_come_into_it(estimator: DepthEstimator) -> None:
    rgb = np.random.default_rng(5).integers(0, 256, (120, 160, 3), np.uint8)
    alone = estimator.estimate(rgb, CAMERA).depth_hw
    pixels = np.flatnonzero(np.isfinite(alone))[::200]
    sparse = SparseDepth(points_at(alone * np.float32(0.6), pixels), 0.01)
    limit = float(np.nanmedian(alone)) * 0.8
    settings = estimator.settings
    estimator.update(settings.changed(max_depth=limit))
    try:
        found = estimator.estimate(rgb, CAMERA, sparse_depth=sparse).depth_hw
    finally:
        estimator.update(settings)
    assert np.isfinite(found).mean() > 0.9
    assert np.nanmax(found) <= limit
