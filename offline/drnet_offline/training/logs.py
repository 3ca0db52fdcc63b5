"""The logs of a training, which are kept though their folder is deleted in the middle of it."""

from __future__ import annotations

import csv
import os
import socket
import time
from io import BytesIO
from pathlib import Path
from typing import Any

from lightning.fabric.loggers.logger import rank_zero_experiment
from lightning.pytorch import loggers
from lightning.pytorch.utilities import rank_zero_only
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.summary.writer.record_writer import RecordWriter
from torch.utils.tensorboard import FileWriter, SummaryWriter

from drnet_offline.outputs.files import cannot_write
from drnet_offline.training.kept_folder import write_kept

__all__ = ['KeptTensorBoardLogger', 'ResumedCSVLogger']


class ResumedCSVLogger(loggers.CSVLogger):
    """Goes on with the log of an interrupted training, which Lightning's own deletes.

    Args:
        folder: Where csv/metrics.csv lies.
        step: Rows from this step on are dropped: the resumed training writes them anew.
    """

    def __init__(self, folder: Path, step: int) -> None:
        super().__init__(folder, 'csv', '')
        self._step = step

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """The writer of metrics.csv."""
        if self._experiment is None:
            path = Path(self.log_dir) / 'metrics.csv'
            rows = []
            if path.is_file():
                with path.open(encoding='utf-8', newline='') as file:
                    rows = [row for row in csv.DictReader(file) if int(row['step']) < self._step]
            writer = super().experiment
            writer.metrics = [{k: v for k, v in row.items() if v} for row in rows]
            writer.save()
        return self._experiment

    @rank_zero_only
    def save(self) -> None:
        """Write the new rows; a folder that was deleted meanwhile is made again."""
        write_kept(Path(self.log_dir), super().save)


class KeptTensorBoardLogger(loggers.TensorBoardLogger):
    """Makes its folder again where that was deleted meanwhile, which ends TensorBoard's writer."""

    @property
    @rank_zero_experiment
    def experiment(self) -> SummaryWriter:
        """The writer of the events."""
        if self._experiment is None:
            self._experiment = _SummaryWriter(self.log_dir)
        return self._experiment

    @rank_zero_only
    def save(self) -> None:
        """Write the new events, and hparams.yaml where it is not there."""
        write_kept(Path(self.log_dir), super().save)


class _SummaryWriter(SummaryWriter):
    """PyTorch's, with another file."""

    file_writer: Any
    all_writers: Any

    def _get_file_writer(self) -> FileWriter:
        if self.all_writers is None or self.file_writer is None:
            self.file_writer = _FileWriter(Path(self.log_dir))
            self.all_writers = {str(self.log_dir): self.file_writer}
        file_writer: FileWriter = self.file_writer
        return file_writer


class _FileWriter(FileWriter):
    """PyTorch's, with another file."""

    def __init__(self, folder: Path) -> None:
        self.event_writer: Any = _EventFile(folder)


class _EventFile:
    """A file of TensorBoard's events.

    TensorBoard's own writes in a thread, and each call after an error of that fails.
    """

    def __init__(self, folder: Path) -> None:
        name = f'events.out.tfevents.{time.time_ns() // 10**9:010d}.{socket.gethostname()}'
        self._path = folder / f'{name}.{os.getpid()}'
        self._new = b''

    def add_event(self, event: Event) -> None:
        """Keep an event for the next flush."""
        self._new += _record(event)

    def flush(self) -> None:
        """Write what is new.

        Raises:
            OfflineError: It cannot be written.
        """
        try:
            write_kept(self._path.parent, self._append)
        except OSError as error:
            raise cannot_write(self._path, error) from error
        self._new = b''

    def close(self) -> None:
        """Write what is new."""
        self.flush()

    def _append(self) -> None:
        with self._path.open('ab') as file:
            if file.tell() == 0:
                file.write(_record(Event(wall_time=time.time(), file_version='brain.Event:2')))
            file.write(self._new)


def _record(event: Event) -> bytes:
    buffer = BytesIO()
    RecordWriter(buffer).write(event.SerializeToString())
    return buffer.getvalue()
