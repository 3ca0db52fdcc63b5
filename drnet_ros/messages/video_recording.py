"""A video or webcam as a recording: what plays and scores recordings then takes videos too."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from rosbags.typesys import Stores, get_typestore

from drnet_ros.errors import CameraError, RecordingError
from drnet_ros.messages.building import camera_fields, image_fields
from drnet_ros.messages.calibration import read_calibration
from drnet_ros.recordings.recording import RecordedMessage, RecordedTopic, Recording
from drnet_ros.recordings.topics import CAMERA_INFO_TYPE, IMAGE_TYPE
from drnet_ros.recordings.video import Video, is_camera_or_url, is_video

if TYPE_CHECKING:
    from rosbags.interfaces import Connection
    from rosbags.rosbag2 import Writer

    from drnet_ros.inference.camera import CameraModel

__all__ = ['IMAGE_TOPIC', 'INFO_TOPIC', 'VideoRecording', 'open_recording']

IMAGE_TOPIC = '/camera/image_raw'
INFO_TOPIC = '/camera/camera_info'

_FRAME_ID = 'camera_optical_frame'
_NS_PER_S = 1_000_000_000
_UNKNOWN_COUNT = 2**31 - 1  # of a camera, which has no end


def open_recording(source: str | Path, calibration: Path | None = None) -> Recording:
    """Open a recording, a video, or a camera as a recording.

    Args:
        source: As `Recording` takes it; a video file; or, as text, the index of a webcam or a URL.
        calibration: YAML file with the intrinsics of a video or camera; without one it has no
            CameraInfo.

    Raises:
        CameraError: The calibration cannot be read, or is not that of the images.
        RecordingError: The source is missing or cannot be read, or a recording is given a
            calibration.
    """
    if is_camera_or_url(str(source)) or (is_video(Path(source)) and Path(source).is_file()):
        return VideoRecording(
            source, None if calibration is None else read_calibration(calibration)
        )
    if calibration is not None:
        msg = f'a calibration must be for a video or a camera, got the recording {source}'
        raise RecordingError(msg)
    return Recording(source)


class VideoRecording(Recording):
    """The frames of a video as messages: raw images, and the CameraInfo of each.

    Attributes:
        path: What it was opened with.
        topics: `IMAGE_TOPIC`, and `INFO_TOPIC` if the camera is known.
        start_ns: When a file was last changed, since videos do not say when they were taken; now,
            of a camera or a URL.
        end_ns: By the number of frames that the video says that it has.
    """

    def __init__(self, source: str | Path, camera: CameraModel | None = None) -> None:
        """Open a video.

        Args:
            source: A file; or, as text, the index of a webcam or a URL.
            camera: Its camera at any size of the same aspect ratio, or None.

        Raises:
            CameraError: The camera has another aspect ratio.
            RecordingError: The video cannot be opened.
        """
        self.path = Path(source)
        self._source = str(source)
        self._typestore = get_typestore(Stores.LATEST)
        with Video(source) as video:
            self._fields = _camera_fields(self._source, video, camera)
            count = video.frame_count or _UNKNOWN_COUNT
            length_ns = round(video.frame_count / video.rate_hz * _NS_PER_S)
            self._is_live = video.is_live
        names = {IMAGE_TOPIC: IMAGE_TYPE} | (
            {INFO_TOPIC: CAMERA_INFO_TYPE} if self._fields else {}
        )
        self.topics = MappingProxyType(
            {
                name: RecordedTopic(name, msgtype, count, is_latched=False)
                for name, msgtype in names.items()
            }
        )
        is_file = not is_camera_or_url(self._source)
        self.start_ns = self.path.stat().st_mtime_ns if is_file else time.time_ns()
        self.end_ns = self.start_ns + length_ns
        self._opened = ExitStack()

    def messages(self, topics: Collection[str] = ()) -> Iterator[RecordedMessage]:
        """Read frames in order, one at a time; a camera's CameraInfo goes before its image.

        Args:
            topics: Names of the topics to read; all if empty.

        Yields:
            The messages, header stamps equal to the times of recording.

        Raises:
            RecordingError: A topic is not in the recording, the video cannot be opened again, or,
                after all that can be read, it has fewer frames than it says.
        """
        self.require(topics)
        wanted = [name for name in (INFO_TOPIC, IMAGE_TOPIC) if name in (topics or self.topics)]
        with Video(self._source) as video:
            count = 0
            for frame in video:
                count += 1
                stamp_ns = time.time_ns() if self._is_live else self.start_ns + frame.stamp_ns
                for name in wanted:
                    fields = self._fields
                    if name == IMAGE_TOPIC:
                        fields = image_fields(frame.rgb_hwc, 'rgb8')
                    yield self._message(name, stamp_ns, fields)
            if missing := video.missing(count):
                raise RecordingError(missing)

    def add_topics_to(self, writer: Writer) -> dict[str, Connection]:
        """Prepare another recording for messages of this one.

        Args:
            writer: An open writer of a rosbag2.

        Returns:
            The writer's connection by the name of the topic.
        """
        return {
            name: writer.add_connection(name, topic.msgtype, typestore=self._typestore)
            for name, topic in self.topics.items()
        }

    def _message(self, name: str, stamp_ns: int, fields: dict[str, Any]) -> RecordedMessage:
        types = self._typestore.types
        stamp = types['builtin_interfaces/msg/Time'](*divmod(stamp_ns, _NS_PER_S))
        header = types['std_msgs/msg/Header'](stamp, _FRAME_ID)
        msgtype = self.topics[name].msgtype
        if msgtype == CAMERA_INFO_TYPE:
            region = types['sensor_msgs/msg/RegionOfInterest'](0, 0, 0, 0, do_rectify=False)
            fields = {**fields, 'roi': region}
        message = types[msgtype](header=header, **fields)
        data = bytes(self._typestore.serialize_cdr(message, msgtype))
        return RecordedMessage(stamp_ns, name, msgtype, data)


def _camera_fields(source: str, video: Video, camera: CameraModel | None) -> dict[str, Any]:
    if camera is None:
        return {}
    try:
        return camera_fields(camera.matching(video.height, video.width))
    except CameraError as error:
        msg = f'the calibration must be that of {source}: {error}'
        raise CameraError(msg) from error
