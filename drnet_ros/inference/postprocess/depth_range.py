"""Depth out of range: kept until everything is scaled, then invalid, but known to be far."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from drnet_ros.inference.depth import limit_range

if TYPE_CHECKING:
    from drnet_ros.inference.frames import DepthFrame, Frame
    from drnet_ros.inference.settings import Settings

__all__ = ['limit_frame', 'widest']

_WIDEST_M = 0.001, 80.0


def widest(settings: Settings) -> Settings:
    """Return settings that keep all depth, for a range that is applied afterwards."""
    return replace(settings, min_depth=_WIDEST_M[0], max_depth=_WIDEST_M[1])


def limit_frame(frame: Frame, result: DepthFrame, settings: Settings) -> DepthFrame:
    """Make what is out of range invalid, and tell which of it is too far.

    Args:
        frame: What was submitted; `beyond` says whether to tell.
        result: What came of it with `widest` settings; its arrays are changed in place.
        settings: The range, and the stride of the cloud.

    Returns:
        The same arrays, with `beyond_hw` if it is asked for.
    """
    depth, points, stddev = result.depth_hw, result.points, result.stddev_hw
    beyond = depth > np.float32(settings.max_depth) if frame.beyond else None
    limit_range(depth, settings.min_depth, settings.max_depth)
    is_invalid = np.isnan(depth)
    if stddev is not None:
        stddev[is_invalid] = np.nan
    if points is not None:
        every = slice(None, None, settings.point_stride)
        points[..., :3][is_invalid[every, every]] = np.nan
    return replace(result, beyond_hw=beyond)
