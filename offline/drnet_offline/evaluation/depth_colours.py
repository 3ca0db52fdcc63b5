"""How every picture shows depth and its error: the colours of the node's preview, and a bar."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import Colormap, ListedColormap

from drnet_ros.inference.depth import colourise

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

    from drnet_ros.inference.arrays import FloatArray, UInt8Array

__all__ = [
    'MAX_ERROR',
    'add_depth_bar',
    'add_error_bar',
    'draw_depth',
    'draw_error',
    'paint_error',
]

MAX_ERROR = 0.5
"""The relative error that has the last colour."""
_LEVELS = 255  # of `colourise`, which keeps one of 256 for invalid depth


def draw_depth(axis: Axes, depth_hw: FloatArray, nearest_m: float, farthest_m: float) -> AxesImage:
    """Draw depth: red is near, blue is far, black is invalid.

    Args:
        axis: Where.
        depth_hw: Metres, float32 (H, W), NaN where invalid.
        nearest_m: Depth of the reddest colour.
        farthest_m: Depth of the bluest colour.

    Returns:
        What `add_depth_bar` explains.
    """
    return axis.imshow(depth_hw, cmap=_depth_colours(), vmin=nearest_m, vmax=farthest_m)


def draw_error(axis: Axes, error_hw: FloatArray) -> AxesImage:
    """Draw a relative error: red is too far, blue is too near, grey has no truth.

    Args:
        axis: Where.
        error_hw: (estimate - truth) / truth, float32 (H, W), NaN where there is no truth.

    Returns:
        What `add_error_bar` explains.
    """
    return axis.imshow(error_hw, cmap=_error_colours(), vmin=-MAX_ERROR, vmax=MAX_ERROR)


def paint_error(error_hw: FloatArray) -> UInt8Array:
    """Return the picture that `draw_error` draws, pixel by pixel.

    Args:
        error_hw: As there.

    Returns:
        uint8 (H, W, 3) RGB.
    """
    level = (error_hw / np.float32(MAX_ERROR) + np.float32(1)) / np.float32(2)
    painted: UInt8Array = _error_colours()(level.clip(0, 1), bytes=True)[..., :3]
    return painted


def add_depth_bar(
    figure: Figure, drawn: AxesImage, axes: Axes | Iterable[Axes], **options: Any
) -> None:
    """Add a bar in metres.

    Args:
        figure: The figure.
        drawn: What `draw_depth` returned; all depths of the axes have its limits.
        axes: The axes that the bar is for.
        **options: Those of matplotlib's `colorbar`.
    """
    figure.colorbar(drawn, ax=axes, label='depth [m]', **options)


def add_error_bar(
    figure: Figure, drawn: AxesImage, axes: Axes | Iterable[Axes], **options: Any
) -> None:
    """Add a bar in percent; errors beyond its ends have the colours of the ends.

    Args:
        figure: The figure.
        drawn: What `draw_error` returned.
        axes: The axes that the bar is for.
        **options: Those of matplotlib's `colorbar`.
    """
    label = 'relative error (red: too far)'
    bar = figure.colorbar(drawn, ax=axes, label=label, extend='both', **options)
    bar.ax.yaxis.set_major_formatter(lambda value, _: f'{value:+.0%}')


@lru_cache(maxsize=1)
def _error_colours() -> Colormap:
    return colormaps['RdBu_r'].with_extremes(bad='0.6')


@lru_cache(maxsize=1)
def _depth_colours() -> Colormap:
    """Return the colours of `colourise` as matplotlib wants them, nearest first."""
    steps = np.linspace(0, 1, _LEVELS, dtype=np.float32)[np.newaxis]
    return ListedColormap(colourise(steps, 0.0, 1.0)[0] / 255).with_extremes(bad='black')
