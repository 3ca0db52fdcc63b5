"""Clouds of several cameras as one: those of about the same time, in one frame."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from drnet_ros.inference.arrays import FloatArray

__all__ = ['StampMatcher', 'points_in_frame']

ItemT = TypeVar('ItemT')

# Of each stream: what waits for the others, who may be computed a little later.
_MOST_WAITING = 3


class StampMatcher(Generic[ItemT]):
    """Finds items of several streams whose stamps are near each other; uses each at most once."""

    def __init__(self, streams: Sequence[str]) -> None:
        """Begin with nothing.

        Args:
            streams: Names of the streams.
        """
        self._waiting: dict[str, deque[tuple[int, ItemT]]] = {
            name: deque(maxlen=_MOST_WAITING) for name in streams
        }

    def add(
        self, stream: str, stamp_ns: int, item: ItemT, slop_ns: int
    ) -> list[tuple[int, ItemT]]:
        """Take an item.

        Args:
            stream: The stream that it is of.
            stamp_ns: Its stamp; one that goes back begins the stream anew.
            item: The item.
            slop_ns: How far the earliest and the latest stamp of a match may be apart.

        Returns:
            Stamp and item of each stream, in the order of the streams, if they match now; those
            that were before them are forgotten. Else nothing.
        """
        own = self._waiting[stream]
        if own and own[-1][0] > stamp_ns:
            own.clear()
        own.append((stamp_ns, item))
        if not all(self._waiting.values()):
            return []
        chosen = [
            min(range(len(items)), key=lambda index: abs(items[index][0] - stamp_ns))
            for items in self._waiting.values()
        ]
        found = [items[index] for index, items in zip(chosen, self._waiting.values(), strict=True)]
        stamps = [stamp for stamp, _ in found]
        if max(stamps) - min(stamps) > slop_ns:
            return []
        for index, items in zip(chosen, self._waiting.values(), strict=True):
            for _ in range(index + 1):
                items.popleft()
        return found

    def newest_ns(self) -> dict[str, int | None]:
        """Return the stamp of the newest item that waits in each stream, None where none does."""
        return {name: items[-1][0] if items else None for name, items in self._waiting.items()}


def points_in_frame(points_hwc: FloatArray, frame_from_camera: NDArray[np.float64]) -> FloatArray:
    """Return the valid points of a cloud in another frame.

    Args:
        points_hwc: Cloud in the optical frame, float32 (H, W, 3 or 4), NaN where invalid; not
            changed.
        frame_from_camera: Pose of the optical frame in the other one, float (4, 4), metres.

    Returns:
        float32 (1, N, 3 or 4), in the order of their pixels; a fourth channel is kept.
    """
    points = points_hwc[~np.isnan(points_hwc[..., 2])]
    rotation, origin = frame_from_camera[:3, :3], frame_from_camera[:3, 3]
    points[:, :3] = points[:, :3] @ rotation.T.astype(np.float32) + origin.astype(np.float32)
    return points[np.newaxis]
