"""Depth that is too uncertain becomes invalid."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from drnet_ros.inference.frames import DepthFrame

__all__ = ['drop_uncertain']


def drop_uncertain(result: DepthFrame, max_stddev_ratio: float, point_stride: int) -> None:
    """Invalidate pixels of depth, standard deviation and cloud, in place.

    Args:
        result: The depth frame with its standard deviation; changed.
        max_stddev_ratio: The largest standard deviation that stays, as a share of depth.
        point_stride: Every n-th row and column of depth has a point in the cloud.
    """
    depth, stddev, points = result.depth_hw, result.stddev_hw, result.points
    if stddev is None:
        return
    with np.errstate(invalid='ignore'):
        is_uncertain = stddev > np.float32(max_stddev_ratio) * depth
    depth[is_uncertain] = np.nan
    stddev[is_uncertain] = np.nan
    if points is not None:
        every = slice(None, None, point_stride)
        points[..., :3][is_uncertain[every, every]] = np.nan
