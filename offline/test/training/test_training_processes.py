"""One training in several processes: on one machine, on two under torchrun, and who sees what."""

from __future__ import annotations

import socket
import subprocess
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
from torch.utils.data import DataLoader

from drnet_offline.datasets.mixture import open_mixture
from drnet_offline.errors import DatasetError
from drnet_offline.training.data import AugmentedDataset, EpochSampler, message_of_loader
from drnet_offline.training.preset import TrainConfig, list_sources
from drnet_offline.training.preset_reader import load_config
from drnet_offline.training.run import train
from drnet_ros.inference.engines.openvino_portable import read_portable
from drnet_ros.network.checkpoint import load_network

pytestmark = pytest.mark.slow

WriteFolder = Callable[..., Path]
RunDrnet = Callable[..., subprocess.Popen[str]]
TRAIN, VAL = 8, 3
WAIT_S = 400


def configure(preset: Path, data: Path, **overrides: Any) -> TrainConfig:
    return load_config(str(preset), {'data.root': str(data), **overrides})


@pytest.mark.slow
@pytest.mark.timeout(3 * WAIT_S)
def test_two_processes_give_what_one_gives(
    preset: Path, tmp_path: Path, write_folder: WriteFolder, run_drnet: RunDrnet
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
    flags = ['--set', 'data.batch_size=2', *flags]
    process = run_drnet(preset, data, tmp_path / 'two', '--devices', '2', *flags)
    printed = process.communicate(timeout=WAIT_S)[0]
    assert process.returncode == 0, printed
    best = tmp_path / 'two' / 'best.safetensors'
    assert printed.count(f'written {best.with_suffix(".xml")}: with it the node needs no') == 1
    assert read_portable(best) is not None
    overrides = dict(entry.split('=') for entry in sets)
    config = configure(preset, data, **{k: yaml.safe_load(v) for k, v in overrides.items()})
    train(config, tmp_path / 'one')
    one, two = (load_network(tmp_path / n / 'last.safetensors') for n in ('one', 'two'))
    assert two[1].metrics['n_images'] == one[1].metrics['n_images'] == VAL
    for name in ('rmse', 'rel', 'log10', 'rmse_per_image', 'rel_per_image', 'n_pixels'):
        # The running variance is the unbiased one, which is larger for half the batch: by up to
        # 1 / 24 of what stride 16 has here.
        assert two[1].metrics[name] == pytest.approx(one[1].metrics[name], rel=0.02), name
    for p, q in zip(one[0].parameters(), two[0].parameters(), strict=True):
        torch.testing.assert_close(p, q, atol=2e-4, rtol=0)
    # And two machines under torchrun, one process each, give that to the last bit.
    with socket.create_server(('127.0.0.1', 0)) as server:
        port = server.getsockname()[1]
    torchrun = ['torchrun', '--nnodes', '2', '--nproc-per-node', '1', '--master-addr', '127.0.0.1']
    machines = [
        run_drnet(
            preset, data, tmp_path / 'machines', *flags,
            launcher=[*torchrun, '--master-port', port, '--node-rank', rank, '--no-python'],
        )
        for rank in range(2)
    ]  # fmt: skip
    outputs = [machine.communicate(timeout=WAIT_S)[0] for machine in machines]
    assert [machine.returncode for machine in machines] == [0, 0], outputs
    assert sum('Best weights' in output for output in outputs) == 1
    for name in ('best', 'last'):
        a, b = (load_file(tmp_path / n / f'{name}.safetensors') for n in ('machines', 'two'))
        assert a.keys() == b.keys()
        assert all(torch.equal(a[key], b[key]) for key in a)


def test_two_processes_share_an_epoch_out(data: Path, preset: Path) -> None:
    config = configure(preset, data)
    weights = open_mixture(data, list_sources(config), 'train').weights()
    orders = []
    for epoch in (0, 1, 5):
        shares = [EpochSampler(weights, TRAIN, 3, world=2, rank=rank) for rank in range(2)]
        for share in shares:
            share.set_epoch(epoch)
        keys = [list(share) for share in shares]
        joined = keys[0] + keys[1]
        assert sorted(key % TRAIN for key in joined) == list(range(TRAIN))
        draws = sorted(key // TRAIN for key in joined)
        assert draws == list(range(epoch * TRAIN, (epoch + 1) * TRAIN))
        orders.append([key % TRAIN for key in keys[0]])
    assert orders[0] != orders[1]


def test_a_draw_is_a_function_of_seed_and_step(data: Path, preset: Path) -> None:
    config = configure(preset, data)
    samples = open_mixture(data, list_sources(config), 'train')

    def draw(key: int, seed: int) -> dict[str, Tensor]:
        return AugmentedDataset(samples, replace(config, seed=seed), 500.0)[key]

    first, again = draw(5, 3), draw(5, 3)
    for name in ('rgb', 'depth'):
        np.testing.assert_array_equal(first[name], again[name])
    later, other = draw(5 + len(samples), 3), draw(5, 4)
    assert not torch.equal(first['rgb'], later['rgb'])
    assert not torch.equal(first['rgb'], other['rgb'])


@pytest.mark.parametrize('workers', [0, 1])
def test_an_image_that_is_damaged_meanwhile_is_named_without_a_traceback(
    preset: Path, tmp_path: Path, write_folder: WriteFolder, workers: int
) -> None:
    data = write_folder(tmp_path / 'set', TRAIN + VAL)
    config = configure(preset, data)
    samples = open_mixture(data, list_sources(config), 'train')
    path = data / 'rgb' / '00003.png'
    path.write_bytes(b'damaged')
    loader = DataLoader(AugmentedDataset(samples, config, 100.0), 4, num_workers=workers)
    with pytest.raises(DatasetError) as caught:
        list(loader)
    assert ('Traceback' in str(caught.value)) == bool(workers)
    assert message_of_loader(caught.value) == (
        f'{path} is cut short, damaged or no image of a known type: fetch or write it again, as '
        'JPEG or PNG'
    )
