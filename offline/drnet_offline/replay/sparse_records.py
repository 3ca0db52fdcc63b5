"""What sparse depth did for each frame, as records of a run, and what that comes to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from drnet_offline.replay.columns import Columns
    from drnet_ros.inference import DepthScale
    from drnet_ros.inference.sparse_depth.sources.sensor import SourceStatus

__all__ = ['sparse_fields', 'summarise_sparse']


def sparse_fields(scale: DepthScale | None, sources: Mapping[str, SourceStatus]) -> dict[str, Any]:
    """Return the fields of a frame's record, plain JSON; none if no source is set.

    Args:
        scale: What the depth of the frame was scaled by.
        sources: How each source fared with the frame, by its name.
    """
    if not sources or scale is None:
        return {}
    return {
        'factor': scale.factor,
        'points_used': scale.points,
        'refusal': scale.refusal,
        'source_problems': {name: status.problem for name, status in sources.items()},
    }


def summarise_sparse(
    records: Iterable[Mapping[str, Any]], variant: int, stamps_s: Columns, own: Columns
) -> dict[str, Any] | None:
    """Return what sparse depth did for all frames of a variant; None if it had no source.

    Args:
        records: The records of all frames.
        variant: Which variant, from 0.
        stamps_s: The columns that all variants share.
        own: The columns of the variant.
    """
    factor, points = own['factor'], own['points_used']
    has_scale = np.isfinite(factor)
    if not has_scale.any():
        return None
    with_points = np.flatnonzero(points > 0)
    stamps = stamps_s['stamp_s']
    low, middle, high = np.percentile(factor[has_scale], [5, 50, 95]).tolist()
    return {
        'frames': int(has_scale.sum()),
        'frames_with_points': len(with_points),
        'points_median': float(np.median(points[has_scale])),
        'first_points_s': float(stamps[with_points[0]] - stamps[0]) if len(with_points) else None,
        'factor': {'median': middle, 'p5': low, 'p95': high},
        **_problems(records, variant),
    }


def _problems(records: Iterable[Mapping[str, Any]], variant: int) -> dict[str, Any]:
    """Return how often points were refused, and a source had a problem, each with an example."""
    refused: dict[str, Any] = {'frames': 0, 'example': ''}
    sources: dict[str, dict[str, Any]] = {}
    for record in records:
        figures = record['variants'][variant] if variant < len(record['variants']) else {}
        if refusal := figures.get('refusal'):
            refused['frames'] += 1
            refused['example'] = refused['example'] or refusal
        for name, problem in figures.get('source_problems', {}).items():
            found = sources.setdefault(name, {'frames': 0, 'example': ''})
            if problem:
                found['frames'] += 1
                found['example'] = found['example'] or problem
    return {'refused': refused, 'source_problems': sources}
