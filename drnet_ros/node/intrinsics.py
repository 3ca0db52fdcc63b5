"""The intrinsics of one camera: its newest CameraInfo and the model made from it."""

from __future__ import annotations

import threading
import time
from typing import Any

from sensor_msgs.msg import CameraInfo

from drnet_ros.errors import CameraError
from drnet_ros.inference import CameraModel
from drnet_ros.messages.reading import camera_fields

__all__ = ['CameraInfoWaitBudget', 'IntrinsicsCache']

# Drivers publish an image and its CameraInfo one after the other, in either order.
_COMPANION_WAIT_S = 0.2
# While one camera's image waits for it, no other camera's is worked on.
_WAITING_SHARE = 0.01
_NONE_CAME = 'no camera_info'


class CameraInfoWaitBudget:
    """How long a camera may keep the worker, and so all cameras, waiting for its CameraInfo.

    `_COMPANION_WAIT_S` at first, and `_WAITING_SHARE` of the time in the long run, however often
    the size of its images changes.
    """

    def __init__(self) -> None:
        """Begin with the whole budget."""
        self._used_s = 0.0
        self._seen_s = time.monotonic()

    def left_s(self) -> float:
        """Return how long the worker may wait now, in seconds."""
        now_s = time.monotonic()
        self._used_s = max(0.0, self._used_s - _WAITING_SHARE * (now_s - self._seen_s))
        self._seen_s = now_s
        left_s = _COMPANION_WAIT_S - self._used_s
        # Less is too short for a CameraInfo to come: rather none now, and a whole wait later.
        return left_s if left_s >= _COMPANION_WAIT_S / 2 else 0.0

    def use(self, waited_s: float) -> None:
        """Take a wait off the budget."""
        self._used_s += waited_s


class IntrinsicsCache:
    """The newest CameraInfo of a camera and the model made from it.

    Attributes:
        problem: Why there is no usable model, '' if there is one.
    """

    def __init__(self) -> None:
        """Know nothing yet."""
        self.problem = _NONE_CAME
        self._arrived = threading.Condition()
        self._info: CameraInfo | None = None
        self._seen: tuple[dict[str, Any], CameraModel] | None = None
        self._waited_for: tuple[int, int] | None = None
        self._wait_budget = CameraInfoWaitBudget()
        self._is_closed = False

    def store(self, info: CameraInfo) -> None:
        """Take a received CameraInfo for the newest."""
        with self._arrived:
            self._info = info
            if self.problem == _NONE_CAME:  # and no image may come that could find it
                self.problem = ''
            self._arrived.notify_all()

    def close(self) -> None:
        """Let nobody wait any more."""
        with self._arrived:
            self._is_closed = True
            self._arrived.notify_all()

    def find(
        self, image_hw: tuple[int, int], *, is_announced: bool
    ) -> tuple[CameraInfo, CameraModel] | None:
        """Return the CameraInfo for an image and its model at the image's size.

        If the newest one does not fit, but more may come, it waits a moment for one that does:
        once for each new image size, so that the first image after a change gets its cloud too;
        but not where sizes change all the time and none comes.

        Args:
            image_hw: Height and width of the image.
            is_announced: Whether the topic has a publisher.

        Returns:
            The message and the model, or None if there are none that fit; `problem` then says why.
        """
        found = self._fitting(image_hw)
        if found is not None or not is_announced or self._waited_for == image_hw:
            return found
        wait_s = self._wait_budget.left_s()
        if not wait_s:
            return None
        self._waited_for = image_hw
        begun_s = time.monotonic()
        with self._arrived:
            # One that came after the look above has notified nobody who waits here.
            found = self._fitting(image_hw)
            while (
                found is None
                and not self._is_closed
                and self._arrived.wait(max(0.0, begun_s + wait_s - time.monotonic()))
            ):
                found = self._fitting(image_hw)
        self._wait_budget.use(time.monotonic() - begun_s)
        return found

    def _fitting(self, image_hw: tuple[int, int]) -> tuple[CameraInfo, CameraModel] | None:
        info = self._info
        if info is None:
            self.problem = _NONE_CAME
            return None
        try:
            camera = self._model(info).matching(*image_hw)
        except CameraError as error:
            self.problem = f'camera_info is not usable: {error}'
            return None
        self.problem = ''
        return info, camera

    def _model(self, info: CameraInfo) -> CameraModel:
        fields = camera_fields(info)
        if self._seen is None or self._seen[0] != fields:
            self._seen = (fields, CameraModel.from_fields(**fields))
        return self._seen[1]
