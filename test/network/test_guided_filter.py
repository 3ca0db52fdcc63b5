"""The guided filter against loops over windows, by gradients, and in half precision."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.overrides import TorchFunctionMode

from drnet_ros.network.guided_filter import GuidedUpsampler, box_mean, guided_upsample

Array = NDArray[np.float64]


def windows(x_hw: Array, radius: int) -> Iterator[tuple[tuple[int, int], tuple[slice, slice]]]:
    height, width = x_hw.shape
    for y in range(height):
        for x in range(width):
            rows = slice(max(0, y - radius), min(height, y + radius + 1))
            yield (y, x), (rows, slice(max(0, x - radius), min(width, x + radius + 1)))


def reference_mean(x_hw: Array, radius: int) -> Array:
    result = np.empty_like(x_hw)
    for pixel, window in windows(x_hw, radius):
        result[pixel] = x_hw[window].mean()
    return result


def reference_bilinear(x_hw: Array, size_hw: tuple[int, int]) -> Array:
    """Interpolate with pixel centres at halves, repeating the border."""
    result = np.empty(size_hw)
    for y, x in np.ndindex(size_hw):
        row = np.clip((y + 0.5) * x_hw.shape[0] / size_hw[0] - 0.5, 0, x_hw.shape[0] - 1)
        col = np.clip((x + 0.5) * x_hw.shape[1] / size_hw[1] - 0.5, 0, x_hw.shape[1] - 1)
        top, left = math.floor(row), math.floor(col)
        below, right = min(top + 1, x_hw.shape[0] - 1), min(left + 1, x_hw.shape[1] - 1)
        v, u = row - top, col - left
        upper = (1 - u) * x_hw[top, left] + u * x_hw[top, right]
        lower = (1 - u) * x_hw[below, left] + u * x_hw[below, right]
        result[y, x] = (1 - v) * upper + v * lower
    return result


def reference_guided(depth: Array, low: Array, high: Array, radius: int, eps: float) -> Array:
    """Fit a line in every window, upsample the lines, clamp."""
    a, b, lowest, highest = (np.empty_like(depth) for _ in range(4))
    for pixel, window in windows(depth, radius):
        g, p = low[window].ravel(), depth[window].ravel()
        a[pixel] = np.mean((g - g.mean()) * (p - p.mean())) / (np.var(g) + eps)
        b[pixel] = p.mean() - a[pixel] * g.mean()
        lowest[pixel], highest[pixel] = p.min(), p.max()
    a_up, b_up, lowest_up, highest_up = (
        reference_bilinear(x, (high.shape[0], high.shape[1])) for x in (a, b, lowest, highest)
    )
    return np.clip(a_up * high + b_up, lowest_up, highest_up)


def as_tensor(x_hw: Array) -> Tensor:
    return torch.from_numpy(x_hw)[None, None]


@pytest.mark.parametrize('radius', [1, 2, 3])
def test_box_mean_is_the_mean_of_what_lies_inside(radius: int) -> None:
    x = np.random.default_rng(0).normal(size=(5, 7))
    result = box_mean(as_tensor(x), radius)[0, 0].numpy()
    np.testing.assert_allclose(result, reference_mean(x, radius), rtol=1e-12)


def test_box_mean_of_a_corner_by_hand() -> None:
    x = torch.tensor([[[[1.0, 2.0, 9.0], [3.0, 6.0, 9.0], [9.0, 9.0, 9.0]]]])
    assert box_mean(x, 1)[0, 0, 0, 0] == 3.0
    assert box_mean(x, 1)[0, 0, 1, 1] == pytest.approx(57 / 9)


@pytest.mark.parametrize('radius', [1, 2])
@pytest.mark.parametrize('ratio', [2, 4])
@pytest.mark.parametrize('eps', [1e-4, 0.3])
def test_guided_upsampling_agrees_with_the_loops(radius: int, ratio: int, eps: float) -> None:
    rng = np.random.default_rng(radius + ratio)
    depth, low = rng.uniform(0.5, 9.0, size=(4, 6)), rng.normal(size=(4, 6))
    high = rng.normal(size=(4 * ratio, 6 * ratio))
    expected = reference_guided(depth, low, high, radius, eps)
    tensors = [as_tensor(x) for x in (depth, low, high)]
    exact = guided_upsample(*tensors, radius=radius, eps=eps)
    assert exact.dtype == torch.float64
    np.testing.assert_allclose(exact[0, 0].numpy(), expected, rtol=1e-9)
    single = guided_upsample(*(t.float() for t in tensors), radius=radius, eps=eps)
    assert single.dtype == torch.float32
    np.testing.assert_allclose(single[0, 0].numpy(), expected, rtol=2e-4)


def test_a_far_guide_loses_no_digits_of_depth() -> None:
    rng = np.random.default_rng(3)
    depth, low, high = (rng.normal(size=s) for s in ((5, 5), (5, 5), (10, 10)))
    near = guided_upsample(*(as_tensor(x).float() for x in (depth, low, high)))
    far = guided_upsample(*(as_tensor(x).float() for x in (depth + 5, low + 100, high + 100)))
    torch.testing.assert_close(far - 5, near, rtol=0, atol=1e-3)


def test_depth_that_follows_the_guide_is_found_at_full_resolution() -> None:
    high = as_tensor(np.add.outer(np.arange(16) * 0.3, np.arange(24) * 0.2))
    low = torch.nn.functional.avg_pool2d(high, 2)
    result = guided_upsample(1.5 + 0.5 * low, low, high, eps=1e-12)
    inside = (..., slice(1, -1), slice(1, -1))  # further out is beyond all coarse depths
    torch.testing.assert_close(result[inside], (1.5 + 0.5 * high)[inside])


def test_a_sharp_edge_stays_sharp_where_bilinear_blurs() -> None:
    edge = (np.arange(16) >= 8).astype(float)
    high = as_tensor(np.tile(edge, (16, 1)))
    low = torch.nn.functional.avg_pool2d(high, 2)
    depth = 1 + 3 * low
    guided = guided_upsample(depth, low, high)[0, 0, 8]
    assert guided[6:8].max() < 1.01
    assert guided[8:10].min() > 3.99
    blurred = torch.nn.functional.interpolate(depth, scale_factor=2.0, mode='bilinear')[0, 0, 8]
    assert blurred[7] > 1.7


def test_no_guide_leads_depth_out_of_its_neighbourhood() -> None:
    generator = torch.Generator().manual_seed(4)
    depth = torch.rand((2, 1, 6, 6), generator=generator) * 9 + 0.5
    low = torch.randn((2, 1, 6, 6), generator=generator)
    high = torch.randn((2, 1, 24, 24), generator=generator) * 1000
    result = guided_upsample(depth, low, high)
    lowest, highest = depth.amin((2, 3)), depth.amax((2, 3))
    assert (result.amin((2, 3)) >= lowest - 1e-5).all()
    assert (result.amax((2, 3)) <= highest + 1e-5).all()
    assert torch.isfinite(result).all()


def test_constant_depth_stays_constant_under_any_guide() -> None:
    generator = torch.Generator().manual_seed(5)
    low = torch.randn((1, 1, 1, 1), generator=generator)  # one pixel: the coarsest of 32 x 32
    high = torch.randn((1, 1, 2, 2), generator=generator)
    torch.testing.assert_close(
        guided_upsample(torch.full((1, 1, 1, 1), 2.5), low, high), torch.full((1, 1, 2, 2), 2.5)
    )


def test_gradients() -> None:
    generator = torch.Generator().manual_seed(6)

    def draw(*shape: int) -> Tensor:
        x = torch.randn(shape, generator=generator, dtype=torch.float64)
        return x.requires_grad_()

    assert torch.autograd.gradcheck(lambda x: box_mean(x, 1), (draw(1, 2, 4, 3),))
    inputs = (draw(1, 1, 3, 4), draw(1, 1, 3, 4), draw(1, 1, 6, 8))
    assert torch.autograd.gradcheck(lambda *x: guided_upsample(*x, eps=0.1), inputs)


def test_the_guide_learns_and_its_low_resolution_is_the_mean() -> None:
    torch.manual_seed(0)
    upsampler = GuidedUpsampler(2).double().train()
    image = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    depth = torch.rand(2, 1, 4, 4, dtype=torch.float64)
    result = upsampler(depth, image)
    guide = upsampler.guide(image)
    low = torch.nn.functional.avg_pool2d(guide, 2)
    torch.testing.assert_close(result, guided_upsample(depth, low, guide))
    result.sum().backward()
    grads = [parameter.grad for parameter in upsampler.parameters()]
    # The last bias moves the whole guide, and only differences of the guide count.
    assert all(grad is not None and grad.abs().max() > 0 for grad in grads[:-1])


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_autocast_changes_nothing_on_the_cpu(dtype: torch.dtype) -> None:
    torch.manual_seed(1)
    upsampler = GuidedUpsampler(4).eval()
    depth, image = torch.rand(1, 1, 4, 6) * 8, torch.randn(1, 3, 16, 24)
    with torch.no_grad():
        expected = upsampler(depth, image)
        with torch.autocast('cpu', dtype=dtype):
            result = upsampler(depth, image)
    assert result.dtype == torch.float32
    assert torch.equal(result, expected)


class TypesSeen(TorchFunctionMode):
    """Notes the floating-point types that functions return."""

    def __init__(self) -> None:
        super().__init__()
        self.types: set[torch.dtype] = set()

    def __torch_function__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN204
        result = func(*args, **(kwargs or {}))
        if isinstance(result, Tensor) and result.is_floating_point():
            self.types.add(result.dtype)
        return result


@contextmanager
def autocast_cuda(dtype: torch.dtype) -> Iterator[None]:
    """Turn CUDA autocast on where there is no CUDA, which torch.autocast would refuse."""
    before = torch.is_autocast_enabled('cuda'), torch.get_autocast_dtype('cuda')
    torch.set_autocast_enabled('cuda', True)
    torch.set_autocast_dtype('cuda', dtype)
    try:
        yield
    finally:
        torch.set_autocast_enabled('cuda', before[0])
        torch.set_autocast_dtype('cuda', before[1])
        torch.clear_autocast_cache()


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_all_is_float32_inside_on_cuda(dtype: torch.dtype) -> None:
    with FakeTensorMode(), autocast_cuda(dtype):
        with torch.device('cuda'):
            upsampler, convolution = GuidedUpsampler(2), torch.nn.Conv2d(3, 4, 1)
        depth, image = (
            torch.rand(1, 1, 4, 6, device='cuda'),
            torch.rand(1, 3, 8, 12, device='cuda'),
        )
        assert convolution(image).dtype == dtype, 'autocast is on'
        halves = depth.to(dtype), image.to(dtype)
        with TypesSeen() as seen:
            result = upsampler(*halves)
    assert result.device.type == 'cuda'
    assert result.dtype == torch.float32
    assert seen.types == {torch.float32}
