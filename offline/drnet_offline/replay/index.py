"""The first pass over a recording: what is in it, what belongs together, what is odd about it.

Only headers are read, so that a recording of any length costs a few bytes for each frame.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from drnet_offline.datasets.matching import match_stamps
from drnet_offline.replay.headers import read_header
from drnet_ros.errors import CameraError, RecordingError
from drnet_ros.messages.reading import NS_PER_S, camera_of
from drnet_ros.recordings.topics import CAMERA_INFO_TYPE, COMPRESSED_TYPE, IMAGE_TYPE, TopicChoice

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from drnet_ros.inference.camera import CameraModel
    from drnet_ros.recordings.recording import RecordedMessage, Recording

__all__ = ['Index', 'IntrinsicsTimeline', 'StampedTopic', 'index_recording']

_HEADER_START = 16  # encapsulation, stamp and length of frame_id


@dataclass(slots=True)
class StampedTopic:
    """The messages of one topic, in the order of the recording.

    Attributes:
        stamps_ns: Stamps of their headers.
        frame_ids: The frames named in their headers.
    """

    stamps_ns: list[int] = field(default_factory=list)
    frame_ids: set[str] = field(default_factory=set)

    def __len__(self) -> int:
        """Return the number of messages."""
        return len(self.stamps_ns)

    @property
    def rate_hz(self) -> float:
        """Messages per second, by the median distance of their stamps; 0 if unknown."""
        gaps = np.diff(np.asarray(self.stamps_ns, np.int64))
        gaps = gaps[gaps > 0]
        return NS_PER_S / float(np.median(gaps)) if gaps.size else 0.0

    @property
    def backward_steps(self) -> int:
        """How many stamps are not later than the one before."""
        return int(np.count_nonzero(np.diff(np.asarray(self.stamps_ns, np.int64)) <= 0))

    @property
    def longest_gap_s(self) -> float:
        """The longest time between two stamps that follow each other."""
        gaps = np.diff(np.asarray(self.stamps_ns, np.int64))
        return float(gaps.max() / NS_PER_S) if gaps.size else 0.0


@dataclass(slots=True)
class IntrinsicsTimeline:
    """The CameraInfo that holds for each image; kept only where it changes.

    Attributes:
        messages: Each CameraInfo that differs from the one before.
        problem: Why one of them is no usable camera, '' if all are.
    """

    messages: list[Any] = field(default_factory=list)
    problem: str = ''
    _starts_ns: list[int] = field(default_factory=list)
    _models: list[CameraModel | None] = field(default_factory=list)
    _last: bytes = b''

    def add(self, stamp_ns: int, body: bytes, deserialize: Callable[[], Any]) -> None:
        """Take note of a CameraInfo; `body` is what follows its header."""
        if body == self._last:
            return
        self._last = body
        info = deserialize()
        try:
            model = camera_of(info)
        except CameraError as error:
            self.problem = f'camera_info is not usable: {error}'
            model = None
        self.messages.append(info)
        self._models.append(model)
        # Sorted by stamps; one that goes back holds from where the one before began.
        self._starts_ns.append(max(stamp_ns, self._starts_ns[-1] if self._starts_ns else 0))

    def find(self, stamp_ns: int) -> tuple[Any, CameraModel] | None:
        """Return the CameraInfo in force at a stamp and its model: the newest, or the first one.

        Returns:
            None if there is none that is usable.
        """
        if not self.messages:
            return None
        place = max(0, bisect_right(self._starts_ns, stamp_ns) - 1)
        model = self._models[place]
        return None if model is None else (self.messages[place], model)


@dataclass(slots=True)
class Index:
    """What one pass over a recording told.

    Attributes:
        choice: Its topics.
        images: The images.
        depths: The depth images; empty without a depth topic.
        cameras: The intrinsics of the images.
        depth_cameras: The intrinsics of the depth images, where a topic for them is known.
        pairs: Position of the depth image by position of the image.
        damage: Why the recording cannot be read to its end, '' if it can.
    """

    choice: TopicChoice
    images: StampedTopic = field(default_factory=StampedTopic)
    depths: StampedTopic = field(default_factory=StampedTopic)
    cameras: IntrinsicsTimeline = field(default_factory=IntrinsicsTimeline)
    depth_cameras: IntrinsicsTimeline = field(default_factory=IntrinsicsTimeline)
    pairs: dict[int, int] = field(default_factory=dict)
    damage: str = ''


def index_recording(
    recording: Recording,
    choice: TopicChoice,
    tolerance_s: float,
    *,
    depth_camera_info: str | None = None,
    on_message: Callable[[], None] = lambda: None,
) -> Index:
    """Read all headers of the chosen topics.

    Args:
        recording: The recording.
        choice: The topics.
        tolerance_s: Largest distance of the stamps of an image and its depth.
        depth_camera_info: Topic of the depth images' CameraInfo, if there is one.
        on_message: Called for each message.

    Returns:
        The index; up to where the recording is damaged, if it is.

    Raises:
        RecordingError: A topic has the wrong type, there is no image, or nothing can be read.
    """
    _check_types(recording, choice)
    index = Index(choice)
    names = (choice.image, choice.camera_info, choice.depth, depth_camera_info)
    try:
        for message in recording.messages({name for name in names if name is not None}):
            _add(index, recording, message, depth_camera_info)
            on_message()
    except RecordingError as error:
        if not index.images.stamps_ns:
            raise
        index.damage = str(error)
    if not index.images.stamps_ns:
        msg = f'{recording.path} must have images on {choice.image}, got none'
        raise RecordingError(msg)
    index.pairs = match_stamps(
        index.images.stamps_ns, index.depths.stamps_ns, round(tolerance_s * NS_PER_S)
    )
    return index


def _add(
    index: Index, recording: Recording, message: RecordedMessage, depth_camera_info: str | None
) -> None:
    stamp_ns, frame_id = read_header(message.data)
    choice = index.choice
    if message.topic in {choice.image, choice.depth}:
        topic = index.images if message.topic == choice.image else index.depths
        topic.stamps_ns.append(stamp_ns)
        topic.frame_ids.add(frame_id)
        return
    body = message.data[_HEADER_START + len(frame_id) :]
    for name, timeline in (
        (choice.camera_info, index.cameras),
        (depth_camera_info, index.depth_cameras),
    ):
        if message.topic == name:
            timeline.add(stamp_ns, body, lambda: recording.deserialize(message))


def _check_types(recording: Recording, choice: TopicChoice) -> None:
    pictures = (IMAGE_TYPE, COMPRESSED_TYPE)
    wanted: Sequence[tuple[str | None, tuple[str, ...]]] = (
        (choice.image, pictures),
        (choice.depth, pictures),
        (choice.camera_info, (CAMERA_INFO_TYPE,)),
    )
    for name, types in wanted:
        if name is None:
            continue
        found = recording.topics[name].msgtype
        if found not in types:
            msg = f'topic {name} must be of type {" or ".join(types)}, got {found}'
            raise RecordingError(msg)
