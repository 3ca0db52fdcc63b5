"""Puts together what a scaled network and a sweep know of the depth in an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from drnet_ros.inference import SparseDepth
from drnet_ros.inference.camera import rays

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from drnet_offline.training.adaptation.sweep import SweptDepth
    from drnet_ros.inference.camera import CameraModel

    Array = NDArray[np.float32]

__all__ = ['fuse', 'points_of']

_CELL_SHARE = 1 / 40  # of the image's width; one point for each
# Errors of neighbouring points are alike: poses are wrong for all of them.
_LEAST_STDDEV = 0.04
_WINDOW = 5


def points_of(swept: SweptDepth, first_hw: Array, camera: CameraModel) -> SparseDepth:
    """Return the surest pixel of each cell as a point.

    Args:
        swept: What a sweep found, (h, w).
        first_hw: The depth that it began with, metres, of any size of the view.
        camera: Of the view.
    """
    height, width = swept.log_ratio_hw.shape
    first = cv2.resize(first_hw, (width, height), interpolation=cv2.INTER_AREA)
    rows, columns = np.nonzero(np.isfinite(swept.log_ratio_hw))
    stddev = swept.stddev_hw[rows, columns]
    side = max(1.0, width * _CELL_SHARE)
    cells = (rows // side).astype(np.int64) * width + (columns // side).astype(np.int64)
    order = np.argsort(stddev, kind='stable')
    _, surest = np.unique(cells[order], return_index=True)
    chosen = order[surest]
    rows, columns = rows[chosen], columns[chosen]
    depth = first[rows, columns] * np.exp(swept.log_ratio_hw[rows, columns])
    ray = rays(camera.scaled_to(height, width))[rows, columns]
    points = np.column_stack([ray * depth[:, None], depth])
    return SparseDepth(points, np.maximum(stddev[chosen], _LEAST_STDDEV), source='views')


def fuse(
    depth_hw: Array, stddev_hw: Array, swept: SweptDepth, first_hw: Array
) -> tuple[Array, Array]:
    """Fuse depth with a sweep by how sure both are, as logarithms.

    Where they contradict each other, neither is as sure as it says.

    Args:
        depth_hw: Of the network, scaled, metres.
        stddev_hw: One standard deviation of it, metres.
        swept: What a sweep found, (h, w).
        first_hw: The depth that the sweep began with.

    Returns:
        Depth and its standard deviation, float32 (h, w), metres.
    """
    size = swept.log_ratio_hw.shape[::-1]
    depth, stddev, first = (
        cv2.resize(each, size, interpolation=cv2.INTER_AREA)
        for each in (depth_hw, stddev_hw, first_hw)
    )
    precision = np.nan_to_num(1 / swept.stddev_hw**2)
    found = np.nan_to_num(swept.log_ratio_hw) + np.log(first / depth)
    total = cv2.blur(precision, (_WINDOW, _WINDOW))
    found = cv2.blur(precision * found, (_WINDOW, _WINDOW)) / np.maximum(total, 1e-6)
    variance = (stddev / depth) ** 2
    share = total * variance / (total * variance + 1)
    contradiction = found**2 * total / (total * variance + 1)
    ratio = np.sqrt(variance * (1 - share) * (1 + share * contradiction / 2))
    fused = depth * np.exp(share * found)
    return fused.astype(np.float32), (fused * ratio).astype(np.float32)
