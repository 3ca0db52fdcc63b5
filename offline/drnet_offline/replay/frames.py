"""The second pass over a recording: images with camera and recorded depth, in order."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from drnet_offline.replay.headers import header_of
from drnet_ros.errors import CameraError, ImageError, RecordingError
from drnet_ros.inference.images.doubts import REGION_DOUBT, ROWS_DOUBT, has_whole_size, rows_doubt
from drnet_ros.inference.images.exposure import exposure_problem
from drnet_ros.messages.reading import decode_depth_message, decode_image_message

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from drnet_offline.replay.index import Index
    from drnet_ros.inference.arrays import FloatArray, UInt8Array
    from drnet_ros.inference.camera import CameraModel
    from drnet_ros.recordings.recording import RecordedMessage

__all__ = ['DOUBTFUL_KINDS', 'RecordedFrame', 'middle_image', 'read_frames']

_EMPTY_DEPTH = 'recorded depth without a valid pixel'
DOUBTFUL_KINDS = ('black image', 'white image', ROWS_DOUBT, REGION_DOUBT, _EMPTY_DEPTH)
"""Kinds of problems of messages that can be read, though they show nothing or something else."""

ArrayT = TypeVar('ArrayT')

_MOST_WAITING_BYTES = 256 * 1024 * 1024
_LONGEST_NAME = 64
_STRIDE = 8
_MOST_MEDIAN_M = 100.0
_IN_MILLIMETRES = 'depth: over 100 m, as of millimetres in 32FC1, which is metres'


@dataclass(frozen=True, slots=True, eq=False)
class RecordedFrame:
    """One image of a recording with what belongs to it.

    Attributes:
        position: Which image of its topic it is, from 0.
        stamp_ns: Stamp of its header; where that is unset, when it was recorded.
        header_stamp_ns: Stamp of its header, 0 if it is unset.
        frame_id: Frame of its header.
        recorded_ns: When it was recorded.
        rgb_hwc: The image, uint8 (H, W, 3); None if it cannot be decoded.
        info: The CameraInfo message, or None.
        camera: Its camera at the image's size, or None.
        truth_hw: Recorded depth in metres, NaN where invalid, of any size; None without one.
        truth_gap_s: By how much depth was taken later than the image.
        side_messages: What was recorded on the side topics since the image before, in that order.
        problems: Kinds of what was wrong with it.
    """

    position: int
    stamp_ns: int
    header_stamp_ns: int
    frame_id: str
    recorded_ns: int
    rgb_hwc: UInt8Array | None
    info: Any
    camera: CameraModel | None
    truth_hw: FloatArray | None
    truth_gap_s: float
    side_messages: tuple[RecordedMessage, ...] = ()
    problems: tuple[str, ...] = ()


def read_frames(
    index: Index,
    start: int = 0,
    side_topics: Collection[str] = (),
    positions: Collection[int] | None = None,
) -> Iterator[RecordedFrame]:
    """Read the frames of a recording, one at a time.

    Images wait, undecoded, for the depth that was recorded after them; when more waits than 256 MB
    the first image goes on without, as 'late_depth'.

    Args:
        index: The index of the recording.
        start: Position of the first image wanted.
        side_topics: Other topics, such as those of a laser scan and /tf, whose messages come with
            the first image recorded after them; other ones than images and depth.
        positions: Which images are wanted; None for all. The others are not decoded.

    Yields:
        Each image of the index from `start` on that is wanted.

    Raises:
        RecordingError: A side topic is not in the recording, or the recording is damaged before
            its last image. What else cannot be read is told to `index.damage`.
    """
    reader = _Reader(index, start, positions)
    choice = index.choice
    topics = {name for name in (choice.image, choice.depth, *side_topics) if name is not None}
    try:
        for message in index.recording.messages(topics):
            reader.add(message)
            yield from reader.ready(is_ended=False)
    except RecordingError as error:
        # Where all images were read, what cannot be is of side topics: it costs itself alone.
        if not index.damage and not reader.has_all_images:
            raise
        index.damage = index.damage or str(error)
    yield from reader.ready(is_ended=True)


def middle_image(index: Index) -> UInt8Array | None:
    """Return the image in the middle of a recording, uint8 (H, W, 3); None if it is damaged."""
    position = len(index.images) // 2
    for frame in read_frames(index, position, positions=(position,)):
        return frame.rgb_hwc
    return None


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    """An image that waits for its depth, and what was recorded before it."""

    position: int
    image: RecordedMessage
    side_messages: tuple[RecordedMessage, ...]


class _Reader:
    def __init__(self, index: Index, start: int, positions: Collection[int] | None) -> None:
        self._recording = index.recording
        self._index = index
        wanted = range(len(index.images)) if positions is None else positions
        self._positions = {position for position in wanted if position >= start}
        self._images: deque[_Waiting] = deque()
        self._depths: dict[int, RecordedMessage] = {}
        self._side_messages: list[RecordedMessage] = []
        self._wanted = {d for i, d in index.pairs.items() if i in self._positions}
        self._image_count = self._depth_count = 0
        self._bytes = 0

    @property
    def has_all_images(self) -> bool:
        return self._image_count >= len(self._index.images)

    def add(self, message: RecordedMessage) -> None:
        if message.topic == self._index.choice.depth:
            if self._depth_count in self._wanted:
                self._depths[self._depth_count] = message
                self._bytes += len(message.data)
            self._depth_count += 1
        elif message.topic == self._index.choice.image:
            if self._image_count in self._positions:
                before = tuple(self._side_messages)
                self._side_messages.clear()
                self._images.append(_Waiting(self._image_count, message, before))
                self._bytes += len(message.data)
            self._image_count += 1
        else:
            self._side_messages.append(message)

    def ready(self, *, is_ended: bool) -> Iterator[RecordedFrame]:
        while self._images:
            waiting = self._images[0]
            wanted = self._index.pairs.get(waiting.position)
            depth = None if wanted is None else self._depths.get(wanted)
            is_full = self._bytes > _MOST_WAITING_BYTES
            if wanted is not None and depth is None and not (is_ended or is_full):
                return
            self._images.popleft()
            self._bytes -= len(waiting.image.data)
            if wanted is not None:
                self._wanted.discard(wanted)
                if self._depths.pop(wanted, None) is not None and depth is not None:
                    self._bytes -= len(depth.data)
            is_late = wanted is not None and depth is None
            yield self._decoded(waiting, depth, is_late=is_late)

    def _read(
        self,
        recorded: RecordedMessage,
        what: str,
        decode: Callable[[Any], ArrayT],
        problems: list[str],
    ) -> ArrayT | None:
        """Decode a message; note why it cannot be, and return None then."""
        try:
            message = self._recording.deserialize(recorded)
        except RecordingError:
            problems.append(f'{what}: unreadable message')
            return None
        try:
            return decode(message)
        except ImageError as error:
            problems.append(f'{what}: {_kind(error, message)}')
            return None

    def _decoded(
        self, waiting: _Waiting, depth: RecordedMessage | None, *, is_late: bool
    ) -> RecordedFrame:
        image = waiting.image
        header = header_of(image)
        problems = ['late_depth'] if is_late else []
        truth = info = camera = None
        gap_s = 0.0
        rgb = self._read(image, 'image', partial(_decode_image, problems), problems)
        if rgb is not None and (exposure := exposure_problem(rgb)):
            problems.append(f'{exposure} image')
        if depth is not None:
            gap_s = (header_of(depth).taken_ns - header.taken_ns) / 1e9
            truth = self._read_depth(depth, problems)
        found = self._index.cameras.find(waiting.position)
        if rgb is not None and found is not None:
            try:
                info, camera = found[0], found[1].matching(*rgb.shape[:2])
            except CameraError:
                problems.append('camera_info: of another aspect ratio')
            if has_whole_size(found[0], (rgb.shape[0], rgb.shape[1])):
                problems.append(REGION_DOUBT)
        return RecordedFrame(
            position=waiting.position,
            stamp_ns=header.taken_ns,
            header_stamp_ns=header.stamp_ns,
            frame_id=header.frame_id,
            recorded_ns=image.stamp_ns,
            rgb_hwc=rgb,
            info=info,
            camera=camera,
            truth_hw=truth,
            truth_gap_s=gap_s,
            side_messages=waiting.side_messages,
            problems=tuple(problems),
        )

    def _read_depth(self, depth: RecordedMessage, problems: list[str]) -> FloatArray | None:
        """Decode recorded depth, and note what speaks against it; None if it is of no use."""
        truth_hw = self._read(depth, 'depth', decode_depth_message, problems)
        if truth_hw is None:
            return None
        if not np.isfinite(truth_hw).any():
            problems.append(_EMPTY_DEPTH)
        if _is_beyond_rooms(truth_hw):
            problems.append(_IN_MILLIMETRES)
            return None
        return truth_hw


def _decode_image(problems: list[str], message: Any) -> UInt8Array:
    """Decode an image, and note what speaks against its encoding."""
    rgb_hwc = decode_image_message(message)
    if rows_doubt(message):
        problems.append(ROWS_DOUBT)
    return rgb_hwc


def _kind(error: ImageError, message: Any) -> str:
    if error.kind != 'unknown_encoding':
        return error.kind
    if not len(message.data):
        return 'without data'
    name = message.encoding if hasattr(message, 'encoding') else message.format
    return f'{error.kind} {name[:_LONGEST_NAME]!r}'


def _is_beyond_rooms(depth_hw: FloatArray) -> bool:
    """Whether depth is so large that its unit cannot be the metre."""
    sample = depth_hw[::_STRIDE, ::_STRIDE]
    valid = sample[np.isfinite(sample)]
    return bool(valid.size and np.median(valid) > _MOST_MEDIAN_M)
