"""The report of `drnet adapt`: one page with the verdict, figures and pictures."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from drnet_offline.outputs.files import write_text
from drnet_offline.report.charts import COLORS, draw_error_by_depth, save
from drnet_offline.report.page import html_table, inline_image, render_page
from drnet_offline.report.pictures import draw_examples
from drnet_offline.training.adaptation.comparison import pictures_of

if TYPE_CHECKING:
    from pathlib import Path

    from drnet_offline.training.adaptation.comparison import Comparison
    from drnet_offline.training.adaptation.run import Outcome

__all__ = ['write_report']

_NAMES = ('old weights', 'new weights')
_HEAD = ('frames', 'weights', 'RMSE [m]', 'REL', 'd1', 'REL, scaled', 'd1, scaled', 'd2', 'd3')


def write_report(folder: Path, summary: dict[str, Any], outcome: Outcome) -> None:
    """Write report.html and its pictures as PNG files.

    Args:
        folder: Existing folder.
        summary: As in adaptation.json.
        outcome: What came of the adaptation.
    """
    first = outcome.comparisons[0]
    sections = [('Verdict', _verdict(summary)), ('Before and after', _figures(summary))]
    pictures = pictures_of(first, outcome.weights)
    if pictures:
        path = draw_examples(folder / 'examples.png', pictures, _NAMES)
        sections.append(('Held-out frames: most gained, median, least', inline_image(path)))
    by_depth = draw_error_by_depth(folder / 'error_by_depth.png', first.scores, _NAMES)
    sections.append(('Error against depth, held-out blocks', inline_image(by_depth)))
    over_time = _draw_over_time(folder / 'over_time.png', first)
    sections.append(('Held-out frames over time', inline_image(over_time)))
    sections.append(('Blocks and mixtures', _mixtures(summary)))
    sections.append(('Labels and training', _training(summary)))
    if summary['losses']:
        sections.append(('', inline_image(_draw_loss(folder / 'loss.png', summary['losses']))))
    names = ', '.join(recording['name'] for recording in summary['recordings'])
    write_text(folder / 'report.html', render_page(f'Weights adapted to {names}', sections))


def _verdict(summary: dict[str, Any]) -> str:
    parts = [f'<p><b>{escape(summary["verdict"])}</b></p>']
    if summary['forgotten'] is None:
        parts.append(
            '<div class="warning">There was no replay set: how much the new weights forget of '
            'other places is not known. Give one by --replay-data.</div>'
        )
    else:
        parts.append(
            f'<p>On the replay set, REL changes by {summary["forgotten"]:+.1%} of itself '
            f'(at most {100 * summary["most_forgotten"]:+g}% is allowed).</p>'
        )
    if summary['is_accepted']:
        parts.append(
            f'<p>adapted.safetensors is {summary["mixture"]:.0%} of the way from the old weights '
            'to the new ones.</p>'
        )
    else:
        parts.append('<p>No weights were written.</p>')
    return '\n'.join(parts)


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
    note = (
        'Means over frames, of the image alone, as the node estimates it. REL: mean error divided '
        'by depth. d1, d2, d3: share of pixels within a factor of 1.25, 1.25² and 1.25³. Scaled: '
        'with the scale of each frame set from its depth, so that what remains is an error of '
        'shape.'
    )
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
    table = html_table(('', 'held-out REL', 'replay REL', *blocks), rows)
    note = (
        'Each mixture lies between old and new weights, parameter by parameter. The gain of the '
        'verdict is that of each block with the mixture that every second block, of those that '
        'it is not one of, prefers; its interval comes from a bootstrap over blocks.'
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
        f'{summary["replay"] or "none"}, {summary["replay_share"]:.0%} of the images.'
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


def _draw_over_time(path: Path, comparison: Comparison) -> Path:
    """Draw REL and scale of each held-out frame; blocks are apart."""
    figure = Figure(figsize=(9.6, 4.2), layout='constrained')
    axes = figure.subplots(2, 1, sharex=True)
    frames = comparison.frames
    stamps = np.array([frame['stamp_s'] for frame in frames])
    for when, name, color in zip(('before', 'after'), _NAMES, COLORS, strict=False):
        for axis, key in zip(axes, ('rel', 'scale'), strict=True):
            values = [frame[when][key] for frame in frames]
            axis.plot(stamps - stamps.min(), values, '.', color=color, label=name)
    axes[0].set(ylabel='REL', ylim=(0, None))
    axes[1].set(ylabel='true / estimated scale', xlabel='time [s]')
    axes[1].axhline(1, color='black', lw=0.8)
    axes[0].legend(frameon=False, fontsize=8, ncols=2)
    for axis in axes:
        axis.grid(color='#eeeeee')
    return save(figure, path)


def _draw_loss(path: Path, losses: list[float]) -> Path:
    figure = Figure(figsize=(9.6, 2.4), layout='constrained')
    axis = figure.subplots()
    window = max(1, len(losses) // 50)
    smooth = np.convolve(losses, np.ones(window) / window, 'valid')
    axis.plot(np.arange(len(smooth)) + window, smooth, color=COLORS[0])
    axis.set(xlabel='step', ylabel='training loss')
    axis.grid(color='#eeeeee')
    return save(figure, path)
