"""From points in an image to the few that a scale field is made of."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from drnet_ros.inference.sparse_depth.agreement import AGREEMENT, believed_sources
from drnet_ros.inference.sparse_depth.kernel import Observations
from drnet_ros.inference.sparse_depth.robust import consensus
from drnet_ros.inference.sparse_depth.thinning import thinned

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from drnet_ros.inference.sparse_depth.coarse import CoarseDepth
    from drnet_ros.inference.sparse_depth.projection import ImagePoints
    from drnet_ros.inference.sparse_depth.scale_model import ScaleModel

__all__ = ['MAX_FACTOR', 'MAX_POINTS', 'MIN_FACTOR', 'Selection', 'observe']

MIN_FACTOR, MAX_FACTOR = 0.3, 3.0
"""Beyond these, true over estimated depth is that of a wrong point, not of a wrong estimate."""

MAX_POINTS = 100
"""So many points at most make a field."""

_LOG_LIMITS = math.log(MIN_FACTOR), math.log(MAX_FACTOR)
_MAX_COMPARED = 3000
# Sides of the cells that keep one point each, in widths of the image.
_CELL_SIDES = np.geomspace(1 / 160, 1 / 4, 16)
_LEAST_AGREEING = 0.4
_FEW = 4


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """Points that a field may be made of.

    Attributes:
        points: At most `MAX_POINTS`, spread over the image.
        centre: The log ratio that most agree on; 0 without points.
        dropped: How many were left out, by reason: 'invalid', 'outside', 'skipped' (of a very
            large cloud), 'no_estimate' (the estimate has a gap there), 'factor' (beyond
            `MIN_FACTOR` to `MAX_FACTOR`), 'contradicted' (of a source that others contradict) and
            'redundant' (another point is close by).
        refusal: Why none is used though some lie in the image, in words; '' otherwise.
        residual: Root mean square of the log ratios about `centre`, of all points in the image
            that could be compared and whose source is believed, none of which counts more than
            ln 1.5; None if there are none.
        contradiction: Which sources are left out, and why, in words; '' if none is.
    """

    points: Observations
    centre: float
    dropped: Mapping[str, int]
    refusal: str = ''
    residual: float | None = None
    contradiction: str = ''


def observe(
    points: ImagePoints,
    depth_hw: NDArray[np.float32],
    coarse: CoarseDepth,
    model: ScaleModel,
    expected: float,
) -> Selection:
    """Compare points with an estimate, and choose those to use.

    Args:
        points: Points in the pixels of the estimate.
        depth_hw: The estimate in metres, float32 (H, W), NaN where invalid.
        coarse: Its cells.
        model: The calibrated numbers; its noise is added to the points' own.
        expected: The log ratio to expect, for points that do not agree on any.
    """
    width = depth_hw.shape[1]
    rows, columns = points.rows, points.columns
    estimate = depth_hw[rows, columns]
    with np.errstate(invalid='ignore', divide='ignore'):
        log_ratio = np.log(points.depth_m / estimate)
    known, dropped = _known(points, log_ratio)
    if not len(known):
        return Selection(_none(), 0.0, dropped)
    is_believed, contradiction = _believed(points, known, log_ratio, expected)
    dropped['contradicted'] = int(np.count_nonzero(~is_believed))
    known = known[is_believed]
    ratios = log_ratio[known]
    centre = consensus(ratios, expected)
    residual = _residual(ratios, centre)
    refusal = _refusal(ratios, centre)
    if refusal:
        dropped['factor'] = len(known)
        return Selection(_none(), 0.0, dropped, refusal, residual, contradiction)
    known = known[(ratios >= _LOG_LIMITS[0]) & (ratios <= _LOG_LIMITS[1])]
    dropped['factor'] = len(ratios) - len(known)
    kept = known[_spread_out(rows[known], columns[known], log_ratio[known], width)]
    dropped['redundant'] = len(known) - len(kept)
    edge = model.point_edge_noise * coarse.spread_at(rows[kept], columns[kept])
    variance = points.relative_stddev[kept] ** 2 + model.noise_stddev**2 + edge**2
    place = ((pixels[kept] + 0.5) / width for pixels in (columns, rows))
    chosen = _observations(*place, np.log(estimate[kept]), log_ratio[kept], variance)
    return Selection(chosen, centre, dropped, '', residual, contradiction)


def _known(
    points: ImagePoints, log_ratio: NDArray[np.float32]
) -> tuple[NDArray[np.intp], dict[str, int]]:
    """Return which points are compared, and how many others there are, by reason."""
    known = np.flatnonzero(np.isfinite(log_ratio))
    parts = None if points.parts is None else points.parts[known]
    compared = known[thinned(len(known), parts, _MAX_COMPARED)]
    return compared, {
        'invalid': points.invalid,
        'outside': points.outside,
        'skipped': points.skipped + len(known) - len(compared),
        'no_estimate': len(points) - len(known),
    }


def _believed(
    points: ImagePoints, known: NDArray[np.intp], log_ratio: NDArray[np.float32], expected: float
) -> tuple[NDArray[np.bool_], str]:
    """Return which of the known points are of sources to believe, and what is said of others."""
    if points.parts is None:
        return np.ones(len(known), bool), ''
    return believed_sources(log_ratio[known], points.parts[known], points.names, expected)


def _residual(ratios: NDArray[np.float32], centre: float) -> float:
    away = np.minimum(np.abs(ratios - centre), AGREEMENT)
    return math.sqrt(float(np.mean(away**2)))


def _refusal(ratios: NDArray[np.float32], centre: float) -> str:
    agreeing = float(np.mean(np.abs(ratios - centre) < AGREEMENT))
    if len(ratios) > _FEW and agreeing < _LEAST_AGREEING:
        return (
            f'{agreeing:.0%} of the points agree on a factor, at least {_LEAST_AGREEING:.0%} '
            'must: check their frame, the extrinsics and the stamps'
        )
    if not _LOG_LIMITS[0] <= centre <= _LOG_LIMITS[1]:
        return (
            f'the points ask for a factor of {math.exp(centre):.3g}, which must be within '
            f'{MIN_FACTOR} to {MAX_FACTOR}: check their unit, scale and frame'
        )
    return ''


def _spread_out(
    rows: NDArray[np.intp], columns: NDArray[np.intp], ratios: NDArray[np.float32], width: int
) -> NDArray[np.intp]:
    """Return one point for each cell of the image: that with the median ratio of its cell.

    Cells are as small as they can be for `MAX_POINTS`.
    """
    if len(rows) <= MAX_POINTS:
        return np.arange(len(rows))
    low, high = 0, len(_CELL_SIDES) - 1
    while low < high:
        middle = (low + high) // 2
        if _distinct(_cells(rows, columns, width, middle)) <= MAX_POINTS:
            high = middle
        else:
            low = middle + 1
    cells = _cells(rows, columns, width, low)
    order = np.lexsort((ratios, cells))
    _, starts, counts = np.unique(cells[order], return_index=True, return_counts=True)
    chosen: NDArray[np.intp] = order[starts + counts // 2]
    return chosen[:MAX_POINTS]


def _distinct(values: NDArray[np.intp]) -> int:
    """Return how many different values there are; NumPy's own `unique` takes far longer."""
    ordered = np.sort(values)
    return 1 + int(np.count_nonzero(ordered[1:] != ordered[:-1]))


def _cells(
    rows: NDArray[np.intp], columns: NDArray[np.intp], width: int, size: int
) -> NDArray[np.intp]:
    side = max(1.0, width * float(_CELL_SIDES[size]))
    across = int(width / side) + 1
    return (rows / side).astype(np.intp) * across + (columns / side).astype(np.intp)


def _observations(*values: NDArray[np.floating[Any]]) -> Observations:
    return Observations(*(value.astype(np.float32, copy=False) for value in values))


def _none() -> Observations:
    return Observations(*(np.empty(0, np.float32) for _ in range(5)))
