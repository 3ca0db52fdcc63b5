"""A small random network as a weights file, and a folder of its own for converted models."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from drnet_ros.network.checkpoint import save_network
from drnet_ros.network.config import NetworkConfig
from drnet_ros.network.drnet import DRNet
from drnet_ros.network.metadata import WeightsMetadata

# Networks are tiny here: threads that wait for each other on a busy machine take longer than one.
torch.set_num_threads(1)

TRAINING_HW = (96, 128)


@pytest.fixture(scope='session')
def openvino_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp('openvino_cache')


@pytest.fixture(autouse=True)
def _model_cache(openvino_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('DRNET_CACHE_DIR', str(openvino_cache))


def _write_random_weights(path: Path, config: NetworkConfig) -> str:
    torch.manual_seed(5)
    network = DRNet(config)
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
        input_height=TRAINING_HW[0],
        input_width=TRAINING_HW[1],
        f_training=100.0,
        min_depth=0.1,
        max_depth=10.0,
    )
    save_network(path, network, metadata)
    return str(path)


@pytest.fixture(scope='session')
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Random lite weights whose outputs are spread over a few metres."""
    path = tmp_path_factory.mktemp('weights') / 'random.safetensors'
    return _write_random_weights(path, NetworkConfig())


@pytest.fixture(scope='session')
def guided_weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The same with the guided filter."""
    path = tmp_path_factory.mktemp('weights') / 'guided.safetensors'
    return _write_random_weights(path, NetworkConfig(guided_filter=True))


@pytest.fixture(scope='session')
def image() -> NDArray[np.uint8]:
    """A smooth random image at the training size."""
    noise = np.random.default_rng(3).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    smooth = cv2.resize(noise, TRAINING_HW[::-1], interpolation=cv2.INTER_CUBIC)
    return np.asarray(smooth, np.uint8)
