"""What PyTorch, OpenMP and malloc read once, when a process that trains has just begun."""

from __future__ import annotations

import os

from drnet_ros.allocator import keep_memory_of_training

__all__ = ['prepare_process']

_WAITING = ('OMP_WAIT_POLICY', 'GOMP_SPINCOUNT', 'KMP_BLOCKTIME')


def prepare_process() -> None:
    """Keep the memory of a step, and let waiting threads sleep; call it before PyTorch is loaded.

    Where another program has one of the cores, the other threads wait for the one that it has
    stopped, and by the default of OpenMP they keep their cores busy meanwhile. The settings of the
    user's environment stay.
    """
    keep_memory_of_training()
    if not any(name in os.environ for name in _WAITING):
        os.environ['OMP_WAIT_POLICY'] = 'passive'
