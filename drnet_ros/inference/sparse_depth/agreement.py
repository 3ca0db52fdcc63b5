"""Which of several sources to believe where they contradict one another."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from drnet_ros.inference.sparse_depth.robust import consensus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ['AGREEMENT', 'believed_sources']

AGREEMENT = math.log(1.5)
"""Points of one scene agree within a factor of 1.5 or so, however wrong the estimate is."""

# A cloud of a thousand points is no more than a scan of a hundred, but more than one sonar.
_MOST_VOTES = 30


def believed_sources(
    log_ratios: NDArray[np.floating],
    parts: NDArray[np.intp],
    names: Sequence[str],
    expected: float,
) -> tuple[NDArray[np.bool_], str]:
    """Return which points are of sources that most agree with.

    Each source asks for a factor: what most of its points agree on. It has as many votes as
    points, up to `_MOST_VOTES`. Of equals, the one nearest to what is expected is believed.

    Args:
        log_ratios: ln(z / d) of each point, (N,), N > 0.
        parts: Index of each point's source, (N,).
        names: Their names.
        expected: The log ratio to expect.

    Returns:
        Which points to believe, bool (N,); which sources are left out and why, in words, or ''.
    """
    present = np.unique(parts).tolist()
    asked = {part: consensus(log_ratios[parts == part], expected) for part in present}
    votes = {part: min(_MOST_VOTES, int(np.count_nonzero(parts == part))) for part in present}

    def support(part: int) -> tuple[int, float]:
        agreeing = (other for other in present if abs(asked[other] - asked[part]) < AGREEMENT)
        return sum(votes[other] for other in agreeing), -abs(asked[part] - expected)

    chosen = max(present, key=support)
    left_out = [part for part in present if abs(asked[part] - asked[chosen]) >= AGREEMENT]
    if not left_out:
        return np.ones(len(parts), bool), ''
    asking = ' and '.join(f'{names[part]} for {math.exp(asked[part]):.3g}' for part in left_out)
    return ~np.isin(parts, left_out), (
        f'{names[chosen]} asks for a factor of {math.exp(asked[chosen]):.3g}, {asking}, which is '
        'left out: check its unit, scale, frame and extrinsics'
    )
