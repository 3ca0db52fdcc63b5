"""The files of a recording, read as one: what one topic has that cannot be used costs no other.

The reader of the library for several files refuses a recording for one definition of a type that
it cannot parse, and MCAP for one topic of another encoding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from heapq import merge
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from rosbags.interfaces import ConnectionExtRosbag2, MessageDefinitionFormat
from rosbags.rosbag1 import Reader as Reader1
from rosbags.rosbag1 import reader as rosbag1_reader
from rosbags.rosbag2 import Reader as Reader2
from rosbags.rosbag2 import storage_mcap
from rosbags.rosbag2.errors import ReaderError
from rosbags.rosbag2.storage_mcap import McapReader, Schema
from rosbags.typesys import Stores, get_types_from_idl, get_types_from_msg, get_typestore

from drnet_ros.errors import RecordingError

if TYPE_CHECKING:
    from rosbags.interfaces import Connection
    from rosbags.typesys.store import Typestore

__all__ = ['Readers']

_CDR = 'cdr'
# The same message by the name that it had before tf2.
_OLD_TRANSFORMS, _TRANSFORMS = 'tf/msg/tfMessage', 'tf2_msgs/msg/TFMessage'
_IDL = f'{80 * "="}\nIDL: '
_KNOWN_SCHEMAS = {'ros2msg', 'ros2idl', 'omgidl'}


class Readers:
    """The open files of a recording.

    Attributes:
        is2: Whether it is of ROS 2.
        readers: The library's reader of each file.
        connections: Topics by file. One whose messages are not CDR has that in its type.
        start_ns: Time of the first message.
        end_ns: Time of the last one.
    """

    def __init__(self, files: Sequence[Path], opened: ExitStack) -> None:
        """Open the files.

        Args:
            files: Their paths; at least one.
            opened: Closes them.
        """
        self.is2 = any(file.suffix != '.bag' for file in files)
        make = _Reader2 if self.is2 else Reader1
        self.readers: list[Any] = [opened.enter_context(make(file)) for file in files]
        self._parts = [[_named(one) for one in reader.connections] for reader in self.readers]
        self.connections = [one for part in self._parts for one in part]
        self.start_ns = min(reader.start_time for reader in self.readers)
        self.end_ns = max(reader.end_time for reader in self.readers) - 1  # it is exclusive

    def messages(self, topics: Sequence[str]) -> Iterator[tuple[Connection, int, bytes]]:
        """Yield connection, time and data of each message, in the order of time.

        Args:
            topics: Of these topics.
        """
        generators = []
        for reader, part in zip(self.readers, self._parts, strict=True):
            wanted = {one.id: one for one in part if one.topic in topics}
            if wanted:
                generators.append(_read(reader, wanted))
        yield from merge(*generators, key=lambda found: found[1])

    def types(self) -> Typestore:
        """Return the types as the recording defines them, as far as they can be parsed."""
        store = get_typestore(Stores.EMPTY)
        for connection in self.connections:
            # A definition may be of any text: errors of the parser and of Python pass through it.
            with suppress(Exception):
                types = _parse(connection)
                new = {name: about for name, about in types.items() if name not in store.fielddefs}
                if new:
                    store.register(new)
        return store


class _Header(rosbag1_reader.Header):
    """The library's, but for text that is no UTF-8, as comments of old definitions are."""

    def get_string(self, name: str) -> str:
        """Return a field as text."""
        value = self.get(name)
        if not isinstance(value, bytes):
            return super().get_string(name)
        return value.decode(errors='replace')


def _read_string(bio: BinaryIO) -> str:
    return storage_mcap.read_bytes(bio).decode(errors='replace')


# The library's readers look both up in their modules.
rosbag1_reader.Header = _Header  # type: ignore[misc]
storage_mcap.read_string = _read_string


class _Schemas(dict[int, Schema]):
    """Schemas of an MCAP file; those of encodings that the library does not know say nothing."""

    def __setitem__(self, key: int, schema: Schema) -> None:
        is_known = schema.encoding in _KNOWN_SCHEMAS
        super().__setitem__(key, schema if is_known else schema._replace(encoding='', data=''))


class _McapReader(McapReader):
    """The library's, but for files with topics of other systems, or without chunks."""

    def __init__(self, path: Any) -> None:
        super().__init__(path)
        self.schemas = _Schemas()

    def _open(self) -> None:
        """Read the indexes.

        Raises:
            RecordingError: The file is of another system.
        """
        try:
            super()._open()
        except ReaderError as error:
            if 'Profile' not in str(error):
                raise
            msg = (
                f'{self.path} must be of ROS 2, got an MCAP file of another profile: give the '
                '.bag file if it was made of one of ROS 1; otherwise play it with what wrote it, '
                'and record that with `ros2 bag record`'
            )
            raise RecordingError(msg) from error

    def messages(self, connections: Any, start: Any = None, stop: Any = None) -> Iterator[Any]:  # type: ignore[override]
        """Yield messages; without chunks in the order of the file, nearly that of time."""
        read = super().messages if self.chunks else self.messages_scan
        yield from read(connections, start, stop)


class _Reader2(Reader2):
    """The library's, but for MCAP."""

    STORAGE_PLUGINS: Any = {**Reader2.STORAGE_PLUGINS, '.mcap': _McapReader}  # noqa: RUF012


def _named(connection: Connection) -> Connection:
    """Return a connection whose type says of which encoding its messages are, if not CDR."""
    if connection.msgtype == _OLD_TRANSFORMS:
        return connection._replace(msgtype=_TRANSFORMS)
    about = connection.ext
    if not isinstance(about, ConnectionExtRosbag2) or about.serialization_format in {_CDR, ''}:
        return connection
    return connection._replace(msgtype=f'{connection.msgtype} ({about.serialization_format})')


def _read(reader: Any, wanted: dict[int, Connection]) -> Iterator[tuple[Connection, int, bytes]]:
    originals = [one for one in reader.connections if one.id in wanted]
    for connection, stamp_ns, data in reader.messages(originals):
        yield wanted[connection.id], stamp_ns, data


def _parse(connection: Connection) -> dict[str, Any]:
    """Return the types that the definition of a connection has."""
    kind, text = connection.msgdef.format, connection.msgdef.data.replace('\r\n', '\n')
    if kind is MessageDefinitionFormat.MSG:
        return dict(get_types_from_msg(text, connection.msgtype))
    types: dict[str, Any] = {}
    if kind is MessageDefinitionFormat.IDL:
        parts = [part.partition('\n')[2] for part in text.split(_IDL)[1:]] or [text]
        for part in parts:
            types |= get_types_from_idl(part)
    return types
