"""MP4 videos of pictures."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np

from drnet_offline.errors import OfflineError
from drnet_ros.closing import Closing
from drnet_ros.inference.arrays import UInt8Array

__all__ = ['VideoFile']

# MPEG-4 part 2: what OpenCV's wheels encode at the rate of a camera. H.264 is not in them.
_CODEC = 'mp4v'


class VideoFile(Closing):
    """A video that is being written; it takes its name when it is closed.

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

    def close(self) -> None:
        """Finish the file."""
        if self._writer is not None:
            self._writer.release()
            with suppress(FileNotFoundError):
                self._part.replace(self._path)

    def _open(self, rgb_hwc: UInt8Array) -> cv2.VideoWriter:
        size = (rgb_hwc.shape[1], rgb_hwc.shape[0])
        code = cv2.VideoWriter.fourcc(*_CODEC)
        writer = cv2.VideoWriter(
            str(self._part.absolute()), cv2.CAP_FFMPEG, code, self._rate_hz, size
        )
        if not writer.isOpened():
            msg = f'cannot write {self._path}: name another folder, or free space on its disk'
            raise OfflineError(msg)
        return writer
