"""How many processes there are: as asked, as torchrun says, or an error that says what lacks."""

from __future__ import annotations

import pytest

from drnet_offline.errors import ConfigError
from drnet_offline.training.distributed import ProcessLayout, find_processes

VARIABLES = ('MASTER_ADDR', 'MASTER_PORT', 'NODE_RANK', 'SLURM_JOB_ID', 'TORCHELASTIC_RUN_ID')


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No launcher around the test."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def start_by_torchrun(monkeypatch: pytest.MonkeyPatch, here: int, world: int) -> None:
    monkeypatch.setenv('TORCHELASTIC_RUN_ID', 'none')
    monkeypatch.setenv('LOCAL_WORLD_SIZE', str(here))
    monkeypatch.setenv('WORLD_SIZE', str(world))


def test_as_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('torch.cuda.is_available', lambda: False)
    assert find_processes(3, 1) == ProcessLayout(3, 1)
    assert ProcessLayout(3, 2).processes == 6


def test_torchrun_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('torch.cuda.is_available', lambda: False)
    start_by_torchrun(monkeypatch, here=4, world=8)
    assert find_processes(1, 1) == find_processes(4, 2) == ProcessLayout(devices=4, nodes=2)
    with pytest.raises(
        ConfigError, match=r'started 4 processes on each of 2 machines.*leave them'
    ):
        find_processes(2, 2)


def test_machines_that_cannot_know_of_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('torch.cuda.is_available', lambda: False)
    monkeypatch.setenv('MASTER_ADDR', 'first')
    with pytest.raises(ConfigError, match=r'--nnodes 2 .* or set MASTER_PORT, NODE_RANK$'):
        find_processes(1, 2)
    monkeypatch.setenv('SLURM_JOB_ID', '7')
    assert find_processes(1, 2) == ProcessLayout(1, 2)


def test_more_processes_than_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('torch.cuda.is_available', lambda: True)
    monkeypatch.setattr('torch.cuda.device_count', lambda: 2)
    assert find_processes(2, 1) == ProcessLayout(2, 1)
    with pytest.raises(ConfigError, match=r'at most 2 \(the GPUs here\), got 3'):
        find_processes(3, 1)
