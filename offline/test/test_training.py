"""A whole training, small: its files, a kill and a resume, and two processes against one."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file
from torch import Tensor

from drnet_offline.config import TrainConfig, load_config
from drnet_offline.datasets.folder import FolderDataset
from drnet_offline.errors import ConfigError, DatasetError
from drnet_offline.run_training import train
from drnet_offline.training import AugmentedDataset, DepthModule, EpochSampler
from drnet_ros.network.checkpoint import load_network

WriteFolder = Callable[..., Path]
TRAIN, VAL = 8, 3
PRESET: dict[str, Any] = {
    'network': {'decoder_channels': [8, 8, 4, 4]},
    'data': {
        'size': [64, 96],
        'batch_size': 4,
        'workers': 0,
        'validation_blocks': [[TRAIN, TRAIN + VAL - 1]],
    },
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


@pytest.fixture(scope='module')
def data(tmp_path_factory: pytest.TempPathFactory, write_folder: WriteFolder) -> Path:
    return write_folder(tmp_path_factory.mktemp('data') / 'set', TRAIN + VAL)


@pytest.fixture(scope='module')
def preset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp('preset') / 'tiny.yaml'
    path.write_text(yaml.safe_dump(PRESET))
    return path


def configure(preset: Path, data: Path, **overrides: Any) -> TrainConfig:
    return load_config(str(preset), {'data.root': str(data), **overrides})


@pytest.fixture(scope='module')
def whole(tmp_path_factory: pytest.TempPathFactory, preset: Path, data: Path) -> Path:
    """The folder of a training that nothing interrupted."""
    output = tmp_path_factory.mktemp('whole')
    train(configure(preset, data), output)
    return output


def read_log(folder: Path) -> list[dict[str, str]]:
    with (folder / 'csv' / 'metrics.csv').open() as file:
        return list(csv.DictReader(file))


def assert_same_weights(first: Path, second: Path, atol: float = 0.0) -> None:
    a, b = load_file(first), load_file(second)
    assert a.keys() == b.keys()
    for name in a:
        torch.testing.assert_close(a[name], b[name], atol=atol, rtol=0.0, msg=name)


def run_drnet(preset: Path, data: Path, output: Path, *more: str) -> subprocess.Popen[str]:
    arguments = ['train', '--config', preset, '--data', data, '--output', output, *more]
    return subprocess.Popen(
        [Path(sys.executable).with_name('drnet'), *map(str, arguments)],
        env={**os.environ, 'OMP_NUM_THREADS': '1'},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_it_leaves_weights_a_checkpoint_logs_and_its_preset(
    whole: Path, preset: Path, data: Path
) -> None:
    names = {path.name for path in whole.iterdir()}
    expected = {'best.safetensors', 'last.safetensors', 'last.ckpt', 'preset.yaml', 'csv', 'tb'}
    assert names == expected
    assert load_config(str(whole / 'preset.yaml')) == configure(preset, data)
    rows = [row for row in read_log(whole) if row['val/rmse']]
    assert [int(row['epoch']) for row in rows] == [0, 1, 2]
    assert any((whole / 'tb').iterdir())


def test_its_weights_predict_and_say_what_they_are(whole: Path) -> None:
    network, metadata = load_network(whole / 'best.safetensors')
    assert (metadata.input_height, metadata.input_width) == (64, 96)
    # f of the data set, 60x92 pixels of which become 64x96.
    focal_px = (518.8579 * 519.4696) ** 0.5 * ((64 * 96) / (60 * 92)) ** 0.5
    assert metadata.f_training == pytest.approx(focal_px)
    assert metadata.metrics['n_images'] == VAL
    assert metadata.metrics['protocol'] == 'eigen'
    best = min(float(row['val/rmse']) for row in read_log(whole) if row['val/rmse'])
    assert metadata.metrics['rmse'] == pytest.approx(best, rel=1e-6)
    with torch.no_grad():
        depth = network(torch.zeros(1, 3, 64, 96))[0]
    assert depth.shape == (1, 1, 64, 96)
    assert torch.isfinite(depth).all()


@pytest.mark.parametrize('loss', ['paper', 'metric'])
def test_it_learns_a_batch_by_heart(loss: str, preset: Path, data: Path) -> None:
    torch.manual_seed(0)
    config = configure(preset, data, loss=loss, **{'optimizer.schedule': 'constant'})
    module = DepthModule(config, 500.0).train()
    module.log = lambda *_args, **_kwargs: None  # type: ignore[method-assign]
    dataset = AugmentedDataset(FolderDataset(data), config)
    batch = torch.utils.data.default_collate([dataset[0], dataset[1]])
    optimizer = module.configure_optimizers()
    losses = []
    for _ in range(25):
        optimizer.zero_grad()
        value = module.training_step(batch, 0)
        value.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(value.item())
    least = 6 * 3 * np.log(0.5) if loss == 'paper' else 0.0  # six levels, three terms
    assert losses[-1] - least < 0.7 * (losses[0] - least)


def test_what_is_kept_is_the_average_that_was_validated(whole: Path) -> None:
    # Lightning puts the averaged weights in state_dict and those being trained beside it.
    checkpoint = torch.load(whole / 'last.ckpt', weights_only=False)
    kept = load_file(whole / 'last.safetensors')
    name = next(name for name in kept if kept[name].ndim == 4)
    average = checkpoint['state_dict'][f'network.{name}'].half()
    current = checkpoint['current_model_state'][f'network.{name}'].half()
    assert torch.equal(kept[name], average)
    assert not torch.equal(kept[name], current)


def wait_for(path: Path, process: subprocess.Popen[str], seconds: float = 150) -> None:
    deadline = time.monotonic() + seconds
    while not path.is_file():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline, f'no {path}'
        time.sleep(0.02)


def test_a_killed_training_resumes_to_the_same_result(
    whole: Path, preset: Path, data: Path, tmp_path: Path
) -> None:
    process = run_drnet(preset, data, tmp_path)
    wait_for(tmp_path / 'last.ckpt', process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert int(torch.load(tmp_path / 'last.ckpt', weights_only=False)['global_step']) in {2, 4}
    # From another place: what was moved in between resumes too.
    moved = tmp_path.rename(tmp_path.with_name('moved'))
    train(configure(preset, data), moved, resume=True)
    for name in ('best', 'last'):
        assert_same_weights(moved / f'{name}.safetensors', whole / f'{name}.safetensors')
    resumed = [{k: r[k] for k in ('epoch', 'step', 'val/rmse')} for r in read_log(moved)]
    expected = [{k: r[k] for k in ('epoch', 'step', 'val/rmse')} for r in read_log(whole)]
    assert resumed == expected
    assert not list(moved.glob('last-v*.ckpt'))


def test_two_processes_give_what_one_gives(
    preset: Path, tmp_path: Path, write_folder: WriteFolder
) -> None:
    # Batch norm sees half of the batch in each process: only where all images of a batch are alike
    # must the halves do the same. Those of validation differ, one process has two, one has one.
    data = write_folder(tmp_path / 'set', TRAIN + VAL)
    for part in ('rgb', 'depth'):
        first = (data / part / '00000.png').read_bytes()
        for number in range(TRAIN):
            (data / part / f'{number:05d}.png').write_bytes(first)
    still = ['flip=false', 'max_zoom=1', 'max_rotation_deg=0', 'brightness=0', 'contrast=0',
             'saturation=0', 'colour_cast=0', 'max_gamma=1']  # fmt: skip
    sets = [f'augmentation.{entry}' for entry in still] + ['epochs=2', 'freeze_backbone=true']
    flags = [word for entry in sets for word in ('--set', entry)]
    process = run_drnet(
        preset, data, tmp_path / 'two', '--devices', '2', '--set', 'data.batch_size=2', *flags
    )
    printed = process.communicate(timeout=170)[0]
    assert process.returncode == 0, printed
    overrides = dict(entry.split('=') for entry in sets)
    config = configure(preset, data, **{k: yaml.safe_load(v) for k, v in overrides.items()})
    train(config, tmp_path / 'one')
    one, two = (load_network(tmp_path / n / 'last.safetensors') for n in ('one', 'two'))
    assert two[1].metrics['n_images'] == one[1].metrics['n_images'] == VAL
    for name in ('rmse', 'rel', 'log10', 'rmse_per_image', 'rel_per_image', 'n_pixels'):
        # The running variance is the unbiased one, which is larger for half the batch: by up to
        # 1 / 24 of what stride 16 has here.
        assert two[1].metrics[name] == pytest.approx(one[1].metrics[name], rel=0.02), name
    for a, b in zip(one[0].parameters(), two[0].parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=2e-4, rtol=0)


def test_two_processes_share_an_epoch_out(data: Path, preset: Path) -> None:
    config = configure(preset, data)
    samples = FolderDataset(data, part='train', validation_blocks=config.data.validation_blocks)
    dataset = AugmentedDataset(samples, config)
    orders = []
    for epoch in (0, 1, 5):
        shares = [EpochSampler(dataset, 2, rank, shuffle=True, seed=3) for rank in range(2)]
        for share in shares:
            share.set_epoch(epoch)
        keys = [list(share) for share in shares]
        assert sorted(keys[0] + keys[1]) == list(range(epoch * TRAIN, (epoch + 1) * TRAIN))
        orders.append([key % TRAIN for key in keys[0]])
    assert orders[0] != orders[1]


def test_a_draw_is_a_function_of_seed_and_step(data: Path, preset: Path) -> None:
    config = configure(preset, data)
    samples = FolderDataset(data)

    def draw(key: int, seed: int) -> dict[str, Tensor]:
        return AugmentedDataset(samples, replace(config, seed=seed))[key]

    first, again = draw(5, 3), draw(5, 3)
    for name in ('rgb', 'depth'):
        np.testing.assert_array_equal(first[name], again[name])
    later, other = draw(5 + len(samples), 3), draw(5, 4)
    assert not torch.equal(first['rgb'], later['rgb'])
    assert not torch.equal(first['rgb'], other['rgb'])


def test_what_cannot_be_begun_or_resumed_is_said(whole: Path, preset: Path, data: Path) -> None:
    config = configure(preset, data)
    with pytest.raises(ConfigError, match='already holds a training: resume it'):
        train(config, whole)
    with pytest.raises(ConfigError, match=r'no .*absent/last\.ckpt to resume'):
        train(config, whole / 'absent', resume=True)
    other = configure(preset, data, **{'optimizer.lr': 5e-4})
    with pytest.raises(
        ConfigError, match=r'trained with optimizer\.lr = 0\.001, now it is 0\.0005'
    ):
        train(other, whole, resume=True)


def test_too_few_images_and_no_validation_are_said(
    preset: Path, data: Path, tmp_path: Path
) -> None:
    config = configure(preset, data, **{'data.batch_size': 5})
    with pytest.raises(
        ConfigError, match=r'8 images for training, .* = 10: lower data\.batch_size'
    ):
        train(config, tmp_path / 'run', devices=2)
    config = configure(preset, data, **{'data.validation_blocks': []})
    with pytest.raises(DatasetError, match="part 'val' needs validation_blocks"):
        train(config, tmp_path / 'run')
    assert not (tmp_path / 'run').exists()


def test_a_frozen_backbone_stays_as_it_was(preset: Path, data: Path, tmp_path: Path) -> None:
    config = configure(preset, data, freeze_backbone=True, epochs=1, pretrained='imagenet')
    train(config, tmp_path / 'one')
    later = replace(config, epochs=2)
    train(later, tmp_path / 'two')
    one, two = (load_file(tmp_path / n / 'last.safetensors') for n in ('one', 'two'))
    moved = [n for n in one if not torch.equal(one[n], two[n])]
    assert moved
    assert not [name for name in moved if name.startswith('backbone')]
