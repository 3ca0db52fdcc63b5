"""Sparse metric depth: points that a robot knows in its camera's optical frame."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from drnet_ros.errors import SparseDepthError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ['DEFAULT_RELATIVE_STDDEV', 'VAGUEST', 'SparseDepth']

_NUMBERS = 'biufO'  # NumPy's kinds: bool, int, unsigned, float, and objects, that may be numbers

DEFAULT_RELATIVE_STDDEV = 0.03
"""Deviation of a point's depth, as a share of it, where a source states none."""

VAGUEST = 1.0
"""Deviation beyond which a point says nothing of depth that the estimate does not."""


@dataclass(frozen=True, slots=True, eq=False)
class SparseDepth:
    """Points of known metric position, seen by the camera of one image.

    Any number of points is allowed, none included. Points that are not finite, lie at or behind
    the camera, or have no deviation above 0 and up to `VAGUEST` are left out when the points are
    used, and counted; they are no error.

    Attributes:
        points_xyz: Metres in the camera's optical frame (x right, y down, z forward) at the time
            of the image; float (N, 3). The array is not copied: leave it unchanged.
        relative_stddev: One standard deviation of z divided by z: (N,), or a scalar for all
            points. None is `DEFAULT_RELATIVE_STDDEV`.
        source: Where the points come from, for reports, such as 'scan'.
        cone_rad: Of range finders, the whole angle about a point within which it is the nearest
            thing, seen from the camera: (N,), or a scalar. 0 is a point of known direction.
        part_n: Which of the names in `source`, which '+' joins, each point is of, (N,); None if it
            is one source.
    """

    points_xyz: NDArray[np.floating[Any]]
    relative_stddev: NDArray[np.floating[Any]] | float | None = None
    source: str = field(default='', kw_only=True)
    cone_rad: NDArray[np.floating[Any]] | float = field(default=0.0, kw_only=True)
    part_n: NDArray[np.intp] | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        """Convert and check the arrays.

        Raises:
            SparseDepthError: If an array is not numeric or has another shape, a scalar deviation
                is not above 0 and up to `VAGUEST`, a cone or part is none, or the source is no
                text.
        """
        _check_source(self.source)
        points = _as_floats('points_xyz', self.points_xyz)
        if points.ndim != 2 or points.shape[1] != 3:
            msg = f'points_xyz must have the shape (N, 3), got {points.shape}'
            raise SparseDepthError(msg)
        object.__setattr__(self, 'points_xyz', points)
        self._check_cones(len(points))
        self._check_parts(len(points))
        given = DEFAULT_RELATIVE_STDDEV if self.relative_stddev is None else self.relative_stddev
        stddev = _as_floats('relative_stddev', given)
        if stddev.ndim == 0:
            if not 0 < float(stddev) <= VAGUEST:
                msg = (
                    f'relative_stddev must be above 0 and at most {VAGUEST:g}, a share of the '
                    f'depth, got {float(stddev)}'
                )
                raise SparseDepthError(msg)
            object.__setattr__(self, 'relative_stddev', float(stddev))
            return
        if stddev.shape != points.shape[:1]:
            msg = (
                f'relative_stddev must be a scalar or have the shape ({len(points)},), one for '
                f'each point, got {stddev.shape}'
            )
            raise SparseDepthError(msg)
        object.__setattr__(self, 'relative_stddev', stddev)

    def _check_cones(self, count: int) -> None:
        cones = _as_floats('cone_rad', self.cone_rad)
        if cones.shape not in {(), (count,)} or not ((cones >= 0) & (cones <= math.pi)).all():
            msg = (
                f'cone_rad must be angles in 0 to pi, a scalar or one for each of {count} points, '
                f'got {cones.ravel()[:5].tolist()} of the shape {cones.shape}'
            )
            raise SparseDepthError(msg)
        object.__setattr__(self, 'cone_rad', cones if cones.ndim else float(cones))

    def _check_parts(self, count: int) -> None:
        if self.part_n is None:
            return
        parts = np.asarray(self.part_n)
        names = len(self.names)
        is_index = parts.dtype.kind in 'iu' and ((parts >= 0) & (parts < names)).all()
        if parts.shape != (count,) or not is_index:
            msg = f'part_n must be an index of {names} sources for each of {count} points'
            raise SparseDepthError(msg)
        object.__setattr__(self, 'part_n', parts.astype(np.intp, copy=False))

    def __len__(self) -> int:
        """Return the number of points, unusable ones included."""
        return len(self.points_xyz)

    @property
    def stddev_n(self) -> NDArray[np.floating[Any]]:
        """One relative deviation for each point, (N,)."""
        return np.broadcast_to(np.asarray(self.relative_stddev), self.points_xyz.shape[:1])

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the sources."""
        return tuple(self.source.split('+'))

    @property
    def cone_n(self) -> NDArray[np.floating[Any]]:
        """One angle for each point, (N,)."""
        return np.broadcast_to(np.asarray(self.cone_rad), self.points_xyz.shape[:1])

    @classmethod
    def fused(cls, sources: Sequence[SparseDepth]) -> SparseDepth:
        """Put the points of several sources together, each with its own deviation.

        Args:
            sources: The sources; empty ones do no harm.

        Returns:
            All points; `source` names each source once, joined by '+'.

        Raises:
            SparseDepthError: The sources are none.
        """
        _check_sources(sources)
        if len(sources) == 1:
            return sources[0]
        names = list(dict.fromkeys(source.source for source in sources if len(source)))
        if not names:
            return cls(np.empty((0, 3)))
        parts = None
        if len(names) > 1 and all(names):
            counts = [(names.index(each.source), len(each)) for each in sources if len(each)]
            parts = np.repeat(*np.transpose(counts))
        return cls(
            np.concatenate([source.points_xyz for source in sources]),
            np.concatenate([source.stddev_n for source in sources]),
            source='+'.join(name for name in names if name),
            cone_rad=np.concatenate([source.cone_n for source in sources]),
            part_n=parts,
        )


def _check_source(source: object) -> None:
    if not isinstance(source, str):
        msg = f"source must be text, such as 'scan', got {source!r}"
        raise SparseDepthError(msg)


def _check_sources(sources: object) -> None:
    if not isinstance(sources, Sequence) or not all(
        isinstance(source, SparseDepth) for source in sources
    ):
        msg = f'sources must be a list of SparseDepth, got {type(sources).__name__}'
        raise SparseDepthError(msg)


def _as_floats(name: str, values: ArrayLike) -> NDArray[np.floating[Any]]:
    try:
        array = np.asarray(values)
        if array.dtype.kind not in _NUMBERS:
            raise TypeError  # noqa: TRY301
        if array.dtype not in (np.float32, np.float64):
            array = array.astype(np.float64)
        if isinstance(values, np.ma.MaskedArray):  # what is masked is no number
            array = np.where(np.ma.getmaskarray(values), array.dtype.type(np.nan), array)
    except (TypeError, ValueError) as error:
        msg = f'{name} must be an array of numbers, got {type(values).__name__}'
        raise SparseDepthError(msg) from error
    return array
