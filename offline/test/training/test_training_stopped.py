"""Ctrl-C in `drnet train`: one line that says what is saved and how to go on, exit code 130."""

from __future__ import annotations

import io
import signal
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from full_disk import LIMIT_BYTES, full_disk

from drnet_offline.errors import ConfigError, OfflineError
from drnet_offline.training.run_folder import WholeCheckpoints, read_step

RunDrnet = Callable[..., subprocess.Popen[str]]

pytestmark = pytest.mark.slow

WAIT_S = 300.0
MANY = ('--set', 'epochs=1000')


@pytest.mark.parametrize(
    ('file', 'number', 'said'),
    [
        ('last.ckpt', signal.SIGINT, '{}/last.ckpt has all whole epochs: go on with the same '),
        ('last.ckpt', signal.SIGHUP, '{}/last.ckpt has all whole epochs: go on with the same '),
        ('preset.yaml', signal.SIGTERM, 'no epoch was done and nothing is saved: run it again'),
    ],
)
def test_a_signal_ends_a_training_in_one_line(
    file: str,
    number: signal.Signals,
    said: str,
    preset: Path,
    data: Path,
    tmp_path: Path,
    run_drnet: RunDrnet,
) -> None:
    output = tmp_path / 'output'
    process = run_drnet(preset, data, output, *MANY)
    deadline = time.monotonic() + WAIT_S
    while process.poll() is None and not (output / file).exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(number)
    printed = process.communicate(timeout=WAIT_S)[0]
    assert process.returncode == 130, printed
    assert 'Traceback' not in printed
    lines = [line for line in printed.splitlines() if line.startswith('stopped: ')]
    assert len(lines) == 1, printed
    assert lines[0].startswith(f'stopped: {said.format(output)}')


def as_saved(value: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def with_one_byte_changed() -> bytes:
    content = as_saved({'global_step': 7, 'weights': torch.full((64,), 0.25)})
    return content.replace(struct.pack('<f', 0.25), struct.pack('<f', 0.5), 1)


@pytest.mark.parametrize(
    'content',
    [
        b'',
        b'PK\x03\x04 cut',
        b'no checkpoint at all',
        with_one_byte_changed(),
        as_saved({'global_step': 7})[:-30],
        as_saved([7]),
        as_saved({'step': 7}),
    ],
)
def test_a_damaged_checkpoint_is_named(tmp_path: Path, content: bytes) -> None:
    checkpoint = tmp_path / 'last.ckpt'
    checkpoint.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        read_step(checkpoint)
    said = str(caught.value)
    assert said.startswith(f'{checkpoint} must be a whole checkpoint of drnet train, got: ')
    assert said.endswith('; put back a copy of it, or begin in a new folder')


def test_a_checkpoint_is_written_whole_or_the_last_one_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is it written elsewhere first: a copy from another disk would not be whole at once."""
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path / 'no temporary folder'))
    path = tmp_path / 'last.ckpt'
    writer = WholeCheckpoints()
    writer.save_checkpoint({'global_step': 7}, path)
    message = rf'cannot write {path}: File too large; free'
    with pytest.raises(OfflineError, match=message), full_disk():
        writer.save_checkpoint({'global_step': 8, 'state': torch.ones(LIMIT_BYTES)}, path)
    assert read_step(path) == 7
    assert [each.name for each in tmp_path.iterdir()] == ['last.ckpt']
    writer.save_checkpoint({'global_step': 9}, path)
    assert read_step(path) == 9
