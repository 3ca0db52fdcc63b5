"""What is summed up over the frames of a recording, for one variant; all of it plain arrays.

Everything is a float64 sum that frames are added to in their order. So a run that was interrupted
and goes on from saved sums ends with the same figures, to the last bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from drnet_offline.evaluation.figures import NAMES, compute_errors

if TYPE_CHECKING:
    from drnet_offline.evaluation.protocols import Protocol
    from drnet_ros.inference.arrays import FloatArray

__all__ = [
    'DEPTH_BINS_M',
    'DEVIATIONS',
    'MAP_SHAPE',
    'RATIO_BINS',
    'Scores',
    'figures_of',
    'score_frame',
]

_BIN_M = 0.25
_DEPTH_BINS = 41
DEPTH_BINS_M = np.append(np.arange(_DEPTH_BINS) * _BIN_M, np.inf)
"""Edges of the bins of recorded depth."""
_RATIO_STEPS = 80
_LOG_RATIO = np.log(3.0)
RATIO_BINS = np.concatenate(
    [[0.0], np.exp(np.linspace(-_LOG_RATIO, _LOG_RATIO, _RATIO_STEPS + 1)), [np.inf]]
)
"""Edges of the bins of estimated by recorded depth."""
_DEVIATION_STEP = 0.05
_DEVIATION_BINS = 100
DEVIATIONS = np.arange(1, _DEVIATION_BINS + 1) * _DEVIATION_STEP
"""Numbers of stated standard deviations, from 0.05 to 5."""
MAP_SHAPE = (48, 64)
"""Rows and columns of the map of errors over the image."""

Array = NDArray[np.float64]


def figures_of(sums: Array) -> dict[str, float]:
    """Turn the sums of `metrics.compute_errors` into figures named as `metrics.NAMES`."""
    with np.errstate(invalid='ignore', divide='ignore'):
        means = sums[:6] / sums[6]
    means[0] = np.sqrt(means[0])
    return dict(zip(NAMES, means.tolist(), strict=True))


class Scores:
    """Sums over frames.

    Attributes:
        protocols: The protocols, by which pixels are chosen.
        arrays: All sums by name; the whole state.
    """

    def __init__(self, protocols: Sequence[Protocol]) -> None:
        self.protocols = tuple(protocols)
        bins, ratios = len(DEPTH_BINS_M) - 1, len(RATIO_BINS) - 1
        self.arrays: dict[str, Array] = {
            'by_depth': np.zeros((4, bins)),
            'recorded_histogram': np.zeros(bins),
            'estimated_histogram': np.zeros(bins),
            'ratio_histogram': np.zeros(ratios),
            'map': np.zeros((2, *MAP_SHAPE)),
            'coverage': np.zeros(2),
            'deviations': np.zeros(_DEVIATION_BINS + 1),
        }
        for protocol in self.protocols:
            for kind in ('', '_scaled'):
                name = protocol.name + kind
                self.arrays[f'pooled_{name}'] = np.zeros(7)
                self.arrays[f'per_image_{name}'] = np.zeros(6)
                self.arrays[f'images_{name}'] = np.zeros(1)

    def load(self, arrays: Mapping[str, Array]) -> None:
        """Go on from saved sums."""
        for name, array in self.arrays.items():
            array[...] = arrays[name]

    def figures(self) -> dict[str, dict[str, float]]:
        """Return all figures by protocol, pooled and per image.

        Those of NAME_scaled are after each frame was multiplied by its scale. Protocols without
        a single pixel are left out.
        """
        result: dict[str, dict[str, float]] = {}
        for protocol in self.protocols:
            for kind in ('', '_scaled'):
                name = protocol.name + kind
                images = float(self.arrays[f'images_{name}'][0])
                if not images:
                    continue
                pooled = figures_of(self.arrays[f'pooled_{name}'])
                mean = (self.arrays[f'per_image_{name}'] / images).tolist()
                per_image = {f'{n}_per_image': v for n, v in zip(NAMES, mean, strict=True)}
                pixels = float(self.arrays[f'pooled_{name}'][6])
                result[name] = {**pooled, **per_image, 'n_images': images, 'n_pixels': pixels}
        return result

    @property
    def coverage(self) -> float:
        """Share of the pixels with recorded depth that have an estimate; NaN without any."""
        both, recorded = self.arrays['coverage']
        return float(both / recorded) if recorded else float('nan')

    @property
    def within(self) -> Array | None:
        """Share of pixels whose error is within each of `DEVIATIONS`; None without any."""
        counts = self.arrays['deviations']
        return np.cumsum(counts)[:-1] / counts.sum() if counts.any() else None

    def add_deviations(
        self, depth_hw: FloatArray, truth_hw: FloatArray, stddev_hw: FloatArray
    ) -> None:
        """Count errors in stated standard deviations, all float32 (H, W) in metres."""
        with np.errstate(invalid='ignore', divide='ignore'):
            deviations = np.abs(depth_hw - truth_hw) / stddev_hw
        steps = deviations[np.isfinite(deviations)] / _DEVIATION_STEP
        bins = np.minimum(steps, _DEVIATION_BINS).astype(np.intp)
        self.arrays['deviations'] += np.bincount(bins, minlength=_DEVIATION_BINS + 1)

    def add_estimate(self, depth_hw: FloatArray) -> None:
        """Count estimated depths, whether there is a recorded one or not."""
        valid = depth_hw[np.isfinite(depth_hw)]
        self.arrays['estimated_histogram'] += np.bincount(_depth_bin(valid), minlength=_DEPTH_BINS)


def score_frame(
    scores: Scores, depth_hw: FloatArray, truth_hw: FloatArray
) -> dict[str, float | None]:
    """Add one frame to the sums.

    Pixels count where both depths are valid: what the settings leave out of the estimate (range,
    edges) is no error but lowers the coverage.

    Args:
        scores: The sums.
        depth_hw: Estimate in metres, NaN where invalid.
        truth_hw: Recorded depth of the same size, NaN where invalid.

    Returns:
        Figures of the first protocol, scale (median of recorded by estimated depth) and coverage;
        None where no pixel counts.
    """
    recorded = np.isfinite(truth_hw)
    both = recorded & np.isfinite(depth_hw)
    coverage = np.array([np.count_nonzero(both), np.count_nonzero(recorded)], np.float64)
    scores.arrays['coverage'] += coverage
    truth, depth = truth_hw[both].astype(np.float64), depth_hw[both].astype(np.float64)
    counted = np.bincount(_depth_bin(truth_hw[recorded]), minlength=_DEPTH_BINS)
    scores.arrays['recorded_histogram'] += counted
    if not truth.size:
        nothing: dict[str, float | None] = dict.fromkeys((*NAMES, 'scale'))
        return {**nothing, 'coverage': 0.0 if coverage[1] else None}
    scale = float(np.median(truth / depth))
    _add_errors(scores, truth, depth)
    _add_map(scores, np.abs(depth - truth) / truth, both)
    masked = np.where(both, truth_hw, np.float32(np.nan))
    first: dict[str, float | None] = dict.fromkeys(NAMES)
    for number, protocol in enumerate(scores.protocols):
        for kind, factor in (('', 1.0), ('_scaled', scale)):
            scaled = np.nan_to_num(depth_hw, nan=1.0) * np.float32(factor)
            figures = _add_protocol(scores, protocol, protocol.name + kind, scaled, masked)
            if figures is not None and number == 0 and not kind:
                first |= figures
    return {**first, 'scale': scale, 'coverage': float(coverage[0] / coverage[1])}


def _add_protocol(
    scores: Scores, protocol: Protocol, name: str, depth_hw: FloatArray, truth_hw: FloatArray
) -> dict[str, float] | None:
    estimated, recorded = protocol.select(depth_hw, truth_hw)
    if not recorded.size:
        return None
    sums = compute_errors(estimated, recorded)
    figures = figures_of(sums)
    scores.arrays[f'pooled_{name}'] += sums
    scores.arrays[f'per_image_{name}'] += [figures[n] for n in NAMES]
    scores.arrays[f'images_{name}'] += 1
    return figures


def _add_errors(scores: Scores, truth: Array, depth: Array) -> None:
    error = depth - truth
    place = _depth_bin(truth)
    for row, weights in enumerate((None, np.abs(error) / truth, error**2, error)):
        scores.arrays['by_depth'][row] += np.bincount(place, weights, _DEPTH_BINS)
    ratios = np.bincount(_ratio_bin(depth / truth), minlength=len(RATIO_BINS) - 1)
    scores.arrays['ratio_histogram'] += ratios


def _add_map(scores: Scores, relative: Array, both: NDArray[np.bool_]) -> None:
    cell = _map_cells(*both.shape)[both]
    for layer, weights in enumerate((None, relative)):
        summed = np.bincount(cell, weights, MAP_SHAPE[0] * MAP_SHAPE[1])
        scores.arrays['map'][layer] += summed.reshape(MAP_SHAPE)


def _depth_bin(depth: NDArray[Any]) -> NDArray[np.intp]:
    """Return which of `DEPTH_BINS_M` depths lie in; np.histogram would sort them."""
    bins: NDArray[np.intp] = np.minimum(depth / _BIN_M, _DEPTH_BINS - 1).astype(np.intp)
    return bins


def _ratio_bin(ratio: Array) -> NDArray[np.intp]:
    """Return which of `RATIO_BINS` ratios lie in."""
    steps = (np.log(ratio) + _LOG_RATIO) * (_RATIO_STEPS / (2 * _LOG_RATIO))
    bins: NDArray[np.intp] = (np.floor(steps).clip(-1, _RATIO_STEPS) + 1).astype(np.intp)
    return bins


@lru_cache(maxsize=2)
def _map_cells(height: int, width: int) -> NDArray[np.intp]:
    """Return the cell of the map that each pixel belongs to."""
    rows = np.arange(height)[:, np.newaxis] * MAP_SHAPE[0] // height
    columns = np.arange(width) * MAP_SHAPE[1] // width
    return rows * MAP_SHAPE[1] + columns
