"""The card that comes with adapted weights: what they are of, and how good they are."""

from __future__ import annotations

from typing import Any

__all__ = ['model_card']

_FIGURES = (
    'Figures are means over frames, of the image alone. "Scaled" is with the scale of each frame '
    'set from its depth.'
)
_LIMITS = (
    'The weights are for this camera at this height in places like these. Elsewhere they may be '
    'worse than the ones they began with; the rows of the replay set show by how much.'
)


def model_card(summary: dict[str, Any], sha256: str) -> str:
    """Return the card as Markdown.

    Args:
        summary: As in adaptation.json.
        sha256: Hash of the weights file.
    """
    begun = f'`{summary["weights_before"]}`, sha256 `{summary["weights_before_sha256"]}`'
    training = (
        f'{summary["steps"]} steps of {summary["batch_size"]} images, seed {summary["seed"]}; '
        f'{summary["spent_s"] / 60:.1f} minutes in all'
    )
    lines = [
        '# adapted.safetensors',
        '',
        summary['verdict'],
        '',
        '| | |',
        '|---|---|',
        f'| sha256 | `{sha256}` |',
        f'| begun with | {begun} |',
        f'| mixture | {summary["mixture"]:g} of the new weights, the rest the old ones |',
        f'| training | {training} |',
        f'| replay set | {summary["replay"] or "none"} |',
        f'| command | `{summary["command"]}` |',
        '',
        'Learned from:',
        '',
        '| recording | labels | frames learned | frames held out | sha256 |',
        '|---|---|---:|---:|---|',
    ]
    lines += [
        f'| {r["name"]} | {r["labels"]} | {r["frames_learned"]} | {r["frames_held_out"]} | '
        f'`{r["sha256"]}` |'
        for r in summary['recordings']
    ]
    return '\n'.join([*lines, '', _FIGURES, '', *_table(summary), '', _LIMITS, ''])


def _table(summary: dict[str, Any]) -> list[str]:
    lines = [
        '| frames | weights | RMSE [m] | REL | delta1 | REL, scaled | delta1, scaled |',
        '|---|---|---:|---:|---:|---:|---:|',
    ]
    for figures in summary['comparisons']:
        for when in ('before', 'after'):
            as_is, scaled = figures[when]['as_is'], figures[when]['scaled']
            values = [as_is[n] for n in ('rmse', 'rel', 'delta1')]
            values += [scaled[n] for n in ('rel', 'delta1')]
            cells = ' | '.join(f'{value:.3f}' for value in values)
            lines.append(f'| {figures["name"]} | {when} | {cells} |')
    return lines
