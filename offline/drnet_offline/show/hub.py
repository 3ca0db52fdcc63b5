"""Between the thread that estimates and the pages that show: who wants the next frame, and it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque

__all__ = ['Hub', 'Viewer']

# While one frame is on its way and drawn, the next is computed.
_FRAMES_UNDER_WAY = 2
_SMOOTHING = 0.1


class Viewer:
    """One open page.

    Attributes:
        outbox: What is to be sent to it: bytes of frames and texts; None ends the connection.
        rate_hz: Frames that it draws each second; 0 at first.
        latency_ms: From the moment that an image was taken until its depth is drawn; 0 at first.
    """

    def __init__(self) -> None:
        self.outbox: asyncio.Queue[bytes | str | None] = asyncio.Queue()
        self.rate_hz = 0.0
        self.latency_ms = 0.0
        self._wanted = _FRAMES_UNDER_WAY
        self._taken_s: deque[float] = deque()
        self._drawn_s: float | None = None

    @property
    def is_ready(self) -> bool:
        """Whether it wants another frame."""
        return self._wanted > 0

    def sent(self, taken_s: float) -> None:
        """Note that a frame is on its way.

        Args:
            taken_s: When its image was taken, by `time.monotonic`.
        """
        self._wanted -= 1
        self._taken_s.append(taken_s)

    def drawn(self) -> None:
        """Note that the oldest frame under way was drawn."""
        if not self._taken_s:
            return
        now_s = time.monotonic()
        self._wanted += 1
        self.latency_ms = _smoothed(self.latency_ms, (now_s - self._taken_s.popleft()) * 1000)
        if self._drawn_s is not None:
            period_s = _smoothed(1 / self.rate_hz if self.rate_hz else 0.0, now_s - self._drawn_s)
            self.rate_hz = 1 / period_s if period_s > 0 else 0.0
        self._drawn_s = now_s


class Hub:
    """All open pages; frames go only to those that have drawn what they got.

    A page in a hidden tab draws nothing, and so wants nothing.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin without pages.

        Args:
            loop: The loop that serves them.
        """
        self._loop = loop
        self._changed = threading.Condition()
        self._viewers: list[Viewer] = []

    def join(self) -> Viewer:
        """Add a page."""
        viewer = Viewer()
        with self._changed:
            self._viewers.append(viewer)
            self._changed.notify_all()
        return viewer

    def leave(self, viewer: Viewer) -> None:
        """Remove a page.

        Args:
            viewer: What `join` returned.
        """
        with self._changed:
            self._viewers.remove(viewer)
            self._changed.notify_all()

    def drawn(self, viewer: Viewer) -> None:
        """Note that a page has drawn a frame, and wants another.

        Args:
            viewer: The page.
        """
        with self._changed:
            viewer.drawn()
            self._changed.notify_all()

    def count(self) -> int:
        """Return how many pages are open."""
        with self._changed:
            return len(self._viewers)

    def wait_for_demand(self, timeout_s: float) -> bool:
        """Wait until a page wants a frame.

        Args:
            timeout_s: Longest time to wait.

        Returns:
            Whether one does.
        """
        with self._changed:
            return self._changed.wait_for(
                lambda: any(viewer.is_ready for viewer in self._viewers), timeout_s
            )

    def send_frame(self, message: bytes, taken_s: float) -> None:
        """Send a frame to all pages that want one; from any thread.

        Args:
            message: The frame.
            taken_s: When its image was taken, by `time.monotonic`.
        """
        with self._changed:
            ready = [viewer for viewer in self._viewers if viewer.is_ready]
            for viewer in ready:
                viewer.sent(taken_s)
        for viewer in ready:
            self._loop.call_soon_threadsafe(viewer.outbox.put_nowait, message)

    def send_text(self, message: str) -> None:
        """Send a text to all pages; from any thread.

        Args:
            message: The text.
        """
        with self._changed:
            viewers = list(self._viewers)
        for viewer in viewers:
            self._loop.call_soon_threadsafe(viewer.outbox.put_nowait, message)


def _smoothed(old: float, new: float) -> float:
    return new if old == 0 else old + _SMOOTHING * (new - old)
