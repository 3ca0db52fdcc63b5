"""The page that `make demo` ends with: report.html."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from drnet_offline.outputs.files import write_text
from drnet_offline.outputs.wording import counted
from drnet_offline.report.cloud import cloud_of_points
from drnet_offline.report.cloud_view import cloud_view
from drnet_offline.report.figure_words import explained
from drnet_offline.report.frame_grid import frame_grid
from drnet_offline.report.page import PageHead, html_table, render_page, when_recorded
from drnet_offline.report.verdict import accuracy_words, percent

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from drnet_offline.replay.gallery import Picture

__all__ = ['PAGE_NAME', 'Played', 'Seen', 'write_page']

PAGE_NAME = 'report.html'


@dataclass(frozen=True, slots=True)
class Played:
    """What was played.

    Attributes:
        recording: Its path.
        topic: Its images.
        first_ns: The stamp of the first image; 0 if none arrived.
    """

    recording: str
    topic: str
    first_ns: int


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What the page shows.

    Attributes:
        pictures: Frames with their labels.
        names: Whose depths they have.
        points: A cloud of the node, float32 (H, W, 4), or None.
        warnings: What a person must know of the recording.
    """

    pictures: Sequence[tuple[str, Picture]]
    names: Sequence[str]
    points: NDArray[np.float32] | None
    warnings: Sequence[str] = ()


def write_page(output: Path, summary: dict[str, Any], played: Played, seen: Seen) -> None:
    """Write the page.

    Args:
        output: The folder.
        summary: What summary.json holds.
        played: What was played.
        seen: What the page shows.

    Raises:
        OfflineError: It cannot be written.
    """
    sections = []
    if seen.pictures:
        grid = frame_grid(seen.pictures, seen.names)
        title = 'Image, depth and error' if summary['frames_scored'] else 'Image and depth'
        sections.append((title, grid))
    if seen.points is not None:
        data = cloud_of_points(seen.points, 'points')
        sections.append(('Cloud', cloud_view(data, 'A cloud that the node published')))
    sections.append(('Figures', _warnings(seen) + _figures(summary, seen.names)))
    if summary['frames_scored']:
        sections.append(('What the figures mean', explained(('REL', 'delta1', 'RMSE'))))
    sections.append(('How to go on', _files(seen) + _HOW_TO_GO_ON))
    middle = seen.pictures[len(seen.pictures) // 2][1].rgb_hwc if seen.pictures else None
    head = PageHead(_verdict(summary), _facts(summary, played), middle)
    write_text(output / PAGE_NAME, render_page('Depth of the demo', head, sections))


_COUNTS = {
    'frames_published': 'recorded',
    'frames_unreadable': 'unreadable',
    'frames_in': 'received by the node',
    'frames_out': 'turned into depth',
    'frames_dropped': 'dropped for newer ones',
    'frames_skipped': 'left out by max_rate',
    'frames_failed': 'failed',
}
_HOW_TO_GO_ON = (
    '<pre>make demo BAG=/path/to/recording    # your own recording or video\n'
    '.venv/bin/drnet show 0              # your webcam, live in the browser</pre>'
)


def _files(seen: Seen) -> str:
    files = ['summary.json (the figures)']
    if seen.pictures:
        files.insert(0, 'sheet.jpg (the pictures)')
    if seen.points is not None:
        files.insert(0, 'cloud.ply (the cloud, for MeshLab or CloudCompare)')
    *others, last = files
    named = f'{", ".join(others)} and {last} lie' if others else f'{last} lies'
    return f'<p>{named} next to this page.</p>'


def _warnings(seen: Seen) -> str:
    return ''.join(f'<div class="warning">{escape(each)}</div>' for each in seen.warnings)


def _verdict(summary: dict[str, Any]) -> list[str]:
    latency = summary['latency_ms_p50']
    words = f'The node turned {summary["frames_out"]} of {summary["frames_published"]} images '
    words += f'into depth: {summary["fps"]:.1f} frames per second'
    if latency is not None:
        words += f', with a latency of {latency:.0f} ms (median)'
    sentences = [f'{words}.']
    if dropped := summary['frames_dropped']:
        sentences.append(
            f'It left out {counted(dropped, "image")}, because newer ones came before it could '
            'take them.'
        )
    if summary['frames_scored']:
        sentences.append(accuracy_words(summary))
    else:
        sentences.append(f'Depth was not compared with recorded depth: {summary["not_compared"]}.')
    for name, figures in summary['sources'].items():
        if figures['rel'] is not None:
            sentences.append(
                f'With the scale from the recorded {name}, it is {percent(figures["rel"], 1)} off.'
            )
    return sentences


def _facts(summary: dict[str, Any], played: Played) -> list[tuple[str, str]]:
    return [
        ('recording', played.recording),
        ('recorded', when_recorded(played.first_ns, played.recording)),
        ('images', f'{summary["frames_published"]} of {played.topic}'),
        ('network', f'{summary["backbone"]} at {summary["network_size"]}'),
        ('engine', f'{summary["engine"]} on {summary["device"]}, {summary["precision"]}'),
    ]


def _figures(summary: dict[str, Any], names: Sequence[str]) -> str:
    counts = [[words, str(summary[name])] for name, words in _COUNTS.items()]
    found = [summary, *summary['sources'].values()]
    rows = [[name, *_errors(each)] for name, each in zip(names, found, strict=True)]
    errors = html_table(('depth', 'REL', 'delta1', 'RMSE [m]'), rows)
    p95 = summary['latency_ms_p95']
    latency = [] if p95 is None else [['latency [ms]: 95 % are below', f'{p95:.0f}']]
    table = html_table(('images', 'count'), counts + latency)
    return (errors if summary['frames_scored'] else '') + table


def _errors(figures: dict[str, Any]) -> list[str]:
    values = [figures[name] for name in ('rel', 'delta1', 'rmse')]
    return ['' if value is None else f'{value:.3f}' for value in values]
