"""What sparse depth did for each frame, as records of a run, and what that comes to."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from drnet_offline.replay.columns import Columns
    from drnet_ros.inference import DepthScale
    from drnet_ros.inference.sparse_depth.sources.sensor import SourceStatus

__all__ = ['count_kinds', 'count_sparse', 'kind_of', 'sparse_fields', 'summarise_sparse']

_SETTLED = 1.1
# Not those of names: /scan1, rgb8.
_NUMBER = re.compile(r'(?<![\w/])-?\d[\d.e+-]*')
_MOST_KINDS = 3


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
        'factor_stddev': scale.relative_stddev,
        'residual': scale.residual,
        'refusal': scale.refusal,
        'unseen': scale.unseen,
        'contradiction': scale.contradiction,
        'source_problems': {name: status.problem for name, status in sources.items()},
    }


def count_sparse(records: Sequence[Mapping[str, Any]], variant: int) -> dict[str, Any] | None:
    """Return in how many frames a variant had points, and what was wrong; None without a source.

    Args:
        records: A record for each frame, with `sparse_fields` of each variant as 'variants'.
        variant: Which variant, from 0.
    """
    own = [record['variants'][variant] for record in records if record['variants']]
    points = [fields['points_used'] for fields in own if fields]
    if not points:
        return None
    return {
        'frames': len(points),
        'frames_with_points': sum(count > 0 for count in points),
        **_problems(records, variant),
    }


def kind_of(problem: str) -> str:
    """Return what problems have in common that differ in numbers only."""
    return _NUMBER.sub('#', problem)


def count_kinds(problems: Counter[str], texts: Iterable[str]) -> None:
    """Count problems, each as the first of those that differ from it in numbers only.

    Args:
        problems: Where they are counted.
        texts: They.
    """
    first = {kind_of(text): text for text in problems}
    for text in texts:
        problems[first.setdefault(kind_of(text), text)] += 1


def summarise_sparse(
    records: Iterable[Mapping[str, Any]],
    variant: int,
    stamps_s: Columns,
    own: Columns,
    alone: Columns | None,
) -> dict[str, Any] | None:
    """Return what sparse depth did for all frames of a variant; None if it had no source.

    Args:
        records: The records of all frames.
        variant: Which variant, from 0.
        stamps_s: The columns that all variants share.
        own: The columns of the variant.
        alone: Those of the variant that has the same settings and no source, if there is one.
    """
    factor, points = own['factor'], own['points_used']
    has_scale = np.isfinite(factor)
    if not has_scale.any():
        return None
    with_points = np.flatnonzero(points > 0)
    stamps = stamps_s['stamp_s']
    low, middle, high = np.percentile(factor[has_scale], [5, 50, 95]).tolist()
    settled = _settled(own['factor_stddev'], points)
    residual = own['residual'][np.isfinite(own['residual'])]
    return {
        'frames': int(has_scale.sum()),
        'frames_with_points': len(with_points),
        'points_median': float(np.median(points[has_scale])),
        'residual_median': float(np.median(residual)) if len(residual) else None,
        'first_points_s': float(stamps[with_points[0]] - stamps[0]) if len(with_points) else None,
        'converged_s': None if settled is None else float(stamps[settled] - stamps[0]),
        'scale_error': _scale_errors(own, alone),
        'factor': {'median': middle, 'p5': low, 'p95': high},
        **_problems(records, variant),
    }


def _settled(factor_stddev: NDArray[np.float64], points: NDArray[np.float64]) -> int | None:
    """Return the first frame with points whose factor is about as sure as it gets.

    That is: its stated deviation is at most `_SETTLED` times the median over frames with points.
    """
    is_used = (points > 0) & np.isfinite(factor_stddev)
    if not is_used.any():
        return None
    usual = float(np.median(factor_stddev[is_used]))
    return int(np.flatnonzero(is_used & (factor_stddev <= _SETTLED * usual))[0])


def _scale_errors(own: Columns, alone: Columns | None) -> dict[str, float] | None:
    """Return by how much depth is too near or too far, with the sources and without.

    The error of a frame is |ln(median of recorded by estimated depth)|; its mean over the frames
    that have one in both variants.
    """
    if alone is None:
        return None
    with np.errstate(invalid='ignore', divide='ignore'):
        errors = [np.abs(np.log(columns['scale'])) for columns in (own, alone)]
    is_known = np.isfinite(errors[0]) & np.isfinite(errors[1])
    if not is_known.any():
        return None
    with_sources, image_alone = (float(each[is_known].mean()) for each in errors)
    won = 1 - with_sources / image_alone if image_alone else 0.0
    return {'with_sources': with_sources, 'image_alone': image_alone, 'won': won}


def _problems(records: Iterable[Mapping[str, Any]], variant: int) -> dict[str, Any]:
    """Return how often points were refused or unseen, or a source had a problem, by kind."""
    of_points: dict[str, list[str]] = {'refusal': [], 'unseen': [], 'contradiction': []}
    sources: dict[str, list[str]] = {}
    for record in records:
        figures = record['variants'][variant] if variant < len(record['variants']) else {}
        for kind, texts in of_points.items():
            texts.append(figures.get(kind) or '')
        for name, problem in figures.get('source_problems', {}).items():
            sources.setdefault(name, []).append(problem)
    return {
        'refused': _by_kind(of_points['refusal']),
        'unseen': _by_kind(of_points['unseen']),
        'contradictions': _by_kind(of_points['contradiction']),
        'source_problems': {name: _by_kind(texts) for name, texts in sources.items()},
    }


def _by_kind(texts: Iterable[str]) -> dict[str, Any]:
    """Count problems of frames: all, and the most frequent kinds, which differ in numbers only."""
    kinds: dict[str, dict[str, Any]] = {}
    for text in filter(None, texts):
        kind = kinds.setdefault(kind_of(text), {'frames': 0, 'example': text})
        kind['frames'] += 1
    found = sorted(kinds.values(), key=lambda kind: -int(kind['frames']))
    return {'frames': sum(kind['frames'] for kind in found), 'kinds': found[:_MOST_KINDS]}
