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

TRAINING_HW = (96, 128)


@pytest.fixture(scope='session')
def model_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp('model_cache')


@pytest.fixture(autouse=True)
def _model_cache(model_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('DRNET_CACHE_DIR', str(model_cache))


@pytest.fixture(scope='session')
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Random lite weights whose outputs are spread over a few metres."""
    torch.manual_seed(5)
    network = DRNet(NetworkConfig()).eval()
    path = tmp_path_factory.mktemp('weights') / 'random.safetensors'
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
def image() -> NDArray[np.uint8]:
    """A smooth random image at the training size."""
    noise = np.random.default_rng(3).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    smooth = cv2.resize(noise, TRAINING_HW[::-1], interpolation=cv2.INTER_CUBIC)
    return np.asarray(smooth, np.uint8)
