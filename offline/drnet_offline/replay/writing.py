"""The source recording with our depth added, as one mcap file that any stack can replay."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from drnet_offline.errors import OfflineError
from drnet_offline.outputs.files import check_file
from drnet_offline.replay.messages import TYPES
from drnet_offline.replay.parts import Parts, add_topics, open_writer
from drnet_ros.errors import RecordingError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from rosbags.interfaces import Connection
    from rosbags.rosbag2 import Writer

    from drnet_offline.replay.replay import Replay
    from drnet_ros.recordings.recording import RecordedMessage, Recording

__all__ = ['check_output', 'write_recording']


def check_output(path: Path, recording: Recording, namespace: str) -> None:
    """Refuse what cannot be written, before hours of work.

    Raises:
        OfflineError: The output exists, has no folder, or our topics are in the recording already.
    """
    if path.exists():
        msg = f'{path} exists already: remove it or name another output'
        raise OfflineError(msg)
    check_file(path)
    for name in TYPES:
        if f'{namespace}/{name}' in recording.topics:
            msg = f'{recording.path} has the topic {namespace}/{name} already: give --namespace'
            raise OfflineError(msg)


def write_recording(
    replay: Replay, output: Path, namespace: str, on_message: Callable[[], None] = lambda: None
) -> list[str]:
    """Write all messages of the recording, and after each image what was computed for it.

    Args:
        replay: A finished run whose task `writes`; its folder is on the disk of the output.
        output: A file NAME.mcap, or a folder.
        namespace: Where our topics go.
        on_message: Called for each message of the recording.

    Returns:
        Topics of the recording that could not be taken over.

    Raises:
        RecordingError: The recording is damaged; the output then holds what comes before.
    """
    recording = replay.index.recording
    made = replay.folder / output.stem
    shutil.rmtree(made, ignore_errors=True)
    damage: RecordingError | None = None
    with open_writer(made, is_compressed=True) as writer:
        sources = recording.add_topics_to(writer)
        try:
            _merge(replay, writer, sources, namespace, on_message)
        except RecordingError as error:
            damage = error
    if output.suffix == '.mcap':
        shutil.move(made / f'{output.stem}.mcap', output)
        shutil.rmtree(made)
    else:
        shutil.move(made, output)
    if damage is not None:
        raise damage
    return sorted(set(recording.topics) - set(sources))


def _merge(
    replay: Replay,
    writer: Writer,
    sources: Mapping[str, Connection],
    namespace: str,
    on_message: Callable[[], None],
) -> None:
    ours = add_topics(writer, f'{namespace}/')
    computed = _Computed(replay.parts)
    position = 0
    topics = {*sources, replay.index.choice.image}
    for message in replay.index.recording.messages(topics):
        on_message()
        if message.topic in sources:
            writer.write(sources[message.topic], message.stamp_ns, message.data)
        if message.topic != replay.index.choice.image:
            continue
        for ready in computed.of(position):
            writer.write(ours[ready.topic[1:]], message.stamp_ns, ready.data)
        position += 1


class _Computed:
    """Walks along the computed messages."""

    def __init__(self, parts: Parts | None) -> None:
        self._messages = iter(()) if parts is None else parts.read()
        self._next = next(self._messages, None)

    def of(self, position: int) -> Iterator[RecordedMessage]:
        while self._next is not None and self._next.stamp_ns <= position:
            yield self._next
            self._next = next(self._messages, None)
