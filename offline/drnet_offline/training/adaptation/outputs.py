"""What an adaptation leaves: weights, report, figures and model card."""

from __future__ import annotations

import json
import platform
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from rich import box
from rich.markup import escape
from rich.table import Table

from drnet_offline.outputs.files import write_text
from drnet_offline.report.whole_table import print_table
from drnet_offline.training.adaptation.label_errors import label_errors
from drnet_offline.training.adaptation.model_card import model_card
from drnet_offline.training.adaptation.plan import WEIGHTS_NAME, sha256_of
from drnet_offline.training.adaptation.preparing import problem_lines
from drnet_offline.training.adaptation.report import write_report
from drnet_ros.network.checkpoint import save_network
from drnet_ros.weights import resolve_weights

if TYPE_CHECKING:
    from rich.console import Console

    from drnet_offline.training.adaptation.plan import AdaptationPlan
    from drnet_offline.training.adaptation.run import Outcome

__all__ = ['figure_rows', 'print_outcome', 'write_outputs']

REPORT_NAME = 'report.html'


def write_outputs(
    output: Path, plan: AdaptationPlan, outcome: Outcome, command: str
) -> list[Path]:
    """Write the report and the figures, and, if they are better, weights and model card.

    Args:
        output: The folder.
        plan: What was asked for.
        outcome: What came of it.
        command: The command line.

    Returns:
        The files, for people to open.
    """
    summary = _summary(plan, outcome, command)
    written = [output / REPORT_NAME, output / 'adaptation.json']
    write_report(output, summary, outcome)
    write_text(output / 'adaptation.json', json.dumps(summary, indent=2) + '\n')
    if outcome.verdict.is_accepted:
        path = output / WEIGHTS_NAME
        card = output / 'model_card.md'
        figures = summary['comparisons'][0]
        metadata = replace(
            outcome.weights.metadata,
            metrics={'protocol': figures['name'], **figures['after']['as_is']},
            licence=_licence(outcome.weights.metadata.licence),
        )
        save_network(path, outcome.weights.new, metadata, dtype=torch.float16)
        write_text(card, model_card(summary, sha256_of(path)))
        written = [path, card, *written]
    return written


def print_outcome(console: Console, outcome: Outcome, written: list[Path]) -> None:
    """Print the verdict, the figures before and after, and what was written."""
    console.print(outcome.verdict.sentence(), highlight=False, markup=False)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ('', 'weights', 'frames', 'RMSE', 'REL', 'd1', 'REL, scaled', 'd1, scaled'):
        table.add_column(column, no_wrap=column != '')
    for comparison in outcome.comparisons:
        for cells in figure_rows(comparison.figures()):
            table.add_row(*map(escape, cells))
    print_table(console, table)
    for line in _unread(outcome):
        console.print(f'warning: {line}', markup=False, highlight=False)
    for path in written:
        console.print(f'written {path}', markup=False, highlight=False)


def figure_rows(figures: dict[str, Any]) -> list[list[str]]:
    """Return two rows of text: the figures of old and new weights on some frames."""
    rows = []
    for when, word in (('before', 'old'), ('after', 'new')):
        as_is, scaled = (figures[when].get(kind, {}) for kind in ('as_is', 'scaled'))
        shown = [as_is.get(n) for n in ('rmse', 'rel', 'delta1')]
        shown += [scaled.get(n) for n in ('rel', 'delta1')]
        cells = ['' if value is None else f'{value:.3f}' for value in shown]
        name = figures['name'] if word == 'old' else ''
        rows.append([name, word, str(figures['frames']) if name else '', *cells])
    return rows


def _unread(outcome: Outcome) -> list[str]:
    """Return what of the recordings was left out since it cannot be read, a line for each."""
    lines = []
    for about in (store.about for store in outcome.stores):
        if damage := about.get('damage'):
            lines.append(f'{about["name"]}: {damage}; the rest was used')
        if unreadable := about.get('images_unreadable'):
            count = f'{unreadable} of {about["images"]} images'
            lines.append(f'{about["name"]}: {count} cannot be read; the others were used')
        lines += [f'{about["name"]}: {line}' for line in problem_lines(about)]
    return lines


def _licence(before: str) -> str:
    return f'{before} Adapted by drnet adapt to recordings of its user.'.strip()


def _summary(plan: AdaptationPlan, outcome: Outcome, command: str) -> dict[str, Any]:
    verdict = outcome.verdict
    return {
        'command': command,
        'verdict': verdict.sentence(),
        'is_accepted': verdict.is_accepted,
        'mixture': verdict.mixture,
        'shown': verdict.shown,
        'gain': verdict.gain,
        'gain_low': verdict.gain_low,
        'blocks': verdict.blocks,
        'blocks_better': verdict.blocks_better,
        'forgotten': verdict.forgotten,
        'most_forgotten': verdict.most_forgotten,
        'cost': verdict.cost(),
        'comparisons': [comparison.figures() for comparison in outcome.comparisons],
        'recordings': [
            {**store.about, 'path': str(path), 'sha256': sha256_of(path)}
            | {'frames_learned': len(store.learned()), 'frames_held_out': len(store.held_out())}
            | {'label_errors': label_errors(store)}
            for path, store in zip(plan.recordings, outcome.stores, strict=True)
        ],
        'weights_before': plan.weights,
        'weights_before_sha256': sha256_of(resolve_weights(plan.weights)),
        'seed': plan.seed,
        'replay_share': plan.replay_share,
        **outcome.notes,
        'versions': {
            'drnet_offline': version('drnet-offline'),
            'torch': torch.__version__,
            'python': platform.python_version(),
        },
    }
