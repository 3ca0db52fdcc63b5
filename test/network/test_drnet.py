"""DRNet as a whole: sizes, options, half precision."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from drnet_ros.network.backbones import BACKBONES
from drnet_ros.network.config import NetworkConfig
from drnet_ros.network.drnet import DRNet


def build(**options: Any) -> DRNet:
    torch.manual_seed(0)
    return DRNet(NetworkConfig(**options)).eval()


def shapes(depths: list[Tensor]) -> list[tuple[int, ...]]:
    return [tuple(depth.shape) for depth in depths]


def ceil_shapes(network: DRNet, batch: int, height: int, width: int) -> list[tuple[int, ...]]:
    return [(batch, 1, -(-height // s), -(-width // s)) for s in network.strides]


OPTIONS: list[dict[str, Any]] = [
    {},
    {'guided_filter': True},
    {'correction_kernel': 3},
    {'correction_kernel': 5, 'guided_filter': True, 'diagonal_connections': False},
    {'diagonal_connections': False},
    {'second_branch': False},
]


@pytest.mark.slow
@pytest.mark.parametrize('backbone', BACKBONES)
def test_every_backbone_takes_any_size(backbone: str) -> None:
    """Fake tensors have shapes and no values, so that this takes no work."""
    with FakeTensorMode(), torch.no_grad():
        network = build(backbone=backbone, guided_filter=True)
        for height, width in [(481, 641), (32, 32)]:
            depths = network(torch.empty(2, 3, height, width))
            assert shapes(depths) == ceil_shapes(network, 2, height, width)


@pytest.mark.parametrize('options', OPTIONS, ids=str)
def test_every_option_takes_odd_sizes(options: dict[str, Any]) -> None:
    network = build(**options)
    with torch.no_grad():
        for height, width in [(33, 65), (1, 1), (31, 96)]:
            depths = network(torch.randn(1, 3, height, width))
            expected = ceil_shapes(network, 1, height, width)
            assert shapes(depths) == expected[: 6 if network.config.second_branch else 1]
            assert all(torch.isfinite(depth).all() for depth in depths)


def test_odd_sizes_are_the_border_repeated() -> None:
    network = build()
    x = torch.randn(1, 3, 50, 70)
    padded = x[:, :, [*range(50), *[49] * 14]][..., [*range(70), *[69] * 26]]
    with torch.no_grad():
        whole, cropped = network(padded), network(x)
    for a, b in zip(whole, cropped, strict=True):
        torch.testing.assert_close(a[..., : b.shape[2], : b.shape[3]], b)


def test_images_of_a_batch_do_not_touch_each_other() -> None:
    network = build(guided_filter=True)
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(network(x)[0][1:], network(x[1:])[0], atol=1e-4, rtol=1e-4)


def names(**options: Any) -> set[str]:
    with torch.device('meta'):
        return {f'{n} {tuple(t.shape)}' for n, t in build(**options).state_dict().items()}


@pytest.mark.parametrize('backbone', ['efficientnet_lite0', 'resnet50'])
def test_options_change_what_they_should_and_nothing_else(backbone: str) -> None:
    with torch.device('meta'):
        strides = build(backbone=backbone).strides

    def parts(**options: Any) -> tuple[set[str], set[str]]:
        """Return which modules an option takes away and which it brings, shapes included."""
        plain, changed = names(backbone=backbone), names(backbone=backbone, **options)
        return (
            {n.split(' ')[0] for n in plain - changed},
            {n.split(' ')[0] for n in changed - plain},
        )

    corrections = {f'levels.{i}.correction.weight' for i in range(5)}
    for kernel in (3, 5):
        assert parts(correction_kernel=kernel) == (corrections, corrections)
    gone, new = parts(guided_filter=True)
    assert not gone
    upsampling = [i for i in range(5) if strides[5 - i] > strides[4 - i]]
    assert {n.partition('.guide.')[0] for n in new} == {f'levels.{i}.guided' for i in upsampling}
    inputs = {f'levels.{i}.reduce.0.weight' for i in range(1, 5)}
    assert parts(diagonal_connections=False) == (inputs, inputs)
    gone, new = parts(second_branch=False)
    biases = {f'levels.{i}.correction.bias' for i in range(5)}
    coarsest = {'coarsest.weight', 'coarsest.bias'}
    assert gone == corrections | biases | coarsest | inputs
    assert new == {'head.weight', 'head.bias'} | inputs


def test_a_diagonal_without_second_branch_is_nothing() -> None:
    assert names(second_branch=False) == names(second_branch=False, diagonal_connections=False)


def test_training_starts_at_the_depth_of_a_room() -> None:
    for options in ({}, {'second_branch': False}):
        network = build(**options)
        network.eval()
        with torch.no_grad():
            depth = network(torch.zeros(1, 3, 64, 64))[-1]
        assert depth.mean() == pytest.approx(2.7, abs=1.0)


def test_every_parameter_learns() -> None:
    network = build(guided_filter=True).train()
    loss = sum((depth - 1).abs().mean() for depth in network(torch.randn(2, 3, 64, 64)))
    assert isinstance(loss, Tensor)
    loss.backward()  # type: ignore[no-untyped-call]
    assert [n for n, p in network.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize('guided', [False, True])
def test_autocast_gives_depth_in_float32(guided: bool) -> None:
    network = build(guided_filter=guided)
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        expected = network(x)
        with torch.autocast('cpu', dtype=torch.bfloat16):
            depths = network(x)
    for depth, reference in zip(depths, expected, strict=True):
        assert depth.dtype == torch.float32
        torch.testing.assert_close(depth, reference, rtol=0.05, atol=0.15)
    # Rounded to bfloat16 the finest map would hold few values: they are 1.6 cm apart at 2 m.
    assert not torch.equal(depths[0], depths[0].bfloat16().float())


def test_a_network_of_half_precision_runs_whole() -> None:
    network = build(guided_filter=True).bfloat16()
    with torch.no_grad():
        depths = network(torch.randn(1, 3, 64, 64).bfloat16())
    assert {depth.dtype for depth in depths} == {torch.float32}
