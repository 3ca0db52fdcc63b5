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
        self._a = np.zeros((0, 3, 3))
        self._b = np.zeros((0, 3))
        self._c = np.zeros(0)
        self._weight = np.zeros(0)
        self._count = np.zeros(0)

    def keep(self, is_kept: NDArray[np.bool_], new: int) -> None:
        """Drop points, and append new ones without rays.

        Args:
            is_kept: Which to keep, (N,).
            new: How many to append.
        """
        names = ('_a', '_b', '_c', '_weight', '_count')
        for name in names:
            kept = getattr(self, name)[is_kept]
            setattr(self, name, np.concatenate([kept, np.zeros((new, *kept.shape[1:]))]))

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
        self._a = _FADING * self._a + across
        self._b = _FADING * self._b + onto
        self._c = _FADING * self._c + onto @ centre
        self._weight = _FADING * self._weight + is_known
        self._count += is_known

    def triangulate(self, centre: NDArray[np.float64]) -> Triangulated:
        """Return the points.

        Args:
            centre: Where the last rays start, (3,), metres.
        """
        weight = np.maximum(self._weight, 1e-9)
        # About the last centre: far from the origin of the world digits would be lost.
        b = self._b - self._a @ centre
        c = self._c - 2 * self._b @ centre + (self._a @ centre) @ centre
        is_fixed = np.asarray(np.linalg.det(self._a) > _SINGULAR * weight**3)
        a = np.where(is_fixed[:, None, None], self._a, np.eye(3))
        offset = np.linalg.solve(a, b[:, :, None])[:, :, 0]
        offset[~is_fixed] = np.nan
        distance = np.linalg.norm(offset, axis=1)
        with np.errstate(invalid='ignore', divide='ignore'):
            ray = offset / distance[:, None]
            parallax2 = np.einsum('ni,nij,nj->n', ray, self._a, ray) / weight
            missed2 = np.maximum(0, c - np.einsum('ni,ni->n', b, offset)) / weight
            residual = np.sqrt(missed2) / distance
        parallax = np.sqrt(np.maximum(0, parallax2))
        return Triangulated(offset + centre, parallax, residual, self._count)
