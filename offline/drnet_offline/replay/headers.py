"""Stamp and frame of a message, read off its bytes: indexing a recording decodes no picture."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from drnet_ros.errors import RecordingError
from drnet_ros.messages.reading import NS_PER_S

if TYPE_CHECKING:
    from drnet_ros.recordings.recording import RecordedMessage

__all__ = ['RecordedHeader', 'header_of', 'read_header']

_LITTLE_ENDIAN = 1
_LONGEST_FRAME_ID = 1024


class RecordedHeader(NamedTuple):
    """What the header of a recorded message says.

    Attributes:
        stamp_ns: Its stamp, 0 if it is unset.
        frame_id: Its frame.
        taken_ns: When the message was made: the stamp, or where that is unset when the message was
            recorded.
        is_whole: Whether the message begins with a header.
    """

    stamp_ns: int
    frame_id: str
    taken_ns: int
    is_whole: bool = True


def header_of(message: RecordedMessage) -> RecordedHeader:
    """Return the header of a message; of a damaged one when it was recorded, and no frame.

    Args:
        message: The message; it is read or refused as a whole later.
    """
    try:
        stamp_ns, frame_id = read_header(message.data)
    except RecordingError:
        return RecordedHeader(message.stamp_ns, '', message.stamp_ns, is_whole=False)
    return RecordedHeader(stamp_ns, frame_id, stamp_ns or message.stamp_ns)


def read_header(data: bytes) -> tuple[int, str]:
    """Read the std_msgs/Header that a message begins with.

    Args:
        data: The message as CDR: 4 bytes of encapsulation, int32 sec, uint32 nanosec, frame_id.

    Returns:
        The stamp in ns, and the frame_id.

    Raises:
        RecordingError: The message is too short for its header, or its frame_id is no text.
    """
    try:
        order = '<' if data[1] & _LITTLE_ENDIAN else '>'
        sec, nanosec, length = struct.unpack_from(f'{order}iII', data, 4)
        (name,) = struct.unpack_from(f'{length}s', data, 16)
    except (struct.error, IndexError) as error:
        msg = f'a message must begin with a whole header, got {len(data)} bytes; record it again'
        raise RecordingError(msg) from error
    text = name.removesuffix(b'\0').decode(errors='replace')
    if len(name) > _LONGEST_FRAME_ID or (text and not text.isprintable()):
        msg = f'frame_id of a message must be text, got {text[:20]!r}; it is damaged'
        raise RecordingError(msg)
    return sec * NS_PER_S + nanosec, text
