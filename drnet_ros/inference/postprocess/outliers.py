"""Pixels with too few neighbours near them, as flying pixels at the edges of objects are."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import cv2
import numpy as np

from drnet_ros.inference.depth import ROWS_AT_ONCE
from drnet_ros.inference.postprocess.mask import drop_masked

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from drnet_ros.inference.arrays import FloatArray
    from drnet_ros.inference.frames import DepthFrame, Frame
    from drnet_ros.inference.settings import Settings

__all__ = ['drop_outliers', 'find_outliers', 'neighbour_spacing']

# The eight neighbours, in spacings from the one to the upper left.
_AROUND = ((0, 0), (0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1), (2, 2))


def drop_outliers(
    frame: Frame,  # noqa: ARG001 - as `MappedPending` calls it
    result: DepthFrame,
    *,
    settings: Settings,
    network_hw: tuple[int, int],
) -> DepthFrame:
    """Invalidate pixels with too few neighbours in depth and cloud, in place.

    Args:
        frame: What was submitted.
        result: What came of it; changed.
        settings: `outlier_radius`, `outlier_min_neighbors` and the stride of the cloud.
        network_hw: Height and width at which the network sees the image, about.

    Returns:
        The same depth frame.
    """
    rows, columns = result.depth_hw.shape
    is_outlier = find_outliers(
        result.depth_hw,
        settings.outlier_radius,
        settings.outlier_min_neighbors,
        neighbour_spacing((rows, columns), network_hw),
    )
    drop_masked(result, is_outlier, settings.point_stride)
    return result


def neighbour_spacing(depth_hw: tuple[int, int], network_hw: tuple[int, int]) -> int:
    """Return how many pixels of the depth are one of the network, at least 1.

    Args:
        depth_hw: Height and width of the depth.
        network_hw: Those of the network's input.
    """
    return max(1, round(math.sqrt(math.prod(depth_hw) / math.prod(network_hw))))


def find_outliers(
    depth_hw: FloatArray, radius: float, min_neighbors: int, spacing: int
) -> NDArray[np.bool_]:
    """Find pixels with few neighbours within a radius.

    This is the radius outlier removal of point clouds, for depth images: the neighbours are eight
    pixels around each, and the radius is a fraction of the depth, since distances between pixels
    and errors of depth grow with it. It is taken along the viewing ray; across, neighbours are
    much nearer than any useful radius.

    Args:
        depth_hw: Positive depth, float32 (H, W), NaN where invalid; not changed.
        radius: Two depths are near each other if they differ by at most this fraction of the
            nearer one.
        min_neighbors: A pixel with fewer near neighbours is an outlier.
        spacing: How many pixels away the neighbours are. Outside the image, the nearest pixel
            within it is the neighbour.

    Returns:
        bool (H, W), never true where depth is invalid.
    """
    height, width = depth_hw.shape
    border = (spacing, spacing, spacing, spacing, cv2.BORDER_REPLICATE)
    padded = np.asarray(cv2.copyMakeBorder(depth_hw, *border), np.float32)
    grown = padded * np.float32(1 + radius)
    is_outlier = np.empty(depth_hw.shape, np.bool_)
    for top in range(0, height, ROWS_AT_ONCE):
        bottom = min(top + ROWS_AT_ONCE, height)
        here = slice(top + spacing, bottom + spacing), slice(spacing, spacing + width)
        depth, farthest = padded[here], grown[here]
        count = np.zeros(depth.shape, np.uint8)
        for row, column in _AROUND:
            rows = slice(top + row * spacing, bottom + row * spacing)
            there = rows, slice(column * spacing, column * spacing + width)
            is_near = padded[there] <= farthest
            is_near &= grown[there] >= depth
            count += is_near
        is_outlier[top:bottom] = count < min_neighbors
    is_outlier &= ~np.isnan(depth_hw)
    return is_outlier
