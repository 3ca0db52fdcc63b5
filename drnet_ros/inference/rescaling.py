"""A finished depth frame multiplied by factors, its cloud with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from drnet_ros.inference.depth import limit_range

if TYPE_CHECKING:
    from drnet_ros.inference.arrays import FloatArray
    from drnet_ros.inference.frames import DepthFrame
    from drnet_ros.inference.settings import Settings

__all__ = ['rescale']


def rescale(result: DepthFrame, factors: FloatArray | float, settings: Settings) -> None:
    """Multiply depth and cloud, in place; what leaves the range becomes invalid.

    Args:
        result: The depth frame; changed.
        factors: One factor, or one for each pixel, float32 (H, W).
        settings: The range, and the stride of the cloud.
    """
    depth, points = result.depth_hw, result.points
    depth *= np.asarray(factors, np.float32)
    limit_range(depth, settings.min_depth, settings.max_depth)
    if points is None:
        return
    every = slice(None, None, settings.point_stride)
    xyz = points[..., :3]
    if isinstance(factors, np.ndarray):
        xyz *= factors[every, every, np.newaxis]
    else:
        xyz *= np.float32(factors)
    xyz[np.isnan(depth[every, every])] = np.nan
