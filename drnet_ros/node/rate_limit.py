"""Which images of a stream are used where fewer are wanted than come."""

from __future__ import annotations

__all__ = ['RateLimit']

_NS_PER_S = 1e9


class RateLimit:
    """Chooses images of one stream by their stamps, evenly and at no more than a rate.

    Images are due at even times. The one that is chosen for each is that nearest to it, so that a
    rate which divides that of the camera takes every n-th image whatever the jitter, and one that
    equals it takes all. After a gap nothing is made up for. The choice depends on nothing but
    stamps, so that it is the same for a recording, however fast that is played.
    """

    def __init__(self) -> None:
        """Start with nothing chosen; the first image always is."""
        self._anchor_ns = 0.0
        self._last_ns: int | None = None
        self._interval_ns = 0
        self._is_admitted = True

    def admits(self, stamp_ns: int, rate_hz: float) -> bool:
        """Whether an image is used; call it for each one, in order.

        Args:
            stamp_ns: When it was taken. Stamps that go back begin a new stream.
            rate_hz: Most images per second; 0 is all. May differ from call to call.

        Returns:
            The same again for the same stamp.
        """
        last_ns, self._last_ns = self._last_ns, stamp_ns
        if last_ns == stamp_ns:  # the same image once more, or a driver whose stamps stand still
            return self._is_admitted
        if last_ns is None or stamp_ns < last_ns or rate_hz <= 0:
            self._anchor_ns, self._interval_ns, self._is_admitted = float(stamp_ns), 0, True
            return True
        interval_ns = stamp_ns - last_ns
        # Of the last two intervals, as a lost image makes one longer.
        usual_ns = min(interval_ns, self._interval_ns or interval_ns)
        self._interval_ns = interval_ns
        due_ns = self._anchor_ns + _NS_PER_S / rate_hz
        self._is_admitted = stamp_ns + usual_ns / 2 >= due_ns
        if self._is_admitted:
            # An image that is late by less than an interval keeps the average rate.
            self._anchor_ns = due_ns if stamp_ns - due_ns <= usual_ns else float(stamp_ns)
        return self._is_admitted
