"""The figures of single frames: the records of a run as columns, and as CSV."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from drnet_offline.evaluation.figures import NAMES
from drnet_offline.outputs.files import whole_file

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ['FRAME_COLUMNS', 'Columns', 'columns_of', 'write_csv']

FRAME_COLUMNS = (
    *(*NAMES, 'scale', 'coverage', 'median_m', 'valid', 'step', 'flicker'),
    *('factor', 'points_used', 'factor_stddev', 'residual'),
)
"""What is known of each frame and variant, besides its stamp."""

Columns = dict[str, 'NDArray[np.float64]']


def columns_of(records: Iterable[dict[str, Any]], variants: int) -> tuple[Columns, list[Columns]]:
    """Turn the records of `Replay.records` into arrays; NaN where a frame has no figure.

    Returns:
        position, stamp_s, truth_gap_s, step and flicker of the recorded depth; and
        `FRAME_COLUMNS` for each variant.
    """
    shared: dict[str, list[Any]] = {
        n: [] for n in ('position', 'stamp_s', 'truth_gap_s', 'step', 'flicker')
    }
    own: list[dict[str, list[Any]]] = [{n: [] for n in FRAME_COLUMNS} for _ in range(variants)]
    for record in records:
        shared['position'].append(record['position'])
        shared['stamp_s'].append(record['stamp_ns'] / 1e9)
        shared['truth_gap_s'].append(record['truth_gap_s'])
        for name in ('step', 'flicker'):
            shared[name].append(record['recorded'][name])
        for number, lists in enumerate(own):
            figures = record['variants'][number] if number < len(record['variants']) else {}
            for name, values in lists.items():
                values.append(figures.get(name))
    return _arrays(shared), [_arrays(lists) for lists in own]


def write_csv(path: Path, records: Iterable[dict[str, Any]], names: Sequence[str]) -> None:
    """Write the figures of each frame and variant as CSV."""
    with whole_file(path) as part, part.open('w', encoding='utf-8') as file:
        file.write(','.join(('position', 'stamp_ns', 'truth_gap_s', 'variant', *FRAME_COLUMNS)))
        file.write('\n')
        for record in records:
            head = [record['position'], record['stamp_ns'], record['truth_gap_s']]
            for name, figures in zip(names, record['variants'], strict=False):
                cells = [*head, json.dumps(name), *(figures.get(n) for n in FRAME_COLUMNS)]
                file.write(','.join('' if cell is None else str(cell) for cell in cells) + '\n')


def _arrays(lists: dict[str, list[Any]]) -> Columns:
    return {
        name: np.array([np.nan if v is None else v for v in values], np.float64)
        for name, values in lists.items()
    }
