"""Pending results to which something is done when they are fetched."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drnet_ros.inference.engines.engine import Pending

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from drnet_ros.inference.frames import DepthFrame, Frame

__all__ = ['FinishedPending']


class FinishedPending(Pending):
    """Work under way, and what remains to be done to each of its frames."""

    def __init__(
        self,
        pending: Pending,
        frames: Sequence[Frame],
        finish: Callable[[Frame, DepthFrame], DepthFrame],
    ) -> None:
        """Remember what is to be done.

        Args:
            pending: The work under way.
            frames: What was submitted.
            finish: Called once for each frame and its result; returns what takes its place.
        """
        self._pending = pending
        self._frames = frames
        self._finish = finish
        self._done: list[DepthFrame] | None = None

    def wait_for_turn(self) -> None:
        """Wait as the work under way does."""
        self._pending.wait_for_turn()

    def result(self, timeout_s: float | None = None) -> list[DepthFrame]:
        """Wait for the work, then finish each frame."""
        if self._done is None:
            results = self._pending.result(timeout_s)
            self._done = [
                self._finish(frame, result)
                for frame, result in zip(self._frames, results, strict=True)
            ]
            self._frames = ()
        return self._done
