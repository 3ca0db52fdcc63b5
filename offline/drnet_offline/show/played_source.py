"""Videos, images and recordings: played at their own pace, again and again."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from drnet_offline.datasets.image_files import read_photo
from drnet_offline.errors import DatasetError
from drnet_offline.replay.frames import read_frames
from drnet_offline.replay.index import Index
from drnet_offline.show.source import Source, SourceImage
from drnet_ros.errors import one_line
from drnet_ros.inference import CameraModel
from drnet_ros.inference.arrays import UInt8Array
from drnet_ros.recordings.video import Video

__all__ = ['ImageFiles', 'PlayedSource', 'RecordedImages', 'Timed', 'TimedImage', 'VideoImages']

_NS_PER_S = 1_000_000_000
# After a longer pause the rest is played from there on, not skipped.
_MOST_LATE_S = 0.5
_IMAGE_NS = 2 * _NS_PER_S
_FRAME_NS = _NS_PER_S // 30


@dataclass(frozen=True, slots=True, eq=False)
class TimedImage:
    """An image with its place in time.

    Attributes:
        stamp_ns: Time since the first one.
        rgb_hwc: uint8 (H, W, 3), RGB.
        camera: Its camera, or None.
        reduction: By how much its sides are shorter than those of the file.
    """

    stamp_ns: int
    rgb_hwc: UInt8Array
    camera: CameraModel | None = None
    reduction: int = 1


class Timed(ABC):
    """Images that can be played from the start, any number of times.

    Attributes:
        last_ns: How long the last one is shown.
        problem: What of them cannot be shown, '' if all can.
    """

    last_ns = _FRAME_NS
    problem = ''

    @abstractmethod
    def start(self) -> None:
        """Go to the first image."""

    @abstractmethod
    def read(self, not_before_ns: int) -> TimedImage | None:
        """Read the next image.

        Args:
            not_before_ns: What is earlier may be left out, to keep the pace.

        Returns:
            The image; None at the end.
        """

    @abstractmethod
    def close(self) -> None:
        """Close what is open."""


class VideoImages(Timed):
    """The frames of a video file.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._video: Video | None = None

    def start(self) -> None:
        """Open the file, perhaps again."""
        self.close()
        self._video = Video(self._path)

    def read(self, not_before_ns: int) -> TimedImage | None:
        """Read the next frame that is not late."""
        frame = None if self._video is None else self._video.read(not_before_ns)
        return None if frame is None else TimedImage(frame.stamp_ns, frame.rgb_hwc)

    def close(self) -> None:
        """Close the file."""
        if self._video is not None:
            self._video.close()


class ImageFiles(Timed):
    """Image files, two seconds each, with the cameras of their EXIF; one alone stays.

    Args:
        paths: The files.
    """

    last_ns = _IMAGE_NS

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = list(paths)
        self._count = len(paths)
        self._position = 0

    def start(self) -> None:
        """Go to the first file, unless there is only one and it is shown already."""
        if len(self._paths) > 1:
            self._position = 0

    def read(self, not_before_ns: int) -> TimedImage | None:  # noqa: ARG002 - none is left out
        """Read the next file; one that cannot be read is left out from then on.

        Raises:
            DatasetError: None can be read.
        """
        while self._position < len(self._paths):
            try:
                photo = read_photo(self._paths[self._position])
            except DatasetError as error:
                del self._paths[self._position]
                bad = self._count - len(self._paths)
                self.problem = f'{bad} of {self._count} images cannot be read: {one_line(error)}'
                if not self._paths:
                    raise
                continue
            self._position += 1
            camera = photo.facts.camera(*photo.rgb_hwc.shape[:2])
            stamp_ns = (self._position - 1) * _IMAGE_NS
            return TimedImage(stamp_ns, photo.rgb_hwc, camera, photo.reduction)
        return None

    def close(self) -> None:
        """Nothing is open."""


class RecordedImages(Timed):
    """The images of a recording, with their cameras.

    Args:
        index: The index of the recording, which stays open.
    """

    def __init__(self, index: Index) -> None:
        self._index = index
        self._frames: Iterator[TimedImage] = iter(())

    def start(self) -> None:
        """Go to the first image."""
        self._frames = self._read_all()

    def read(self, not_before_ns: int) -> TimedImage | None:  # noqa: ARG002 - each is decoded
        """Read the next image that can be decoded."""
        return next(self._frames, None)

    def close(self) -> None:
        """Close the recording."""
        self._index.recording.close()

    def _read_all(self) -> Iterator[TimedImage]:
        first_ns = self._index.images.stamps_ns[0]
        for frame in read_frames(self._index):
            if frame.rgb_hwc is not None:
                yield TimedImage(frame.stamp_ns - first_ns, frame.rgb_hwc, frame.camera)


class PlayedSource(Source):
    """Plays timed images as fast as they were taken, and begins again at the end.

    Images of a video that come too late are left out. After a pause it goes on where it was.
    """

    def __init__(self, title: str, images: Timed) -> None:
        """Begin at the first image.

        Args:
            title: What people call it.
            images: What is played; closed with this.
        """
        self.title = title
        self._images = images
        self._closed = threading.Event()
        self._offset_ns = 0
        self._last_ns = 0
        self._zero_s: float | None = None  # when stamp 0 was due
        self._waiting: TimedImage | None = None
        self._is_started = False

    def next(self, timeout_s: float) -> SourceImage | None:
        """Return the next image when it is due."""
        if self._waiting is None:
            self._waiting = self._read()
        if self._waiting is None:
            self._closed.wait(timeout_s)
            return None
        left_s = self._due_s(self._waiting) - time.monotonic()
        if left_s > timeout_s:
            self._closed.wait(timeout_s)
            return None
        if left_s > 0:
            self._closed.wait(left_s)
        image, self._waiting = self._waiting, None
        self._last_ns = self._offset_ns + image.stamp_ns
        return SourceImage(
            image.rgb_hwc, self._last_ns, time.monotonic(), image.camera, image.reduction
        )

    def rest(self) -> None:
        """Stay where it is."""
        self._zero_s = None

    @property
    def problem(self) -> str:
        """What cannot be shown, '' if all can."""
        return self._images.problem

    def close(self) -> None:
        """Close what is played."""
        self._closed.set()
        self._images.close()

    def _due_s(self, image: TimedImage) -> float:
        now_s = time.monotonic()
        at_s = image.stamp_ns / _NS_PER_S
        if self._zero_s is None or now_s - (self._zero_s + at_s) > _MOST_LATE_S:
            self._zero_s = now_s - at_s
        return self._zero_s + at_s

    def _read(self) -> TimedImage | None:
        if not self._is_started:
            self._images.start()
            self._is_started = True
        image = self._images.read(self._not_before_ns())
        length_ns = self._last_ns - self._offset_ns
        if image is not None or length_ns == 0:
            return image
        length_ns += self._images.last_ns
        self._offset_ns += length_ns
        if self._zero_s is not None:
            self._zero_s += length_ns / _NS_PER_S
        self._images.start()
        return self._images.read(0)

    def _not_before_ns(self) -> int:
        if self._zero_s is None:
            return 0
        late_ns = round((time.monotonic() - self._zero_s) * _NS_PER_S)
        shown_ns = self._last_ns - self._offset_ns
        return late_ns if late_ns - shown_ns < _MOST_LATE_S * _NS_PER_S else 0
