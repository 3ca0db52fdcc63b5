"""The charts of a report, as PNG files."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from drnet_offline.outputs.files import whole_file
from drnet_offline.replay.scores import DEPTH_BINS_M, DEVIATIONS, RATIO_BINS, Scores

if TYPE_CHECKING:
    from pathlib import Path

    from drnet_offline.replay.columns import Columns

__all__ = [
    'draw_calibration',
    'draw_error_by_depth',
    'draw_error_map',
    'draw_frames',
    'draw_histogram',
    'save',
]

mpl.use('Agg')

COLORS = ('#1b6ca8', '#d1495b', '#2e8b57', '#8e5ea2', '#c77d0a', '#555555')
_LEAST_PIXELS = 1000
_DPI = 100


def save(figure: Figure, path: Path) -> Path:
    """Write a figure, whole or not at all, and return its path.

    Raises:
        OfflineError: It cannot be written.
    """
    with whole_file(path) as part:
        figure.savefig(part, dpi=_DPI)
    return path


def draw_error_by_depth(path: Path, scores: Sequence[Scores], names: Sequence[str]) -> Path:
    """Draw relative error and bias against recorded depth, over the number of pixels."""
    figure = Figure(figsize=(9.6, 3.6), layout='constrained')
    left, right = figure.subplots(1, 2)
    middles = (DEPTH_BINS_M[:-2] + DEPTH_BINS_M[1:-1]) / 2
    share = scores[0].arrays['recorded_histogram'][:-1]
    for axis in (left, right):
        behind = axis.twinx()
        behind.bar(middles, share / max(share.sum(), 1), width=0.22, color='#dddddd', zorder=0)
        behind.set(yticks=[])
        axis.set_zorder(behind.get_zorder() + 1)
        axis.patch.set_visible(False)
        axis.set(xlabel='recorded depth [m]')
    for each, name, color in zip(scores, names, cycle(COLORS), strict=False):
        count, relative, _, signed = each.arrays['by_depth'][:, :-1]
        is_filled = count >= _LEAST_PIXELS
        x, n = middles[is_filled], count[is_filled]
        left.plot(x, relative[is_filled] / n * 100, color=color, marker='.', label=name)
        right.plot(x, signed[is_filled] / n, color=color, marker='.')
    left.set(ylabel='mean relative error [%]', ylim=(0, None))
    left.legend(frameon=False, fontsize=8)
    right.axhline(0, color='black', lw=0.8)
    right.set(ylabel='mean error, estimate too far above 0 [m]')
    reach = middles[share > 0]
    for axis in (left, right):
        axis.set_xlim(0, float(reach[-1]) + 0.5 if reach.size else 10)
    return save(figure, path)


def draw_calibration(path: Path, scores: Sequence[Scores], names: Sequence[str]) -> Path:
    """Draw how many pixels lie within k stated standard deviations, against a normal law."""
    figure = Figure(figsize=(6.4, 3.6), layout='constrained')
    axis = figure.subplots()
    normal = [math.erf(k / math.sqrt(2)) * 100 for k in DEVIATIONS]
    axis.plot(DEVIATIONS, normal, color='black', lw=0.8, ls='--', label='normal distribution')
    for each, name, color in zip(scores, names, cycle(COLORS), strict=False):
        if (within := each.within) is not None:
            axis.plot(DEVIATIONS, within * 100, color=color, label=name)
    axis.set(
        xlabel='k, in stated standard deviations',
        ylabel='pixels with a smaller error [%]',
        xlim=(0, 3),
        ylim=(0, 100),
    )
    axis.grid(color='#eeeeee')
    axis.legend(frameon=False, fontsize=8, loc='lower right')
    return save(figure, path)


def draw_error_map(path: Path, scores: Sequence[Scores], names: Sequence[str]) -> Path:
    """Draw the mean relative error at each place of the image."""
    figure = Figure(figsize=(4.8 * len(scores), 3.6), layout='constrained')
    axes = figure.subplots(1, len(scores), squeeze=False)[0]
    maps = []
    for each in scores:
        count, relative = each.arrays['map']
        with np.errstate(invalid='ignore', divide='ignore'):
            maps.append(relative / count * 100)
    finite = np.concatenate([m[np.isfinite(m)] for m in maps])
    top = float(np.percentile(finite, 98)) if finite.size else 1.0
    drawn = None
    for axis, picture, name in zip(axes, maps, names, strict=True):
        drawn = axis.imshow(picture, cmap='magma', vmin=0, vmax=top, interpolation='nearest')
        axis.set(xticks=[], yticks=[])
        axis.set_title(name, fontsize=9)
    if drawn is not None:
        figure.colorbar(drawn, ax=list(axes), label='mean relative error [%]', shrink=0.85)
    return save(figure, path)


def draw_frames(
    path: Path, shared: Columns, own: Sequence[Columns], names: Sequence[str], *, has_truth: bool
) -> Path:
    """Draw figures of each frame over time."""
    rows = [('median_m', 'median depth [m]')]
    if has_truth:
        rows = [('rmse', 'RMSE [m]'), ('delta1', 'd1'), ('scale', 'scale')]
    rows.append(('step', 'scale step [%]'))
    if any(np.isfinite(columns['factor']).any() for columns in own):
        rows += [('factor', 'factor of\nsparse depth'), ('points_used', 'points used')]
    figure = Figure(figsize=(9.6, 1.9 * len(rows) + 0.4), layout='constrained')
    axes = figure.subplots(len(rows), 1, sharex=True)
    time_s = shared['stamp_s'] - np.nanmin(shared['stamp_s'])
    for axis, (name, label) in zip(axes, rows, strict=True):
        factor = 100 if name == 'step' else 1
        if name == 'step' and has_truth:
            axis.plot(time_s, shared['step'] * factor, color='#bbbbbb', label='recorded depth')
        for columns, variant, color in zip(own, names, cycle(COLORS), strict=False):
            axis.plot(time_s, columns[name] * factor, color=color, lw=1, label=variant)
        axis.set_ylabel(label, fontsize=8)
        axis.grid(color='#eeeeee')
    axes[-1].legend(frameon=False, fontsize=8, ncols=3)
    axes[-1].set_xlabel('time [s]')
    return save(figure, path)


def draw_histogram(path: Path, scores: Sequence[Scores], names: Sequence[str]) -> Path:
    """Draw how often depths occur, and how often ratios of estimated to recorded depth do."""
    figure = Figure(figsize=(9.6, 3.2), layout='constrained')
    left, right = figure.subplots(1, 2)
    edges = DEPTH_BINS_M[:-1]
    recorded = scores[0].arrays['recorded_histogram'][:-1]
    if recorded.any():
        left.stairs(recorded / recorded.sum(), edges, fill=True, color='#dddddd', label='recorded')
    for each, name, color in zip(scores, names, cycle(COLORS), strict=False):
        _stairs(left, each.arrays['estimated_histogram'][:-1], edges, color, name)
        _stairs(right, each.arrays['ratio_histogram'][1:-1], RATIO_BINS[1:-1], color, name)
    left.set(xlabel='depth [m]', ylabel='share of pixels')
    left.legend(frameon=False, fontsize=8)
    right.set(xlabel='estimated / recorded depth', xscale='log', xlim=(1 / 3, 3))
    right.set_xticks(
        [0.4, 0.6, 0.8, 1, 1.25, 1.6, 2.5], labels=['0.4', '0.6', '0.8', '1', '1.25', '1.6', '2.5']
    )
    right.minorticks_off()
    right.axvline(1, color='black', lw=0.8)
    for limit in (0.8, 1.25):
        right.axvline(limit, color='#999999', lw=0.8, ls='--')
    return save(figure, path)


def _stairs(axis: Any, counts: Any, edges: Any, color: str, name: str) -> None:
    if counts.any():
        axis.stairs(counts / counts.sum(), edges, color=color, label=name, lw=1.4)
