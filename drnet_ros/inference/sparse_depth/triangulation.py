"""Positions of points from rays that look at them, summed up ray by ray.

The point nearest to rays from centres c_i along unit directions d_i minimises the sum of
|(I - d_i d_i') (X - c_i)|^2, so that A X = b with A = sum of (I - d_i d_i') and b = sum of
(I - d_i d_i') c_i. A, b and the sum of squares at the origin are all that must be kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ['RaySums', 'Triangulated']

# Older rays fade, so that slow drift of the odometry does not tear points apart: what is left of
# a ray after 60 others is 1 / e.
_FADING = float(np.exp(-1 / 60))
_SINGULAR = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Triangulated:
    """Points that rays meet in; NaN where they are parallel.

    Attributes:
        points: Metres in the world, (N, 3).
        parallax: Root mean square angle between the rays and the one from the last centre, in
            radians, (N,).
        residual: Root mean square angle by which rays miss the point, in radians, (N,).
        count: Number of rays, (N,).
    """

    points: NDArray[np.float64]
    parallax: NDArray[np.float64]
    residual: NDArray[np.float64]
    count: NDArray[np.float64]


class RaySums:
    """The sums for N points."""

    def __init__(self) -> None:
        """Have no points."""
        self._sums = np.zeros((0, 14))  # A, b, the sum of squares and the weight of all rays
        self._count = np.zeros(0)

    def keep(self, is_kept: NDArray[np.bool_], new: int) -> None:
        """Drop points, and append new ones without rays.

        Args:
            is_kept: Which to keep, (N,).
            new: How many to append.
        """
        self._sums = np.concatenate([self._sums[is_kept], np.zeros((new, 14))])
        self._count = np.concatenate([self._count[is_kept], np.zeros(new)])

    def add(self, centre: NDArray[np.float64], directions: NDArray[np.float64]) -> None:
        """Add one ray for each point.

        Args:
            centre: Where all of them start, (3,), metres.
            directions: Unit vectors, (N, 3); NaN adds nothing.
        """
        is_known = np.asarray(np.isfinite(directions).all(axis=1))
        d = np.where(is_known[:, None], directions, 0.0)
        across = np.eye(3) - d[:, :, None] * d[:, None, :]
        across *= is_known[:, None, None]
        onto = across @ centre
        self._sums *= _FADING
        self._sums += np.column_stack([across.reshape(-1, 9), onto, onto @ centre, is_known])
        self._count += is_known

    def triangulate(self, centre: NDArray[np.float64]) -> Triangulated:
        """Return the points.

        Args:
            centre: Where the last rays start, (3,), metres.
        """
        a = self._sums[:, :9].reshape(-1, 3, 3)
        b, c, weight = self._sums[:, 9:12], self._sums[:, 12], np.maximum(self._sums[:, 13], 1e-9)
        # About the last centre.
        c = c - 2 * b @ centre + (a @ centre) @ centre
        b = b - a @ centre
        is_fixed = np.asarray(np.linalg.det(a) > _SINGULAR * weight**3)
        solvable = np.where(is_fixed[:, None, None], a, np.eye(3))
        offset = np.linalg.solve(solvable, b[:, :, None])[:, :, 0]
        offset[~is_fixed] = np.nan
        distance = np.linalg.norm(offset, axis=1)
        with np.errstate(invalid='ignore', divide='ignore'):
            ray = offset / distance[:, None]
            parallax2 = np.einsum('ni,nij,nj->n', ray, a, ray) / weight
            missed2 = np.maximum(0, c - np.einsum('ni,ni->n', b, offset)) / weight
            residual = np.sqrt(missed2) / distance
        parallax = np.sqrt(np.maximum(0, parallax2))
        return Triangulated(offset + centre, parallax, residual, self._count)
