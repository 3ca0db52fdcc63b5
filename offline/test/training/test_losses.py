"""Losses against references written with loops, and numbers worked out by hand."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from drnet_offline.training.losses import (
    downsample_valid,
    metric_loss,
    multilevel_loss,
    paper_loss,
    sobel,
)
from drnet_ros.network.config import NetworkConfig
from drnet_ros.network.drnet import DRNet

Array = NDArray[np.float64]
Loss = Callable[[Tensor, Tensor], Tensor]
LOSSES = pytest.mark.parametrize('loss', [paper_loss, metric_loss])
ALPHA = 0.5


def make_pair(seed: int = 0, size: tuple[int, int] = (7, 9)) -> tuple[Tensor, Tensor]:
    """Prediction and truth (2, 1, H, W) in metres; a quarter of the truth is 0 or NaN."""
    rng = np.random.default_rng(seed)
    prediction = rng.uniform(0.5, 6.0, (2, 1, *size))
    truth = rng.uniform(0.5, 6.0, (2, 1, *size))
    truth[rng.random(truth.shape) < 0.1] = 0.0
    truth[rng.random(truth.shape) < 0.15] = math.nan
    truth[0, 0, :4, :4] = 2.0  # some whole neighbourhoods
    return torch.from_numpy(prediction), torch.from_numpy(truth)


def derive(image: Array, row: int, column: int) -> tuple[float, float]:
    """Sobel at one inner pixel, term by term."""
    dx = dy = 0.0
    for i in (-1, 0, 1):
        for j in (-1, 0, 1):
            dx += j * (2 - abs(i)) * image[row + i, column + j]
            dy += i * (2 - abs(j)) * image[row + i, column + j]
    return dx, dy


def valid_pixels(truth: Array) -> list[tuple[int, int]]:
    return [(r, c) for (r, c), g in np.ndenumerate(truth) if math.isfinite(g) and g > 0]


def inner_pixels(truth: Array) -> list[tuple[int, int]]:
    """Pixels whose whole neighbourhood lies in the image and is valid."""
    valid = set(valid_pixels(truth))
    around = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    return [(r, c) for r, c in valid if all((r + i, c + j) in valid for i, j in around)]


def images_of(prediction: Tensor, truth: Tensor) -> list[tuple[Array, Array]]:
    return list(zip(prediction[:, 0].numpy(), truth[:, 0].numpy(), strict=True))


def reference_terms(prediction: Tensor, truth: Tensor) -> tuple[float, float, float]:
    """l_depth, l_grad, l_normal of paper eq. 2, 3, 4, over all valid pixels of the batch."""
    depth, gradient, normal = [], [], []
    for d, g in images_of(prediction, truth):
        depth += [math.log(abs(d[p] - g[p]) + ALPHA) for p in valid_pixels(g)]
        for row, column in inner_pixels(g):
            ex, ey = derive(d - g, row, column)
            gradient.append(math.log(abs(ex) + ALPHA) + math.log(abs(ey) + ALPHA))
            (dx, dy), (gx, gy) = derive(d, row, column), derive(g, row, column)
            n_d, n_g = np.array([-dx, -dy, 1.0]), np.array([-gx, -gy, 1.0])
            normal.append(1 - n_d @ n_g / math.sqrt((n_d @ n_d) * (n_g @ n_g)))
    return float(np.mean(depth)), float(np.mean(gradient)), float(np.mean(normal))


def reference_metric(prediction: Tensor, truth: Tensor) -> float:
    pointwise, edges = [], []
    for d, g in images_of(prediction, truth):
        pointwise += [abs(d[p] - g[p]) * (1 + 1 / g[p]) for p in valid_pixels(g)]
        edges += [sum(map(abs, derive(d - g, row, column))) / 8 for row, column in inner_pixels(g)]
    return float(np.mean(pointwise) + np.mean(edges))


def test_sobel_is_scipys() -> None:
    image = np.random.default_rng(0).normal(size=(6, 8))
    dx, dy = sobel(torch.from_numpy(image)[None, None])
    np.testing.assert_allclose(dx[0, 0], ndimage.sobel(image, axis=1)[1:-1, 1:-1], atol=1e-12)
    np.testing.assert_allclose(dy[0, 0], ndimage.sobel(image, axis=0)[1:-1, 1:-1], atol=1e-12)


def test_sobel_of_a_plane_is_eight_times_its_slope() -> None:
    rows, columns = np.mgrid[:5, :6]
    dx, dy = sobel(torch.from_numpy(0.3 * columns - 0.7 * rows + 2.0)[None, None])
    np.testing.assert_allclose(dx, 8 * 0.3, atol=1e-12)
    np.testing.assert_allclose(dy, 8 * -0.7, atol=1e-12)


def test_depth_term_alone() -> None:
    # Two columns are too few for a gradient, so eq. 2 stands alone: |e| = 0, 0.5, 1.5 and a hole.
    truth = torch.tensor([[[[1.0, 2.0], [3.0, math.nan]]]])
    prediction = torch.tensor([[[[1.0, 2.5], [1.5, 9.0]]]])
    expected = (math.log(0.5) + math.log(1.0) + math.log(2.0)) / 3
    assert paper_loss(prediction, truth).item() == pytest.approx(expected, abs=1e-6)


def test_gradient_term_alone() -> None:
    # The error is a ramp of 0.5 m a column, 4 to Sobel: eq. 3 has ln(4.5) and, along y, ln(0.5).
    columns = np.mgrid[:4, :5][1]
    truth = torch.full((1, 1, 4, 5), 3.0, dtype=torch.float64)
    prediction = truth + torch.from_numpy(0.5 * columns)
    depth = np.mean([math.log(0.5 * c + 0.5) for c in range(5)])
    normal = 1 - 1 / math.sqrt(4.0**2 + 1)
    expected = depth + math.log(4.5) + math.log(0.5) + normal
    assert paper_loss(prediction, truth).item() == pytest.approx(expected, abs=1e-9)


def test_normal_term_alone() -> None:
    # Slopes of 1/8 and -1/8, to Sobel 1 and -1, are normals at a right angle: 1 - cos 90 = 1.
    columns = torch.arange(5, dtype=torch.float64).expand(1, 1, 4, 5) / 8
    truth, prediction = 10 + columns, 10 - columns
    depth = np.mean([math.log(2.0 * c / 8 + 0.5) for c in range(5)])
    gradient = math.log(2.0 + 0.5) + math.log(0.5)
    expected = depth + gradient + 1.0
    assert paper_loss(prediction, truth).item() == pytest.approx(expected, abs=1e-9)


def test_a_perfect_prediction_has_the_least_loss() -> None:
    truth = torch.rand(1, 1, 6, 6, dtype=torch.float64) + 1
    assert paper_loss(truth, truth).item() == pytest.approx(3 * math.log(0.5), abs=1e-9)
    assert metric_loss(truth, truth).item() == 0


@pytest.mark.parametrize('seed', range(3))
def test_losses_are_their_references(seed: int) -> None:
    prediction, truth = make_pair(seed)
    expected = sum(reference_terms(prediction, truth))
    assert paper_loss(prediction, truth).item() == pytest.approx(expected, abs=1e-9)
    expected = reference_metric(prediction, truth)
    assert metric_loss(prediction, truth).item() == pytest.approx(expected, abs=1e-9)


@LOSSES
@pytest.mark.parametrize('invalid', [0.0, -1.0, math.nan, math.inf])
def test_invalid_pixels_never_count(loss: Loss, invalid: float) -> None:
    prediction, truth = make_pair()
    truth[0, 0, 2:5, 5:7] = truth[1, 0, 0, :] = truth[1, 0, :, -1] = invalid
    holes = ~(torch.isfinite(truth) & (truth > 0))
    expected = loss(prediction, truth)
    elsewhere = prediction.clone()
    elsewhere[holes] = 1e4
    assert loss(elsewhere, truth).item() == pytest.approx(expected.item(), abs=1e-9)
    elsewhere.requires_grad_()
    loss(elsewhere, truth).backward()  # type: ignore[no-untyped-call]
    assert elsewhere.grad is not None
    assert torch.isfinite(elsewhere.grad).all()
    assert (elsewhere.grad[holes] == 0).all()


@LOSSES
def test_a_batch_without_valid_pixels_is_0_and_does_not_move_anything(loss: Loss) -> None:
    prediction = torch.full((1, 1, 4, 4), 2.0, requires_grad=True)
    value = loss(prediction, torch.full((1, 1, 4, 4), math.nan))
    value.backward()  # type: ignore[no-untyped-call]
    assert value.item() == 0
    assert prediction.grad is not None
    assert (prediction.grad == 0).all()


@LOSSES
def test_gradients_are_right(loss: Loss) -> None:
    prediction, truth = make_pair(size=(5, 6))
    prediction.requires_grad_()
    assert torch.autograd.gradcheck(lambda p: loss(p, truth), prediction)


def test_a_level_is_the_mean_of_what_is_valid_under_it() -> None:
    nan = math.nan
    target = torch.tensor([[1.0, 3.0, nan, 0.0], [5.0, 7.0, nan, nan],
                           [2.0, 0.0, nan, 8.0], [nan, 4.0, 0.0, nan]])  # fmt: skip
    level = downsample_valid(target[None, None], 2)
    np.testing.assert_allclose(level[0, 0], [[4.0, nan], [3.0, 8.0]])


def test_a_level_of_the_same_size_is_the_target_itself() -> None:
    target = torch.tensor([[[[1.0, math.nan], [0.0, 2.0]]]])
    assert downsample_valid(target, 1) is target


@pytest.mark.parametrize(
    ('size', 'stride'), [((7, 10), 4), ((8, 8), 2), ((9, 16), 8), ((5, 6), 8)]
)
def test_a_coarse_pixel_lies_over_its_own_rows_and_columns(
    size: tuple[int, int], stride: int
) -> None:
    rng = np.random.default_rng(3)
    target = np.where(rng.random(size) < 0.3, math.nan, rng.uniform(1, 5, size))
    level = downsample_valid(torch.from_numpy(target)[None, None], stride)[0, 0].numpy()
    assert level.shape == (math.ceil(size[0] / stride), math.ceil(size[1] / stride))
    for row, column in np.ndindex(*level.shape):
        under = target[row * stride : (row + 1) * stride, column * stride : (column + 1) * stride]
        valid = under[np.isfinite(under)]
        expected = valid.mean() if valid.size else math.nan
        assert level[row, column] == pytest.approx(expected, abs=1e-12, nan_ok=True)


@pytest.mark.parametrize('size', [(228, 304), (96, 128)])
def test_targets_lie_under_the_levels_of_the_network(size: tuple[int, int]) -> None:
    """Of a ramp, which bilinear upsampling keeps: else corrections would have to shift depth."""
    network = DRNet(NetworkConfig(backbone='resnet50', decoder_channels=(4, 4, 4, 4))).eval()
    with torch.no_grad():
        depths = network(torch.zeros(1, 3, *size))
    rows = torch.arange(size[0], dtype=torch.float32)[None, None, :, None].expand(1, 1, *size)
    for depth, stride in zip(depths, network.strides, strict=True):
        assert downsample_valid(rows + 1, stride).shape == depth.shape
    # Brought up to the next level as the network does, a level's target is that level's own.
    for coarse, fine in itertools.pairwise(reversed(network.strides)):
        below, target = downsample_valid(rows + 1, coarse), downsample_valid(rows + 1, fine)
        up = torch.nn.functional.interpolate(
            below, scale_factor=coarse / fine, mode='bilinear', align_corners=False
        )[..., : target.shape[-2], : target.shape[-1]]
        # But at the edges, where nothing lies beyond, and the last pixels lie over fewer.
        inner = slice(coarse // fine, -2 * coarse // fine)
        torch.testing.assert_close(up[..., inner, :], target[..., inner, :])


@LOSSES
@pytest.mark.parametrize('weight', [0.0, 0.5, 1.0])
def test_the_finest_level_counts_once_and_the_others_by_weight(loss: Loss, weight: float) -> None:
    _, truth = make_pair(size=(16, 24))
    strides = (1, 2, 4, 8, 16)
    rng = torch.Generator().manual_seed(0)
    sizes = [(math.ceil(16 / s), math.ceil(24 / s)) for s in strides]
    levels = [torch.rand(2, 1, *size, generator=rng) * 5 + 0.5 for size in sizes]
    truth = truth.float()
    parts = [loss(p, downsample_valid(truth, s)) for p, s in zip(levels, strides, strict=True)]
    expected = parts[0] + weight * sum(parts[1:])
    total = multilevel_loss(levels, truth, loss, strides=strides, auxiliary_weight=weight)
    assert total.item() == pytest.approx(float(expected), abs=1e-5)


def test_half_precision_predictions_are_scored_in_float32() -> None:
    truth = torch.full((1, 1, 4, 4), 3.0)
    total = multilevel_loss([truth.bfloat16() + 0.5], truth, metric_loss, strides=(1,))
    assert total.dtype == torch.float32
    assert total.item() == pytest.approx(0.5 + 0.5 / 3, abs=1e-6)
