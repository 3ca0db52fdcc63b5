"""Depth edges that follow the image: values against a slow reference, known edges, all engines."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from drnet_ros.inference import DepthEstimator, Settings
from drnet_ros.inference.arrays import FloatArray, UInt8Array
from drnet_ros.inference.engines.cuda.tensor_depth import (
    brightness_of,
    refine_depth,
    resize_matrix,
    resize_planes,
)
from drnet_ros.inference.postprocess.edge_refinement import (
    LEAST_DEPTH_M,
    RADIUS,
    REGULARISATION,
    SUBSAMPLING,
    refine_edges,
)

NETWORK_HW = (96, 128)


def scene(image_hw: tuple[int, int], seed: int = 0) -> tuple[UInt8Array, FloatArray]:
    """Return an image with objects and noise, and a smooth depth of the network's size."""
    random = np.random.default_rng(seed)
    blocks = random.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    rgb = cv2.resize(blocks, image_hw[::-1], interpolation=cv2.INTER_NEAREST)
    rgb = np.clip(rgb + random.normal(0, 5, rgb.shape), 0, 255).astype(np.uint8)
    coarse = random.uniform(0.5, 8, (6, 8)).astype(np.float32)
    depth = cv2.resize(coarse, NETWORK_HW[::-1], interpolation=cv2.INTER_CUBIC)
    return rgb, np.maximum(depth, 0.2, dtype=np.float32)


def reference(depth_hw: FloatArray, rgb_hwc: UInt8Array, size_hw: tuple[int, int]) -> FloatArray:
    """Do what the module says, in float64, by SciPy's means over windows."""

    def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(uniform_filter(values, 2 * RADIUS + 1, mode='nearest'))

    height, width = (side // SUBSAMPLING for side in depth_hw.shape)
    gray = cv2.cvtColor(rgb_hwc, cv2.COLOR_RGB2GRAY).astype(np.float64) / 255
    guide, mean_square = (
        np.asarray(cv2.resize(values, (width, height), interpolation=cv2.INTER_AREA), np.float64)
        for values in (gray, gray**2)
    )
    blocks = depth_hw.astype(np.float64).reshape(height, SUBSAMPLING, width, SUBSAMPLING)
    blocks = np.log(np.maximum(blocks.mean((1, 3)), LEAST_DEPTH_M))
    covariance = mean(guide * blocks) - mean(guide) * mean(blocks)
    slope = covariance / (mean(mean_square) - mean(guide) ** 2 + REGULARISATION)
    sharp = cv2.resize(gray, size_hw[::-1], interpolation=cv2.INTER_AREA)
    enlarged_slope, enlarged_offset, depth = (
        np.asarray(cv2.resize(values, size_hw[::-1], interpolation=cv2.INTER_LINEAR))
        for values in (mean(slope), mean(slope * mean(guide)), depth_hw)
    )
    return np.asarray(depth * np.exp(enlarged_slope * sharp - enlarged_offset), np.float32)


@pytest.mark.parametrize('image_hw', [(96, 128), (240, 320), (60, 80)])
@pytest.mark.parametrize('size_hw', [(96, 128), (240, 320), (48, 64)])
def test_it_adds_the_detail_of_the_guided_filter(
    image_hw: tuple[int, int], size_hw: tuple[int, int]
) -> None:
    rgb, depth = scene(image_hw)
    before = depth.copy()
    got = refine_edges(depth, rgb, size_hw)
    assert got.dtype == np.float32
    assert got.shape == size_hw
    assert got.base is None
    np.testing.assert_array_equal(depth, before)
    np.testing.assert_allclose(got, reference(depth, rgb, size_hw), rtol=1e-4)


def on_tensors(
    scenes: list[tuple[UInt8Array, FloatArray]], size_hw: tuple[int, int]
) -> FloatArray:
    """Return the depth of images of 240 x 320 as the GPU's pipeline makes it, on the CPU."""
    brightness = brightness_of(torch.from_numpy(np.stack([rgb for rgb, _ in scenes])))

    def at(to_hw: tuple[int, int], planes: torch.Tensor) -> torch.Tensor:
        sides = zip((240, 320), to_hw, strict=True)
        weights = (
            [resize_matrix(*side, averages=True) for side in sides] if to_hw != (240, 320) else []
        )
        return resize_planes(planes, *weights)

    depths = torch.from_numpy(np.stack([depth for _, depth in scenes]))
    small_hw = (NETWORK_HW[0] // SUBSAMPLING, NETWORK_HW[1] // SUBSAMPLING)
    small = at(small_hw, torch.cat([brightness, brightness**2], 1))
    return np.asarray(refine_depth(depths, small, at(size_hw, brightness)).numpy())


def test_gray_on_a_gpu_is_that_of_opencv() -> None:
    rgb, _ = scene((240, 320))
    got = brightness_of(torch.from_numpy(rgb[None]))[0, 0].numpy()
    np.testing.assert_allclose(255 * got, cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), atol=1e-4)


@pytest.mark.parametrize('size_hw', [(240, 320), (120, 160)])
def test_a_gpu_does_the_same(size_hw: tuple[int, int]) -> None:
    scenes = [scene((240, 320), seed) for seed in range(3)]
    got = on_tensors(scenes, size_hw)
    for index, (rgb, depth) in enumerate(scenes):
        np.testing.assert_allclose(got[index], refine_edges(depth, rgb, size_hw), rtol=1e-4)


def test_a_blurred_step_of_depth_becomes_sharp_where_the_image_has_its_edge() -> None:
    rgb = np.full((240, 320, 3), 60, np.uint8)
    rgb[:, 160:] = 180
    steps = np.where(np.arange(NETWORK_HW[1]) < NETWORK_HW[1] // 2, 2.0, 4.0)
    sharp = np.tile(steps.astype(np.float32), (NETWORK_HW[0], 1))
    blurred = cv2.GaussianBlur(sharp, (0, 0), 4.0)
    plain = cv2.resize(blurred, (320, 240), interpolation=cv2.INTER_LINEAR)[120]
    refined = refine_edges(np.asarray(blurred, np.float32), rgb, (240, 320))[120]

    def width(row: NDArray[np.float32]) -> int:
        return int(((row > 2.4) & (row < 3.4)).sum())

    assert width(np.asarray(plain)) > 12
    assert width(refined) <= 1
    assert refined[158] < 2.6
    assert refined[161] > 3.1


def test_an_image_without_edges_leaves_depth_as_it_is() -> None:
    rgb = np.full((240, 320, 3), 90, np.uint8)
    _, depth = scene((240, 320))
    plain = cv2.resize(depth, (320, 240), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_allclose(refine_edges(depth, rgb, (240, 320)), plain, rtol=1e-4)


@pytest.mark.parametrize('side', [1, 2, 3, 4])
def test_a_fine_texture_does_not_show_in_the_depth_of_a_floor(side: int) -> None:
    """Light that falls off with the distance makes brightness vary as depth does."""
    row, column = np.mgrid[:240, :320]
    checks = np.where((row // side + column // side) % 2, 60, -60)
    gray = np.clip(60 + 130 * row / 240 + checks, 0, 255).astype(np.uint8)
    rgb = np.repeat(gray[..., None], 3, axis=2)
    network_row = (np.arange(NETWORK_HW[0]) + 0.5) / NETWORK_HW[0]
    depth = np.tile(1 / (0.33 + 0.67 * network_row), (NETWORK_HW[1], 1)).T.astype(np.float32)
    plain = cv2.resize(depth, (320, 240), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_allclose(refine_edges(depth, rgb, (240, 320)), plain, rtol=0.025)


def test_depth_that_is_no_depth_stays_finite() -> None:
    rgb, depth = scene((240, 320))
    depth[10:20, 30:40] = -1.0
    assert np.isfinite(refine_edges(depth, rgb, (240, 320))).all()


@pytest.mark.parametrize('value', [np.nan, np.inf])
def test_a_pixel_that_is_no_number_changes_depth_only_around_it(value: float) -> None:
    rgb, depth = scene((240, 320))
    whole = refine_edges(depth, rgb, (240, 320))
    depth[10, 20] = value
    refined = refine_edges(depth, rgb, (240, 320))
    assert 0 < np.count_nonzero(~np.isfinite(refined)) <= 6 * 6
    # Two means over 7 pixels of the filter reach 7 * 4 of the network, resizing one more of each.
    far = np.ones((240, 320), np.bool_)
    far[: int((10 + 8 * SUBSAMPLING) * 2.5), : int((20 + 8 * SUBSAMPLING) * 2.5)] = False
    np.testing.assert_allclose(refined[far], whole[far], rtol=1e-4)
    on_gpu = on_tensors([(rgb, depth)], (240, 320))[0]
    finite = np.isfinite(refined)
    np.testing.assert_allclose(on_gpu[finite], refined[finite], rtol=1e-4)


@pytest.mark.parametrize('engine', ['openvino', 'torch'])
def test_engines_finish_depth_by_it(image: UInt8Array, engine: str) -> None:
    size_hw = image.shape[0], image.shape[1]
    plain = Settings(engine=engine, input_size=(96, 128), refine_edges=False)
    depths = []
    for settings in (
        replace(plain, output_size=(96, 128)),
        plain,
        replace(plain, refine_edges=True),
    ):
        with DepthEstimator(settings) as estimator:
            depths.append(estimator.estimate(image).depth_hw)
    network, resized, refined = depths
    assert refined.shape == resized.shape == size_hw
    assert np.nanmedian(np.abs(refined / resized - 1)) > 1e-3
    np.testing.assert_allclose(refined, refine_edges(network, image, size_hw), rtol=1e-3)
