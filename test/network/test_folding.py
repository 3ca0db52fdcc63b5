"""A folded network against the network."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from drnet_ros.network.config import NetworkConfig
from drnet_ros.network.drnet import DRNet
from drnet_ros.network.folding import fold

# Threads that wait for each other on a busy machine take longer than one.
torch.set_num_threads(1)


class _Operations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes which operations are called."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.names: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.add(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


def with_statistics(config: NetworkConfig) -> DRNet:
    """A network whose normalisation does something."""
    torch.manual_seed(0)
    network = DRNet(config).eval().double()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
            nn.init.normal_(module.bias, std=0.1)
            nn.init.uniform_(module.weight, 0.5, 1.5)
    return network


def norms_of(network: nn.Module) -> int:
    return sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())


@pytest.mark.parametrize(
    ('config', 'norms_left'),
    [
        (NetworkConfig(), 0),
        (NetworkConfig(guided_filter=True, correction_kernel=5), 0),
        (NetworkConfig(second_branch=False), 0),
        (NetworkConfig('resnet50', correction_kernel=3), 0),
        # Each of the 78 layers and 3 transitions begins with one; the last stage ends with one.
        (NetworkConfig('densenet161'), 78 + 3 + 1),
    ],
)
def test_a_folded_network_computes_the_same(config: NetworkConfig, norms_left: int) -> None:
    network = with_statistics(config)
    image = torch.randn(1, 3, 32, 64, dtype=torch.float64)
    with torch.no_grad():
        expected = network(image)
        assert norms_of(network) > norms_left
        fold(network)
        got = network(image)
    for depth, truth in zip(got, expected, strict=True):
        torch.testing.assert_close(depth, truth)
    assert norms_of(network) == norms_left


def test_what_depends_on_parameters_alone_is_computed_once() -> None:
    network = with_statistics(NetworkConfig(correction_kernel=3))
    image = torch.randn(1, 3, 64, 64, dtype=torch.float64)

    def operations() -> set[str]:
        seen = _Operations()
        with torch.no_grad(), seen:
            network(image)
        return seen.names

    constant = {'arange', 'constant_pad_nd', 'pixel_unshuffle', 'native_batch_norm'}
    assert constant <= operations()
    fold(network)
    assert not constant & operations()
