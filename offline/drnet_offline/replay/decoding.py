"""Pictures out of recordings, decoded just as the node decodes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drnet_ros.inference.images.codec import (
    decode_compressed_depth,
    decode_compressed_image,
    decode_depth,
    decode_image,
)
from drnet_ros.recordings.topics import COMPRESSED_TYPE

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from drnet_ros.recordings.recording import Recording

__all__ = ['decode_depth_message', 'decode_image_message', 'read_depths', 'read_images']


def read_images(recording: Recording, topic: str) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Read the images of a topic, raw or compressed, one at a time.

    Yields:
        The header's stamp in ns, and uint8 (H, W, 3) RGB.

    Raises:
        RecordingError: The topic is not there, or the recording is damaged.
        ImageError: An image is damaged or of an unknown encoding.
    """
    for stamp_ns, message, msgtype in _read(recording, topic):
        yield stamp_ns, decode_image_message(message, msgtype)


def read_depths(recording: Recording, topic: str) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Read the depth images of a topic, raw or compressed, one at a time.

    Yields:
        The header's stamp in ns, and float32 (H, W) metres, NaN where invalid.

    Raises:
        RecordingError: The topic is not there, or the recording is damaged.
        ImageError: An image is damaged or of an unknown encoding.
    """
    for stamp_ns, message, msgtype in _read(recording, topic):
        yield stamp_ns, decode_depth_message(message, msgtype)


def decode_image_message(message: Any, msgtype: str) -> NDArray[np.uint8]:
    """Decode a deserialised Image or CompressedImage to RGB.

    Raises:
        ImageError: It is damaged or of an unknown encoding.
    """
    if msgtype == COMPRESSED_TYPE:
        return decode_compressed_image(message.data)
    return decode_image(**_raw_fields(message))


def decode_depth_message(message: Any, msgtype: str) -> NDArray[np.float32]:
    """Decode a deserialised depth Image or CompressedImage to metres, NaN where invalid.

    Raises:
        ImageError: It is damaged or of an unknown encoding.
    """
    if msgtype == COMPRESSED_TYPE:
        return decode_compressed_depth(format=message.format, data=message.data)
    return decode_depth(**_raw_fields(message))


def _read(recording: Recording, topic: str) -> Iterator[tuple[int, Any, str]]:
    for recorded in recording.messages([topic]):
        message = recording.deserialize(recorded)
        stamp = message.header.stamp
        stamp_ns = int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)
        yield stamp_ns, message, recorded.msgtype


def _raw_fields(message: Any) -> dict[str, Any]:
    names = ('encoding', 'height', 'width', 'step', 'is_bigendian', 'data')
    return {name: getattr(message, name) for name in names}
