"""The results of a run in plain numbers."""

from __future__ import annotations

import platform
from collections import Counter
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from drnet_offline.evaluation.figures import own_depth_warning, scale_warning
from drnet_offline.replay.columns import Columns, columns_of
from drnet_offline.replay.registration import index_warnings
from drnet_offline.replay.scores import DEVIATIONS
from drnet_offline.replay.sparse_records import summarise_sparse
from drnet_offline.replay.variants import image_alone_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from drnet_offline.replay.index import StampedTopic
    from drnet_offline.replay.replay import Replay
    from drnet_offline.replay.scores import Scores
    from drnet_offline.replay.variants import Variant

__all__ = ['plain', 'summarise']


def summarise(replay: Replay) -> dict[str, Any]:
    """Return all results of a run as plain JSON, which knows no NaN: None stands for it."""
    index, task, results = replay.index, replay.task, replay.results
    shared, own = columns_of(replay.records(), len(task.variants))
    recording, choice = index.recording, index.choice
    summary = {
        'recording': str(recording.path),
        'duration_s': recording.duration_s,
        'damage': index.damage or None,
        'topics': {
            'image': choice.image,
            'camera_info': choice.camera_info,
            'depth': choice.depth,
            'sparse_depth': dict(task.sparse_topics.by_source),
        },
        'images': _rates(index.images),
        'depths': _rates(index.depths) if choice.depth else None,
        'frames': len(shared['position']),
        'frames_matched': len(index.pairs),
        'frames_scored': _scored(results.scores[0]),
        'tolerance_s': index.tolerance_s,
        'truth_gap_ms_median': _median(np.abs(shared['truth_gap_s'])) * 1e3,
        'problems': dict(sorted((results.problems + Counter(index.camera_problems)).items())),
        'warnings': _warnings(replay, own),
        'recorded_depth_steadiness': _steadiness(shared),
        'protocols': {protocol.name: protocol.describe() for protocol in task.protocols},
        'variants': [
            _variant(variant, about, scores, columns)
            | {'sparse_depth': _sparse_depth(replay, number, shared, own)}
            for number, (variant, about, scores, columns) in enumerate(
                zip(task.variants, replay.described, results.scores, own, strict=True)
            )
        ],
        'versions': {
            'drnet_offline': version('drnet-offline'),
            'python': platform.python_version(),
        },
    }
    plain_summary: dict[str, Any] = plain(summary)
    return plain_summary


def _sparse_depth(
    replay: Replay, number: int, shared: Columns, own: Sequence[Columns]
) -> dict[str, Any] | None:
    alone = image_alone_of(replay.task.variants, number)
    compared = None if alone is None else own[alone]
    return summarise_sparse(replay.records(), number, shared, own[number], compared)


def _within(scores: Scores) -> dict[str, float] | None:
    """Return the share of pixels within one and within two stated standard deviations."""
    if (shares := scores.within) is None:
        return None
    one, two = (float(shares[np.searchsorted(DEVIATIONS, k - 1e-9)]) for k in (1.0, 2.0))
    return {'one_stddev': one, 'two_stddev': two}


def _variant(
    variant: Variant, about: dict[str, str], scores: Scores, columns: Columns
) -> dict[str, Any]:
    return {
        'name': variant.name,
        **variant.fingerprint(),
        'estimator': about,
        'figures': scores.figures(),
        'coverage': scores.coverage,
        'within': _within(scores),
        'scale': _scale(columns['scale']),
        'steadiness': _steadiness(columns),
        'median_depth_m': _median(columns['median_m']),
        'valid': _mean(columns['valid']),
    }


def _warnings(replay: Replay, own: Sequence[Columns]) -> list[str]:
    """Return what a person must know to read the figures."""
    index = replay.index
    warnings = []
    if index.damage:
        warnings.append(f'the recording is damaged: {index.damage}')
    warnings += index_warnings(index)
    warnings += replay.results.warnings
    warnings += _without_depth(replay, own)
    for variant, columns in zip(replay.task.variants, own, strict=True):
        if text := scale_warning(_median(columns['scale'])):
            warnings.append(f'{variant.name}: {text}')
    for variant, scores in zip(replay.task.variants, replay.results.scores, strict=True):
        if text := own_depth_warning([_shape_difference(scores)]):
            warnings.append(f'{variant.name}: {text}')
    if index.choice.depth and not index.pairs:
        warnings.append('no depth image lies within the tolerance of an image: nothing is scored')
    elif index.pairs and not _scored(replay.results.scores[0]):
        warnings.append(
            f'none of {len(index.pairs)} depth images could be compared: they could not be '
            'decoded, have no valid depth where a protocol looks, or are of another shape'
        )
    return warnings


def _without_depth(replay: Replay, own: Sequence[Columns]) -> list[str]:
    """Return what to say of variants whose depth has no valid pixel in any frame."""
    found = replay.index.cameras.find(0)
    camera = (
        ''
        if found is None
        else f', and K of camera_info: {found[1].width} x {found[1].height} with a focal length '
        f'of {found[1].focal_at(found[1].height, found[1].width):.3g} px'
    )
    return [
        f'{variant.name}: no pixel of any frame has valid depth: check min_depth, max_depth, '
        f'scale_factor, mask{camera}'
        for variant, columns in zip(replay.task.variants, own, strict=True)
        if _mean(columns['valid']) == 0
    ]


def plain(value: Any) -> Any:
    """Return JSON without NaN, which JSON does not know: None stands for it."""
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, float) and value != value:  # noqa: PLR0124 - NaN differs from itself
        return None
    return value


def _shape_difference(scores: Scores) -> float:
    """Return REL after each frame was multiplied by its scale; NaN if nothing was compared."""
    figures = scores.figures()
    return min(
        (each['rel'] for name, each in figures.items() if name.endswith('_scaled')),
        default=float('nan'),
    )


def _scored(scores: Scores) -> int:
    """Return how many frames were compared with recorded depth."""
    return int(max((each['n_images'] for each in scores.figures().values()), default=0))


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
