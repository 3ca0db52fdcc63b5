"""Small data sets that tests share, written in the layouts' own formats."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
import yaml
from command_line import exit_code
from known_scenes import KnownEngine, RunInProcess
from random_weights import random_weights

from drnet_offline.replay import playback
from drnet_ros.inference import DepthEstimator, Settings

# The same number everywhere: sums over threads differ in their last bits, and trainings are
# compared bit for bit with those of `run_drnet`.
torch.set_num_threads(1)

WriteFolder = Callable[..., Path]
RunDrnet = Callable[..., subprocess.Popen[str]]
TINY_PRESET: dict[str, Any] = {
    'network': {'decoder_channels': [8, 8, 4, 4]},
    'data': {'size': [64, 96], 'batch_size': 4, 'workers': 0, 'validation_blocks': [[8, 10]]},
    'augmentation': {'border_px': 2, 'max_rotation_deg': 5.0},
    'optimizer': {
        'name': 'adamw',
        'lr': 1e-3,
        'schedule': 'one_cycle',
        'ema_decay': 0.8,
        'clip_norm': 5.0,
    },
    'pretrained': '',
    'loss': 'metric',
    'epochs': 3,
    'seed': 3,
}


@pytest.fixture(scope='session')
def write_folder() -> WriteFolder:
    """Returns a function that writes a data set in the layout `folder`."""

    def write(root: Path, count: int, size: tuple[int, int] = (64, 96), seed: int = 0) -> Path:
        for part in ('rgb', 'depth'):
            (root / part).mkdir(parents=True)
        height, width = size
        rows, columns = np.mgrid[:height, :width]
        for index in range(count):
            rng = np.random.default_rng((seed, index))
            slope = rng.uniform(5, 30, 2)
            depth = 1000 + slope[0] * rows + slope[1] * columns + 500 * rng.random()
            shade = (depth / 25)[..., None] + rng.normal(0, 12, (*size, 3))
            cv2.imwrite(
                str(root / 'rgb' / f'{index:05d}.png'), shade.clip(0, 255).astype(np.uint8)
            )
            cv2.imwrite(str(root / 'depth' / f'{index:05d}.png'), depth.astype(np.uint16))
        return root

    return write


@pytest.fixture(scope='session')
def data(tmp_path_factory: pytest.TempPathFactory, write_folder: WriteFolder) -> Path:
    """Eleven images of 64x96, the last three for validation."""
    return write_folder(tmp_path_factory.mktemp('data') / 'set', 11)


@pytest.fixture(scope='session')
def preset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a preset that trains on `data` in seconds."""
    path = tmp_path_factory.mktemp('preset') / 'tiny.yaml'
    path.write_text(yaml.safe_dump(TINY_PRESET))
    return path


@pytest.fixture
def run_drnet() -> Iterator[RunDrnet]:
    """Returns a function that starts `drnet train`; what still runs after the test is killed."""
    started: list[subprocess.Popen[str]] = []

    def run(
        preset: Path, data: Path, output: Path, *more: str, launcher: Any = ()
    ) -> subprocess.Popen[str]:
        programs = Path(sys.executable).parent
        words: list[Any] = [
            'drnet',
            'train',
            '--config',
            preset,
            '--data',
            data,
            '--output',
            output,
            *more,
        ]
        if launcher:
            words = [*launcher, programs / 'drnet', *words[1:]]
        process = subprocess.Popen(
            [programs / words[0], *map(str, words[1:])],
            env={**os.environ, 'OMP_NUM_THREADS': str(torch.get_num_threads())},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.wait()
        if process.stdout is not None:  # read to its end by some tests, and closed
            process.stdout.close()


@pytest.fixture(scope='session')
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random lite weights for images of 64x96."""
    path = tmp_path_factory.mktemp('weights') / 'tiny.safetensors'
    return random_weights(path, f_training=120.0)


@pytest.fixture
def estimator(weights: Path) -> Iterator[DepthEstimator]:
    settings = Settings(
        weights=str(weights), engine='torch', device='cpu', min_depth=0.001, max_depth=80.0
    )
    with DepthEstimator(settings) as created:
        yield created


@pytest.fixture
def known_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Puts the stand-in of `known_scenes` in the place of the network of `drnet bag`."""
    monkeypatch.setattr(KnownEngine, 'count', 0)
    monkeypatch.setattr(KnownEngine, 'fails_at', -1)

    def open_estimator(settings: Settings) -> DepthEstimator:
        return DepthEstimator(settings, engine=KnownEngine())

    monkeypatch.setattr(playback, 'DepthEstimator', open_estimator)


@pytest.fixture
def drnet(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> RunInProcess:
    """Runs `drnet` in this process; gives exit code and what stands on stderr and stdout."""

    def call(*words: object) -> tuple[int, str]:
        code = exit_code(monkeypatch, *words)
        captured = capsys.readouterr()
        return code, ' '.join((captured.err + captured.out).split())

    return call
