"""Corners followed from image to image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ['CornerTracker']

_CORNERS = 400
_REFILL_BELOW = 320
_QUALITY = 0.01
_SPACING_PX = 7
_WINDOW = (13, 13)
_LEVELS = 3
# Followed back, a corner must come home.
_MAX_RETURN_PX = 0.3
_MAX_STEPS = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 12, 0.03)


class CornerTracker:
    """Follows corners by Lucas and Kanade's method, with a check backwards.

    Attributes:
        pixels: Where the corners are in the last image, float32 (N, 2).
    """

    def __init__(self) -> None:
        """Follow nothing as yet."""
        self.pixels = np.empty((0, 2), np.float32)
        self._before: NDArray[np.uint8] | None = None

    def follow(self, gray_hw: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Find the corners of the last image in this one, and new ones where some were lost.

        Args:
            gray_hw: The image, uint8 (H, W), of the same size each time.

        Returns:
            Which of the corners before are found, (N,); new ones are appended behind those.
        """
        before, self._before = self._before, gray_hw.copy()
        is_found = np.zeros(len(self.pixels), bool)
        if before is not None and len(self.pixels):
            forth, found = _flow(before, gray_hw, self.pixels, self.pixels, _LEVELS)
            # Where it must come home to is known: no coarser level need find it.
            back, found_back = _flow(gray_hw, before, forth, self.pixels, 0)
            gap = np.abs(back - self.pixels).max(axis=1)
            is_found = found & found_back & (gap < _MAX_RETURN_PX)
            height, width = gray_hw.shape
            is_found &= ((forth >= 0) & (forth <= (width - 1, height - 1))).all(axis=1)
            self.pixels = forth[is_found]
        if len(self.pixels) < _REFILL_BELOW:
            self._refill(gray_hw)
        return is_found

    def _refill(self, gray_hw: NDArray[np.uint8]) -> None:
        mask = np.full(gray_hw.shape, 255, np.uint8)
        for column, row in np.rint(self.pixels).astype(int).tolist():
            cv2.circle(mask, (column, row), _SPACING_PX, 0, cv2.FILLED)
        new: NDArray[np.float32] | None = cv2.goodFeaturesToTrack(  # type: ignore[assignment]
            gray_hw, _CORNERS - len(self.pixels), _QUALITY, _SPACING_PX, mask=mask
        )
        if new is not None:
            self.pixels = np.concatenate([self.pixels, new.reshape(-1, 2)])


def _flow(
    before: NDArray[np.uint8],
    now: NDArray[np.uint8],
    pixels: NDArray[np.float32],
    guess: NDArray[np.float32],
    levels: int,
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return where pixels went, (N, 2), and which of them were found, (N,)."""
    moved, found, _ = cv2.calcOpticalFlowPyrLK(
        before,
        now,
        pixels,
        guess.copy(),
        winSize=_WINDOW,
        maxLevel=levels,
        criteria=_MAX_STEPS,
        flags=cv2.OPTFLOW_USE_INITIAL_FLOW,
    )
    return np.asarray(moved, np.float32), np.asarray(found)[:, 0] > 0
