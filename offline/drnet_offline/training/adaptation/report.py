"""The report of `drnet adapt`: one page with the verdict, figures and pictures."""

from __future__ import annotations

from functools import partial
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from drnet_offline.outputs.files import write_text
from drnet_offline.report.chart_layout import COLORS, WIDE, Layout, chart
from drnet_offline.report.charts import draw_error_by_depth
from drnet_offline.report.figure_words import explained
from drnet_offline.report.frame_grid import frame_grid
from drnet_offline.report.page import PageHead, html_table, render_page, time_in_words
from drnet_offline.report.pictures import draw_examples, write_examples
from drnet_offline.report.verdict import percent
from drnet_offline.training.adaptation.comparison import pictures_of

if TYPE_CHECKING:
    from pathlib import Path

    from drnet_offline.training.adaptation.comparison import Comparison
    from drnet_offline.training.adaptation.run import Outcome

__all__ = ['write_report']

_NAMES = ('old weights', 'new weights')
_HEAD = (
    *('frames', 'weights', 'RMSE [m]', 'REL', 'delta1'),
    *('REL, scaled', 'delta1, scaled', 'delta2', 'delta3'),
)


def write_report(folder: Path, summary: dict[str, Any], outcome: Outcome) -> None:
    """Write report.html and its pictures as PNG files.

    Args:
        folder: Existing folder.
        summary: As in adaptation.json.
        outcome: What came of the adaptation.
    """
    first = outcome.comparisons[0]
    pictures = pictures_of(first, outcome.weights)
    sections = [('Before and after', _warning(summary) + _figures(summary))]
    if pictures:
        write_examples(folder / 'examples.png', draw_examples(pictures, _NAMES))
        title = 'Held-out frames: most gained, median, least'
        sections.append((title, frame_grid(pictures, _NAMES)))
    sections.append(('What the figures mean', explained(('REL', 'delta1', 'RMSE', 'scaled'))))
    by_depth = partial(draw_error_by_depth, first.scores, _NAMES)
    over_time = partial(_draw_over_time, first)
    sections += [
        (
            'Error against depth, held-out blocks',
            chart(folder / 'error_by_depth.png', by_depth, 'relative and signed error'),
        ),
        (
            'Held-out frames over time',
            chart(folder / 'over_time.png', over_time, 'REL and scale of each frame'),
        ),
        ('Blocks and mixtures', _mixtures(summary)),
        ('Labels and training', _training(summary) + _loss(folder, summary)),
    ]
    names = ', '.join(recording['name'] for recording in summary['recordings'])
    thumbnail = pictures[len(pictures) // 2][1].rgb_hwc if pictures else None
    head = PageHead(_verdict(summary), _facts(summary, first), thumbnail)
    write_text(folder / 'report.html', render_page(f'Weights adapted to {names}', head, sections))


def _verdict(summary: dict[str, Any]) -> list[str]:
    sentences = [summary['verdict']]
    if summary['cost'] and summary['cost'] not in summary['verdict']:
        sentences.append(f'{summary["cost"][0].upper()}{summary["cost"][1:]}.')
    if summary['is_accepted']:
        sentences.append(
            f'adapted.safetensors is {percent(summary["mixture"])} of the way from the old '
            'weights to the new ones.'
        )
    else:
        sentences.append(
            f'No weights were written. Below, new weights are {percent(summary["shown"])} of the '
            'way from the old weights to those that were learned.'
        )
    return sentences


def _facts(summary: dict[str, Any], first: Comparison) -> list[tuple[str, str]]:
    stamps_s = [frame['stamp_s'] for frame in first.frames]
    return [
        ('recordings', ', '.join(recording['path'] for recording in summary['recordings'])),
        ('recorded', time_in_words(round(min(stamps_s, default=0) * 1e9))),
        ('labels', ', '.join(recording['labels'] for recording in summary['recordings'])),
        ('trained', f'{summary["steps"]} steps, {summary["spent_s"] / 60:.1f} minutes in all'),
        ('old weights', summary['weights_before']),
    ]


def _warning(summary: dict[str, Any]) -> str:
    if summary['forgotten'] is not None:
        return ''
    return (
        '<div class="warning">There was no replay set: how much the new weights forget of '
        'other places is not known. Give one by --replay-data.</div>'
    )


def _figures(summary: dict[str, Any]) -> str:
    rows = []
    for figures in summary['comparisons']:
        for when, word in (('before', 'old'), ('after', 'new')):
            as_is, scaled = figures[when]['as_is'], figures[when]['scaled']
            values = [as_is[n] for n in ('rmse', 'rel', 'delta1')]
            values += [scaled[n] for n in ('rel', 'delta1')]
            values += [as_is[n] for n in ('delta2', 'delta3')]
            name = f'{figures["name"]}, {figures["frames"]} frames' if word == 'old' else ''
            rows.append([name, word, *(f'{value:.3f}' for value in values)])
    note = 'Means over frames, of the image alone, as the node estimates it.'
    return html_table(_HEAD, rows) + f'<p class="note">{escape(note)}</p>'


def _mixtures(summary: dict[str, Any]) -> str:
    rows = [
        [
            'old weights' if share == '0' else f'{float(share):.0%} new',
            f'{values["held_out_rel"]:.3f}',
            '' if values['replay_rel'] is None else f'{values["replay_rel"]:.3f}',
            *(f'{rel:.3f}' for rel in values['blocks']),
        ]
        for share, values in summary['mixtures'].items()
    ]
    blocks = [f'block {number + 1}' for number in range(summary['blocks'])]
    table = html_table(('', 'held-out REL', 'REL, replay set', *blocks), rows)
    note = (
        'Each mixture lies between old and new weights, parameter by parameter. The gain of the '
        'verdict is that of each block with the mixture that the other blocks prefer; its '
        "interval is Student's over blocks. REL of pictures without depth is against the depth "
        'that the old weights give.'
    )
    return f'{table}<p class="note">{escape(note)}</p>'


def _training(summary: dict[str, Any]) -> str:
    rows = [
        [
            recording['name'],
            recording['labels'],
            str(recording['images']),
            f'{recording["duration_s"]:.1f}',
            str(recording['frames_learned']),
            str(recording['frames_held_out']),
            f'{recording["guard_s"]:.2f}',
            _label_errors(recording['label_errors']),
            recording['sha256'][:16],
        ]
        for recording in summary['recordings']
    ]
    counts = ('images', 'seconds', 'learned', 'held out', 'guard gap [s]')
    head = ('', 'labels', *counts, 'REL of labels', 'sha256')
    words = (
        f'{summary["steps"]} steps of {summary["batch_size"]} images, {summary["step_s"]:.2f} s '
        f'each; {summary["spent_s"] / 60:.1f} minutes in all. Replay set: '
        f'{summary["replay"] or "none"}, {percent(summary["replay_share"])} of the images.'
    )
    versions = ', '.join(f'{name} {value}' for name, value in summary['versions'].items())
    return (
        f'{html_table(head, rows)}<p>{escape(words)}</p><pre>{escape(summary["command"])}</pre>'
        f'<p class="note">{escape(versions)}</p>'
    )


def _label_errors(errors: dict[str, float] | None) -> str:
    if errors is None:
        return ''
    return (
        f'{errors["rel_sure"]:.3f} on the surest {errors["sure"]:.0%}, {errors["rel"]:.3f} in all'
    )


def _draw_over_time(comparison: Comparison, layout: Layout = WIDE) -> Figure:
    """Draw REL and scale of each held-out frame; blocks are apart."""
    figure, axes = layout.rows(2, 1.9)
    frames = comparison.frames
    stamps = np.array([frame['stamp_s'] for frame in frames])
    for when, name, color in zip(('before', 'after'), _NAMES, COLORS, strict=False):
        for axis, key in zip(axes, ('rel', 'scale'), strict=True):
            values = [frame[when][key] for frame in frames]
            axis.plot(stamps - stamps.min(), values, '.', color=color, label=name)
    axes[0].set(ylabel='REL', ylim=(0, None))
    axes[1].set(ylabel='true / estimated scale', xlabel='time [s]')
    axes[1].axhline(1, color='black', lw=0.8)
    axes[0].legend(
        frameon=False,
        fontsize=9,
        loc='lower right',
        bbox_to_anchor=(1, 1),
        borderaxespad=0,
        ncols=2,
    )
    for axis in axes:
        axis.grid(color='#eeeeee')
    return figure


def _loss(folder: Path, summary: dict[str, Any]) -> str:
    if not summary['losses']:
        return ''
    draw = partial(_draw_loss, summary['losses'])
    return chart(folder / 'loss.png', draw, 'training loss over steps')


def _draw_loss(losses: list[float], layout: Layout = WIDE) -> Figure:
    figure, (axis,) = layout.panels(1, 2.4)
    window = max(1, len(losses) // 50)
    smooth = np.convolve(losses, np.ones(window) / window, 'valid')
    axis.plot(np.arange(len(smooth)) + window, smooth, color=COLORS[0])
    axis.set(xlabel='step', ylabel='training loss')
    axis.grid(color='#eeeeee')
    return figure
