"""Scores as a table, the columns of the paper's Table II with its rows below, and in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from drnet_offline.evaluation.figures import NAMES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drnet_offline.evaluation.protocols import Protocol

__all__ = ['PAPER_ROWS', 'describe_edges', 'describe_scale', 'tabulate']

PAPER_ROWS = {
    'Laina et al.': (0.573, None, 0.055, 0.811, 0.953, 0.988),
    'Fu et al.': (0.509, None, 0.051, 0.828, 0.965, 0.992),
    'Spek et al.': (0.687, None, 0.161, 0.704, 0.917, 0.977),
    'Nekrasov et al.': (0.565, None, None, 0.790, 0.955, 0.990),
    'RSIDE ResNet-50': (0.555, None, 0.054, 0.843, 0.968, 0.991),
    'RSIDE DenseNet-161': (0.544, None, 0.053, 0.855, 0.972, 0.993),
    'RSIDE SENet-154': (0.530, None, 0.050, 0.866, 0.975, 0.993),
    'RSIDE SENet-154, reproduced': (0.574, None, 0.052, 0.845, 0.967, 0.991),
    'DRNet ResNet-50': (0.587, None, 0.061, 0.810, 0.961, 0.990),
    'DRNet ResNet-50 guided (IV)': (0.564, None, None, 0.836, 0.967, 0.992),
    'DRNet ResNet-152': (0.528, None, 0.050, 0.866, 0.973, 0.993),
    'DRNet DenseNet-161': (0.534, None, 0.052, 0.865, 0.974, 0.994),
    'DRNet SENet-154': (0.527, None, 0.050, 0.868, 0.975, 0.993),
}
"""Paper Table II, and one row of IV: RMSE, REL (not given), log10, delta1, delta2, delta3."""


def tabulate(
    rows: Mapping[str, Mapping[str, float]], protocol: Protocol, *, is_nyu: bool
) -> Table:
    """Return the columns of the paper's Table II for our rows and its own; RMSE in metres.

    Args:
        rows: Our figures by label. They are given as the mean over all pixels pooled and as the
            mean of per-image figures.
        protocol: Which pixels counted.
        is_nyu: Whether they are of NYU Depth v2: the paper's rows, which are left out otherwise,
            are on its 654 test images after training on the full data. What protocol it used is
            not stated beyond its baseline's, `rside`.
    """
    n_images = next(iter(rows.values()))['n_images']
    table = Table(
        title=f'protocol {protocol.describe()}, n = {n_images:.0f} images',
        box=box.SIMPLE_HEAD,
        collapse_padding=True,
        pad_edge=False,
    )
    for column in ('', 'over', 'RMSE', 'REL', 'log10', 'd1', 'd2', 'd3'):
        table.add_column(column, no_wrap=True)
    for label, figures in rows.items():
        for averaged, suffix in (('pixels', ''), ('images', '_per_image')):
            values = [f'{figures[name + suffix]:.3f}' for name in NAMES]
            table.add_row(label, averaged, *values)
    if not is_nyu:
        return table
    table.add_section()
    table.add_row(Text("the paper's Table II, 654 test images", style='italic'))
    for label, paper in PAPER_ROWS.items():
        table.add_row(label, '', *('-' if value is None else f'{value:.3f}' for value in paper))
    return table


def describe_edges(edges: Mapping[str, float | None]) -> str:
    """Return what `EdgeMetrics.compute` found, in words."""
    accuracy, completeness = (
        'none' if edges[key] is None else f'{edges[key]:.2f} px'
        for key in ('edge_accuracy_px', 'edge_completeness_px')
    )
    return (
        f'depth edges of {edges["edge_images"]:.0f} images: accuracy {accuracy} (estimated to '
        f'true edge), completeness {completeness} (true to estimated, missing = 10 px)'
    )


def describe_scale(scale: Mapping[str, float | None]) -> str:
    """Return what `ScaleMetrics.summarise` found, in words; None stands for NaN."""
    steps = (
        ''
        if scale['step_p50'] is None
        else f'; from image to image it changes by {scale["step_p50"]:.1%} (median), '
        f'{scale["step_p95"]:.1%} (p95)'
    )
    return (
        f'scale of each image, median(truth / estimate): median {scale["p50"]:.3f}, '
        f'p5 {scale["p5"]:.3f}, p95 {scale["p95"]:.3f}{steps}'
    )
