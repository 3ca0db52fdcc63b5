"""The source recording with our depth added, as one mcap file that any stack can replay.

While frames are computed, their messages go to parts that are closed whenever the run saves its
state; an mcap cannot be appended to. When all is computed, source and parts are merged.
"""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from rosbags.interfaces import (
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

from drnet_offline.errors import OfflineError
from drnet_offline.replay.messages import TYPES, TYPESTORE
from drnet_ros.errors import RecordingError
from drnet_ros.recordings.recording import Recording

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from rosbags.interfaces import Connection

    from drnet_ros.recordings.recording import RecordedMessage

__all__ = ['Parts', 'check_folder_of', 'check_output', 'merge']


class Parts:
    """The computed messages so far: part 0, 1, 2 ... in a folder.

    Their stamps are the positions of the images that they belong to.
    """

    def __init__(self, folder: Path, closed: int) -> None:
        """Begin, or go on after so many closed parts; later ones are deleted."""
        self._folder = folder
        self.closed = closed
        self._stack = ExitStack()
        self._writer: Writer | None = None
        self._connections: dict[str, Connection] = {}
        folder.mkdir(parents=True, exist_ok=True)
        kept = {self._path(number) for number in range(closed)}
        for path in set(folder.iterdir()) - kept:
            shutil.rmtree(path)

    def write(self, position: int, messages: Mapping[str, bytes]) -> None:
        """Add the messages of a frame, by topics of `messages.TYPES`."""
        if self._writer is None:
            self._writer = self._stack.enter_context(_writer(self._path(self.closed)))
            self._connections = _connect(self._writer, '/')
        for name, data in messages.items():
            self._writer.write(self._connections[name], position, data)

    def close_part(self) -> None:
        """Finish the part being written; the next message begins another."""
        if self._writer is not None:
            self._stack.close()
            self._writer = None
            self.closed += 1

    def read(self) -> Iterator[RecordedMessage]:
        """Read all closed parts in order."""
        for number in range(self.closed):
            with Recording(self._path(number)) as part:
                yield from part.messages()

    def _path(self, number: int) -> Path:
        return self._folder / f'{number:06d}'


def check_output(path: Path, recording: Recording, namespace: str) -> None:
    """Refuse what cannot be written, before hours of work.

    Raises:
        OfflineError: The output exists, has no folder, or our topics are in the recording already.
    """
    if path.exists():
        msg = f'{path} exists already: remove it or name another output'
        raise OfflineError(msg)
    check_folder_of(path)
    for name in TYPES:
        if f'{namespace}/{name}' in recording.topics:
            msg = f'{recording.path} has the topic {namespace}/{name} already: give --namespace'
            raise OfflineError(msg)


def check_folder_of(path: Path) -> None:
    """Refuse a file whose folder is not there.

    Raises:
        OfflineError: It is not.
    """
    folder = path.absolute().parent
    if not folder.is_dir():
        msg = f'there is no folder {folder}'
        raise OfflineError(msg)


def merge(
    recording: Recording,
    image_topic: str,
    parts: Parts,
    output: Path,
    *,
    namespace: str,
    scratch: Path,
    on_message: Callable[[], None] = lambda: None,
) -> list[str]:
    """Write all messages of the recording, and after each image what was computed for it.

    Args:
        recording: The recording.
        image_topic: Its images.
        parts: What was computed.
        output: A file NAME.mcap, or a folder.
        namespace: Where our topics go.
        scratch: Existing folder on the disk of the output, for the file in the making.
        on_message: Called for each message.

    Returns:
        Topics of the recording that could not be taken over.

    Raises:
        RecordingError: The recording is damaged; the output then holds what comes before.
    """
    made = scratch / output.stem
    shutil.rmtree(made, ignore_errors=True)
    damage: RecordingError | None = None
    with _writer(made, is_compressed=True) as writer:
        sources = recording.add_topics_to(writer)
        ours = _connect(writer, f'{namespace}/')
        computed = _Computed(parts)
        position = 0
        try:
            for message in recording.messages():
                on_message()
                if message.topic in sources:
                    writer.write(sources[message.topic], message.stamp_ns, message.data)
                if message.topic != image_topic:
                    continue
                for ready in computed.of(position):
                    writer.write(ours[ready.topic[1:]], message.stamp_ns, ready.data)
                position += 1
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


class _Computed:
    """Walks along the computed messages."""

    def __init__(self, parts: Parts) -> None:
        self._messages = parts.read()
        self._next = next(self._messages, None)

    def of(self, position: int) -> Iterator[RecordedMessage]:
        while self._next is not None and self._next.stamp_ns <= position:
            yield self._next
            self._next = next(self._messages, None)


def _writer(path: Path, *, is_compressed: bool = False) -> Writer:
    writer = Writer(path, version=9, storage_plugin=StoragePlugin.MCAP)
    if is_compressed:
        writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
    return writer


def _connect(writer: Writer, prefix: str) -> dict[str, Connection]:
    """Add our topics as the node publishes them: reliable, volatile, a short queue."""
    forever = QosTime(9223372036, 854775807)
    profile = Qos(
        QosHistory.KEEP_LAST,
        10,
        QosReliability.RELIABLE,
        QosDurability.VOLATILE,
        forever,
        forever,
        QosLiveliness.AUTOMATIC,
        forever,
        avoid_ros_namespace_conventions=False,
    )
    return {
        name: writer.add_connection(
            prefix + name, msgtype, typestore=TYPESTORE, offered_qos_profiles=[profile]
        )
        for name, msgtype in TYPES.items()
    }
