"""Depth edges where the image has edges, without training: detail by a guided filter.

As in the fast guided filter of He and Sun (arXiv 1505.00996), the logarithm of depth is fitted,
within each window, to the brightness of the image times a slope plus an offset, at a quarter of
the network's size. What a pixel's brightness differs from the mean of its window, times the slope,
is the detail that depth lacks: it is added to the logarithm of the network's depth at full size.
Where the image has no edges, depth stays as the network gives it.

The variance of brightness is that of the pixels of the image, not of their means at a quarter of
the size. Of a fine texture, such as that of a carpet, these means vary little: if they happen to
vary as depth does, the slope would be large, and the texture would show in depth.
"""

from __future__ import annotations

import cv2
import numpy as np

from drnet_ros.inference.arrays import FloatArray, UInt8Array

__all__ = ['LEAST_DEPTH_M', 'RADIUS', 'REGULARISATION', 'SUBSAMPLING', 'refine_edges']

SUBSAMPLING = 4
"""Pixels of the network along the side of one at which the filter is computed."""

RADIUS = 3
"""Of the window, in pixels of the filter: the window is 28 pixels of the network wide."""

REGULARISATION = 5e-4
"""Variance of brightness, 0 to 1, below which a window counts as without edges."""

LEAST_DEPTH_M = 1e-3
"""Depth below this, and what is no number, counts as this: its logarithm is taken."""


def refine_edges(
    network_depth_hw: FloatArray, rgb_hwc: UInt8Array, size_hw: tuple[int, int]
) -> FloatArray:
    """Resize the network's depth so that its edges follow those of the image.

    Args:
        network_depth_hw: The network's depth, metres, float32 (h, w).
        rgb_hwc: The image, uint8 (H, W, 3).
        size_hw: Height and width to resize to.

    Returns:
        Metres, float32, of that size; it owns its memory. NaN where the network's depth is.
    """
    small_hw = network_depth_hw.shape[0] // SUBSAMPLING, network_depth_hw.shape[1] // SUBSAMPLING
    gray = cv2.cvtColor(rgb_hwc, cv2.COLOR_RGB2GRAY)
    brightness = np.multiply(gray, np.float32(1 / 255), dtype=np.float32)
    guide, mean_square = _averaged(brightness, small_hw), _averaged(brightness**2, small_hw)
    depth = _averaged(network_depth_hw, small_hw)
    # The mean over a window is a running sum: one NaN would spoil all that comes after it.
    depth[~((depth > LEAST_DEPTH_M) & (depth < np.inf))] = LEAST_DEPTH_M
    np.log(depth, out=depth)

    mean_guide, mean_depth = _windowed(guide), _windowed(depth)
    variance = _windowed(mean_square) - mean_guide * mean_guide
    slope = _windowed(guide * depth) - mean_guide * mean_depth
    slope /= variance + np.float32(REGULARISATION)
    mean_guide *= slope

    detail = _enlarged(_windowed(slope), size_hw)
    detail *= brightness if brightness.shape == size_hw else _averaged(brightness, size_hw)
    detail -= _enlarged(_windowed(mean_guide), size_hw)
    refined = np.asarray(cv2.exp(detail, dst=detail), np.float32)
    refined *= _enlarged(network_depth_hw, size_hw)
    return refined


def _averaged(image_hw: FloatArray, size_hw: tuple[int, int]) -> FloatArray:
    averaged = cv2.resize(image_hw, size_hw[::-1], interpolation=cv2.INTER_AREA)
    return np.asarray(averaged, np.float32)


def _enlarged(image_hw: FloatArray, size_hw: tuple[int, int]) -> FloatArray:
    enlarged = cv2.resize(image_hw, size_hw[::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(enlarged, np.float32)


def _windowed(image_hw: FloatArray) -> FloatArray:
    """Return the mean over the window of each pixel; the image's borders are continued."""
    side = 2 * RADIUS + 1
    mean = cv2.blur(image_hw, (side, side), borderType=cv2.BORDER_REPLICATE)
    return np.asarray(mean, np.float32)
