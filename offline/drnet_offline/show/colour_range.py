"""The depths of the first and the last colour, which follow those of the images."""

from __future__ import annotations

import math

__all__ = ['ColourRange']

_TIME_CONSTANT_NS = 200_000_000


class ColourRange:
    """Smooths the range of depth over time, so that the colours of a video do not flicker."""

    def __init__(self) -> None:
        """Begin without a range: the first image has its own."""
        self._range_m: tuple[float, float] | None = None
        self._stamp_ns = 0

    def update(self, range_m: tuple[float, float], stamp_ns: int) -> tuple[float, float]:
        """Return the range to show an image with.

        It follows with a time constant of 0.2 s of the images. An image that is shown again, with
        other settings or another scale, has its own range at once.

        Args:
            range_m: Nearest and farthest depth of the image, metres.
            stamp_ns: When the image was taken.
        """
        elapsed_ns = stamp_ns - self._stamp_ns
        if self._range_m is None or elapsed_ns <= 0:
            self._range_m = range_m
        else:
            share = -math.expm1(-elapsed_ns / _TIME_CONSTANT_NS)
            near, far = self._range_m
            self._range_m = near + share * (range_m[0] - near), far + share * (range_m[1] - far)
        self._stamp_ns = stamp_ns
        return self._range_m
