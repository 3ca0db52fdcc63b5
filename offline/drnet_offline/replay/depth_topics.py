"""Depth of a recording whose topic has no name that says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drnet_ros.errors import RecordingError
from drnet_ros.inference.images.codec import DEPTH_ENCODINGS
from drnet_ros.recordings.topics import IMAGE_TYPE, base_topic, may_be_depth

if TYPE_CHECKING:
    from drnet_ros.recordings.recording import Recording
    from drnet_ros.recordings.topics import TopicChoice

__all__ = ['depth_hint']


def depth_hint(recording: Recording, choice: TopicChoice) -> str:
    """Return which topics may hold depth, in a sentence, where none was found by its name.

    Args:
        recording: The open recording.
        choice: Its topics.

    Returns:
        '' if depth is known or not wanted, or there is none.
    """
    if choice.depth is not None or not choice.is_depth_wanted:
        return ''
    encodings = {
        topic.name: _encoding(recording, topic.name)
        for topic in recording.topics.values()
        if may_be_depth(topic) and base_topic(topic.name) != base_topic(choice.image)
    }
    found = [
        f'{name} ({encoding})'
        for name, encoding in sorted(encodings.items())
        if encoding in DEPTH_ENCODINGS
    ]
    if not found:
        return ''
    return (
        f'no topic has depth in its name; {", ".join(found)} may be depth: name it by '
        '--depth-topic of drnet bag, vo or adapt, if it is registered to the images'
    )


def _encoding(recording: Recording, name: str) -> str:
    """Return the encoding of the first image of a topic, '' if it cannot be read."""
    try:
        for recorded in recording.messages([name]):
            message = recording.deserialize(recorded)
            if recorded.msgtype == IMAGE_TYPE:
                return str(message.encoding)
            return str(message.format.partition(';')[0])
    except RecordingError:
        pass
    return ''
