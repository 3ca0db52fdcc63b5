"""What holds a batch on its way through a GPU: buffers, events, and in the end its result."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from drnet_ros.errors import EngineError
from drnet_ros.inference.engines.engine import Pending
from drnet_ros.inference.frames import DepthFrame

if TYPE_CHECKING:
    from drnet_ros.inference.engines.cuda.plan import OutputSlice
    from drnet_ros.inference.engines.cuda.runtime import Runtime

__all__ = ['PendingBatch', 'Slot', 'SplitBatch']

_POLL_S = 0.0005


class Slot:
    """Buffers that a batch goes through, and events that tell how far it has come."""

    def __init__(self, runtime: Runtime, byte_count: int, float_count: int) -> None:
        """Allocate on the compute stream, which must be current.

        Args:
            runtime: The device.
            byte_count: Most bytes of input.
            float_count: Most floats of output.
        """
        self.uploaded, self.computed, self.done = (runtime.event() for _ in range(3))
        self.batch: weakref.ref[PendingBatch] | None = None
        self.host_in = runtime.pinned(byte_count, torch.uint8)
        self.host_out = runtime.pinned(float_count, torch.float32)
        self.device_in = torch.empty(byte_count, dtype=torch.uint8, device=runtime.device)
        self.device_out = torch.empty(float_count, device=runtime.device)
        runtime.mark(self.device_in, runtime.upload)
        runtime.mark(self.device_out, runtime.download)
        # New memory may be old memory that the compute stream still works on.
        allocated = runtime.event()
        allocated.record(runtime.compute)
        runtime.upload.wait_event(allocated)

    def holds(self, byte_count: int, float_count: int) -> bool:
        """Return whether the buffers are large enough."""
        return self.host_in.numel() >= byte_count and self.host_out.numel() >= float_count

    def wait(self, deadline: float | None) -> bool:
        """Let the host wait for the download; returns whether it is done."""
        if deadline is None:
            self.done.synchronize()
            return True
        while not self.done.query():
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                return False
            time.sleep(min(left_s, _POLL_S))
        return True

    def reclaim(self) -> None:
        """Wait until the slot is idle, its result saved if anybody may still ask for it."""
        batch = None if self.batch is None else self.batch()
        if batch is None:
            self.wait(None)
        else:
            batch.result(None)


class PendingBatch(Pending):
    """Frames on their way through a slot, and then their results."""

    def __init__(
        self, slot: Slot, slices: list[OutputSlice], fail: Callable[[RuntimeError], EngineError]
    ) -> None:
        self._slot: Slot | None = slot
        self._slices = slices
        self._fail = fail
        self._done: list[DepthFrame] = []
        self._lock = threading.Lock()  # the result may be fetched while the slot is reclaimed

    def result(self, timeout_s: float | None = None) -> list[DepthFrame]:
        """Wait for the download; copy the results out, once."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        is_mine = self._lock.acquire(timeout=-1 if timeout_s is None else max(0.0, timeout_s))
        try:
            if self._slot is not None and is_mine and self._slot.wait(deadline):
                floats = self._slot.host_out.numpy()
                self._done = [output.read(floats) for output in self._slices]
                self._slot = None
        except RuntimeError as error:
            raise self._fail(error) from error
        finally:
            if is_mine:
                self._lock.release()
        if self._slot is not None:
            msg = f'depth was not ready within {timeout_s} s'
            raise TimeoutError(msg)
        return self._done


class SplitBatch(Pending):
    """A batch that runs as several smaller ones."""

    def __init__(self, batches: list[PendingBatch]) -> None:
        self._batches = batches
        self._done: list[DepthFrame] = []

    def result(self, timeout_s: float | None = None) -> list[DepthFrame]:
        """Wait for all of them."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        done: list[DepthFrame] = []
        for batch in self._batches:
            done += batch.result(None if deadline is None else deadline - time.monotonic())
        self._done = self._done or done
        return self._done
