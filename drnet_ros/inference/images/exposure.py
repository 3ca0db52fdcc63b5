"""Whether an image shows anything: a covered lens and a dazzled one give depth all the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from drnet_ros.inference.arrays import UInt8Array

__all__ = ['exposure_problem']

# Every so many rows and columns are looked at.
_STRIDE = 16
_BLACK, _WHITE = 15, 240


def exposure_problem(rgb_hwc: UInt8Array) -> str:
    """Return 'black' or 'white' of an image that is nothing else, '' of others.

    Args:
        rgb_hwc: The image, uint8 (H, W, 3).
    """
    sample = rgb_hwc[::_STRIDE, ::_STRIDE]
    if sample.max() <= _BLACK:
        return 'black'
    return 'white' if sample.min() >= _WHITE else ''
