"""What is done on tensors must be what is done on arrays."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from drnet_ros.inference.depth import drop_edges, limit_range, point_cloud
from drnet_ros.inference.engines.cuda.tensor_depth import (
    fill_cloud,
    fill_depth,
    resize_bytes,
    resize_matrix,
)

RANDOM = np.random.default_rng(7)
NOISE = RANDOM.integers(0, 256, (48, 64, 3), dtype=np.uint8)


def _resized(
    rgb_hwc: NDArray[np.uint8], size_hw: tuple[int, int], dtype: torch.dtype, *, averages: bool
) -> NDArray[np.float32]:
    weights = [
        resize_matrix(old, new, averages=averages).to(dtype)
        for old, new in zip(rgb_hwc.shape[:2], size_hw, strict=True)
    ]
    planes = resize_bytes(torch.from_numpy(rgb_hwc)[None], *weights)
    assert planes.shape == (1, 3, *size_hw)
    assert planes.dtype == dtype
    return planes[0].permute(1, 2, 0).float().numpy()


def _differ(got: NDArray[np.float32], truth: object) -> float:
    """Return how many of the values differ, none by more than one."""
    difference = np.abs(got - np.asarray(truth, np.float32))
    assert set(np.unique(difference)) <= {0.0, 1.0}
    return float(difference.mean())


@pytest.mark.parametrize(('dtype', 'share'), [(torch.float32, 0.1), (torch.float16, 0.2)])
@pytest.mark.parametrize('size_hw', [(24, 32), (32, 32), (16, 63), (7, 5), (48, 33), (1, 1)])
def test_shrinking_averages_as_inter_area_does(
    size_hw: tuple[int, int], dtype: torch.dtype, share: float
) -> None:
    truth = cv2.resize(NOISE, size_hw[::-1], interpolation=cv2.INTER_AREA)
    assert _differ(_resized(NOISE, size_hw, dtype, averages=True), truth) <= share


@pytest.mark.parametrize('size_hw', [(96, 128), (50, 70), (48, 65)])
def test_growing_is_linear_as_in_cv2(size_hw: tuple[int, int]) -> None:
    truth = cv2.resize(NOISE, size_hw[::-1], interpolation=cv2.INTER_LINEAR)
    # cv2 interpolates bytes with weights of 11 bits.
    assert _differ(_resized(NOISE, size_hw, torch.float32, averages=False), truth) <= 0.15


def test_colors_grow_by_area_as_in_cv2() -> None:
    truth = cv2.resize(NOISE, (100, 90), interpolation=cv2.INTER_AREA)
    assert _differ(_resized(NOISE, (90, 100), torch.float32, averages=True), truth) <= 0.15


@settings(deadline=None)
@given(length=st.integers(1, 200), size=st.integers(1, 200), averages=st.booleans())
def test_resizing_keeps_the_mean_of_what_is_even(length: int, size: int, averages: bool) -> None:
    weights = resize_matrix(length, size, averages=averages)
    assert weights.shape == (size, length)
    assert float(weights.min()) >= 0
    torch.testing.assert_close(weights.sum(1), torch.ones(size))


def test_without_weights_bytes_stay_where_they_are() -> None:
    images = torch.from_numpy(NOISE)[None]
    planes = resize_bytes(images)
    assert planes.data_ptr() == images.data_ptr()
    assert planes.shape == (1, 3, 48, 64)


def _depth(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return depth with smooth parts, jumps, and what must become invalid."""
    coarse = RANDOM.uniform(0.5, 8, (shape[0], 4, 5)).astype(np.float32)
    depth = np.stack(
        [cv2.resize(each, shape[:0:-1], interpolation=cv2.INTER_NEAREST) for each in coarse]
    )
    depth *= RANDOM.uniform(0.99, 1.01, shape).astype(np.float32)
    depth[0, 3, 4], depth[-1, 0, 0] = np.nan, 0.01
    return depth


@pytest.mark.parametrize('edge_threshold', [0.0, 0.05, 0.3])
@pytest.mark.parametrize('size_hw', [(24, 32), (48, 64), (17, 23)])
def test_depth_is_finished_as_on_arrays(size_hw: tuple[int, int], edge_threshold: float) -> None:
    network = _depth((2, 24, 32))
    if size_hw == (24, 32):
        network[1, 5, 5] = np.inf  # 0 times infinity depends on who interpolates
    scales, least, greatest = (np.float32(0.7), np.float32(1.3)), 0.5, 6.0
    limits = torch.tensor([[scale, least, greatest, 1 + edge_threshold] for scale in scales])
    got = torch.full((2, *size_hw), 99.0)
    fill_depth(got, torch.from_numpy(network), limits, has_edges=edge_threshold > 0)
    for index, scale in enumerate(scales):
        truth = network[index] * scale
        if size_hw != (24, 32):
            resized = cv2.resize(network[index], size_hw[::-1], interpolation=cv2.INTER_LINEAR)
            truth = np.asarray(resized, np.float32) * scale
        drop_edges(truth, edge_threshold)
        limit_range(truth, least, greatest)
        is_valid = np.isfinite(truth)
        assert 0.05 < is_valid.mean() < 1
        np.testing.assert_array_equal(np.isfinite(got[index].numpy()), is_valid)
        np.testing.assert_allclose(got[index].numpy(), truth, rtol=1e-5)


@pytest.mark.parametrize('stride', [1, 2, 5])
@pytest.mark.parametrize('has_color', [True, False])
def test_clouds_are_those_of_arrays(stride: int, has_color: bool) -> None:
    depth = _depth((1, 24, 32))[0]
    rays_hw2 = RANDOM.normal(size=(24, 32, 2)).astype(np.float32)
    rays_hw2[7, 8] = np.nan
    rgb = np.ascontiguousarray(NOISE[:24, :32])
    rgb[0, 0] = 255, 0, 1
    truth = point_cloud(depth, rays_hw2, rgb if has_color else None, stride)
    got = torch.empty(truth.shape)
    fill_cloud(
        got,
        torch.from_numpy(depth),
        torch.from_numpy(rays_hw2[::stride, ::stride].copy()),
        torch.from_numpy(rgb) if has_color else None,
        stride,
    )
    # Bit for bit, but for the many ways to write NaN.
    np.testing.assert_array_equal(got[..., :3].numpy(), truth[..., :3])
    if has_color:
        colors = got[..., 3].numpy().view(np.uint32)
        np.testing.assert_array_equal(colors, truth[..., 3].copy().view(np.uint32))
        assert colors[0, 0] == 0x00FF0001
