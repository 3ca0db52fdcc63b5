"""The results of a run in plain numbers, for JSON and for people."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
from rich import box
from rich.table import Table

from drnet_offline.evaluation.metrics import NAMES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from drnet_offline.replay.index import Index, StampedTopic
    from drnet_offline.replay.running import Run, Task
    from drnet_offline.replay.scores import Scores
    from drnet_offline.replay.variants import Variant
    from drnet_ros.recordings.recording import Recording

__all__ = [
    'FRAME_COLUMNS',
    'columns_of',
    'figure_rows',
    'plain',
    'summarise',
    'tabulate',
    'write_csv',
]

FRAME_COLUMNS = (*NAMES, 'scale', 'coverage', 'median_m', 'valid', 'step', 'flicker')
"""What is known of each frame and variant, beside its stamp."""

Columns = dict[str, 'NDArray[np.float64]']


def columns_of(records: Iterable[dict[str, Any]], variants: int) -> tuple[Columns, list[Columns]]:
    """Turn the journal's records into arrays; NaN where a frame has no figure.

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


def summarise(
    recording: Recording, index: Index, task: Task, state: Run, records: Iterable[dict[str, Any]]
) -> dict[str, Any]:
    """Return all results as plain JSON."""
    shared, own = columns_of(records, len(task.variants))
    choice = index.choice
    return {
        'recording': str(recording.path),
        'duration_s': recording.duration_s,
        'damage': index.damage or None,
        'topics': {
            'image': choice.image,
            'camera_info': choice.camera_info,
            'depth': choice.depth,
        },
        'images': _rates(index.images),
        'depths': _rates(index.depths) if choice.depth else None,
        'frames': len(shared['position']),
        'frames_matched': len(index.pairs),
        'tolerance_s': task.tolerance_s,
        'truth_gap_ms_median': _median(np.abs(shared['truth_gap_s'])) * 1e3,
        'problems': dict(sorted(state.problems.items())),
        'warnings': warnings_of(index, state),
        'recorded_depth_steadiness': _steadiness(shared),
        'protocols': {protocol.name: protocol.describe() for protocol in task.protocols},
        'variants': [
            _variant(variant, about, scores, columns)
            for variant, about, scores, columns in zip(
                task.variants, state.about, state.scores, own, strict=True
            )
        ],
        'versions': {
            'drnet_offline': version('drnet-offline'),
            'python': platform.python_version(),
        },
    }


def _variant(
    variant: Variant, about: dict[str, str], scores: Scores, columns: Columns
) -> dict[str, Any]:
    return {
        'name': variant.name,
        **variant.fingerprint(),
        'estimator': about,
        'figures': scores.figures(),
        'coverage': scores.coverage,
        'scale': _scale(columns['scale']),
        'steadiness': _steadiness(columns),
        'median_depth_m': _median(columns['median_m']),
        'valid': _mean(columns['valid']),
    }


def warnings_of(index: Index, state: Run) -> list[str]:
    """Return what a person must know to read the figures."""
    warnings = []
    if index.damage:
        warnings.append(f'the recording is damaged: {index.damage}')
    if index.choice.camera_info is None:
        warnings.append('there is no camera_info: depth is in the scale of the training camera')
    elif not index.cameras.messages:
        warnings.append('camera_info has no message: depth is in the scale of the training camera')
    if index.cameras.problem:
        warnings.append(index.cameras.problem)
    for name, topic in (('images', index.images), ('depth images', index.depths)):
        if steps := topic.backward_steps:
            warnings.append(f'stamps of {name} do not rise at {steps} places')
    if index.choice.depth and not index.pairs:
        warnings.append('no depth image lies within the tolerance of an image: nothing is scored')
    return warnings + state.warnings


def plain(value: Any) -> Any:
    """Return JSON without NaN, which JSON does not know: None stands for it."""
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, float) and value != value:  # noqa: PLR0124 - NaN differs from itself
        return None
    return value


def tabulate(summary: dict[str, Any]) -> Table:
    """Return the figures of a run as a table."""
    table = Table(box=box.SIMPLE_HEAD, collapse_padding=True, pad_edge=False)
    for column in ('', 'protocol', 'over', 'RMSE', 'REL', 'log10', 'd1', 'd2', 'd3'):
        table.add_column(column, no_wrap=True)
    for variant in summary['variants']:
        label = variant['name'] if len(summary['variants']) == 1 else variant['name'][0]
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


def write_csv(path: Any, records: Iterable[dict[str, Any]], names: Sequence[str]) -> None:
    """Write the figures of each frame and variant as CSV."""
    with open(path, 'w', encoding='utf-8') as file:  # noqa: PTH123
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


def _rates(topic: StampedTopic) -> dict[str, Any]:
    return {
        'count': len(topic),
        'rate_hz': topic.rate_hz,
        'longest_gap_s': topic.longest_gap_s,
        'backward_steps': topic.backward_steps,
        'frame_ids': sorted(topic.frame_ids),
    }


def _median(values: NDArray[np.float64]) -> float:
    values = values[np.isfinite(values)]
    return float(np.median(values)) if values.size else float('nan')


def _mean(values: NDArray[np.float64]) -> float:
    values = values[np.isfinite(values)]
    return float(values.mean()) if values.size else float('nan')


def _scale(scales: NDArray[np.float64]) -> dict[str, float]:
    """Say what depth must be multiplied by, and how much that varies from frame to frame."""
    scales = scales[np.isfinite(scales)]
    if not scales.size:
        return {}
    low, middle, high = np.percentile(scales, [5, 50, 95]).tolist()
    return {'median': middle, 'p5': low, 'p95': high, 'log_std': float(np.std(np.log(scales)))}


def _steadiness(columns: Columns) -> dict[str, float]:
    steps, flicker = columns['step'], columns['flicker']
    steps = steps[np.isfinite(steps)]
    if not steps.size:
        return {}
    return {
        'step_percent_median': float(np.median(np.abs(steps)) * 100),
        'step_percent_p95': float(np.percentile(np.abs(steps), 95) * 100),
        'flicker_percent_median': _median(flicker) * 100,
    }
