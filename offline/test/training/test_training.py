"""A whole training, small: its files and words, a kill and a resume, an early end."""

from __future__ import annotations

import csv
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file
from small_training import configure
from tensorboard.backend.event_processing import event_accumulator

from drnet_offline.errors import ConfigError, DatasetError, DivergedError
from drnet_offline.training.module import DepthModule
from drnet_offline.training.preset_reader import load_config
from drnet_offline.training.run import train
from drnet_offline.training.run_folder import check_checkpoint, check_preset
from drnet_offline.training.validation_pictures import spread_out
from drnet_ros.errors import WeightsError
from drnet_ros.network.checkpoint import load_network
from drnet_ros.network.metadata import IMAGENET_MEAN, IMAGENET_STD

pytestmark = pytest.mark.slow

RunDrnet = Callable[..., subprocess.Popen[str]]
VAL = 3


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


def test_it_leaves_weights_a_checkpoint_logs_and_its_preset(
    whole: Path, preset: Path, data: Path
) -> None:
    names = {path.name for path in whole.iterdir()}
    expected = {'best.safetensors', 'last.safetensors', 'last.ckpt', 'preset.yaml', 'csv', 'tb'}
    assert names == {*expected, 'pictures'}
    assert load_config(str(whole / 'preset.yaml')) == configure(preset, data)
    rows = [row for row in read_log(whole) if row['val/rmse']]
    assert [int(row['epoch']) for row in rows] == [0, 1, 2]
    assert any((whole / 'tb').iterdir())


def test_the_same_validation_images_are_drawn_after_each_validation(whole: Path) -> None:
    sheets = [cv2.imread(str(path)) for path in sorted((whole / 'pictures').iterdir())]
    names = sorted(path.name for path in (whole / 'pictures').iterdir())
    assert names == ['epoch_000.png', 'epoch_001.png', 'epoch_002.png']
    first, *others = [sheet for sheet in sheets if sheet is not None]
    assert len(others) == 2
    third = first.shape[1] // 3
    for sheet in others:
        assert sheet.shape == first.shape
        assert (sheet[:, :third] == first[:, :third]).all()  # images and labels
        assert (sheet[:, third:] != first[:, third:]).any()  # estimates
    events = event_accumulator.EventAccumulator(
        str(whole / 'tb'), size_guidance={'images': 0}
    ).Reload()
    assert len(events.Images('val/pictures')) == 3


def test_drawn_images_are_spread_out_and_no_more_than_there_are() -> None:
    assert spread_out(3, 96) == [16, 48, 80]
    assert spread_out(6, 3) == [0, 1, 2]


def test_a_line_for_each_validation_and_the_speed_are_printed(
    whole: Path, preset: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(configure(preset, data, pictures=0), tmp_path / 'run')
    lines = capsys.readouterr().out.splitlines()
    shown = [
        re.match(r'epoch (\d)/3: RMSE (\d+\.\d{3}) m, REL .* images/s$', line) for line in lines
    ]
    rows = [row for row in read_log(whole) if row['val/rmse']]
    assert [m.groups() for m in shown if m] == [
        (str(i + 1), f'{float(row["val/rmse"]):.3f}') for i, row in enumerate(rows)
    ]
    found = re.search(
        r'3 epochs trained, ([\d.]+) images/s; ([\d.]+)% of the time', '\n'.join(lines)
    )
    assert found is not None
    assert float(found[1]) > 0
    assert 0 <= float(found[2]) <= 100
    assert not (tmp_path / 'run' / 'pictures').exists()


def test_early_stop_and_its_resume(preset: Path, data: Path, tmp_path: Path) -> None:
    config = configure(
        preset,
        data,
        patience=2,
        epochs=12,
        pictures=0,
        **{'optimizer.lr': 0.05, 'optimizer.schedule': 'constant', 'optimizer.ema_decay': 0.0},
    )
    train(config, tmp_path)
    errors = [float(row['val/rmse']) for row in read_log(tmp_path) if row['val/rmse']]
    assert len(errors) < 12
    assert errors.index(min(errors)) == len(errors) - 3
    before = load_file(tmp_path / 'last.safetensors')
    train(config, tmp_path, resume=True)
    assert len([row for row in read_log(tmp_path) if row['val/rmse']]) == len(errors)
    after = load_file(tmp_path / 'last.safetensors')
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_its_weights_predict_and_say_what_they_are(whole: Path) -> None:
    network, metadata = load_network(whole / 'best.safetensors')
    assert (metadata.input_height, metadata.input_width) == (64, 96)
    # f of the data set, 60x92 pixels of which become 64x96.
    focal_px = (518.8579 * 519.4696) ** 0.5 * (96 / 640) * ((64 * 96) / (60 * 92)) ** 0.5
    assert metadata.f_training == pytest.approx(focal_px)
    assert metadata.metrics['n_images'] == VAL
    assert metadata.metrics['protocol'] == 'eigen'
    best = min(float(row['val/rmse']) for row in read_log(whole) if row['val/rmse'])
    assert metadata.metrics['rmse'] == pytest.approx(best, rel=1e-6)
    with torch.no_grad():
        depth = network(torch.zeros(1, 3, 64, 96))[0]
    assert depth.shape == (1, 1, 64, 96)
    assert torch.isfinite(depth).all()


def test_what_is_kept_is_the_average_that_was_validated(whole: Path) -> None:
    # Lightning puts the averaged weights in state_dict and those being trained beside it.
    checkpoint = torch.load(whole / 'last.ckpt', weights_only=False)
    kept = load_file(whole / 'last.safetensors')
    name = next(name for name in kept if kept[name].ndim == 4)
    average = checkpoint['state_dict'][f'network.{name}'].half()
    current = checkpoint['current_model_state'][f'network.{name}'].half()
    assert torch.equal(kept[name], average)
    assert not torch.equal(kept[name], current)


KILLED_AFTER_ITS_FIRST_CHECKPOINT = """
import os, runpy, signal, sys
from lightning.pytorch import Trainer

save = Trainer.save_checkpoint

def save_and_die(trainer, *arguments, **named):
    save(trainer, *arguments, **named)
    os.kill(os.getpid(), signal.SIGKILL)

Trainer.save_checkpoint = save_and_die
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name='__main__')
"""


@pytest.mark.slow
def test_a_killed_training_resumes_to_the_same_result(
    whole: Path, preset: Path, data: Path, tmp_path: Path, run_drnet: RunDrnet
) -> None:
    launcher = [sys.executable, '-c', KILLED_AFTER_ITS_FIRST_CHECKPOINT]
    process = run_drnet(preset, data, tmp_path, launcher=launcher)
    printed = process.communicate()[0]
    assert process.returncode == -signal.SIGKILL, printed
    assert torch.load(tmp_path / 'last.ckpt', weights_only=False)['global_step'] == 2
    # From another place: what was moved in between resumes too.
    moved = tmp_path.rename(tmp_path.with_name('moved'))
    train(configure(preset, data), moved, resume=True)
    for name in ('best', 'last'):
        assert_same_weights(moved / f'{name}.safetensors', whole / f'{name}.safetensors')
    resumed = [{k: r[k] for k in ('epoch', 'step', 'val/rmse')} for r in read_log(moved)]
    expected = [{k: r[k] for k in ('epoch', 'step', 'val/rmse')} for r in read_log(whole)]
    assert resumed == expected
    assert not list(moved.glob('last-v*.ckpt'))


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
    with pytest.raises(ConfigError, match='sync_batchnorm must be false without GPUs'):
        train(replace(config, sync_batchnorm=True), whole.with_name('new'), devices=2)


def test_other_processes_or_another_normalisation_cannot_resume(
    whole: Path, preset: Path, data: Path, tmp_path: Path
) -> None:
    config = configure(preset, data)
    with pytest.raises(ConfigError, match='trained with 1 processes, now there are 2: resume'):
        check_checkpoint(whole / 'last.ckpt', DepthModule(config, 500.0), 2)
    old = torch.load(whole / 'last.ckpt', weights_only=False)
    module = DepthModule(config, 500.0)
    module.images = old['images']
    check_checkpoint(whole / 'last.ckpt', module, 1)
    del old['processes'], old['normalisation']
    torch.save(old, tmp_path / 'last.ckpt')
    with pytest.raises(ConfigError, match=r'got one of an older drnet train.*in a new folder'):
        train(config, tmp_path, resume=True)
    module.normalisation = (IMAGENET_MEAN, IMAGENET_STD)
    with pytest.raises(ConfigError, match=r'fed with mean and deviation .* the same initial_wei'):
        check_checkpoint(whole / 'last.ckpt', module, 1)
    with pytest.raises(ConfigError, match=r'trained with 1 processes'):
        train(config, whole, resume=True, devices=2)


def test_other_images_or_another_preset_cannot_resume_whatever_was_deleted(
    whole: Path, preset: Path, data: Path, tmp_path: Path, write_folder: Callable[..., Path]
) -> None:
    copied = Path(shutil.copytree(whole, tmp_path / 'run'))
    (copied / 'preset.yaml').unlink()
    more = write_folder(tmp_path / 'more', 12)
    said = (
        r'was trained on 8 images 00000 to 00007 and, for validation, 3 images 00008 to 00010, '
        r'now there are 9 images 00000 to 00011 and, .*: resume with the same data, or begin'
    )
    with pytest.raises(ConfigError, match=said):
        train(configure(preset, more), copied, resume=True)
    other = configure(preset, data, **{'network.decoder_channels': [8, 8, 8, 4]})
    with pytest.raises(ConfigError, match=r'last\.ckpt was trained with network\.decoder_ch'):
        train(other, copied, resume=True)


def test_a_training_whose_best_weights_are_gone_cannot_resume(
    whole: Path, preset: Path, data: Path, tmp_path: Path
) -> None:
    config = configure(preset, data)
    copied = Path(shutil.copytree(whole, tmp_path / 'run'))
    (copied / 'best.safetensors').unlink()
    with pytest.raises(ConfigError, match=r'best\.safetensors must be there, since later weights'):
        train(config, copied, resume=True)


def test_weights_without_a_checkpoint_are_not_replaced(
    whole: Path, preset: Path, data: Path, tmp_path: Path
) -> None:
    kept = Path(shutil.copy(whole / 'best.safetensors', tmp_path)).read_bytes()
    with pytest.raises(ConfigError, match=r'best\.safetensors would be replaced, and there is no'):
        train(configure(preset, data), tmp_path)
    assert (tmp_path / 'best.safetensors').read_bytes() == kept
    assert [path.name for path in tmp_path.iterdir()] == ['best.safetensors']


def test_a_training_that_diverges_is_an_error(preset: Path, data: Path, tmp_path: Path) -> None:
    diverging = {'optimizer.lr': 1e30, 'optimizer.schedule': 'constant', 'pictures': 0}
    with pytest.raises(DivergedError, match=r'has diverged: after epoch 1 the network .* lower'):
        train(configure(preset, data, **diverging), tmp_path)
    assert not list(tmp_path.glob('*.safetensors'))


def test_validation_without_depth_that_counts_is_refused(
    preset: Path, data: Path, tmp_path: Path
) -> None:
    """Depth beyond 10 m, as in a hall: every error is that of no pixel."""
    hall = Path(shutil.copytree(data, tmp_path / 'hall'))
    for path in (hall / 'depth').iterdir():
        depth = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert depth is not None
        cv2.imwrite(str(path), depth + np.uint16(10_000))
    said = r'of hall must have depth that protocol eigen \(.*, 0.001..10 m\) counts, got none in 3'
    with pytest.raises(DatasetError, match=said):
        train(configure(preset, hall), tmp_path / 'run')
    assert not (tmp_path / 'run').exists()


def test_a_preset_written_before_an_entry_came_to_be_can_be_resumed(
    whole: Path, preset: Path, data: Path, tmp_path: Path
) -> None:
    values = yaml.safe_load((whole / 'preset.yaml').read_text())
    del values['patience'], values['sync_batchnorm'], values['augmentation']['max_gamma']
    (tmp_path / 'preset.yaml').write_text(yaml.safe_dump(values))
    check_preset(tmp_path, configure(preset, data, pictures=2))
    with pytest.raises(ConfigError, match='trained with patience = 0, now it is 3'):
        check_preset(tmp_path, configure(preset, data, patience=3))


def test_too_few_images_and_no_validation_are_said(
    preset: Path, data: Path, tmp_path: Path
) -> None:
    config = configure(preset, data, **{'data.batch_size': 5})
    with pytest.raises(
        ConfigError, match=r'8 images for training, .* = 10: lower data\.batch_size'
    ):
        train(config, tmp_path / 'run', devices=2)
    config = configure(preset, data, **{'data.validation_blocks': [[8, 8]]})
    with pytest.raises(ConfigError, match='1 images for validation, each of 2 processes needs on'):
        train(config, tmp_path / 'run', devices=2)
    config = configure(preset, data, **{'data.validation_blocks': []})
    with pytest.raises(DatasetError, match="no images for part 'val': give validation_blocks"):
        train(config, tmp_path / 'run')
    assert not (tmp_path / 'run').exists()


def test_training_starts_from_the_weights_it_is_given(
    whole: Path, preset: Path, data: Path, tmp_path: Path
) -> None:
    best = whole / 'best.safetensors'
    module = DepthModule(configure(preset, data, initial_weights=str(best)), 500.0)
    given, _ = load_network(best)
    for name, tensor in given.state_dict().items():
        torch.testing.assert_close(module.network.state_dict()[name], tensor, rtol=0, atol=0)
    guided = {'initial_weights': str(best), 'network.guided_filter': True}
    state = DepthModule(configure(preset, data, **guided), 500.0).network.state_dict()
    for name, tensor in given.state_dict().items():
        torch.testing.assert_close(state[name], tensor, rtol=0, atol=0)
    added = state.keys() - given.state_dict().keys()
    assert added
    assert all('guided' in name for name in added)
    other = {'initial_weights': str(best), 'network.correction_kernel': 5}
    with pytest.raises(ConfigError, match=r'initial_weights must be of .*correction_kernel=5'):
        DepthModule(configure(preset, data, **other), 500.0)
    with pytest.raises(WeightsError, match=r'nothing\.safetensors'):
        train(configure(preset, data, initial_weights='nothing.safetensors'), tmp_path / 'run')
