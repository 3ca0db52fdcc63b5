"""Records what is shown: a video to look at, or a recording to compute with."""

from __future__ import annotations

import shutil
import time
from abc import abstractmethod
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

from drnet_offline.errors import OfflineError
from drnet_offline.outputs.depth_picture import depth_picture
from drnet_offline.outputs.files import encode_image, named_disk
from drnet_offline.outputs.video_file import VideoFile
from drnet_offline.replay.messages import TYPESTORE, header, serialize
from drnet_ros.closing import Closing
from drnet_ros.inference import DepthFrame
from drnet_ros.inference.arrays import UInt8Array
from drnet_ros.messages.building import camera_fields, depth_fields

__all__ = ['FORMATS', 'Recorder', 'start_recording']

FORMATS = ('mp4', 'mcap')
"""What can be recorded: a video of image and depth, or a rosbag2 with images, camera and depth."""

_VIDEO_RATE_HZ = 20.0
_LEAST_FREE_BYTES = 50_000_000
_FRAMES_BETWEEN_LOOKS = 20
_FRAME_ID = 'camera_optical_frame'
_TOPICS = {
    '/camera/image/compressed': 'sensor_msgs/msg/CompressedImage',
    '/camera/camera_info': 'sensor_msgs/msg/CameraInfo',
    '/camera/depth/image_rect': 'sensor_msgs/msg/Image',
    '/camera/depth/camera_info': 'sensor_msgs/msg/CameraInfo',
}
_IMAGE, _INFO, _DEPTH, _DEPTH_INFO = _TOPICS


class Recorder(Closing):
    """Takes frames until it is closed; only then the file has its name.

    `close` raises OfflineError if the file is not whole.

    Attributes:
        path: The file.
        count: Frames that were recorded.
    """

    path: Path
    count: int

    @abstractmethod
    def add(self, rgb_hwc: UInt8Array, result: DepthFrame, range_m: tuple[float, float]) -> None:
        """Record a frame.

        Args:
            rgb_hwc: The image at the size of its depth.
            result: Its depth.
            range_m: Depths of the first and the last colour.

        Raises:
            OfflineError: It cannot be written.
        """


def start_recording(
    kind: str, folder: Path, least_free_bytes: int = _LEAST_FREE_BYTES
) -> Recorder:
    """Begin a recording in a file named after the time.

    Args:
        kind: One of `FORMATS`.
        folder: Where it goes.
        least_free_bytes: With less room on its disk a video ends, since one that a full disk cuts
            is lost.

    Raises:
        OfflineError: It cannot be written, or is of no known kind.
    """
    if kind not in FORMATS:
        msg = f'a recording must be one of {", ".join(FORMATS)}, got {kind!r}'
        raise OfflineError(msg)
    path = folder / time.strftime(f'drnet_%Y%m%d_%H%M%S.{kind}')
    if path.exists():
        msg = f'{path} exists already: wait a second'
        raise OfflineError(msg)
    if kind == 'mp4':
        return _VideoRecorder(path, least_free_bytes)
    return _BagRecorder(path)


class _VideoRecorder(Recorder):
    """Writes as many frames each second as a video has, however fast they come."""

    def __init__(self, path: Path, least_free_bytes: int) -> None:
        self.path = path
        self._least_free_bytes = least_free_bytes
        self.count = 0
        self._video: VideoFile | None = None
        self._start_s = 0.0
        self._written = 0

    def add(self, rgb_hwc: UInt8Array, result: DepthFrame, range_m: tuple[float, float]) -> None:
        picture = depth_picture(rgb_hwc, result.depth_hw, range_m)
        now_s = time.monotonic()
        if self._video is None:
            self._video = VideoFile(self.path, _VIDEO_RATE_HZ)
            self._start_s = now_s
        # After a pause it goes on from there: at most a second is filled with one picture.
        earliest_s = now_s - (self._written + _VIDEO_RATE_HZ) / _VIDEO_RATE_HZ
        self._start_s = max(self._start_s, earliest_s)
        due = int((now_s - self._start_s) * _VIDEO_RATE_HZ) + 1
        for _ in range(due - self._written):
            self._video.write(picture)
        self._written = max(due, self._written)
        self.count += 1
        if self.count % _FRAMES_BETWEEN_LOOKS == 0:
            self._check_room()

    def _check_room(self) -> None:
        with suppress(OSError):  # without its folder it says so when it is closed
            free_bytes = shutil.disk_usage(self.path.parent).free
            if free_bytes < self._least_free_bytes:
                msg = (
                    f'{self.path} ended after {self.count} frames, since its disk has only '
                    f'{free_bytes / 1e6:.0f} MB free; free some, or name another with --output'
                )
                raise OfflineError(msg)

    def close(self) -> None:
        if self._video is not None:
            self._video.close()


class _BagRecorder(Recorder):
    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self._folder = path.with_name(f'.{path.stem}.unfinished')
        try:
            self._writer = Writer(self._folder, version=9, storage_plugin=StoragePlugin.MCAP)
            self._writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
            self._writer.open()
        except OSError as error:
            msg = f'cannot write {path}: {error.strerror}; name another folder with --output'
            raise OfflineError(msg) from error
        self._connections = {
            name: self._writer.add_connection(name, msgtype, typestore=TYPESTORE)
            for name, msgtype in _TOPICS.items()
        }

    def add(
        self,
        rgb_hwc: UInt8Array,
        result: DepthFrame,
        range_m: tuple[float, float],  # noqa: ARG002 - the depth itself is recorded
    ) -> None:
        stamp_ns = time.time_ns()
        types = TYPESTORE.types
        head = header(stamp_ns, _FRAME_ID)
        jpeg = np.frombuffer(encode_image('.jpg', rgb_hwc), np.uint8)
        messages: dict[str, Any] = {
            _IMAGE: types[_TOPICS[_IMAGE]](head, 'rgb8; jpeg compressed bgr8', jpeg),
            _DEPTH: types[_TOPICS[_DEPTH]](head, **depth_fields(result.depth_hw, '16UC1')),
        }
        if result.camera is not None:
            region = types['sensor_msgs/msg/RegionOfInterest'](0, 0, 0, 0, do_rectify=False)
            fields = camera_fields(result.camera)
            info = types[_TOPICS[_INFO]](head, **fields, roi=region)
            messages |= {_INFO: info, _DEPTH_INFO: info}
        with named_disk(self.path):
            for name, message in messages.items():
                self._writer.write(
                    self._connections[name], stamp_ns, serialize(message, _TOPICS[name])
                )
        self.count += 1

    def close(self) -> None:
        try:
            try:
                self._writer.close()
            finally:
                # One that a full disk has cut can be read up to there.
                shutil.move(self._folder / f'{self._folder.name}.mcap', self.path)
                shutil.rmtree(self._folder)
        except OSError as error:
            msg = f'cannot write {self.path}: {error.strerror or error}; name another folder'
            raise OfflineError(msg) from error
