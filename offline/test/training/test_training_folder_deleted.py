"""A folder that is deleted while a training runs costs what was in it, no more, and is said."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import lightning
import pytest

from drnet_offline.errors import OfflineError
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


def test_weights_that_are_deleted_after_the_last_epoch_are_named(tmp_path: Path) -> None:
    writer = WeightsWriter(tmp_path, read_metadata(resolve_weights('embedded')))
    with pytest.raises(OfflineError, match=r'was deleted while this training ran$'):
        writer.check_kept()
    (tmp_path / 'best.safetensors').touch()
    writer.check_kept()
