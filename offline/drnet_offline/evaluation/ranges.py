"""Errors of near, room and far pixels apart: the mean over all hides what is near."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from rich import box
from rich.table import Table

from drnet_offline.evaluation.figures import NAMES, compute_errors

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from drnet_offline.evaluation.protocols import Protocol

__all__ = ['RANGES_M', 'RangeMetrics', 'tabulate_ranges']

RANGES_M = {'near': (0.0, 1.5), 'room': (1.5, 4.0), 'far': (4.0, math.inf)}
"""Ranges of true depth, metres, the first end included."""

_FEWEST_PIXELS = 100


class RangeMetrics:
    """REL, delta1 and the median of estimate / truth by range of true depth, means over images.

    Args:
        protocol: Which pixels count.
    """

    def __init__(self, protocol: Protocol) -> None:
        self._protocol = protocol
        self._figures: dict[str, list[tuple[float, float, float]]] = {
            name: [] for name in RANGES_M
        }

    def update(self, estimate_hw: NDArray[np.float32], truth_hw: NDArray[np.float32]) -> None:
        """Add one image; a range of which it has fewer than 100 pixels is not counted.

        Args:
            estimate_hw: Float32 (H, W), metres, dense.
            truth_hw: Float32 (H, W), metres, NaN or 0 where invalid.
        """
        estimate, truth = self._protocol.select(estimate_hw, truth_hw)
        for name, (nearest, farthest) in RANGES_M.items():
            inside = (truth >= nearest) & (truth < farthest)
            if np.count_nonzero(inside) < _FEWEST_PIXELS:
                continue
            d, g = estimate[inside], truth[inside]
            sums = compute_errors(d, g)
            rel, delta1 = (sums[NAMES.index(key)] / sums[-1] for key in ('rel', 'delta1'))
            self._figures[name].append((float(rel), float(delta1), float(np.median(d / g))))

    def compute(self) -> dict[str, dict[str, float]]:
        """Return `rel`, `delta1`, `ratio` and `n_images` by range; only of ranges that were seen.

        `ratio` is the median over images of the median of estimate / truth: 1.3 is 30 % too far.
        """
        found = {}
        for name, rows in self._figures.items():
            if rows:
                rel, delta1, _ = np.mean(rows, 0).tolist()
                ratio = float(np.median([row[2] for row in rows]))
                found[name] = {
                    'rel': rel, 'delta1': delta1, 'ratio': ratio, 'n_images': float(len(rows))
                }  # fmt: skip
        return found


def tabulate_ranges(figures: dict[str, dict[str, float]]) -> Table:
    """Return what `RangeMetrics.compute` gave as a table."""
    table = Table(title='by true depth, means over images', box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ('', 'REL', 'd1', 'estimate / truth', 'images'):
        table.add_column(column, no_wrap=True)
    for name, row in figures.items():
        nearest, farthest = RANGES_M[name]
        label = f'from {nearest:g} m' if math.isinf(farthest) else f'{nearest:g} to {farthest:g} m'
        table.add_row(
            f'{name}, {label}', f'{row["rel"]:.3f}', f'{row["delta1"]:.3f}',
            f'{row["ratio"]:.2f}', f'{row["n_images"]:.0f}',
        )  # fmt: skip
    return table
