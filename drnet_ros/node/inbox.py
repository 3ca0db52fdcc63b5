"""Frames that wait: at most one for each camera, always the newest."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from drnet_ros.node.messages import InputMessage

__all__ = ['Inbox', 'WaitingImage']


@dataclass(frozen=True, slots=True, eq=False)
class WaitingImage:
    """An image that waits for the worker.

    Attributes:
        prefix: Whose it is.
        message: The image.
        received_s: When it came in, by time.monotonic().
    """

    prefix: str
    message: InputMessage
    received_s: float


class Inbox:
    """Hands images from the executor's thread to the worker's; newer ones replace older ones."""

    def __init__(self) -> None:
        """Start empty and open."""
        self._changed = threading.Condition()
        self._waiting: dict[str, WaitingImage] = {}
        self._held: dict[str, WaitingImage] = {}
        self._is_closed = False

    def put(self, prefix: str, message: InputMessage) -> bool:
        """Leave an image for the worker.

        Args:
            prefix: Whose it is.
            message: The image.

        Returns:
            Whether it replaced one that the worker had not taken.
        """
        image = WaitingImage(prefix, message, time.monotonic())
        with self._changed:
            place = self._held if prefix in self._held else self._waiting
            has_replaced = prefix in place
            place[prefix] = image
            self._changed.notify()
        return has_replaced

    def hold(self, image: WaitingImage) -> bool:
        """Take an image back that cannot be worked on yet, until `release`.

        Args:
            image: The image. A newer one that waits, or comes in meanwhile, takes its place.

        Returns:
            Whether a newer one did so at once.
        """
        with self._changed:
            newer = self._waiting.pop(image.prefix, None)
            self._held[image.prefix] = newer or image
        return newer is not None

    def release(self, prefix: str) -> None:
        """Let the worker have an image again that is held, if there is one.

        Args:
            prefix: Whose it is.
        """
        with self._changed:
            image = self._held.pop(prefix, None)
            if image is not None and not self._is_closed:
                self._waiting[prefix] = image
                self._changed.notify()

    def take(self, *, wait: bool) -> list[WaitingImage]:
        """Take all images that wait, the one that waits longest first.

        Args:
            wait: Whether to wait for one if there is none.

        Returns:
            The images, one for each camera at most; none if the inbox is closed, or there is none
            and `wait` is false.
        """
        with self._changed:
            while wait and not self._waiting and not self._is_closed:
                self._changed.wait()
            if self._is_closed:
                return []
            images = sorted(self._waiting.values(), key=lambda image: image.received_s)
            self._waiting.clear()
        return images

    @property
    def is_closed(self) -> bool:
        """Whether nothing will come any more."""
        return self._is_closed

    def close(self) -> None:
        """Let go of what waits, and of who waits for it."""
        with self._changed:
            self._is_closed = True
            self._waiting.clear()
            self._held.clear()
            self._changed.notify_all()
