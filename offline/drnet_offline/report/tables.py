"""The results of `drnet bag` in words and tables for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich import box
from rich.markup import escape
from rich.table import Table

from drnet_offline.evaluation.figures import NAMES
from drnet_offline.replay.index import UNREADABLE_CAMERA
from drnet_offline.report.sparse_words import sparse_problems, sparse_words
from drnet_offline.report.whole_table import print_table

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ['figure_rows', 'print_summary', 'unreadable_messages']


def print_summary(console: Console, summary: dict[str, Any]) -> None:
    """Print what `summary.summarise` returned: what is in the recording, warnings, figures."""
    images, topics = summary['images'], summary['topics']
    console.print(
        f'{topics["image"]}: {images["count"]} images, {images["rate_hz"]:.1f} Hz, longest gap '
        f'{images["longest_gap_s"]:.2f} s; {summary["frames_matched"]} with recorded depth'
    )
    others = [f'{kind}: {topics[kind]}' for kind in ('camera_info', 'depth') if topics[kind]]
    if others:
        console.print(', '.join(others), highlight=False, markup=False)
    # Escaped: file and topic names may look like markup.
    for text in summary['warnings']:
        console.print(f'[yellow]warning:[/] {escape(text)}', highlight=False)
    if left_out := summary.get('topics_left_out'):
        text = f'not in the copy, since their types are not known: {", ".join(left_out)}'
        console.print(f'[yellow]warning:[/] {escape(text)}', highlight=False)
    for kind, count in summary['problems'].items():
        console.print(f'[yellow]warning:[/] {count} frames: {escape(kind)}', highlight=False)
    if summary['frames_scored']:
        print_table(console, _figures_table(summary))
    for variant in summary['variants']:
        console.print(f'{escape(variant["name"])}: {_scale_words(variant)}', highlight=False)
        if (about := variant['sparse_depth']) is not None:
            label = variant['name'].partition(':')[0]
            console.print(f'{escape(label)}: {sparse_words(about)}', highlight=False)
            for text in sparse_problems(about):
                console.print(f'[yellow]warning:[/] {escape(text)}', highlight=False)


def unreadable_messages(summary: dict[str, Any]) -> int:
    """Return how many images, depth images and CameraInfo could not be decoded."""
    kinds: dict[str, int] = summary['problems']
    return sum(
        count
        for kind, count in kinds.items()
        if kind.startswith(('image', 'depth')) or kind == UNREADABLE_CAMERA
    )


def _figures_table(summary: dict[str, Any]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, collapse_padding=True, pad_edge=False)
    for column in ('', 'protocol', 'over', 'RMSE', 'REL', 'log10', 'd1', 'd2', 'd3'):
        table.add_column(column, no_wrap=True)
    for variant in summary['variants']:
        label = escape(variant['name'] if len(summary['variants']) == 1 else variant['name'][0])
        for cells in figure_rows(variant):
            table.add_row(label, *cells)
            label = ''
    return table


def figure_rows(variant: dict[str, Any]) -> list[list[str]]:
    """Return protocol, what is averaged over, and figures of a variant, as text."""
    rows = []
    for protocol, figures in variant['figures'].items():
        for over, suffix in (('pixels', ''), ('images', '_per_image')):
            cells = [f'{figures[name + suffix]:.3f}' for name in NAMES]
            rows.append([protocol.replace('_scaled', ', scaled'), over, *cells])
    return rows


def _scale_words(variant: dict[str, Any]) -> str:
    words = []
    if scale := variant['scale']:
        words.append(
            f'scale {scale["median"]:.3f} (p5 {scale["p5"]:.3f}, p95 {scale["p95"]:.3f}), '
            f'coverage {variant["coverage"]:.1%}'
        )
    if steady := variant['steadiness']:
        words.append(
            f'from frame to frame scale changes by {steady["step_percent_median"]:.2f} % (p95 '
            f'{steady["step_percent_p95"]:.2f} %), shape by '
            f'{steady["flicker_percent_median"]:.2f} %'
        )
    if within := variant['within']:
        words.append(
            f'one stated standard deviation holds {within["one_stddev"]:.1%} of pixels, two '
            f'{within["two_stddev"]:.1%}'
        )
    return '; '.join(words) or 'no figures: there is nothing to compare with'
