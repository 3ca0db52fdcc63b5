"""The thread in which all work is launched on a GPU, and graphs are made between frames.

cuDNN's measured choice of algorithms, its handles and those of cuBLAS belong to a thread: what
one thread has prepared, another one would prepare again, in the middle of its frames.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress
from typing import TYPE_CHECKING

from drnet_ros.inference.engines.engine import Pending

if TYPE_CHECKING:
    from drnet_ros.inference.engines.cuda.pipeline import CudaPipeline
    from drnet_ros.inference.engines.cuda.plan import Batch, Shape
    from drnet_ros.inference.frames import DepthFrame
    from drnet_ros.inference.settings import Settings

__all__ = ['PipelineThread']

_LOG = logging.getLogger(__name__)


class PipelineThread:
    """A pipeline, and the only thread that launches its work. Call it from one thread at a time.

    Preparation is done in steps that queue up with the frames, so that frames of other sizes wait
    for one step at most.
    """

    def __init__(self, start: Callable[[], CudaPipeline]) -> None:
        """Start the thread and, in it, the pipeline.

        Args:
            start: Creates the pipeline; what it raises is raised here.
        """
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix='cuda_engine')
        self._preparing: dict[Shape, Future[None]] = {}
        self._begun: set[Shape] = set()
        self._given_up: set[Shape] = set()
        self._is_closed = False
        try:
            self._pipeline = self._executor.submit(start).result()
        except BaseException:
            self._executor.shutdown(wait=False)
            raise

    def submit(self, batch: Batch, settings: Settings, network_hw: tuple[int, int]) -> Pending:
        """Have a batch launched; `CudaPipeline.submit` says how, and what the result raises."""
        return _PendingLaunch(
            self._executor.submit(self._pipeline.submit, batch, settings, network_hw)
        )

    def prepare_async(self, shape: Shape, camera_count: int) -> Future[None] | None:
        """Begin to make the graphs for images of a size, that of single images first.

        Args:
            shape: The shape of a batch of one such image.
            camera_count: How many cameras there are.

        Returns:
            Done once single images can start; None if they can. The graphs of larger batches
            follow, and until they are there batches run in pieces. Where preparation failed
            nothing is done again: `submit` says why.
        """
        is_ready = self._pipeline.is_ready(shape)
        if shape in self._given_up or (is_ready and shape in self._begun):
            return None
        done = self._preparing.get(shape)
        if done is None:
            self._begun.add(shape)
            done = self._preparing[shape] = Future()
            steps = self._pipeline.preparation(shape, camera_count)
            self._executor.submit(self._step, steps, shape, done)
        return None if is_ready else done

    def close(self) -> None:
        """Free what the pipeline holds, after all that was submitted is launched."""
        closing = self._executor.submit(self._close)
        self._executor.shutdown(wait=False)
        closing.result()

    def _close(self) -> None:
        self._is_closed = True
        self._pipeline.close()
        while self._preparing:
            self._preparing.popitem()[1].cancel()

    def _step(self, steps: Iterator[None], shape: Shape, done: Future[None]) -> None:
        if self._is_closed:
            return
        is_over = True
        try:
            is_over = next(steps, True) is True
        except Exception as error:  # noqa: BLE001 - frames of this shape will say it again
            _LOG.debug('cannot prepare for %s: %s', shape, error)
        is_ready = self._pipeline.is_ready(shape)
        if not is_over:
            with suppress(RuntimeError):  # closed meanwhile
                self._executor.submit(self._step, steps, shape, done)
        elif not is_ready:
            self._given_up.add(shape)
        if (is_over or is_ready) and self._preparing.pop(shape, None) is not None:
            done.set_result(None)


class _PendingLaunch(Pending):
    """A batch that is to be launched, or is."""

    def __init__(self, launch: Future[Pending]) -> None:
        self._launch = launch

    def wait_for_turn(self) -> None:
        """Wait for the launch: what would queue up behind it would only grow old."""
        wait([self._launch])

    def result(self, timeout_s: float | None = None) -> list[DepthFrame]:
        """Wait for the launch, and for what was launched."""
        start = time.monotonic()
        try:
            pending = self._launch.result(timeout_s)
        except FutureTimeoutError as error:
            msg = f'depth was not ready within {timeout_s} s'
            raise TimeoutError(msg) from error
        if timeout_s is not None:
            timeout_s -= time.monotonic() - start
        return pending.result(timeout_s)
