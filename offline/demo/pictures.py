"""What the demo shows: the contact sheet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ['SheetRow', 'write_sheet']

mpl.use('Agg')


@dataclass(frozen=True, slots=True, eq=False)
class SheetRow:
    """One frame of the sheet.

    Attributes:
        label: Shown at its left.
        rgb_hwc: uint8 (H, W, 3), None if unknown.
        depth_hw: The estimate, metres, NaN where invalid.
        truth_hw: The recorded depth likewise, None if the recording has none.
    """

    label: str
    rgb_hwc: NDArray[np.uint8] | None
    depth_hw: NDArray[np.float32]
    truth_hw: NDArray[np.float32] | None


def write_sheet(path: Path, rows: list[SheetRow]) -> None:
    """Draw input, estimate and truth side by side, all depths on one scale, with a legend."""
    has_truth = any(row.truth_hw is not None for row in rows)
    titles = ['input', 'DRNet depth', 'recorded depth'][: 3 if has_truth else 2]
    depths = [d for row in rows for d in (row.depth_hw, row.truth_hw) if d is not None]
    values = np.concatenate([d[::8, ::8][np.isfinite(d[::8, ::8])] for d in depths])
    nearest, farthest = np.percentile(values, [0.5, 99.5]) if values.size else (0.0, 10.0)
    figure = Figure(figsize=(3.4 * len(titles) + 1.0, 2.6 * len(rows) + 0.4), layout='constrained')
    axes = figure.subplots(len(rows), len(titles), squeeze=False)
    colours = colormaps['turbo_r'].with_extremes(bad='black')
    drawn = None
    for row, row_axes in zip(rows, axes, strict=True):
        pictures = (row.rgb_hwc, row.depth_hw, row.truth_hw)
        for axis, picture, title in zip(row_axes, pictures, titles, strict=False):
            axis.set(xticks=[], yticks=[])
            if row is rows[0]:
                axis.set_title(title)
            if picture is None:
                axis.text(0.5, 0.5, 'none', ha='center', va='center')
            elif picture.ndim == 2:
                drawn = axis.imshow(picture, cmap=colours, vmin=nearest, vmax=farthest)
            else:
                axis.imshow(picture)
        row_axes[0].set_ylabel(row.label)
    if drawn is not None:
        figure.colorbar(drawn, ax=axes, label='depth along the optical axis [m]', shrink=0.8)
    figure.savefig(path, dpi=110, pil_kwargs={'quality': 90})
