"""Counts and times of one camera, written by two threads and read by the diagnostics."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass

__all__ = ['CameraStatistics', 'Snapshot']

WINDOW_S = 5.0
_COUNTED = ('in', 'out', 'dropped', 'failed', 'skipped', 'lost')


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What `CameraStatistics` holds at one moment.

    Attributes:
        frames_in: Images received since activation.
        frames_out: Depth images published.
        frames_dropped: Images that a newer one replaced before they were worked on.
        frames_failed: Images that could not be used.
        frames_skipped: Images for which there was no subscriber, or that `max_rate` left out.
        frames_lost: Images that were published but never came in: lost on the way, or replaced in
            the middleware before this process took them.
        recent_in: Images received within the last `WINDOW_S` seconds.
        recent_out: Depth images published within them.
        recent_dropped: Images dropped within them, but for those that came while the network was
            made ready.
        recent_failed: Images failed within them.
        recent_lost: Images found lost within them.
        rate_hz: Depth images per second, over them.
        latencies_ms: Sorted times from reception to publication, of the depth images in them.
        input_age_s: Time since the last image, None if there was none.
        last_failure: What was wrong with the last image that failed, '' if none did.
        preparing_hw: Height and width of the images that the network is being made ready for,
            while this camera waits for it; None if it does not.
    """

    frames_in: int
    frames_out: int
    frames_dropped: int
    frames_failed: int
    frames_skipped: int
    frames_lost: int
    recent_in: int
    recent_out: int
    recent_dropped: int
    recent_failed: int
    recent_lost: int
    rate_hz: float
    latencies_ms: tuple[float, ...]
    input_age_s: float | None
    last_failure: str
    preparing_hw: tuple[int, int] | None

    def latency_ms(self, quantile: float) -> float:
        """Return a quantile of the latencies, NaN if there are none.

        Args:
            quantile: 0 to 1; the nearest rank is taken.
        """
        if not self.latencies_ms:
            return float('nan')
        rank = round(quantile * (len(self.latencies_ms) - 1))
        return self.latencies_ms[rank]


class CameraStatistics:
    """Counters that never block for long: every method only adds a number under a lock."""

    def __init__(self) -> None:
        """Start at zero."""
        self._lock = threading.Lock()
        self._totals = dict.fromkeys(_COUNTED, 0)
        self._events: deque[tuple[float, str, float]] = deque()
        self._last_in_s: float | None = None
        self._last_failure = ''
        self._failure_kinds: set[str] = set()
        self._preparing_hw: tuple[int, int] | None = None

    def received(self) -> None:
        """Count an image that came in."""
        now = time.monotonic()
        with self._lock:
            self._last_in_s = now
            self._count('in', now)

    def dropped(self) -> None:
        """Count an image that a newer one replaced."""
        with self._lock:
            if self._preparing_hw is None:
                self._count('dropped', time.monotonic())
            else:  # no sign that images come faster than depth is computed
                self._totals['dropped'] += 1

    def preparing(self, image_hw: tuple[int, int] | None) -> None:
        """Note that images wait until the network is ready for them.

        Args:
            image_hw: Their height and width; None once it is ready.
        """
        with self._lock:
            self._preparing_hw = image_hw

    def skipped(self) -> None:
        """Count an image that nobody wanted depth of, or that `max_rate` left out."""
        with self._lock:
            self._count('skipped', time.monotonic())

    def lost(self, count: int) -> None:
        """Count images that were published but never came in.

        Args:
            count: How many.
        """
        with self._lock:
            self._count('lost', time.monotonic(), count, count=count)

    def published(self, received_s: float) -> None:
        """Count a published depth image.

        Args:
            received_s: When its image came in, by time.monotonic().
        """
        now = time.monotonic()
        with self._lock:
            self._count('out', now, 1e3 * (now - received_s))

    def failed(self, kind: str, message: str) -> bool:
        """Count an image that could not be used.

        Args:
            kind: The kind of defect.
            message: What was wrong.

        Returns:
            Whether it is the first of its kind, and so worth a line in the log.
        """
        with self._lock:
            self._count('failed', time.monotonic())
            self._last_failure = message
            is_first = kind not in self._failure_kinds
            self._failure_kinds.add(kind)
            return is_first

    def snapshot(self) -> Snapshot:
        """Return what is known now."""
        now = time.monotonic()
        with self._lock:
            self._forget_old(now)
            events = list(self._events)
            totals = dict(self._totals)
            last_in_s, last_failure = self._last_in_s, self._last_failure
            preparing_hw = self._preparing_hw
        recent = {name: sum(event[1] == name for event in events) for name in totals}
        # One event tells of many losses: an hour away must not take an hour's events.
        recent['lost'] = round(sum(value for _, name, value in events if name == 'lost'))
        return Snapshot(
            **{f'frames_{name}': count for name, count in totals.items()},
            **{f'recent_{name}': recent[name] for name in _COUNTED if name != 'skipped'},
            rate_hz=_rate([stamp for stamp, name, _ in events if name == 'out']),
            latencies_ms=tuple(sorted(value for _, name, value in events if name == 'out')),
            input_age_s=None if last_in_s is None else now - last_in_s,
            last_failure=last_failure,
            preparing_hw=preparing_hw,
        )

    def _count(self, name: str, now: float, value: float = 0.0, *, count: int = 1) -> None:
        self._totals[name] += count
        self._events.append((now, name, value))
        self._forget_old(now)

    def _forget_old(self, now: float) -> None:
        while self._events and self._events[0][0] < now - WINDOW_S:
            self._events.popleft()


def _rate(stamps: list[float]) -> float:
    """Return events per second, from the spacing between the first and the last one."""
    if len(stamps) < 2 or stamps[-1] <= stamps[0]:
        return 0.0
    return (len(stamps) - 1) / (stamps[-1] - stamps[0])
