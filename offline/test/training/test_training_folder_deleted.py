"""A folder that is deleted while a training runs costs what was in it, no more, and is said."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path
from threading import Event, Thread

import lightning
import pytest
from lightning.pytorch import loggers
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from drnet_offline.errors import OfflineError
from drnet_offline.training.kept_folder import write_kept
from drnet_offline.training.logs import KeptTensorBoardLogger, ResumedCSVLogger
from drnet_offline.training.preset_reader import load_config, parse_override
from drnet_offline.training.run import train
from drnet_offline.training.weights_writer import WeightsWriter
from drnet_ros.network.metadata import read_metadata
from drnet_ros.weights import resolve_weights

pytestmark = pytest.mark.slow


def delete_once(monkeypatch: pytest.MonkeyPatch, folder: Path, epoch: int) -> None:
    """Delete the folder before the validation of an epoch."""
    write = WeightsWriter.on_validation_epoch_end

    def delete_and_write(self: WeightsWriter, trainer: lightning.Trainer, module: object) -> None:
        if trainer.current_epoch == epoch:
            shutil.rmtree(folder)
        write(self, trainer, module)

    monkeypatch.setattr(WeightsWriter, 'on_validation_epoch_end', delete_and_write)


def test_a_training_goes_on_and_names_what_is_lost(
    preset: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / 'output'
    delete_once(monkeypatch, output, 1)
    values = dict([parse_override(f'data.root={data}')])
    said = f'{output}/best.safetensors was deleted .* is the best of epoch 1 and those after it'
    with pytest.raises(OfflineError, match=said):
        train(load_config(str(preset), values), output)
    # Three epochs: the last two are there, and it can be gone on from.
    assert read_metadata(output / 'best.safetensors').metrics['epoch'] in {1, 2}
    assert read_metadata(output / 'last.safetensors').metrics['epoch'] == 2
    assert (output / 'last.ckpt').is_file()
    with (output / 'csv' / 'metrics.csv').open(newline='') as file:
        assert {int(row['epoch']) for row in csv.DictReader(file) if row['epoch']} == {1, 2}
    assert list((output / 'tb').iterdir())


def test_a_folder_that_is_deleted_again_and_again_ends_no_training(
    preset: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / 'output'
    is_over = Event()

    def delete() -> None:
        while not is_over.wait(0.3):
            shutil.rmtree(output, ignore_errors=True)

    deleting = Thread(target=delete)
    write = WeightsWriter.on_validation_epoch_end

    def write_last(self: WeightsWriter, trainer: lightning.Trainer, module: object) -> None:
        if trainer.current_epoch == 2:
            is_over.set()
            deleting.join()
        write(self, trainer, module)

    def begin(*_: object) -> None:
        deleting.start()

    monkeypatch.setattr(WeightsWriter, 'on_validation_epoch_end', write_last)
    monkeypatch.setattr(WeightsWriter, 'on_train_start', begin)
    values = dict([parse_override(f'data.root={data}')])
    try:
        with pytest.raises(OfflineError, match=r'is the best of epoch 2 and those after it'):
            train(load_config(str(preset), values), output)
    finally:
        is_over.set()
    assert read_metadata(output / 'last.safetensors').metrics['epoch'] == 2
    assert (output / 'last.ckpt').is_file()


def delete_before(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Delete a folder once between the moment in which it is made and the next write to it."""
    make = Path.mkdir
    left = [folder]

    def make_and_delete(path: Path, *args: object, **keys: object) -> None:
        make(path, *args, **keys)  # type: ignore[arg-type]
        if path in left:
            shutil.rmtree(left.pop())

    monkeypatch.setattr(Path, 'mkdir', make_and_delete)


def test_a_log_whose_folder_is_deleted_in_the_moment_of_a_write_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[loggers.Logger] = [
        ResumedCSVLogger(tmp_path, 0),
        KeptTensorBoardLogger(tmp_path, 'tb', ''),
    ]
    for logger in written:
        folder = Path(logger.log_dir or '')
        logger.log_metrics({'loss': 0.5}, 1)
        logger.save()
        delete_before(monkeypatch, folder)
        logger.log_metrics({'loss': 0.25}, 2)
        logger.save()
        logger.log_metrics({'loss': 0.125}, 3)
        logger.finalize('success')
    csv_folder, events_folder = (Path(logger.log_dir or '') for logger in written)
    with (csv_folder / 'metrics.csv').open(newline='') as file:
        rows = [(int(row['step']), float(row['loss'])) for row in csv.DictReader(file)]
    assert rows == [(2, 0.25), (3, 0.125)]
    events = EventAccumulator(str(events_folder)).Reload()
    assert [(event.step, event.value) for event in events.Scalars('loss')] == rows


def test_what_lacks_more_than_its_folder_is_not_written_again(tmp_path: Path) -> None:
    tries = []

    def fail() -> None:
        tries.append(1)
        raise PermissionError

    with pytest.raises(PermissionError):
        write_kept(tmp_path, fail)
    assert tries == [1]


def test_weights_that_are_deleted_after_the_last_epoch_are_named(tmp_path: Path) -> None:
    writer = WeightsWriter(tmp_path, read_metadata(resolve_weights('embedded')))
    with pytest.raises(OfflineError, match=r'was deleted while this training ran$'):
        writer.check_kept()
    (tmp_path / 'best.safetensors').touch()
    writer.check_kept()
