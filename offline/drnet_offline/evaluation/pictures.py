"""Image, truth, estimate and error side by side: what a figure cannot say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from drnet_offline.evaluation.depth_colours import (
    add_depth_bar,
    add_error_bar,
    draw_depth,
    draw_error,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ['PictureRow', 'draw_rows', 'plain_label']

_TITLES = ('image', 'true depth', 'estimate', 'relative error')
_DPI = 80
_MAX_SIDE_PX = 320


@dataclass(frozen=True, slots=True, eq=False)
class PictureRow:
    """One image of a sheet.

    Attributes:
        label: Shown at its left.
        rgb_hwc: uint8 (H, W, 3).
        truth_hw: float32 (H', W') metres, NaN or 0 where invalid.
        estimate_hw: float32 (H', W') metres.
    """

    label: str
    rgb_hwc: NDArray[np.uint8]
    truth_hw: NDArray[np.float32]
    estimate_hw: NDArray[np.float32]


def plain_label(name: str) -> str:
    """Return a name, such as that of a file, as it can stand in a drawing.

    Args:
        name: Any text: matplotlib takes what is between two '$' for mathematics, and bytes that
            are no UTF-8 cannot be drawn.
    """
    shown = name.encode('utf-8', 'backslashreplace').decode()
    return ''.join(c if c.isprintable() else '?' for c in shown).replace('$', r'\$')


def draw_rows(rows: Sequence[PictureRow]) -> NDArray[np.uint8]:
    """Draw a sheet.

    Truth and estimate of a row share the colours, from the nearest to the farthest true depth.
    The error is (estimate - truth) / truth: blue is too near, red too far, grey has no truth.

    Args:
        rows: At least one.

    Returns:
        uint8 (H, W, 3) RGB.
    """
    figure = Figure(figsize=(11.4, 0.5 + 2.0 * len(rows)), dpi=_DPI, layout='constrained')
    canvas: Any = FigureCanvasAgg(figure)
    axes = figure.subplots(len(rows), len(_TITLES), squeeze=False)
    for axis, title in zip(axes[0], _TITLES, strict=True):
        axis.set_title(title, fontsize=10)
    for row, row_axes in zip(rows, axes, strict=True):
        for axis in row_axes:
            axis.set(xticks=[], yticks=[])
        truth, estimate = _thin(row.truth_hw), _thin(row.estimate_hw)
        truth = np.where(np.isfinite(truth) & (truth > 0), truth, np.nan)
        valid = truth[np.isfinite(truth)]
        nearest, farthest = np.percentile(valid, [1, 99]) if valid.size else (0.0, 10.0)
        row_axes[0].imshow(_thin(row.rgb_hwc))
        row_axes[0].set_ylabel(row.label, fontsize=9)
        for axis, depth in zip(row_axes[1:3], (truth, estimate), strict=True):
            drawn = draw_depth(axis, depth, nearest, farthest)
        add_depth_bar(figure, drawn, row_axes[1:3], shrink=0.9)
        drawn = draw_error(row_axes[3], (estimate - truth) / truth)
        add_error_bar(figure, drawn, row_axes[3], shrink=0.9)
    canvas.draw()
    rgb: NDArray[np.uint8] = np.array(canvas.buffer_rgba())[..., :3].copy()
    return rgb


def _thin(pixels: NDArray[Any]) -> NDArray[Any]:
    """Leave out rows and columns that would not be seen; values are not mixed."""
    step = -(-max(pixels.shape[:2]) // _MAX_SIDE_PX)
    return pixels[::step, ::step]
