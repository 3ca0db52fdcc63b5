"""What is odd about the images of a camera though each of them can be used."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from drnet_ros.messages.reading import stamp_ns

if TYPE_CHECKING:
    from drnet_ros.inference.arrays import UInt8Array
    from drnet_ros.node.messages import InputMessage

__all__ = ['InputCheck']

# How long an oddity counts after it was seen last.
_WINDOW_S = 5.0
# Every so many rows and columns are looked at.
_STRIDE = 16
_BLACK, _WHITE = 15, 240
_NS_PER_S = 1_000_000_000


class InputCheck:
    """Looks at each image of one camera; written by the worker, read by the diagnostics."""

    def __init__(self) -> None:
        """Have seen nothing."""
        self._last_ns = 0
        self._seen: dict[str, tuple[float, str]] = {}

    def look(self, message: InputMessage, rgb_hwc: UInt8Array, *, is_filtered: bool) -> int:
        """Look at an image.

        Args:
            message: Its message.
            rgb_hwc: The image, uint8 (H, W, 3).
            is_filtered: Whether `temporal_filter` is on, which needs stamps that go on.

        Returns:
            Its stamp in nanoseconds; where that is unset, the time now, so that filters work.
        """
        now_ns = stamp_ns(message)
        step_s = (now_ns - self._last_ns) / _NS_PER_S
        has_last, self._last_ns = self._last_ns > 0, now_ns
        if now_ns <= 0:
            self._note(
                'stamp',
                'images have no stamp: tf and what matches by time cannot use the depth; have the '
                'driver set header.stamp',
            )
            now_ns = time.monotonic_ns()
        elif is_filtered and has_last and step_s <= 0:
            self._note(
                'order',
                f'stamps go back or stand still ({step_s:.3f} s): temporal_filter begins anew',
            )
        if not message.header.frame_id:
            self._note(
                'frame_id',
                'images have no frame_id: tf and RViz cannot place the depth; have the driver set '
                'header.frame_id',
            )
        sample = rgb_hwc[::_STRIDE, ::_STRIDE]
        if sample.max() <= _BLACK:
            self._note('dark', 'images are black: is the lens covered, or the exposure too short?')
        elif sample.min() >= _WHITE:
            self._note('bright', 'images are white: is the exposure too long?')
        return now_ns

    def problems(self) -> dict[str, str]:
        """Return what was seen of late: text by kind."""
        since_s = time.monotonic() - _WINDOW_S
        return {kind: text for kind, (at_s, text) in self._seen.copy().items() if at_s >= since_s}

    def _note(self, kind: str, text: str) -> None:
        self._seen[kind] = (time.monotonic(), text)
