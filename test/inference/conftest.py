"""A small random network as a weights file, and a folder of its own for converted models."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from random_weights import random_weights

from drnet_ros.network.config import NetworkConfig

# Networks are tiny here: threads that wait for each other on a busy machine take longer than one.
torch.set_num_threads(1)

TRAINING_HW = (96, 128)


@pytest.fixture(scope='session')
def openvino_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp('openvino_cache')


@pytest.fixture(autouse=True)
def _model_cache(openvino_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('DRNET_CACHE_DIR', str(openvino_cache))


@pytest.fixture(scope='session')
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Random lite weights whose outputs are spread over a few metres."""
    path = tmp_path_factory.mktemp('weights') / 'random.safetensors'
    return str(random_weights(path, input_hw=TRAINING_HW))


@pytest.fixture(scope='session')
def guided_weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The same with the guided filter."""
    path = tmp_path_factory.mktemp('weights') / 'guided.safetensors'
    config = NetworkConfig(guided_filter=True)
    return str(random_weights(path, config, input_hw=TRAINING_HW))


@pytest.fixture(scope='session')
def image() -> NDArray[np.uint8]:
    """A smooth random image at the training size."""
    noise = np.random.default_rng(3).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    smooth = cv2.resize(noise, TRAINING_HW[::-1], interpolation=cv2.INTER_CUBIC)
    return np.asarray(smooth, np.uint8)
