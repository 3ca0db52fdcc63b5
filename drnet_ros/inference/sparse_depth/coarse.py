"""A depth image in coarse cells: where each lies, and how near and how far it reaches."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from drnet_ros.inference.sparse_depth.robust import median

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = ['CoarseDepth']

_CELLS_ACROSS = 32
_CELLS_AROUND = 1024  # of an image of any shape
_SMALL_SIDE = 120
_LEAST_HALF_RANGE = 0.03
_EDGE_WINDOW = np.ones((3, 3), np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class CoarseDepth:
    """What the scale model needs to know of a depth image.

    Attributes:
        image_hw: Height and width of the depth image.
        step: Every step-th pixel of it is in the small images.
        log_depth: Small image of ln d, float32 (h, w), its gaps filled with the median.
        spread: Range of `log_depth` over 3 x 3 pixels around each, of the same size.
        near: Least log depth in and around each cell, float32 (rows, columns).
        far: Greatest log depth in and around each cell, more than `near`.
    """

    image_hw: tuple[int, int]
    step: int
    log_depth: NDArray[np.float32]
    spread: NDArray[np.float32]
    near: NDArray[np.float32]
    far: NDArray[np.float32]

    @classmethod
    def of(cls, depth_hw: NDArray[np.float32]) -> CoarseDepth | None:
        """Look at a depth image.

        Args:
            depth_hw: Metres, float32 (H, W), NaN where invalid.

        Returns:
            Its cells; None if no pixel of it is valid.
        """
        step = max(1, min(depth_hw.shape) // _SMALL_SIDE)
        log_depth = np.log(depth_hw[step // 2 :: step, step // 2 :: step])
        is_valid = np.isfinite(log_depth)
        if not is_valid.all():
            if not is_valid.any():
                return None
            log_depth[~is_valid] = median(log_depth[is_valid])
        spread = _extreme(cv2.dilate, log_depth, _EDGE_WINDOW)
        spread -= _extreme(cv2.erode, log_depth, _EDGE_WINDOW)
        rows, columns = _cells(*log_depth.shape)
        height, width = log_depth.shape
        window = np.ones((2 * -(-height // rows) | 1, 2 * -(-width // columns) | 1), np.uint8)
        at = np.ix_(_centres(rows, height), _centres(columns, width))
        near = _extreme(cv2.erode, log_depth, window)[at]
        far = _extreme(cv2.dilate, log_depth, window)[at]
        middle: NDArray[np.float32] = (near + far) * np.float32(0.5)
        half = np.maximum((far - near) * np.float32(0.5), np.float32(_LEAST_HALF_RANGE))
        return cls(
            (depth_hw.shape[0], depth_hw.shape[1]),
            step,
            log_depth,
            spread,
            middle - half,
            middle + half,
        )

    def cell_positions(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return where the centres of columns and rows lie, in widths of the image."""
        height, width = self.image_hw
        rows, columns = self.near.shape
        u = (np.arange(columns, dtype=np.float32) + 0.5) / columns
        v = (np.arange(rows, dtype=np.float32) + 0.5) / rows * (height / width)
        return u, v

    def spread_at(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.float32]:
        """Return the spread around pixels of the image."""
        height, width = self.spread.shape
        found: NDArray[np.float32] = self.spread[
            np.minimum(rows // self.step, height - 1), np.minimum(columns // self.step, width - 1)
        ]
        return found


def _extreme(
    of: Callable[..., Any], image: NDArray[np.float32], window: NDArray[np.uint8]
) -> NDArray[np.float32]:
    return np.asarray(of(image, window), np.float32)


def _cells(height: int, width: int) -> tuple[int, int]:
    columns = min(_CELLS_ACROSS, math.sqrt(_CELLS_AROUND * width / height))
    return max(1, min(height, round(columns * height / width))), max(1, min(width, round(columns)))


def _centres(cells: int, size: int) -> NDArray[np.intp]:
    return ((np.arange(cells) + 0.5) * size / cells).astype(np.intp)
