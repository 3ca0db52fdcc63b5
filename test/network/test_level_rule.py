"""The level rule: numbers worked out by hand, and a decoder of numpy loops beside DRNet."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle

from drnet_ros.network.config import NetworkConfig
from drnet_ros.network.drnet import DRNet, Level

Array = NDArray[np.float64]
State = Mapping[str, Array]


def tensor(values: list[list[list[float]]]) -> Tensor:
    return torch.tensor(values)[None]


def set_weights(level: Level, *, correction: list[float], bias: float) -> None:
    assert level.correction is not None
    with torch.no_grad():
        level.correction.weight.copy_(torch.tensor(correction).view(1, -1, 1, 1))
        level.correction.bias.fill_(bias)  # type: ignore[union-attr]


def reduction(level: Level) -> tuple[nn.Conv2d, nn.BatchNorm2d]:
    assert isinstance(level.reduce, nn.Sequential)
    conv, norm = level.reduce[0], level.reduce[1]
    assert isinstance(conv, nn.Conv2d)
    assert isinstance(norm, nn.BatchNorm2d)
    return conv, norm


@pytest.mark.parametrize('diagonal', [True, False])
def test_coarsest_level_by_hand(diagonal: bool) -> None:
    """With r = 2, no Conv: four channels become 2 x 2 pixels; down, D, U weigh 0.1, 0.5, 1."""
    level = Level(4, None, 1, 2, NetworkConfig(diagonal_connections=diagonal))
    set_weights(level, correction=[0.1, 0.5, 1.0], bias=0.25)
    up, depth = tensor([[[1.0]], [[2.0]], [[3.0]], [[4.0]]]), tensor([[[6.0]]])
    down = tensor([[[10.0, 20.0], [30.0, 40.0]]])
    up_i, depth_i = level(up, depth, down, None)
    # D = 6 everywhere; correction = 0.1 down + 3 + U + 0.25, for example 1 + 3 + 1 + 0.25.
    assert depth_i.tolist() == [[[[11.25, 13.25], [15.25, 17.25]]]]
    expected = [[[1, 2], [3, 4]], [[10, 20], [30, 40]], [[6, 6], [6, 6]]]
    assert up_i[0].tolist() == (expected if diagonal else expected[:2])


def test_level_of_equal_stride_by_hand() -> None:
    """With r = 1: Conv halves the sum, BN is 2 x + 1, ReLU stops negatives, D is the depth."""
    level = Level(2, 1, 1, 1, NetworkConfig()).eval()
    set_weights(level, correction=[1.0, 0.0, 10.0], bias=0.0)
    conv, norm = reduction(level)
    with torch.no_grad():
        conv.weight.fill_(0.5)
        norm.weight.fill_(2.0)
        norm.bias.fill_(1.0)
    norm.eps = 0.0
    up = tensor([[[1.0, -3.0]], [[2.0, -5.0]]])
    up_i, depth_i = level(up, tensor([[[3.0, 5.0]]]), tensor([[[0.5, 0.25]]]), None)
    # U = ReLU(2 * 1.5 + 1) = 4 and ReLU(2 * -4 + 1) = 0.
    assert up_i[0].tolist() == [[[4.0, 0.0]], [[0.5, 0.25]], [[3.0, 5.0]]]
    assert depth_i.tolist() == [[[[3.0 + 0.5 + 40.0, 5.0 + 0.25]]]]


def test_finest_level_by_hand() -> None:
    """With r = 4, no down_0: the second pixel's first 4 x 4 channel is its top left one."""
    level = Level(1, 1, 0, 4, NetworkConfig()).eval()
    set_weights(level, correction=[0.0, 1.0], bias=0.0)
    conv, norm = reduction(level)
    with torch.no_grad():
        conv.weight.copy_(torch.arange(16.0).view(16, 1, 1, 1))
    norm.eps = 0.0
    up_i, depth_i = level(tensor([[[1.0, 100.0]]]), tensor([[[1.0, 2.0]]]), None, None)
    # D_0 is 1, 1, 1.125, 1.375, 1.625, 1.875, 2, 2: bilinear, centres at halves.
    u_0 = pixel_shuffle(up_i, 4)
    assert u_0[0, 0].tolist()[1] == [4.0, 5.0, 6.0, 7.0, 400.0, 500.0, 600.0, 700.0]
    assert depth_i[0, 0].tolist()[0] == pytest.approx(
        [1.0, 2.0, 3.125, 4.375, 1.625, 101.875, 202.0, 302.0]
    )


def test_without_second_branch_there_is_no_depth_to_connect() -> None:
    level = Level(4, None, 1, 2, NetworkConfig(second_branch=False))
    up_i, depth_i = level(torch.zeros(1, 4, 1, 1), None, torch.ones(1, 1, 2, 2), None)
    assert depth_i is None
    assert up_i.shape == (1, 2, 2, 2)


# From here on: the whole decoder in numpy, from the state dict and the equations alone.


def convolve(x: Array, weight: Array, bias: Array | None = None) -> Array:
    """Sum over channels and window, zeros around."""
    size = weight.shape[-1]
    height, width = x.shape[1:]
    padded = np.pad(x, ((0, 0), (size // 2, size // 2), (size // 2, size // 2)))
    result = np.zeros((len(weight), height, width))
    for v, u in np.ndindex(size, size):
        window = padded[:, v : v + height, u : u + width]
        result += np.einsum('oc,chw->ohw', weight[:, :, v, u], window)
    return result if bias is None else result + bias[:, None, None]


def shuffle(x: Array, r: int) -> Array:
    channels, height, width = len(x) // r**2, x.shape[1], x.shape[2]
    result = np.empty((channels, height * r, width * r))
    for c, y, u in itertools.product(range(channels), range(r), range(r)):
        result[c, y::r, u::r] = x[c * r**2 + y * r + u]
    return result


def interpolation(n: int, r: int) -> Array:
    """Return the (r n, n) matrix of linear interpolation with pixel centres at halves."""
    matrix = np.zeros((r * n, n))
    for i in range(r * n):
        position = min(max((i + 0.5) / r - 0.5, 0.0), n - 1.0)
        left = int(position)
        matrix[i, left] += 1 - (position - left)
        matrix[i, min(left + 1, n - 1)] += position - left
    return matrix


def reduce_channels(x: Array, state: State, name: str) -> Array:
    x = convolve(x, state[f'{name}.0.weight'])
    mean, var = state[f'{name}.1.running_mean'], state[f'{name}.1.running_var']
    gain = state[f'{name}.1.weight'] / np.sqrt(var + 1e-5)
    shift = state[f'{name}.1.bias'] - gain * mean
    return np.maximum(gain[:, None, None] * x + shift[:, None, None], 0)


def upsample(depth: Array, r: int) -> Array:
    rows, cols = interpolation(depth.shape[1], r), interpolation(depth.shape[2], r)
    return np.asarray((rows @ depth[0] @ cols.T)[None])


def decode(
    downs: list[Array], strides: tuple[int, ...], state: State, options: NetworkConfig
) -> list[Array]:
    up, depths = downs[4], []
    if options.second_branch:
        depths = [convolve(up, state['coarsest.weight'], state['coarsest.bias'])]
    for step, i in enumerate([4, 3, 2, 1, 0]):
        r = strides[i + 1] // strides[i]
        reduced = up if i == 4 else reduce_channels(up, state, f'levels.{step}.reduce')
        shuffled = shuffle(reduced, r)
        down = [downs[i - 1]] if i else []
        merged = [shuffled, *down]
        if options.second_branch:
            upsampled = upsample(depths[-1], r)
            name = f'levels.{step}.correction'
            inputs = np.concatenate([*down, upsampled, shuffled])
            correction = convolve(inputs, state[f'{name}.weight'], state[f'{name}.bias'])
            depths.append(upsampled + correction)
            merged += [upsampled] if options.diagonal_connections else []
        up = np.concatenate(merged)
    if not options.second_branch:
        depths = [convolve(up, state['head.weight'], state['head.bias'])]
    return depths[::-1]


@pytest.mark.parametrize(
    'options',
    [
        NetworkConfig(),
        NetworkConfig(correction_kernel=3),
        NetworkConfig(correction_kernel=5, diagonal_connections=False),
        NetworkConfig(second_branch=False, correction_kernel=3),
        NetworkConfig(backbone='resnet50'),
    ],
    ids=['lite', 'kernel 3', 'kernel 5, no diagonal', 'no second branch', 'resnet50'],
)
def test_the_network_follows_the_rule(options: NetworkConfig) -> None:
    torch.manual_seed(0)
    network = DRNet(options).double().eval()
    state = {name: t.numpy() for name, t in network.state_dict().items()}
    x = torch.randn(1, 3, 32, 64, dtype=torch.float64)
    with torch.no_grad():
        depths = network(x)
        downs = [down[0].numpy() for down in network.backbone(x)]
    expected = decode(downs, network.strides, state, options)
    assert len(depths) == (6 if options.second_branch else 1)
    for depth, reference in zip(depths, expected, strict=True):
        np.testing.assert_allclose(depth[0].numpy(), reference, rtol=1e-9, atol=1e-9)
