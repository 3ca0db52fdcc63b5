"""The loader's speed: what is counted is what was loaded."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from drnet_offline.datasets.mixture import open_mixture
from drnet_offline.training.data import AugmentedDataset, Batch
from drnet_offline.training.loading_report import measure_loader
from drnet_offline.training.preset import list_sources
from drnet_offline.training.preset_reader import load_config


class CountingDataset(AugmentedDataset):
    """Remembers which keys were asked for."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self.keys: list[int] = []

    def __getitem__(self, key: int) -> Batch:
        self.keys.append(key)
        return super().__getitem__(key)


def test_as_many_draws_are_timed_as_asked_each_a_new_one(data: Path, preset: Path) -> None:
    config = load_config(str(preset))
    dataset = CountingDataset(open_mixture(data, list_sources(config), 'train'), config, 500.0)
    assert measure_loader(dataset, config, 20) > 0
    assert dataset.keys == list(range(4 + 20))  # one batch before the clock starts


def run(*words: str) -> subprocess.CompletedProcess[str]:
    # In a process of its own: it forks loaders, which one full of ROS and OpenVINO bears badly.
    command = [sys.executable, '-m', 'drnet_offline.training.loading_report', *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=550)


@pytest.mark.slow
def test_the_command(data: Path, preset: Path) -> None:
    words = ['--config', str(preset), '--data', str(data), '--images', '8', '--steps', '1']
    done = run(*words, '--workers', '0', '1', '--json')
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert list(figures) == ['loader, 0 workers', 'loader, 1 workers', 'training step, cpu']
    assert all(value > 0 for value in figures.values())
    refused = run(*words[:2], '--data', str(data / 'absent'))
    assert refused.returncode == 1
    assert 'error: there is no data set at' in refused.stderr
