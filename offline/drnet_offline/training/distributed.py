"""How many processes a training has, on how many machines."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch

from drnet_offline.errors import ConfigError

__all__ = ['ProcessLayout', 'find_processes']

_SLURM = 'SLURM_JOB_ID'
_BY_HAND = ('MASTER_ADDR', 'MASTER_PORT', 'NODE_RANK')


@dataclass(frozen=True, slots=True)
class ProcessLayout:
    """The processes of a training.

    Attributes:
        devices: Processes on each machine, each with a GPU of its own where there are any.
        nodes: Machines.
    """

    devices: int = 1
    nodes: int = 1

    @property
    def processes(self) -> int:
        """All processes together."""
        return self.devices * self.nodes


def find_processes(devices: int, nodes: int) -> ProcessLayout:
    """Return what the command line asks for, or what torchrun has started.

    Args:
        devices: Processes on each machine; 1 under torchrun, which counts them itself.
        nodes: ProcessLayout, likewise.

    Raises:
        ConfigError: There are fewer GPUs, torchrun has started other numbers, or nothing tells
            the machines of each other.
    """
    asked = ProcessLayout(devices, nodes)
    if torch.distributed.is_torchelastic_launched():
        here = int(os.environ['LOCAL_WORLD_SIZE'])
        started = ProcessLayout(here, int(os.environ['WORLD_SIZE']) // here)
        if asked not in {ProcessLayout(), started}:
            msg = (
                f'torchrun has started {started.devices} processes on each of {started.nodes} '
                f'machines, --devices and --nodes say {devices} and {nodes}: leave them out'
            )
            raise ConfigError(msg)
        asked = started
    elif nodes > 1 and _SLURM not in os.environ:
        missing = [name for name in _BY_HAND if name not in os.environ]
        if missing:
            msg = (
                f'{nodes} machines must know of each other: start drnet by torchrun (torchrun '
                f'--nnodes {nodes} ... --no-python drnet train ...) or srun on each, or set '
                f'{", ".join(missing)}'
            )
            raise ConfigError(msg)
    if torch.cuda.is_available() and asked.devices > torch.cuda.device_count():
        msg = (
            f'devices must be at most {torch.cuda.device_count()} (the GPUs here), '
            f'got {asked.devices}'
        )
        raise ConfigError(msg)
    return asked
