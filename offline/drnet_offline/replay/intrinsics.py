"""The intrinsics of a recording over time."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from drnet_ros.errors import CameraError, RecordingError
from drnet_ros.messages.reading import camera_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from drnet_offline.replay.headers import RecordedHeader
    from drnet_ros.inference.camera import CameraModel

__all__ = ['IntrinsicsTimeline']


@dataclass(slots=True)
class IntrinsicsTimeline:
    """The CameraInfo that holds for each image; kept only where it changes.

    Attributes:
        messages: Each CameraInfo that differs from the one before.
        frame_ids: The frames named in their headers.
        unreadable: How many cannot be read.
        problem: Why one of them is no usable camera, '' if all are.
    """

    messages: list[Any] = field(default_factory=list)
    frame_ids: set[str] = field(default_factory=set)
    unreadable: int = 0
    problem: str = ''
    _starts_ns: list[int] = field(default_factory=list)
    _models: list[CameraModel | None] = field(default_factory=list)
    _last: bytes = b''

    def add(self, header: RecordedHeader, body: bytes, deserialize: Callable[[], Any]) -> None:
        """Take note of a CameraInfo; `body` is what follows its header."""
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
        # Sorted by stamps; one that goes back holds from where the one before began.
        last_ns = self._starts_ns[-1] if self._starts_ns else 0
        self._starts_ns.append(max(header.taken_ns, last_ns))

    def find(self, stamp_ns: int) -> tuple[Any, CameraModel] | None:
        """Return the CameraInfo in force at a stamp and its model: the newest, or the first one.

        Returns:
            None if there is none that is usable.
        """
        if not self.messages:
            return None
        place = max(0, bisect_right(self._starts_ns, stamp_ns) - 1)
        model = self._models[place]
        return None if model is None else (self.messages[place], model)
