"""Weights files of networks that have learned nothing."""

from __future__ import annotations

from pathlib import Path

import torch

from drnet_ros.network.checkpoint import save_network
from drnet_ros.network.config import NetworkConfig
from drnet_ros.network.drnet import DRNet
from drnet_ros.network.metadata import WeightsMetadata

__all__ = ['random_weights']


def random_weights(
    path: Path,
    config: NetworkConfig | None = None,
    *,
    input_hw: tuple[int, int] = (64, 96),
    f_training: float = 100.0,
    licence: str = '',
) -> Path:
    """Writes the same random weights every time; their depths are spread over a few metres."""
    torch.manual_seed(5)
    network = DRNet(config or NetworkConfig())
    # Statistics of batches of noise keep the activations of random layers sane; small weights
    # before the outputs keep depth positive.
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None
    with torch.no_grad():
        for _ in range(2):
            network.train()(torch.randn(4, 3, 64, 64))
        for name, tensor in network.named_parameters():
            if 'correction' in name or name == 'coarsest.weight':
                tensor.mul_(0.2)
    network.eval()
    metadata = WeightsMetadata(
        network=network.config,
        input_height=input_hw[0],
        input_width=input_hw[1],
        f_training=f_training,
        min_depth=0.1,
        max_depth=10.0,
        licence=licence,
    )
    save_network(path, network, metadata)
    return path
