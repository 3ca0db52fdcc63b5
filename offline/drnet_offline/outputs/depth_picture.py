"""A picture of depth for people: the image, its depth in colours, and a bar in metres."""

from __future__ import annotations

import cv2
import numpy as np

from drnet_ros.inference.arrays import FloatArray, UInt8Array
from drnet_ros.inference.depth import colourise, depth_range

__all__ = ['depth_picture']

_BACKGROUND = (24, 28, 32)
_INK = (235, 235, 235)
_TICKS = 6


def depth_picture(
    rgb_hwc: UInt8Array, depth_hw: FloatArray, range_m: tuple[float, float] | None = None
) -> UInt8Array:
    """Draw image, depth and bar side by side.

    Args:
        rgb_hwc: uint8 (H, W, 3) RGB.
        depth_hw: Metres, float32, NaN where invalid; of any size with the image's aspect ratio.
        range_m: Depths of the first and the last colour; None for `depth_range`.

    Returns:
        uint8 (H, 2 W and the bar, 3) RGB; both sides even, as videos need them.
    """
    near, far = depth_range(depth_hw) if range_m is None else range_m
    height, width = (max(2, side - side % 2) for side in rgb_hwc.shape[:2])
    coloured = colourise(depth_hw, near, far)
    if coloured.shape != rgb_hwc.shape:
        coloured = cv2.resize(  # type: ignore[assignment]
            coloured, rgb_hwc.shape[1::-1], interpolation=cv2.INTER_NEAREST
        )
    pictures = [rgb_hwc[:height, :width], coloured[:height, :width]]
    return np.concatenate([*pictures, _bar(height, near, far)], axis=1)


def _bar(height: int, near: float, far: float) -> UInt8Array:
    """Return a bar with the depths of its colours, nearest above; its width is even."""
    size = min(1.0, max(0.35, height / 900))
    gap = max(4, height // 40)
    texts = [f'{depth:.{1 if far >= 10 else 2}f} m' for depth in np.linspace(near, far, _TICKS)]
    widths = [cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, 1)[0] for text in texts]
    left = 3 * gap
    width = left + max(text[0] for text in widths) + 2 * gap
    bar = np.full((height, width + width % 2, 3), _BACKGROUND, np.uint8)
    inside = height - 4 * gap
    if inside <= 0:
        return bar
    ramp = np.linspace(near, far, inside, dtype=np.float32)[:, np.newaxis]
    bar[2 * gap : 2 * gap + inside, gap : 2 * gap + gap // 2] = colourise(ramp, near, far)
    for index, (text, (_, text_height)) in enumerate(zip(texts, widths, strict=True)):
        row = 2 * gap + round(index * (inside - 1) / (_TICKS - 1)) + text_height // 2
        cv2.putText(bar, text, (left, row), cv2.FONT_HERSHEY_SIMPLEX, size, _INK, 1, cv2.LINE_AA)
    return bar
