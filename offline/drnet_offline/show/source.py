"""What `drnet show` shows: images with their times, from something that is played or live."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

from drnet_ros.closing import Closing
from drnet_ros.inference import CameraModel
from drnet_ros.inference.arrays import UInt8Array

__all__ = ['Source', 'SourceImage']


@dataclass(frozen=True, slots=True, eq=False)
class SourceImage:
    """One image of a source.

    Attributes:
        rgb_hwc: uint8 (H, W, 3), RGB.
        stamp_ns: When it was taken, on a clock that never goes back, even where a video begins
            again.
        taken_s: When it was there to be worked on, by `time.monotonic`.
        camera: Its camera, or None if the source does not know it.
        reduction: By how much its sides are shorter than those of the file, as of a large photo.
    """

    rgb_hwc: UInt8Array
    stamp_ns: int
    taken_s: float
    camera: CameraModel | None = None
    reduction: int = 1


class Source(Closing):
    """Gives images to one thread; it works only while it is asked for them.

    Attributes:
        title: What people call it.
    """

    title: str

    @abstractmethod
    def next(self, timeout_s: float) -> SourceImage | None:
        """Wait for the next image: the newest of a camera, the one that is due of a video.

        Args:
            timeout_s: Longest time to wait.

        Returns:
            The image, None if there is none yet.

        Raises:
            DrnetError: There will be no more.
        """

    @abstractmethod
    def rest(self) -> None:
        """Do nothing until the next call of `next`; nobody looks."""

    @property
    @abstractmethod
    def problem(self) -> str:
        """Why no images come at the moment, '' if they do."""
