"""MP4 videos of pictures."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np

from drnet_offline.errors import OfflineError
from drnet_offline.outputs.files import cannot_write
from drnet_ros.closing import Closing
from drnet_ros.inference.arrays import UInt8Array
from drnet_ros.recordings.video import opencv_name

__all__ = ['VideoFile']

# MPEG-4 part 2: what OpenCV's wheels encode at the rate of a camera. H.264 is not in them.
_CODEC = 'mp4v'


class VideoFile(Closing):
    """A video that is being written; it takes its name when it is closed and whole.

    Nothing is left of one without a frame.
    """

    def __init__(self, path: Path, rate_hz: float) -> None:
        """Begin a video.

        Args:
            path: The .mp4 file, written anew.
            rate_hz: Frames per second.
        """
        self._path = path
        self._part = path.with_name(f'.{os.getpid()}.part{path.suffix}')
        self._rate_hz = rate_hz
        self._count = 0
        self._writer: cv2.VideoWriter | None = None
        self._shape: tuple[int, ...] = ()

    def write(self, rgb_hwc: UInt8Array) -> None:
        """Append a frame.

        Args:
            rgb_hwc: uint8 (H, W, 3) RGB with even sides. One of another size than the first is
                resized to it.

        Raises:
            OfflineError: The file cannot be written.
        """
        if self._writer is None:
            self._writer = self._open(rgb_hwc)
            self._shape = rgb_hwc.shape
        if rgb_hwc.shape != self._shape:
            rgb_hwc = cv2.resize(rgb_hwc, self._shape[1::-1])  # type: ignore[assignment]
        self._writer.write(np.ascontiguousarray(rgb_hwc[..., ::-1]))
        self._count += 1

    def close(self) -> None:
        """Finish the file.

        Raises:
            OfflineError: It is not whole, and removed: OpenCV does not say that a disk is full.
                Or it was deleted meanwhile.
        """
        if self._writer is None:
            return
        self._writer.release()
        self._writer = None
        try:
            self._part.stat()
            if _frames_of(self._part) < self._count:
                self._part.unlink(missing_ok=True)
                msg = (
                    f'cannot write {self._path}: its disk may be full; free space, or name another'
                )
                raise OfflineError(msg)
            self._part.replace(self._path)
        except OSError as error:
            raise cannot_write(self._path, error) from error

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Finish the file, or remove what there is of it after an error."""
        if kind is None:
            self.close()
        elif self._writer is not None:
            self._writer.release()
            self._part.unlink(missing_ok=True)

    def _open(self, rgb_hwc: UInt8Array) -> cv2.VideoWriter:
        size = (rgb_hwc.shape[1], rgb_hwc.shape[0])
        code = cv2.VideoWriter.fourcc(*_CODEC)
        with opencv_name(self._part) as name:
            writer = cv2.VideoWriter(name, cv2.CAP_FFMPEG, code, self._rate_hz, size)
        if not writer.isOpened():
            msg = f'cannot write {self._path}: name another folder, or free space on its disk'
            raise OfflineError(msg)
        return writer


def _frames_of(path: Path) -> int:
    with opencv_name(path) as name:
        capture = cv2.VideoCapture(name, cv2.CAP_FFMPEG)
    count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) if capture.isOpened() else 0
    capture.release()
    return count
