"""Video files, webcams and network cameras, read frame by frame through OpenCV's FFmpeg."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from drnet_ros.closing import Closing
from drnet_ros.errors import RecordingError
from drnet_ros.opencv_log import without_warnings
from drnet_ros.recordings.frame_count import is_whole_gif, lists_frames

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ['VIDEO_SUFFIXES', 'Video', 'VideoFrame', 'is_camera_or_url', 'is_video', 'opencv_name']

VIDEO_SUFFIXES = (
    *('.mp4', '.m4v', '.mov', '.mkv', '.webm', '.avi', '.mpg', '.mpeg', '.ogv', '.wmv'),
    *('.gif', '.mts', '.m2ts', '.3gp', '.flv'),
)
"""Names of video files end in one of these, whatever their case."""

_URL = re.compile(r'(rtsps?|https?)://.', re.IGNORECASE)
_TIMEOUT_MS = 5000
_DEFAULT_RATE_HZ = 30.0
_NS_PER_S = 1_000_000_000
# Of frames whose number is an estimate from the length of the video.
_LEAST_SHARE = 0.9

# What FFmpeg says of damaged packets goes to the terminal; the frames that it leaves out are gone
# all the same. Read when the first video is opened.
os.environ.setdefault('OPENCV_FFMPEG_LOGLEVEL', '8')


def is_camera_or_url(source: str) -> bool:
    """Return whether a source is a webcam's index or a URL, rather than a path.

    Args:
        source: What a user names.
    """
    return source.isdecimal() or _URL.match(source) is not None


def is_video(path: Path) -> bool:
    """Return whether a file's name is that of a video.

    Args:
        path: The file.
    """
    return path.suffix.lower() in VIDEO_SUFFIXES


@dataclass(frozen=True, slots=True, eq=False)
class VideoFrame:
    """One frame of a video.

    Attributes:
        position: Which frame it is, from 0.
        stamp_ns: Its time since the first frame; it grows from frame to frame.
        rgb_hwc: uint8 (H, W, 3), RGB, upright.
    """

    position: int
    stamp_ns: int
    rgb_hwc: NDArray[np.uint8]


class Video(Closing):
    """An open video; close it or use it in a `with` statement.

    Attributes:
        source: What it was opened with.
        height: Rows of its frames.
        width: Columns of its frames.
        rate_hz: Its frames per second, 30 where it states none.
        frame_count: How many frames it says that it has, 0 if unknown.
        is_live: Whether its frames come as they are taken: those of a camera, or of a URL that
            does not say how many it has. Other URLs are files: read as fast as they come.
    """

    def __init__(self, source: str | Path) -> None:
        """Open a video.

        Args:
            source: A file; or, as text, the index of a webcam ('0') or a URL (rtsp, http, https).

        Raises:
            RecordingError: It cannot be opened.
        """
        self.source = str(source)
        try:
            with without_warnings():
                self._capture = _opened(self.source)
        except cv2.error as error:
            raise RecordingError(_cannot_open(self.source)) from error
        if not self._capture.isOpened():
            self._capture.release()
            raise RecordingError(_cannot_open(self.source))
        self.height = round(self._capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
        self.width = round(self._capture.get(cv2.CAP_PROP_FRAME_WIDTH))
        rate_hz = self._capture.get(cv2.CAP_PROP_FPS)
        self.rate_hz = rate_hz if 0 < rate_hz < 1000 else _DEFAULT_RATE_HZ
        count = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.frame_count = max(0, round(count)) if count < 2**53 else 0
        is_file_on_web = self.source.lower().startswith('http') and self.frame_count > 0
        self.is_live = is_camera_or_url(self.source) and not is_file_on_web
        self._position = -1
        self._stamp_ns = -1
        self._first_ms: float | None = None

    def close(self) -> None:
        """Close the file or give the camera back."""
        self._capture.release()

    def read(self, not_before_ns: int = 0) -> VideoFrame | None:
        """Read the next frame.

        Args:
            not_before_ns: Frames with an earlier stamp are left out, undecoded where possible.

        Returns:
            The frame; None at the end, where the file is damaged, or if a camera gives no more.
        """
        while self._grab():
            if self._stamp_ns < not_before_ns:
                continue
            is_read, bgr = self._capture.retrieve()
            if not is_read or bgr is None:
                continue
            return VideoFrame(self._position, self._stamp_ns, _to_rgb(bgr))
        return None

    def __iter__(self) -> Iterator[VideoFrame]:
        """Yield the frames from here to the end."""
        while (frame := self.read()) is not None:
            yield frame

    def missing(self, count: int) -> str:
        """Return what to say of a video that lacks frames, '' if it does not.

        Where a file lists its frames each must be there; where their number is an estimate from
        its length, nine tenths. Frames that are damaged and still decoded cannot be told.

        Args:
            count: How many frames could be read.
        """
        is_listed = not is_camera_or_url(self.source) and lists_frames(Path(self.source))
        if count >= self.frame_count * (1 if is_listed else _LEAST_SHARE):
            return ''
        if not count and is_camera_or_url(self.source):  # the list of its frames is at its end
            return (
                f'{self.source} can only be read if its server answers range requests, which '
                'python3 -m http.server does not: try another server, or a copy of the file'
            )
        reason = 'it is cut or damaged'
        if not is_camera_or_url(self.source) and is_whole_gif(Path(self.source)):
            reason = (
                'FFmpeg does not find frames without a time of their own: save it with one for '
                'each (duration=100 of Pillow), or as MP4; otherwise it is damaged'
            )
        return (
            f'{self.source} says that it has {self.frame_count} frames, but only {count} can be '
            f'read: {reason}'
        )

    def _grab(self) -> bool:
        if not self._capture.grab():
            return False
        self._position += 1
        at_ms = self._capture.get(cv2.CAP_PROP_POS_MSEC)
        if self._first_ms is None:
            self._first_ms = at_ms
        stamp_ns = round((at_ms - self._first_ms) * 1e6)
        if stamp_ns <= self._stamp_ns:  # without times, or with wrong ones
            stamp_ns = self._stamp_ns + round(_NS_PER_S / self.rate_hz)
        self._stamp_ns = stamp_ns if self._position else 0
        return True


@contextmanager
def opencv_name(path: Path) -> Iterator[str]:
    """Give a name that OpenCV can open a file by; bytes that are no UTF-8 end the process in it.

    Args:
        path: The file, which need not be there yet.

    Yields:
        The absolute path, as FFmpeg takes 'a:b.mp4' for a protocol; or for odd ones a link to it,
        which is removed afterwards, when the file is open.
    """
    name = str(path.absolute())
    if _is_utf8(name):
        yield name
        return
    with TemporaryDirectory(prefix='drnet_video_') as folder:
        link = Path(folder, f'video{path.suffix if _is_utf8(path.suffix) else ""}')
        link.symlink_to(path.absolute())
        yield str(link)


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _opened(source: str) -> cv2.VideoCapture:
    if source.isdecimal():
        return cv2.VideoCapture(int(source))
    if _URL.match(source):
        options = [
            *(cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, _TIMEOUT_MS),
            *(cv2.CAP_PROP_READ_TIMEOUT_MSEC, _TIMEOUT_MS),
        ]
        return cv2.VideoCapture(source, cv2.CAP_FFMPEG, options)
    path = Path(source)
    with suppress(OSError):
        if path.is_file():
            with opencv_name(path) as name:
                return cv2.VideoCapture(name, cv2.CAP_FFMPEG)
    msg = f'there is no video {source}: give a file, the index of a webcam, or a URL'
    raise RecordingError(msg)


def _cannot_open(source: str) -> str:
    if source.isdecimal():
        return f'webcam {source} cannot be opened: is it plugged in, and free? (ls /dev/video*)'
    if _URL.match(source):
        return f'{source} must be a video stream that can be reached; try it with ffplay'
    return f'{source} must be a video that FFmpeg reads: convert it to MP4 (H.264)'


def _to_rgb(bgr: NDArray[Any]) -> NDArray[np.uint8]:
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)
