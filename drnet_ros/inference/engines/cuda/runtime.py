"""The few things the pipeline asks of CUDA, behind an interface that tests can stand in for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol

import torch
from torch import Tensor

__all__ = ['CudaRuntime', 'Runtime']

# PyTorch allows one capture at a time in a process.
_CAPTURING = threading.Lock()


class Runtime(Protocol):
    """One device with three streams, which `on` makes current.

    Streams have `wait_event(event)`; events have `record(stream)`, `query()` and `synchronize()`.
    """

    device: torch.device
    upload: Any
    compute: Any
    download: Any

    def on(self, stream: Any) -> AbstractContextManager[object]:
        """Run what follows on a stream, in this thread."""

    def event(self) -> Any:
        """Return a new event; waiting for it before it is recorded waits for nothing."""

    def pinned(self, count: int, dtype: torch.dtype) -> Tensor:
        """Return host memory that the device copies from and to by itself."""

    def mark(self, tensor: Tensor, stream: Any) -> None:
        """Keep the memory of a tensor that is let go until this stream is done with it."""

    def capture(self, work: Callable[[], None]) -> Callable[[], None]:
        """Capture work, run before on the compute stream, as a graph; returns what replays it.

        Raises:
            RuntimeError: If it cannot be captured.
        """

    def release(self) -> None:
        """Give cached memory back to the device; all captured graphs must be gone."""

    def is_alive(self) -> bool:
        """Whether the device still works, after an error; does not wait for it."""


class CudaRuntime:
    """The real one."""

    def __init__(self, device: torch.device) -> None:
        """Create the streams; PyTorch's never wait for the default stream.

        Args:
            device: The CUDA device, with its index.
        """
        self.device = device
        self.upload, self.compute, self.download = (
            torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
            for _ in range(3)
        )
        self._pool = torch.cuda.graph_pool_handle()

    def on(self, stream: Any) -> AbstractContextManager[object]:
        """Make a stream and its device current; both belong to the thread."""
        return torch.cuda.stream(stream)

    def event(self) -> Any:
        """Return an event without timing, which is faster, that a thread sleeps on, not spins."""
        return torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]

    def pinned(self, count: int, dtype: torch.dtype) -> Tensor:
        """Allocate page-locked memory; a copy from or to other memory would block the host."""
        return torch.empty(count, dtype=dtype, pin_memory=True)

    def mark(self, tensor: Tensor, stream: Any) -> None:
        """Tell the allocator about a stream besides the one the tensor was allocated on."""
        tensor.record_stream(stream)

    def capture(self, work: Callable[[], None]) -> Callable[[], None]:
        """Capture work on the compute stream.

        Entering `torch.cuda.graph` waits for the whole device; so this is for new shapes only.
        All graphs share a memory pool: they run one after the other on one stream, and what they
        read and write from outside lies outside of it. Other threads may go on using CUDA.
        """
        graph = torch.cuda.CUDAGraph()
        with (
            _CAPTURING,
            torch.cuda.graph(graph, self._pool, self.compute, capture_error_mode='thread_local'),
        ):
            work()
        return graph.replay

    def release(self) -> None:
        """Empty the allocator's cache; a pool whose graphs are gone cannot be captured into."""
        with torch.cuda.device(self.device):
            torch.cuda.empty_cache()
        self._pool = torch.cuda.graph_pool_handle()

    def is_alive(self) -> bool:
        """Ask for the state of a stream, one that is never captured.

        After an error that the context does not survive, CUDA answers every call with it.
        """
        try:
            self.download.query()
        except RuntimeError:
            return False
        return True
