"""The intrinsics of a recording over time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from drnet_ros.errors import CameraError, RecordingError
from drnet_ros.messages.reading import NS_PER_S, camera_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from drnet_offline.replay.headers import RecordedHeader
    from drnet_ros.inference.camera import CameraModel

__all__ = ['IntrinsicsTimeline']

# An image and its CameraInfo are recorded within this time.
_LONGEST_DELAY_NS = NS_PER_S


@dataclass(slots=True)
class IntrinsicsTimeline:
    """The CameraInfo that holds for each image; kept only where it changes.

    Attributes:
        messages: Each CameraInfo that differs from the one before.
        frame_ids: The frames named in their headers.
        unreadable: How many cannot be read.
        problem: Why one of them is no usable camera, '' if all are.
        is_by_order: Whether the order of recording tells which image they belong to, since their
            stamps are of another clock.
    """

    messages: list[Any] = field(default_factory=list)
    frame_ids: set[str] = field(default_factory=set)
    unreadable: int = 0
    problem: str = ''
    is_by_order: bool = False
    _starts_ns: list[int] = field(default_factory=list)
    _models: list[CameraModel | None] = field(default_factory=list)
    _places: list[int] = field(default_factory=list)
    _lag: int | None = None
    _last: bytes = b''
    _in_force: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    def add(
        self,
        header: RecordedHeader,
        body: bytes,
        deserialize: Callable[[], Any],
        images_before: int,
    ) -> None:
        """Take note of a CameraInfo.

        Args:
            header: Its header.
            body: What follows that.
            deserialize: Makes the message.
            images_before: How many images were recorded before it.
        """
        if self._lag is None:  # 1 where a CameraInfo is recorded after its image, not before it
            self._lag = min(1, images_before)
        if header.is_whole:
            self.frame_ids.add(header.frame_id)
        if body == self._last:
            return
        try:
            info = deserialize()
        except RecordingError as error:
            self.unreadable += 1
            self.problem = f'a camera_info cannot be read: {error}'
            return
        self._last = body
        try:
            model = camera_of(info)
        except CameraError as error:
            self.problem = f'camera_info is not usable: {error}'
            model = None
        self.messages.append(info)
        self._models.append(model)
        self._places.append(images_before - self._lag)
        # Sorted by stamps; one that goes back holds from where the one before began.
        last_ns = self._starts_ns[-1] if self._starts_ns else 0
        self._starts_ns.append(max(header.taken_ns, last_ns))

    def settle(self, stamps_ns: Sequence[int]) -> None:
        """Find which CameraInfo holds for each image: the newest at its stamp, or the first one.

        Args:
            stamps_ns: The stamps of the images, in the order of the recording.
        """
        stamps = np.asarray(stamps_ns, np.int64)
        starts = np.asarray(self._starts_ns, np.int64)
        self._in_force = _newest(starts, stamps)
        by_order = _newest(np.asarray(self._places, np.int64), np.arange(len(stamps)))
        # All on one side of the images, as a converter writes them, have no order among these.
        differ = np.flatnonzero(self._in_force != by_order)
        if not differ.size or np.ptp(by_order) == 0:
            return
        newer = starts[np.maximum(self._in_force, by_order)[differ]]
        if np.abs(stamps[differ] - newer).max() > _LONGEST_DELAY_NS:
            self.is_by_order = True
            self._in_force = by_order

    def find(self, position: int) -> tuple[Any, CameraModel] | None:
        """Return the CameraInfo in force for an image, and its model.

        Args:
            position: Which image it is, from 0.

        Returns:
            None if there is none that is usable.
        """
        if not self.messages:
            return None
        place = int(self._in_force[position])
        model = self._models[place]
        return None if model is None else (self.messages[place], model)


def _newest(starts: NDArray[np.int64], places: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return which of rising starts is the newest at each place; the first one before them."""
    return np.maximum(np.searchsorted(starts, places, 'right') - 1, 0)
