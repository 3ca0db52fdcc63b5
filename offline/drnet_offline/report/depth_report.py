"""The report of `drnet bag`: report.html with its pictures, and frames.csv."""

from __future__ import annotations

import json
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from drnet_offline.outputs.files import write_text
from drnet_offline.replay.columns import Columns, columns_of, write_csv
from drnet_offline.report.charts import (
    draw_calibration,
    draw_error_by_depth,
    draw_error_map,
    draw_frames,
    draw_histogram,
)
from drnet_offline.report.cloud import cloud_data
from drnet_offline.report.page import html_table, inline_image, render_page
from drnet_offline.report.pictures import draw_examples
from drnet_offline.report.sparse_words import sparse_problems, sparse_words
from drnet_offline.report.tables import figure_rows

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
    scores = replay.results.scores
    shared, own = columns_of(replay.records(), len(names))
    write_csv(folder / 'frames.csv', replay.records(), names)
    has_truth = bool(np.isfinite(own[0]['rmse']).any())
    chosen = _chosen(replay.results.gallery, own[0])
    sections = [('Results', _results(summary))]
    if any(variant['sparse_depth'] is not None for variant in summary['variants']):
        sections.append(('Sparse depth', _sparse_depth(summary)))
    if any(each.within is not None for each in scores):
        calibration = draw_calibration(folder / 'calibration.png', scores, names)
        sections.append(('Standard deviation', _deviations(summary) + inline_image(calibration)))
    if chosen:
        path = draw_examples(folder / 'examples.png', chosen, names)
        title = 'Best, median and worst frame' if has_truth else 'Frames'
        sections.append((title, inline_image(path)))
        cloud = cloud_data(chosen[len(chosen) // 2][1], names)
        if cloud is not None:
            sections.append(('Cloud', _cloud(cloud, chosen[len(chosen) // 2][0])))
    frames = draw_frames(folder / 'frames.png', shared, own, names, has_truth=has_truth)
    sections.append(('Frame by frame', inline_image(frames)))
    if has_truth:
        by_depth = draw_error_by_depth(folder / 'error_by_depth.png', scores, names)
        sections.append(('Error against depth', inline_image(by_depth)))
        error_map = draw_error_map(folder / 'error_map.png', scores, names)
        sections.append(('Error over the image', inline_image(error_map)))
    histogram = draw_histogram(folder / 'histogram.png', scores, names)
    sections.append(('Histograms', inline_image(histogram)))
    sections.append(('Settings and commands', _settings(summary)))
    title = f'Depth on {Path(summary["recording"]).name}'
    write_text(folder / 'report.html', render_page(title, sections))


def _chosen(gallery: Gallery, columns: Columns) -> list[tuple[str, Picture]]:
    """Choose frames to show: by their error, or a spread where there is none."""
    kept = gallery.positions
    if gallery.best is None or gallery.worst is None:
        places = np.linspace(0, len(kept) - 1, min(4, len(kept))).round().astype(int)
        return [
            (f'frame {kept[p]}', gallery.load(kept[p])) for p in dict.fromkeys(places.tolist())
        ]
    errors = columns['rmse']
    middle = float(np.nanmedian(errors))
    # The records are in the order of positions, one for each.
    scored = [p for p in kept if np.isfinite(errors[p])]
    median = min(scored, key=lambda position: abs(errors[position] - middle))
    return [
        (f'{label}\nframe {position}\nRMSE {errors[position]:.2f} m', gallery.load(position))
        for label, position in (
            ('best', gallery.best),
            ('median', median),
            ('worst', gallery.worst),
        )
    ]


def _results(summary: dict[str, Any]) -> str:
    images = summary['images']
    about = (
        f'{summary["recording"]}: {summary["frames"]} images of {summary["topics"]["image"]} over '
        f'{summary["duration_s"]:.1f} s, {images["rate_hz"]:.1f} Hz; {summary["frames_matched"]} '
        f'with recorded depth within {summary["tolerance_s"] * 1000:.0f} ms.'
    )
    parts = [f'<p>{escape(about)}</p>']
    kinds = [f'{count} frames: {kind}' for kind, count in summary['problems'].items()]
    parts += [f'<div class="warning">{escape(t)}</div>' for t in summary['warnings'] + kinds]
    rows = [
        [variant['name'] if not row else '', *cells]
        for variant in summary['variants']
        for row, cells in enumerate(figure_rows(variant))
    ]
    if rows:
        head = ('', 'protocol', 'over', 'RMSE [m]', 'REL', 'log10', 'd1', 'd2', 'd3')
        parts.append(html_table(head, rows))
        descriptions = ', '.join(summary['protocols'].values())
        note = (
            f'{descriptions}. "scaled": each frame multiplied by its scale, the median of '
            'recorded by estimated depth, so that what remains is an error of shape. Pixels count '
            'where both depths are valid; coverage says how many of the recorded ones have an '
            'estimate.'
        )
        parts.append(f'<p class="note">{escape(note)}</p>')
    parts.append(_steadiness_table(summary))
    return '\n'.join(parts)


def _sparse_depth(summary: dict[str, Any]) -> str:
    topics = ', '.join(f'{k} on {v}' for k, v in summary['topics']['sparse_depth'].items())
    parts = [f'<p>{escape(topics)}.</p>', _sparse_table(summary)]
    for variant in summary['variants']:
        about = variant['sparse_depth']
        if about is None:
            parts.append(f'<p>{escape(variant["name"])}: the image alone.</p>')
            continue
        parts.append(f'<p>{escape(variant["name"])}: {escape(sparse_words(about))}.</p>')
        parts += [f'<div class="warning">{escape(t)}</div>' for t in sparse_problems(about)]
    return '\n'.join(parts)


def _sparse_table(summary: dict[str, Any]) -> str:
    rows = []
    for variant in summary['variants']:
        about = variant['sparse_depth'] or {}
        error = about.get('scale_error') or {}
        figures: dict[str, float] = next(iter(variant['figures'].values()), {})
        rows.append(
            [
                variant['name'],
                _cell(figures.get('rmse'), '.3f'),
                _cell(figures.get('rel'), '.3f'),
                _cell(figures.get('delta1'), '.3f'),
                _cell(error.get('with_sources'), '.1%'),
                _cell(error.get('image_alone'), '.1%'),
                _cell(error.get('won'), '.0%'),
                _cell(about.get('points_median'), '.0f'),
                _cell(about.get('converged_s'), '.2f'),
            ]
        )
    head = ('', 'RMSE [m]', 'REL', 'd1', 'scale error', 'image alone', 'won', 'points')
    return html_table((*head, 'converged [s]'), rows) + (
        '<p class="note">Scale error: how far the median of recorded by estimated depth is from '
        '1, as the mean over frames of its absolute logarithm. Won: what share of the error of '
        'the image alone the sources take away. Converged: seconds until the stated deviation of '
        'the factor came within a tenth of its median.</p>'
    )


def _deviations(summary: dict[str, Any]) -> str:
    rows = [
        [variant['name'], f'{within["one_stddev"]:.1%}', f'{within["two_stddev"]:.1%}']
        for variant in summary['variants']
        if (within := variant['within'])
    ]
    return html_table(('pixels within', 'one', 'two'), rows) + (
        '<p class="note">Stated standard deviations are right if as many pixels lie within them '
        'as the dashed line says: 68 % within one, 95 % within two.</p>'
    )


def _steadiness_table(summary: dict[str, Any]) -> str:
    sources = [('recorded depth', {'steadiness': summary['recorded_depth_steadiness']})]
    sources += [(variant['name'], variant) for variant in summary['variants']]
    rows = []
    for name, values in sources:
        scale, steady = values.get('scale') or {}, values['steadiness']
        if not scale and not steady:
            continue
        rows.append(
            [
                name,
                _cell(scale.get('median'), '.3f'),
                f'{scale["p5"]:.3f} to {scale["p95"]:.3f}' if scale else '',
                _cell(values.get('coverage') if scale else None, '.1%'),
                _cell(steady.get('step_percent_median'), '.2f'),
                _cell(steady.get('step_percent_p95'), '.2f'),
                _cell(steady.get('flicker_percent_median'), '.2f'),
            ]
        )
    head = ('', 'scale', '5 to 95 %', 'coverage', 'scale step [%]', 'p95', 'flicker [%]')
    return html_table(head, rows) + (
        '<p class="note">Scale: median of recorded by estimated depth. Scale step: change of '
        'depth from one frame to the next, median over corners followed in the images; motion '
        'changes it too, as the row of the recorded depth shows. Flicker: how far single corners '
        'are from that median.</p>'
    )


def _cell(value: float | None, form: str) -> str:
    return '' if value is None else format(value, form)


def _cloud(data: dict[str, Any], label: str) -> str:
    script = (files('drnet_offline') / 'report' / 'viewer.js').read_text(encoding='utf-8')
    # Names are what a user typed: HTML looks for tags in scripts too, even in their strings.
    literal = json.dumps(data).replace('<', '\\u003c')
    return (
        f'<p class="note">{escape(" ".join(label.split()))}. Drag to turn, scroll to come nearer.'
        '</p><div id="choices"></div><canvas id="cloud" width="960" height="600"></canvas>\n'
        f'<script>{script}\nshowCloud(document.getElementById("cloud"), '
        f'document.getElementById("choices"), {literal});</script>'
    )


def _settings(summary: dict[str, Any]) -> str:
    parts = [f'<pre>{escape(summary["command"])}</pre>']
    for variant in summary['variants']:
        about = ', '.join(f'{k} {v}' for k, v in variant['estimator'].items())
        settings = '\n'.join(f'{name}: {value}' for name, value in variant['settings'].items())
        parts.append(
            f'<p>{escape(variant["name"])}: {escape(about)}, weights sha256 '
            f'{variant["weights_sha256"][:16]}</p><details><summary>all parameters</summary>'
            f'<pre>{escape(settings)}</pre></details>'
        )
    parts.append(f'<p class="note">{escape(json.dumps(summary["versions"]))}</p>')
    return '\n'.join(parts)
