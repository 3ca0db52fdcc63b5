"""Pictures out of recordings, decoded just as the node decodes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drnet_ros.messages.reading import decode_depth_message, decode_image_message, stamp_ns

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from drnet_ros.recordings.recording import Recording

__all__ = ['read_depths', 'read_images']


def read_images(recording: Recording, topic: str) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Read the images of a topic, raw or compressed, one at a time.

    Yields:
        The header's stamp in ns, and uint8 (H, W, 3) RGB.

    Raises:
        RecordingError: The topic is not there, or the recording is damaged.
        ImageError: An image is damaged or of an unknown encoding.
    """
    for message in _read(recording, topic):
        yield stamp_ns(message), decode_image_message(message)


def read_depths(recording: Recording, topic: str) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Read the depth images of a topic, raw or compressed, one at a time.

    Yields:
        The header's stamp in ns, and float32 (H, W) metres, NaN where invalid.

    Raises:
        RecordingError: The topic is not there, or the recording is damaged.
        ImageError: An image is damaged or of an unknown encoding.
    """
    for message in _read(recording, topic):
        yield stamp_ns(message), decode_depth_message(message)


def _read(recording: Recording, topic: str) -> Iterator[Any]:
    for recorded in recording.messages([topic]):
        yield recording.deserialize(recorded)
