"""What of a recording is learned, and what is held out to judge by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from drnet_offline.errors import DatasetError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ['LEAST_BLOCKS', 'Blocks', 'learning_time', 'split_blocks']

LEAST_BLOCKS = 6
"""From so many blocks it can be told whether a gain is more than chance."""

_MOST_BLOCKS = 12
_PERIOD_S = 8.0
_HELD_OUT = 0.2
_GUARD = (0.04, 0.1)  # share of a period, at least and at most
_GUARD_S = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Blocks:
    """Parts of a recording.

    Attributes:
        is_learned: Which images are learned, (N,).
        block: Number of the held-out block that an image is in, (N,); -1 for none.
        count: Number of blocks.
        guard_s: Time on either side of each block that is neither learned nor scored.
    """

    is_learned: NDArray[np.bool_]
    block: NDArray[np.int64]
    count: int
    guard_s: float


def learning_time(
    stamps_s: NDArray[np.float64], is_labelled: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return the time of each image without the times in which nothing can be learned, (N,).

    Depth may have been recorded only now and then, a recording may have been paused, and a clock
    may have been set. Periods of the whole time would then have no image with a label. Longer gaps
    become as long as a guard is at most.

    Args:
        stamps_s: When each image was taken, (N,), seconds, in any order.
        is_labelled: Which of them can be learned, (N,); at least one.
    """
    stamps = np.unique(stamps_s[is_labelled])
    gaps_s = np.diff(stamps, prepend=stamps[0])
    elapsed_s = np.cumsum(np.minimum(gaps_s, _GUARD_S))
    return np.asarray(np.interp(stamps_s, stamps, elapsed_s), np.float64)


def split_blocks(stamps_s: NDArray[np.float64]) -> Blocks:
    """Hold out the middle fifth of each of 6 to 12 periods of a recording.

    What lies within a guard gap of a held-out block is not learned: neighbours in time show the
    same.

    Args:
        stamps_s: When each image was taken, (N,), seconds.

    Raises:
        DatasetError: The recording has no duration.
    """
    start, end = float(stamps_s.min()), float(stamps_s.max())
    duration = end - start
    if not duration > 0:
        msg = f'a recording must take some time, got {len(stamps_s)} images within no time'
        raise DatasetError(msg)
    count = int(np.clip(round(duration / _PERIOD_S), LEAST_BLOCKS, _MOST_BLOCKS))
    period = duration / count
    guard_s = float(np.clip(_GUARD_S, _GUARD[0] * period, _GUARD[1] * period))
    place = (stamps_s - start) / period
    number = np.minimum(place.astype(np.int64), count - 1)
    off_centre_s = np.abs(place - number - 0.5) * period
    is_held_out = off_centre_s <= _HELD_OUT / 2 * period
    is_learned = off_centre_s > _HELD_OUT / 2 * period + guard_s
    return Blocks(is_learned, np.where(is_held_out, number, -1), count, guard_s)
