"""The charts of a report."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from drnet_offline.replay.scores import DEPTH_BINS_M, DEVIATIONS, RATIO_BINS, Scores
from drnet_offline.report.chart_layout import COLORS, WIDE, Layout

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from drnet_offline.replay.columns import Columns

__all__ = [
    'draw_calibration',
    'draw_error_by_depth',
    'draw_error_map',
    'draw_frames',
    'draw_histogram',
]

_LEAST_PIXELS = 1000
# Of text that can be read on a light and on a dark page.
_ON_BOTH = '#77828e'


def draw_error_by_depth(
    scores: Sequence[Scores], names: Sequence[str], layout: Layout = WIDE
) -> Figure:
    """Draw relative error and bias against recorded depth, over the number of pixels."""
    figure, (left, right) = layout.panels(2, 3.6)
    middles = (DEPTH_BINS_M[:-2] + DEPTH_BINS_M[1:-1]) / 2
    share = scores[0].arrays['recorded_histogram'][:-1]
    for axis in (left, right):
        behind = axis.twinx()
        behind.bar(middles, share / max(share.sum(), 1), width=0.22, color='#dddddd', zorder=0)
        behind.set(yticks=[])
        behind.spines[:].set_visible(False)
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
    left.legend(frameon=False, fontsize=9, loc='upper right')
    right.axhline(0, color='black', lw=0.8)
    right.set(ylabel='mean error, estimate too far above 0 [m]')
    reach = middles[share > 0]
    for axis in (left, right):
        axis.set_xlim(0, float(reach[-1]) + 0.5 if reach.size else 10)
    return figure


def draw_calibration(
    scores: Sequence[Scores], names: Sequence[str], layout: Layout = WIDE
) -> Figure:
    """Draw how many pixels lie within k stated standard deviations, against a normal law."""
    figure, (axis,) = layout.panels(1, 3.6)
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
    axis.legend(frameon=False, fontsize=9, loc='lower right')
    return figure


def draw_error_map(
    scores: Sequence[Scores], names: Sequence[str], layout: Layout = WIDE
) -> Figure:
    """Draw the mean relative error at each place of the image."""
    figure, axes = layout.panels(len(scores), 3.6)
    figure.set_layout_engine('compressed')  # the bar stays beside the maps, and both in the middle
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
        axis.spines[:].set_visible(False)
        axis.set_title(name, fontsize=9, color=_ON_BOTH)
    if drawn is not None:
        bar = figure.colorbar(drawn, ax=axes, shrink=0.85)
        bar.set_label('mean relative error [%]', color=_ON_BOTH)
        bar.ax.tick_params(colors=_ON_BOTH)
        bar.outline.set_visible(False)
    figure.patch.set_alpha(0)
    return figure


def draw_frames(
    shared: Columns, own: Sequence[Columns], names: Sequence[str], layout: Layout = WIDE
) -> Figure:
    """Draw figures of each frame over time."""
    has_truth = any(np.isfinite(columns['rel']).any() for columns in own)
    rows = [('median_m', 'median depth [m]')]
    if has_truth:
        rows = [('rel', 'REL [%]'), ('delta1', 'delta1 [%]'), ('scale', 'scale')]
    rows.append(('step', 'scale step [%]'))
    if any(np.isfinite(columns['factor']).any() for columns in own):
        rows += [('factor', 'factor of\nsparse depth'), ('points_used', 'points used')]
    figure, axes = layout.rows(len(rows), 1.7)
    time_s = shared['stamp_s'] - np.nanmin(shared['stamp_s'])
    for axis, (name, label) in zip(axes, rows, strict=True):
        factor = 100 if '%' in label else 1
        if name == 'step' and has_truth:
            axis.plot(time_s, shared['step'] * factor, color='#bbbbbb', label='recorded depth')
        for columns, variant, color in zip(own, names, cycle(COLORS), strict=False):
            axis.plot(time_s, columns[name] * factor, color=color, lw=1, label=variant)
        axis.set_ylabel(label, fontsize=9)
        axis.grid(color='#eeeeee')
    # All lines are in the chart of the steps; above the charts no line runs through their names.
    steps = axes[[name for name, _ in rows].index('step')]
    figure.legend(
        *steps.get_legend_handles_labels(),
        frameon=False,
        fontsize=9,
        loc='outside upper right',
        ncols=1 if layout.is_narrow else 3,
    )
    axes[-1].set_xlabel('time [s]')
    return figure


def draw_histogram(
    scores: Sequence[Scores], names: Sequence[str], layout: Layout = WIDE
) -> Figure:
    """Draw how often depths occur, and how often ratios of estimated to recorded depth do."""
    recorded = scores[0].arrays['recorded_histogram'][:-1]
    has_truth = bool(recorded.any())
    figure, (left, *others) = layout.panels(1 + has_truth, 3.2)
    edges = DEPTH_BINS_M[:-1]
    if has_truth:
        left.stairs(recorded / recorded.sum(), edges, fill=True, color='#dddddd', label='recorded')
    for each, name, color in zip(scores, names, cycle(COLORS), strict=False):
        _stairs(left, each.arrays['estimated_histogram'][:-1], edges, color, name)
        for right in others:
            _stairs(right, each.arrays['ratio_histogram'][1:-1], RATIO_BINS[1:-1], color, name)
    left.set(xlabel='depth [m]', ylabel='share of pixels')
    left.legend(frameon=False, fontsize=9, loc='upper right')
    for right in others:
        _mark_ratios(right)
    return figure


def _mark_ratios(axis: Axes) -> None:
    axis.set(xlabel='estimated / recorded depth', xscale='log', xlim=(1 / 3, 3))
    axis.set_xticks(
        [0.4, 0.6, 0.8, 1, 1.25, 1.6, 2.5], labels=['0.4', '0.6', '0.8', '1', '1.25', '1.6', '2.5']
    )
    axis.minorticks_off()
    axis.axvline(1, color='black', lw=0.8)
    for limit in (0.8, 1.25):
        axis.axvline(limit, color='#999999', lw=0.8, ls='--')


def _stairs(axis: Any, counts: Any, edges: Any, color: str, name: str) -> None:
    if counts.any():
        axis.stairs(counts / counts.sum(), edges, color=color, label=name, lw=1.4)
