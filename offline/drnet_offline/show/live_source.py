"""A webcam, or a camera or video at a URL: its newest image, and another try where it is lost."""

from __future__ import annotations

import threading
import time

from drnet_offline.show.source import Source, SourceImage
from drnet_ros.errors import RecordingError
from drnet_ros.recordings.video import Video

__all__ = ['LiveSource']

_RETRY_S = 1.0


class LiveSource(Source):
    """Reads a camera in a thread of its own, so that the newest image is always at hand.

    The camera is open only while images are wanted. It is opened again, second by second, after
    it was lost. A video file at a URL is played at its own pace, again and again.
    """

    def __init__(self, source: str) -> None:
        """Remember which camera; it is opened when the first image is wanted.

        Args:
            source: Index of a webcam, or a URL.
        """
        self.title = f'webcam {source}' if source.isdecimal() else source
        self._source = source
        self._changed = threading.Condition()
        self._is_wanted = False
        self._is_closed = False
        self._newest: SourceImage | None = None
        self._problem = ''
        self._thread = threading.Thread(target=self._run, name='camera', daemon=True)
        self._thread.start()

    def next(self, timeout_s: float) -> SourceImage | None:
        """Return the newest image that was not returned yet."""
        with self._changed:
            self._is_wanted = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._newest is not None, timeout_s)
            image, self._newest = self._newest, None
            return image

    def rest(self) -> None:
        """Give the camera back until an image is wanted again."""
        with self._changed:
            self._is_wanted = False
            self._newest = None

    @property
    def problem(self) -> str:
        """Why no images come at the moment, '' if they do."""
        with self._changed:
            return self._problem

    def close(self) -> None:
        """End the thread and give the camera back."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        self._thread.join()

    def _run(self) -> None:
        while self._await_wanted():
            try:
                with Video(self._source) as video:
                    self._read(video)
            except RecordingError as error:
                self._say(f'{error}; trying again each second')
            with self._changed:
                self._changed.wait_for(lambda: self._is_closed, _RETRY_S)

    def _await_wanted(self) -> bool:
        """Wait until images are wanted; return whether they will be."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_wanted or self._is_closed)
            return not self._is_closed

    def _read(self, video: Video) -> None:
        start_s, count = time.monotonic(), 0
        while self._goes_on():
            frame = video.read()
            if frame is None:
                if problem := self._problem_of_end(video, count):
                    self._say(f'{problem}; trying again each second')
                return
            count += 1
            if not video.is_live:
                self._wait_until(start_s + frame.stamp_ns / 1e9)
            now_s = time.monotonic()
            with self._changed:
                if not self._is_wanted:  # since the image was asked for: it would be shown later
                    return
                self._problem = ''
                self._newest = SourceImage(frame.rgb_hwc, round(now_s * 1e9), now_s)
                self._changed.notify_all()

    def _problem_of_end(self, video: Video, count: int) -> str:
        """Return why there are no more images, '' where a file ended as it should."""
        missing = '' if video.is_live else video.missing(count)
        if missing and not count:
            return missing
        return f'{self.title} gives no more images' if video.is_live or missing else ''

    def _wait_until(self, due_s: float) -> None:
        with self._changed:
            self._changed.wait_for(
                lambda: self._is_closed or not self._is_wanted, due_s - time.monotonic()
            )

    def _goes_on(self) -> bool:
        with self._changed:
            return self._is_wanted and not self._is_closed

    def _say(self, problem: str) -> None:
        with self._changed:
            self._problem = problem
