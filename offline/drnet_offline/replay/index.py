"""The first pass over a recording: what is in it, what belongs together, what is odd about it.

Of each message only its header and a checksum of the rest are kept, so that a recording of any
length costs a few bytes for each frame.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from drnet_offline.datasets.matching import match_stamps
from drnet_offline.replay.headers import header_of
from drnet_offline.replay.intrinsics import IntrinsicsTimeline
from drnet_ros.errors import RecordingError
from drnet_ros.messages.reading import NS_PER_S
from drnet_ros.recordings.topics import (
    CAMERA_INFO_TYPE,
    COMPRESSED_TYPE,
    IMAGE_TYPE,
    TopicChoice,
    base_topic,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from drnet_offline.replay.headers import RecordedHeader
    from drnet_ros.recordings.recording import Recording

__all__ = [
    'UNREADABLE_CAMERA',
    'Index',
    'StampedTopic',
    'depth_info_topic',
    'index_recording',
    'indexed_topics',
]

UNREADABLE_CAMERA = 'camera_info: unreadable message'
_HEADER_START = 16  # encapsulation, stamp and length of frame_id


@dataclass(slots=True)
class StampedTopic:
    """The messages of one topic, in the order of the recording.

    Attributes:
        stamps_ns: Stamps of their headers; where one is unset, when the message was recorded.
        frame_ids: The frames named in their headers.
        unstamped: How many have no stamp.
        sums: Checksums of what follows their headers.
    """

    stamps_ns: list[int] = field(default_factory=list)
    frame_ids: set[str] = field(default_factory=set)
    unstamped: int = 0
    sums: list[int] = field(default_factory=list)

    def add(self, header: RecordedHeader, content: memoryview) -> None:
        """Take note of a message, by its header and what follows that."""
        self.sums.append(zlib.crc32(content))
        self.stamps_ns.append(header.taken_ns)
        if header.is_whole:
            self.frame_ids.add(header.frame_id)
        self.unstamped += not header.stamp_ns

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
    def longest_repeat(self) -> range:
        """The positions of the most messages in a row with the same content."""
        longest, first = range(0), 0
        for position, content in enumerate(self.sums):
            if content != self.sums[first]:
                first = position
            longest = max(longest, range(first, position + 1), key=len)
        return longest

    @property
    def longest_gap_s(self) -> float:
        """The longest time between two stamps that follow each other."""
        gaps = np.diff(np.asarray(self.stamps_ns, np.int64))
        return float(gaps.max() / NS_PER_S) if gaps.size else 0.0


@dataclass(slots=True)
class Index:
    """A recording, and what one pass over it told.

    Attributes:
        recording: The open recording.
        choice: Its topics.
        tolerance_s: Largest distance of the stamps of an image and its depth.
        images: The images.
        depths: The depth images; empty without a depth topic.
        cameras: The intrinsics of the images.
        depth_cameras: The intrinsics of the depth images, where a topic for them is known.
        pairs: Position of the depth image by position of the image.
        damage: Why the recording cannot be read to its end, '' if it can.
    """

    recording: Recording
    choice: TopicChoice
    tolerance_s: float
    images: StampedTopic = field(default_factory=StampedTopic)
    depths: StampedTopic = field(default_factory=StampedTopic)
    cameras: IntrinsicsTimeline = field(default_factory=IntrinsicsTimeline)
    depth_cameras: IntrinsicsTimeline = field(default_factory=IntrinsicsTimeline)
    pairs: dict[int, int] = field(default_factory=dict)
    damage: str = ''

    @property
    def camera_problems(self) -> dict[str, int]:
        """How many CameraInfo cannot be read, by what is said of them; empty if all can."""
        count = self.cameras.unreadable + self.depth_cameras.unreadable
        return {UNREADABLE_CAMERA: count} if count else {}

    def without_depth(self) -> Index:
        """Return the same recording, whose depth images are not read."""
        return replace(self, choice=self.choice.without_depth(), pairs={})


def index_recording(
    recording: Recording,
    choice: TopicChoice,
    tolerance_s: float,
    *,
    on_message: Callable[[], None] = lambda: None,
) -> Index:
    """Read all headers of the chosen topics.

    Args:
        recording: The recording; it must stay open while the index is used.
        choice: The topics.
        tolerance_s: Largest distance of the stamps of an image and its depth.
        on_message: Called for each message of `indexed_topics`.

    Returns:
        The index; up to where the recording is damaged, if it is.

    Raises:
        RecordingError: A topic has the wrong type, there is no image, or nothing can be read.
    """
    _check_types(recording, choice)
    index = Index(recording, choice, tolerance_s)
    try:
        _read_headers(index, on_message)
    except RecordingError as error:
        if not index.images.stamps_ns:
            raise
        index.damage = str(error)
    if not index.images.stamps_ns:
        msg = f'{recording.path} must have images on {choice.image}, got none'
        raise RecordingError(msg)
    index.cameras.settle(index.images.stamps_ns)
    index.depth_cameras.settle(index.images.stamps_ns)
    index.pairs = match_stamps(
        index.images.stamps_ns, index.depths.stamps_ns, round(tolerance_s * NS_PER_S)
    )
    return index


def indexed_topics(recording: Recording, choice: TopicChoice) -> set[str]:
    """Return the topics that `index_recording` reads: the chosen ones, and the depth's camera."""
    names = (choice.image, choice.camera_info, choice.depth, depth_info_topic(recording, choice))
    return {name for name in names if name is not None}


def _read_headers(index: Index, on_message: Callable[[], None]) -> None:
    recording, choice = index.recording, index.choice
    pictures = {choice.depth: index.depths, choice.image: index.images}
    cameras = {
        choice.camera_info: index.cameras,
        depth_info_topic(recording, choice): index.depth_cameras,
    }
    for message in recording.messages(indexed_topics(recording, choice)):
        header = header_of(message)
        if message.topic in pictures:
            content = memoryview(message.data)[_HEADER_START + len(header.frame_id) :]
            pictures[message.topic].add(header, content)
        else:
            cameras[message.topic].add(
                header,
                message.data[_HEADER_START + len(header.frame_id) :],
                partial(recording.deserialize, message),
                len(index.images),
            )
        on_message()


def depth_info_topic(recording: Recording, choice: TopicChoice) -> str | None:
    """Return the topic of the depth images' own CameraInfo, None if there is none."""
    if choice.depth is None:
        return None
    name = f'{base_topic(choice.depth).rpartition("/")[0]}/camera_info'
    topic = recording.topics.get(name)
    is_one = topic is not None and topic.msgtype == CAMERA_INFO_TYPE
    return name if is_one and name != choice.camera_info else None


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
