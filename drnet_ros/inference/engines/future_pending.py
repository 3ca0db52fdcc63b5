"""Results of engines that work in a thread."""

from __future__ import annotations

from concurrent.futures import Future, wait
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TYPE_CHECKING

from drnet_ros.inference.engines.engine import Pending

if TYPE_CHECKING:
    from drnet_ros.inference.frames import DepthFrame

__all__ = ['FuturePending']


class FuturePending(Pending):
    """A batch that a thread works on."""

    def __init__(self, future: Future[list[DepthFrame]]) -> None:
        self._future = future

    def wait_for_turn(self) -> None:
        """Wait for the engine's thread."""
        wait([self._future])

    def result(self, timeout_s: float | None = None) -> list[DepthFrame]:
        """Wait for the engine's thread."""
        try:
            return self._future.result(timeout_s)
        except FutureTimeoutError as error:
            msg = f'depth was not ready within {timeout_s} s'
            raise TimeoutError(msg) from error
