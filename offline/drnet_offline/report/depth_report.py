"""The report of `drnet bag`: report.html with its pictures, and frames.csv."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from drnet_offline.outputs.files import write_text
from drnet_offline.replay.columns import Columns, columns_of, write_csv
from drnet_offline.report import depth_tables
from drnet_offline.report.chart_layout import chart
from drnet_offline.report.charts import (
    draw_calibration,
    draw_error_by_depth,
    draw_error_map,
    draw_frames,
    draw_histogram,
)
from drnet_offline.report.cloud import cloud_data
from drnet_offline.report.cloud_view import cloud_view
from drnet_offline.report.frame_grid import frame_grid
from drnet_offline.report.page import PageHead, render_page, when_recorded
from drnet_offline.report.pictures import draw_examples, write_examples
from drnet_offline.report.verdict import bag_verdict

if TYPE_CHECKING:
    from drnet_offline.replay.gallery import Gallery, Picture
    from drnet_offline.replay.replay import Replay

__all__ = ['write_report']


def write_report(folder: Path, summary: dict[str, Any], replay: Replay) -> None:
    """Write report.html, its pictures as PNG files, and frames.csv.

    Args:
        folder: Existing folder.
        summary: The results, as `summary.summarise` gives them, with `command`.
        replay: The finished run.
    """
    names = [variant.name for variant in replay.task.variants]
    shared, own = columns_of(replay.records(), len(names))
    write_csv(folder / 'frames.csv', replay.records(), names)
    chosen = _chosen(replay.results.gallery, own[0])
    sections = [
        ('Figures', depth_tables.results(summary)),
        *_frames(folder, chosen, names),
        ('What the figures mean', depth_tables.words(summary)),
    ]
    if any(variant['sparse_depth'] is not None for variant in summary['variants']):
        sections.append(('Sparse depth', depth_tables.sparse_depth(summary)))
    frames = chart(
        folder / 'frames.png',
        partial(draw_frames, shared, own, names),
        'figures of each frame over time',
    )
    sections.append(('Frame by frame', frames))
    sections += _charts(folder, summary, replay, names)
    sections.append(('Settings and commands', depth_tables.settings(summary)))
    thumbnail = chosen[len(chosen) // 2][1].rgb_hwc if chosen else None
    head = PageHead(bag_verdict(summary), _facts(summary, replay), thumbnail)
    title = f'Depth on {Path(summary["recording"]).name}'
    write_text(folder / 'report.html', render_page(title, head, sections))


def _facts(summary: dict[str, Any], replay: Replay) -> list[tuple[str, str]]:
    images = summary['images']
    compared = f'{summary["frames_matched"]} images, depth taken within '
    compared += f'{summary["tolerance_s"] * 1000:.0f} ms'
    first_ns = min(replay.index.images.stamps_ns)
    return [
        ('recording', summary['recording']),
        ('recorded', when_recorded(first_ns, summary['recording'])),
        (
            'images',
            (
                f'{summary["frames"]} of {summary["topics"]["image"]} over '
                f'{summary["duration_s"]:.1f} s, {images["rate_hz"]:.1f} Hz'
            ),
        ),
        ('with depth', compared if summary['frames_matched'] else ''),
        ('settings', summary['variants'][0]['name']),
    ]


def _frames(
    folder: Path, chosen: list[tuple[str, Picture]], names: list[str]
) -> list[tuple[str, str]]:
    if not chosen:
        return []
    write_examples(folder / 'examples.png', draw_examples(chosen, names))
    is_ranked = chosen[0][0].startswith('best')
    title = 'Best, median and worst frame by REL' if is_ranked else 'Frames'
    sections = [(title, frame_grid(chosen, names))]
    label, picture = chosen[len(chosen) // 2]
    cloud = cloud_data(picture, names)
    if cloud is not None:
        sections.append(('Cloud', cloud_view(cloud, label.replace('\n', ', '))))
    return sections


def _charts(
    folder: Path, summary: dict[str, Any], replay: Replay, names: list[str]
) -> list[tuple[str, str]]:
    scores = replay.results.scores
    sections = []
    if summary['frames_scored']:
        by_depth = partial(draw_error_by_depth, scores, names)
        sections.append(
            (
                'Error against depth',
                chart(folder / 'error_by_depth.png', by_depth, 'relative and signed error'),
            )
        )
        over_image = partial(draw_error_map, scores, names)
        sections.append(
            (
                'Error over the image',
                chart(folder / 'error_map.png', over_image, 'mean relative error', is_map=True),
            )
        )
    if any(each.within is not None for each in scores):
        within = partial(draw_calibration, scores, names)
        picture = chart(folder / 'calibration.png', within, 'pixels within stated deviations')
        sections.append(('Standard deviation', depth_tables.deviations(summary) + picture))
    histograms = partial(draw_histogram, scores, names)
    picture = chart(folder / 'histogram.png', histograms, 'how often depths and ratios occur')
    return [*sections, ('Histograms', picture)]


def _chosen(gallery: Gallery, columns: Columns) -> list[tuple[str, Picture]]:
    """Choose frames to show: by their relative error, or a spread where there is none."""
    kept = gallery.positions
    if gallery.best is None or gallery.worst is None:
        places = np.linspace(0, len(kept) - 1, min(4, len(kept))).round().astype(int)
        return [
            (f'frame {kept[p]}', gallery.load(kept[p])) for p in dict.fromkeys(places.tolist())
        ]
    errors = columns['rel']
    middle = float(np.nanmedian(errors))
    # The records are in the order of positions, one for each.
    scored = [p for p in kept if np.isfinite(errors[p])]
    median = min(scored, key=lambda position: abs(errors[position] - middle))
    return [
        (f'{label}\nframe {position}\nREL {errors[position]:.1%}', gallery.load(position))
        for label, position in (
            ('best', gallery.best),
            ('median', median),
            ('worst', gallery.worst),
        )
    ]
