"""Messages of the demo's recording, as far as they can be read, and those that cannot be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drnet_offline.outputs.wording import counted
from drnet_offline.replay.headers import header_of
from drnet_ros.errors import ImageError, RecordingError, shown
from drnet_ros.messages.reading import decode_image_message

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from drnet_ros.recordings.recording import RecordedMessage, Recording

__all__ = ['readable_messages', 'unreadable_images', 'unreadable_text']


def readable_messages(
    recording: Recording, topic: str, problems: list[str]
) -> Iterator[RecordedMessage]:
    """Read a topic as far as it can be read.

    Args:
        recording: The recording.
        topic: The topic.
        problems: Why it ends early is added here, once.
    """
    try:
        yield from recording.messages([topic])
    except RecordingError as error:
        if str(error) not in problems:
            problems.append(str(error))


def unreadable_images(
    recording: Recording, topic: str, arrived_ns: Collection[int]
) -> list[ImageError | RecordingError]:
    """Return why images cannot be read, one error for each that cannot.

    Args:
        recording: What was played.
        topic: Its images.
        arrived_ns: Stamps of images that were received: these are not read again.
    """
    errors: list[ImageError | RecordingError] = []
    if len(arrived_ns) >= recording.topics[topic].count:
        return errors
    for message in readable_messages(recording, topic, []):
        # Images without a stamp all have that of each other: it says nothing.
        stamp_ns = header_of(message).stamp_ns
        if stamp_ns and stamp_ns in arrived_ns:
            continue
        try:
            decode_image_message(recording.deserialize(message))
        except (ImageError, RecordingError) as error:
            errors.append(error)
    return errors


def unreadable_text(topic: str, errors: Sequence[Exception]) -> str:
    """Return a sentence about the messages of a topic that cannot be read.

    Args:
        topic: The topic.
        errors: Why, one for each message, one at least.
    """
    first = ', the first' if len(errors) > 1 else ''
    count = counted(len(errors), 'message')
    return f'{count} of {topic} cannot be read{first}: {shown(str(errors[0]))}'
