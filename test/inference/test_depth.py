"""Depth operators against slow references and hand-computed numbers."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from drnet_ros.errors import CameraError
from drnet_ros.inference import DepthFrame
from drnet_ros.inference.depth import (
    colourise,
    depth_range,
    drop_edges,
    limit_range,
    pack_rgb,
    point_cloud,
    to_millimetres,
)

NAN = math.nan


def _array(*rows: list[float]) -> NDArray[np.float32]:
    return np.array(rows, np.float32)


def test_range_keeps_its_ends_and_drops_the_rest() -> None:
    depth = _array([0.4, 0.5, 8.0, 8.1, NAN, math.inf, -math.inf, 0.0])
    limit_range(depth, 0.5, 8.0)
    np.testing.assert_array_equal(depth, _array([NAN, 0.5, 8.0, NAN, NAN, NAN, NAN, NAN]))


def test_edges_by_hand() -> None:
    depth = _array([1.0, 1.0, 1.2, 1.2, NAN, 2.0], [1.0, 1.0, 1.0, 1.2, 1.2, 2.0])
    drop_edges(depth, 0.1)
    # 1.0 | 1.2 is a jump of 20 %; so is 1.2 | 2.0. The NaN makes none.
    expected = _array([1.0, NAN, NAN, 1.2, NAN, 2.0], [1.0, 1.0, NAN, NAN, NAN, NAN])
    np.testing.assert_array_equal(depth, expected)


def test_edges_off_and_smooth_slopes_change_nothing() -> None:
    slope = np.linspace(1, 2, 40, dtype=np.float32)[None].repeat(3, 0)
    for threshold in (0.0, 0.1):
        depth = slope.copy()
        drop_edges(depth, threshold)
        np.testing.assert_array_equal(depth, slope)


@pytest.mark.parametrize('threshold', [0.05, 0.3, 2.0])
def test_edges_against_a_loop_over_neighbours(threshold: float) -> None:
    rng = np.random.default_rng(1)
    depth = rng.uniform(0.5, 4, (17, 23)).astype(np.float32)
    depth[rng.random(depth.shape) < 0.1] = NAN
    expected = depth.copy()
    for y in range(17):
        for x in range(23):
            for v, u in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                if 0 <= v < 17 and 0 <= u < 23:
                    a, b = depth[y, x], depth[v, u]
                    if abs(a - b) > threshold * min(a, b):
                        expected[y, x] = NAN
    drop_edges(depth, threshold)
    np.testing.assert_array_equal(depth, expected)


def test_millimetres_round_and_refuse_what_does_not_fit() -> None:
    depth = _array([0.001, 0.0004, 1.2344, 1.2346, 65.535, 65.536, NAN, -1.0, math.inf, 0.0])
    expected = [[1, 0, 1234, 1235, 65535, 0, 0, 0, 0, 0]]
    got = to_millimetres(depth)
    assert got.dtype == np.uint16
    np.testing.assert_array_equal(got, expected)


def test_colours_run_from_red_near_to_blue_far_and_black_is_invalid() -> None:
    image = colourise(_array([0.5, 10.0, 5.0, NAN, 0.1, 99.0]), 0.5, 10.0)
    assert image.dtype == np.uint8
    near, far, middle, invalid, nearer, farther = image[0].astype(int)
    assert near[0] > near[1] + 50
    assert near[0] > near[2] + 50
    assert far[2] > far[0]
    assert middle[1] > 150  # turbo is green in the middle
    assert not invalid.any()
    np.testing.assert_array_equal(nearer, near)
    np.testing.assert_array_equal(farther, far)


def test_rgb_bits_are_0x00rrggbb() -> None:
    rgb = np.array([[[0x12, 0x34, 0x56], [255, 254, 253]]], np.uint8)
    assert pack_rgb(rgb).view(np.uint32).tolist() == [[0x00123456, 0x00FFFEFD]]


@pytest.mark.parametrize('stride', [1, 2, 3])
@pytest.mark.parametrize('has_color', [False, True])
def test_cloud_against_a_loop_over_pixels(stride: int, has_color: bool) -> None:
    rng = np.random.default_rng(2)
    shape = (71, 40)  # more rows than are handled at once
    depth = rng.uniform(1, 5, shape).astype(np.float32)
    depth[3, 3] = NAN
    rays = rng.uniform(-1, 1, (*shape, 2)).astype(np.float32)
    rays[6, 6] = NAN
    rgb = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
    points = point_cloud(depth, rays, rgb if has_color else None, stride)
    assert points.shape == (-(-71 // stride), -(-40 // stride), 4 if has_color else 3)
    assert points.dtype == np.float32
    assert points.flags.c_contiguous
    assert points.flags.owndata
    for v in range(points.shape[0]):
        for u in range(points.shape[1]):
            y, x = v * stride, u * stride
            z = NAN if np.isnan(rays[y, x, 0]) else depth[y, x]
            expected = np.array([rays[y, x, 0] * z, rays[y, x, 1] * z, z], np.float32)
            np.testing.assert_allclose(points[v, u, :3], expected, rtol=1e-6)
            if has_color:
                bits = int(points[v, u, 3:].view(np.uint32)[0])
                red, green, blue = (int(value) for value in rgb[y, x])
                assert bits == red << 16 | green << 8 | blue


def test_inputs_stay_as_they_are() -> None:
    depth = np.full((40, 40), 2, np.float32)
    depth.flags.writeable = False
    rays = np.zeros((40, 40, 2), np.float32)
    rays.flags.writeable = False
    point_cloud(depth, rays, cv2.merge([np.zeros((40, 40), np.uint8)] * 3))  # type: ignore[arg-type]
    to_millimetres(depth)
    colourise(depth, 0.1, 10.0)


DEPTHS = arrays(
    np.float32, st.tuples(st.integers(1, 9), st.integers(1, 9)),
    elements=st.floats(0.125, 100, width=32) | st.just(NAN),
)  # fmt: skip


@given(depth=DEPTHS, threshold=st.floats(0.01, 3.0))
def test_after_the_edge_filter_no_neighbours_jump_and_the_rest_is_untouched(
    depth: NDArray[np.float32], threshold: float
) -> None:
    filtered = depth.copy()
    drop_edges(filtered, threshold)
    kept = np.isfinite(filtered)
    np.testing.assert_array_equal(filtered[kept], depth[kept])
    for axis in (0, 1):
        if depth.shape[axis] > 1:
            first = np.split(filtered, [-1], axis)[0]
            second = np.split(filtered, [1], axis)[1]
            low, high = np.fmin(first, second), np.fmax(first, second)
            both = np.isfinite(first) & np.isfinite(second)
            assert (high[both] <= low[both] * (1 + threshold) * (1 + 1e-6)).all()


@given(depth=DEPTHS)
def test_millimetres_are_within_half_of_one_or_invalid(depth: NDArray[np.float32]) -> None:
    millimetres = to_millimetres(depth).astype(np.float64)
    is_valid = millimetres > 0
    fits = depth.astype(np.float64) * 1000 < 65535
    np.testing.assert_array_equal(is_valid[fits], True)
    assert (np.isnan(depth) <= ~is_valid).all()
    error = np.abs(millimetres - depth.astype(np.float64) * 1000)[is_valid]
    assert (error <= 0.51).all()


@given(depth=DEPTHS, stride=st.integers(1, 4), slope=st.tuples(*[st.floats(-3, 3)] * 2))
def test_points_divided_by_their_depth_are_the_rays(
    depth: NDArray[np.float32], stride: int, slope: tuple[float, float]
) -> None:
    rays = np.empty((*depth.shape, 2), np.float32)
    rays[...] = slope
    points = point_cloud(depth, rays, None, stride)
    kept = depth[::stride, ::stride]
    np.testing.assert_array_equal(points[..., 2], kept)
    valid = np.isfinite(kept)
    np.testing.assert_allclose(
        points[valid][:, :2] / points[valid][:, 2:], np.broadcast_to(slope, (valid.sum(), 2)),
        rtol=1e-5, atol=1e-6,
    )  # fmt: skip
    assert np.isnan(points[~valid]).all()


def test_a_frame_is_saved_as_it_is(tmp_path: Path) -> None:
    depth = np.array([[1.0, 2.0005, np.nan], [4.0, 5.0, 6.0]], np.float32)
    frame = DepthFrame(depth)
    frame.save_png(tmp_path / 'depth.png')
    written = cv2.imread(str(tmp_path / 'depth.png'), cv2.IMREAD_UNCHANGED)
    assert written is not None
    assert written.dtype == np.uint16
    np.testing.assert_array_equal(written, [[1000, 2001, 0], [4000, 5000, 6000]])
    colours = frame.colour()
    assert colours.shape == (2, 3, 3)
    np.testing.assert_array_equal(colours, colourise(depth, *depth_range(depth)))
    with pytest.raises(CameraError, match='a frame must have a cloud'):
        frame.save_ply(tmp_path / 'cloud.ply')
    points = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    points[0, 1, :3] = np.nan
    assert DepthFrame(depth, points=points).save_ply(tmp_path / 'cloud.ply') == 5


def test_colours_span_most_of_the_image() -> None:
    depth = np.linspace(1, 3, 100 * 100, dtype=np.float32).reshape(100, 100)
    depth[:, 0] = np.nan
    near, far = depth_range(depth)
    assert near == pytest.approx(1.04, abs=0.03)
    assert far == pytest.approx(2.96, abs=0.04)
    assert depth_range(np.full((8, 8), np.nan, np.float32)) == (0.0, 1.0)
    assert depth_range(np.full((8, 8), 2, np.float32)) == pytest.approx((2.0, 2.4))
