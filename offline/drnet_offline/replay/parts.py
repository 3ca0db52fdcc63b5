"""The computed messages of a run, on disk until the output recording is written.

An mcap cannot be appended to, so messages go to parts that are closed whenever the run saves its
state.
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

from drnet_offline.replay.messages import TYPES, TYPESTORE
from drnet_ros.recordings.recording import Recording

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rosbags.interfaces import Connection

    from drnet_ros.recordings.recording import RecordedMessage

__all__ = ['Parts', 'add_topics', 'open_writer']


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
            self._writer = self._stack.enter_context(open_writer(self._path(self.closed)))
            self._connections = add_topics(self._writer, '/')
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


def open_writer(path: Path, *, is_compressed: bool = False) -> Writer:
    """Return a writer of an mcap recording, to be entered as a context manager."""
    writer = Writer(path, version=9, storage_plugin=StoragePlugin.MCAP)
    if is_compressed:
        writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
    return writer


def add_topics(writer: Writer, prefix: str) -> dict[str, Connection]:
    """Add our topics as the node publishes them: reliable, volatile, a short queue.

    Args:
        writer: An open writer.
        prefix: Goes before the names of `messages.TYPES`.

    Returns:
        The connections by name.
    """
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
