"""The results of `drnet vo`: tables for a terminal, and a folder with report.html."""

from __future__ import annotations

import re
from functools import partial
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import box
from rich.markup import escape as escape_markup
from rich.table import Table

from drnet_offline.odometry.plots import draw_paths
from drnet_offline.odometry.trackers import METHODS
from drnet_offline.odometry.trajectories import aligned_to, trajectory
from drnet_offline.odometry.verdict import path_verdict
from drnet_offline.outputs.files import whole_file, write_text
from drnet_offline.report.chart_layout import chart
from drnet_offline.report.figure_words import explained
from drnet_offline.report.page import PageHead, html_table, render_page, when_recorded
from drnet_offline.report.sparse_words import points_words, sparse_problems
from drnet_offline.report.whole_table import print_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from evo.core.trajectory import PoseTrajectory3D
    from rich.console import Console

    from drnet_offline.odometry.running import Path3D
    from drnet_ros.inference.arrays import UInt8Array

__all__ = ['print_summary', 'write_report', 'write_trajectory']

_HEAD = ('depth', 'APE', 'scaled APE', 'scale', 'RPE 1 s', 'rotation 1 s', 'lost')
_WORDS = ('APE', 'scale of the path', 'RPE 1 s', 'standing still', 'lost')


def print_summary(console: Console, summary: dict[str, Any]) -> None:
    """Print what the ground truth is, and a table for each method."""
    still = summary['standing_still']
    for sentence in path_verdict(summary):
        console.print(sentence, markup=False, highlight=False)
    console.print(
        f'ground truth: {summary["ground_truth"]}, {still["poses"]} poses over '
        f'{still["length_m"]:.2f} m',
        highlight=False,
    )
    for method in dict.fromkeys(row['method'] for row in summary['paths']):
        print_table(console, _table(method, summary))
    for name, factor in summary['scale_factors'].items():
        text = f'rescaled: {name} times {factor:.3f}'
        console.print(text, markup=False, highlight=False)
    for name, about in summary['sparse'].items():
        console.print(f'{name}: {points_words(about)}', markup=False, highlight=False)
        for problem in sparse_problems(about):
            console.print(f'warning: {problem}', markup=False, highlight=False)


def write_report(
    folder: Path,
    summary: dict[str, Any],
    paths: Sequence[Path3D],
    truth: Mapping[str, PoseTrajectory3D],
    thumbnail: UInt8Array | None,
) -> None:
    """Write report.html, trajectories in TUM format and plots as PNG files.

    Args:
        folder: Existing folder.
        summary: What `comparison.summarise` returned, with `recording`, `ground_truth`,
            `scale_factors`, `sparse` and `command`.
        paths: The paths.
        truth: What they are compared with, by method.
        thumbnail: An image of the recording, uint8 (H, W, 3) RGB, or None.
    """
    sections = []
    for method, reference in truth.items():
        own = [path for path in paths if path.method == method]
        plot = _write_paths(folder, method, own, reference)
        table = html_table(_HEAD, _rows(method, summary))
        note = f'<p class="note">{escape(METHODS[method])}</p>'
        sections.append((method.capitalize(), note + table + plot))
    sections += [
        ('What the figures mean', explained(_WORDS)),
        ('Command', f'<pre>{escape(summary["command"])}</pre>'),
    ]
    title = f'Odometry on {Path(summary["recording"]).name}'
    head = PageHead(path_verdict(summary), _facts(summary, paths), thumbnail)
    write_text(folder / 'report.html', render_page(title, head, sections))


def write_trajectory(path: Path, found: PoseTrajectory3D) -> None:
    """Write a trajectory in TUM format, whole or not at all: each line of a part looks right.

    Raises:
        OfflineError: It cannot be written.
    """
    # An extra of the package: without it `trajectory` has said so before.
    from evo.tools.file_interface import write_tum_trajectory_file  # noqa: PLC0415

    with whole_file(path) as part:
        write_tum_trajectory_file(part, found)


def _facts(summary: dict[str, Any], paths: Sequence[Path3D]) -> list[tuple[str, str]]:
    still = summary['standing_still']
    stamps_s = min((path.stamps_s for path in paths), key=lambda stamps: stamps[0])
    first_ns = round(stamps_s[0] * 1e9)
    factors = [f'{name} times {by:.3f}' for name, by in summary['scale_factors'].items()]
    sparse = [
        text
        for name, about in summary['sparse'].items()
        for text in (f'{name}: {points_words(about)}', *sparse_problems(about))
    ]
    return [
        ('recording', summary['recording']),
        ('recorded', when_recorded(first_ns, summary['recording'])),
        ('ground truth', summary['ground_truth']),
        ('motion', f'{still["length_m"]:.2f} m, {still["poses"]} poses'),
        ('rescaled', ', '.join(factors)),
        ('sparse depth', '; '.join(sparse)),
    ]


def _write_paths(
    folder: Path, method: str, paths: Sequence[Path3D], reference: PoseTrajectory3D
) -> str:
    """Write the trajectories of a method, and draw them; returns the chart."""
    write_trajectory(folder / f'ground_truth_{method}.tum', reference)
    aligned = {}
    for path in paths:
        found = trajectory(path.poses, path.stamps_s)
        file_name = re.sub(r'[^A-Za-z0-9._=-]+', '_', f'{method}_{path.name}')
        write_trajectory(folder / f'{file_name}.tum', found)
        aligned[path.name] = aligned_to(reference, found)
    draw = partial(draw_paths, reference, aligned)
    return chart(folder / f'paths_{method}.png', draw, f'paths of {method}')


def _rows(method: str, summary: dict[str, Any]) -> list[tuple[str, ...]]:
    rows = [row for row in summary['paths'] if row['method'] == method]
    rows.append({'depth': 'standing still', 'lost': '', **summary['standing_still']})
    return [
        (
            row['depth'],
            f'{row["ape_m"] * 1000:.1f} mm',
            f'{row["ape_scaled_m"] * 1000:.1f} mm',
            '' if row['scale'] is None else f'{row["scale"]:.2f}',
            f'{row["rpe_m"] * 1000:.1f} mm',
            f'{row["rpe_deg"]:.2f} deg',
            str(row['lost']),
        )
        for row in rows
    ]


def _table(method: str, summary: dict[str, Any]) -> Table:
    table = Table(title=method, box=box.SIMPLE_HEAD, collapse_padding=True, pad_edge=False)
    for column in _HEAD:
        table.add_column(column, no_wrap=True)
    for row in _rows(method, summary):
        table.add_row(*map(escape_markup, row))  # names of variants may look like markup
    return table
