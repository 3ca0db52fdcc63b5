"""Fewer points of large clouds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ['thinned']


def thinned(count: int, parts: NDArray[np.intp] | None, most: int) -> slice | NDArray[np.intp]:
    """Return which points to look at: every n-th of those sources that have many.

    Args:
        count: Number of points.
        parts: Index of each point's source, (N,); None if it is one source.
        most: How many to look at, at most.

    Returns:
        An index of arrays with one entry for each point, in their order; without sources a slice,
        so that a large cloud is not copied.
    """
    if parts is None or count <= most:
        return slice(None, None, -(-count // most) or 1)
    sources = [np.flatnonzero(parts == part) for part in np.unique(parts)]
    share = most // len(sources)
    return np.sort(np.concatenate([each[:: -(-len(each) // share)] for each in sources]))
