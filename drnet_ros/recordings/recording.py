"""Reading recordings: rosbag2 (sqlite3 and mcap) and ROS 1 bags, without ROS.

Messages come one at a time in the order they were recorded in, always as CDR, so that whoever
reads them need not know what kind of bag they come from.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from rosbags.interfaces import ConnectionExtRosbag2, QosDurability
from rosbags.typesys import Stores, get_typestore

from drnet_ros.closing import Closing
from drnet_ros.errors import RecordingError, known_names, one_line
from drnet_ros.recordings.readers import Readers
from drnet_ros.recordings.storage import check_parts, decompressed, find_storage
from drnet_ros.recordings.translation import Translation

if TYPE_CHECKING:
    from rosbags.interfaces import Connection
    from rosbags.rosbag2 import Writer

__all__ = ['RecordedMessage', 'RecordedTopic', 'Recording']


@dataclass(frozen=True, slots=True)
class RecordedTopic:
    """One topic of a recording.

    Attributes:
        name: Its name, such as '/camera/image_raw'.
        msgtype: Type of its messages, such as 'sensor_msgs/msg/Image'.
        count: How many messages it has.
        is_latched: Whether late subscribers were meant to get the last message too (ROS 1 latched,
            ROS 2 transient local).
    """

    name: str
    msgtype: str
    count: int
    is_latched: bool


@dataclass(frozen=True, slots=True, eq=False)
class RecordedMessage:
    """One message of a recording.

    Attributes:
        stamp_ns: When it was recorded, in ns since the epoch; not the stamp in its header.
        topic: Name of its topic.
        msgtype: Type of the message, such as 'sensor_msgs/msg/Image'.
        data: The message, serialised as CDR.
    """

    stamp_ns: int
    topic: str
    msgtype: str
    data: bytes


class Recording(Closing):
    """An open recording; close it or use it in a `with` statement.

    Attributes:
        path: Where it lies.
        topics: Its topics by name, as its storage has them, whatever its metadata.yaml says.
        start_ns: When its first message was recorded, in ns since the epoch; 0 if it is empty.
        end_ns: When its last message was recorded.
    """

    def __init__(self, path: str | Path) -> None:
        """Open a recording.

        Args:
            path: Folder of a rosbag2, its .mcap or .db3 file, or the .bag file of ROS 1.

        Raises:
            RecordingError: If there is none, or it cannot be read.
        """
        self.path = Path(path)
        if not self.path.exists():
            msg = f'a recording must exist, got {self.path}; give a rosbag2 folder or a .bag file'
            raise RecordingError(msg)
        self._typestore = get_typestore(Stores.LATEST)
        with self._readable(), ExitStack() as opened:
            self._storage = find_storage(self.path, opened)
            self._states = {file: _state(file) for file in self._storage.files}
            self._readers = Readers(self._storage.files, opened)
            check_parts(self.path, self._storage, self._readers.readers)
            recorded = self._readers.types()
            self._typestore.register(
                {
                    name: fields
                    for name, fields in recorded.fielddefs.items()
                    if name not in self._typestore.fielddefs
                }
            )
            self._translation = Translation(self._typestore, recorded, is2=self._readers.is2)
            self.topics = MappingProxyType(
                _topics(self._readers.connections, self._storage.latched)
            )
            has_messages = any(topic.count for topic in self.topics.values())
            self.start_ns = self._readers.start_ns if has_messages else 0
            self.end_ns = self._readers.end_ns if has_messages else 0
            self._opened = opened.pop_all()  # it stays open from here on, until `close`

    def close(self) -> None:
        """Close the files."""
        self._opened.close()

    @property
    def duration_s(self) -> float:
        """Seconds between the first and the last message."""
        return (self.end_ns - self.start_ns) / 1e9

    def messages(self, topics: Collection[str] = ()) -> Iterator[RecordedMessage]:
        """Read messages in the order of their recording, one at a time.

        Args:
            topics: Names of the topics to read; all if empty.

        Yields:
            The messages.

        Raises:
            RecordingError: If a topic is not in the recording, or the recording is damaged. After
                the last message, if there should have been others: another number is listed in
                metadata.yaml or in the storage, a file is missing, or one was changed meanwhile.
        """
        self.require(topics)
        read: Counter[str] = Counter()
        with self._readable():
            for connection, stamp_ns, raw in self._readers.messages(list(topics or self.topics)):
                try:
                    data = bytes(self._translation.cdr(decompressed(raw), connection))
                # The library raises KeyError and errors of its own for what it cannot translate.
                except Exception:  # noqa: BLE001, S112
                    continue  # it costs itself alone, and is counted in the end
                read[connection.topic] += 1
                yield RecordedMessage(stamp_ns, connection.topic, connection.msgtype, data)
        self._check_complete(read, topics)

    def deserialize(self, message: RecordedMessage) -> Any:
        """Deserialise a message of a type that comes with ROS 2.

        Args:
            message: The message.

        Returns:
            An object with the fields of the message, arrays as numpy arrays.

        Raises:
            RecordingError: If the type is not a standard one, or the message is damaged.
        """
        with self._readable():
            return self._typestore.deserialize_cdr(message.data, message.msgtype)

    def require(self, topics: Collection[str]) -> None:
        """Make sure that topics are there.

        Args:
            topics: Their names.

        Raises:
            RecordingError: If one is not; names the nearest one, or else all.
        """
        for name in topics:
            if name not in self.topics:
                msg = (
                    f'{self.path.name} must have the topic {name}; '
                    f'{known_names(name, sorted(self.topics))}'
                )
                raise RecordingError(msg)

    def add_topics_to(self, writer: Writer) -> dict[str, Connection]:
        """Prepare another recording for messages of this one.

        Args:
            writer: An open writer of a rosbag2.

        Returns:
            The writer's connection by the name of the topic, with types and QoS as recorded (of
            ROS 1 bags, types as ROS 2 has them). Topics whose type cannot be told are left out.
        """
        added: dict[str, Connection] = {}
        for connection in self._readers.connections:
            if connection.topic in added:
                continue
            is_kept = self._readers.is2 and not self._translation.differs(connection)
            about = _definition(connection) if is_kept else {}
            try:
                added[connection.topic] = writer.add_connection(
                    connection.topic,
                    connection.msgtype,
                    **(about or {'typestore': self._typestore}),
                )
            # The library raises KeyError and errors of its own for types that it does not know.
            except Exception:  # noqa: BLE001, S112
                continue
        return added

    def _check_complete(self, read: Counter[str], topics: Collection[str]) -> None:
        """Compare what was read with all that says how much there is."""
        problems = list(self._storage.problems)
        stored = {topic.name: topic.count for topic in self.topics.values()}
        for source, listed in (('its index', stored), ('metadata.yaml', self._storage.listed)):
            problems += [
                f'{source} lists {count} messages of {name}, {read[name]} could be read'
                for name, count in listed.items()
                if count != read[name] and (not topics or name in topics)
            ]
        problems += [
            f'{file.name} was changed or replaced while it was read: read it again when nothing '
            'writes to it'
            for file, state in self._states.items()
            if _state(file) not in {state, None}  # one that is gone could be read all the same
        ]
        if problems:
            msg = f'{self.path} is not complete: {"; ".join(problems)}'
            raise RecordingError(msg)

    @contextmanager
    def _readable(self) -> Iterator[None]:
        """Turn what the library raises for a damaged recording into one error of our own."""
        try:
            yield
        except RecordingError:
            raise
        # A damaged bag lets errors of sqlite, zstd, lz4, yaml and struct through the library.
        except Exception as error:
            advice = _advice(error)
            text = one_line(error)
            msg = f'{self.path} must be a readable rosbag2 or ROS 1 bag, got: {text}{advice}'
            raise RecordingError(msg) from error


def _state(file: Path) -> tuple[int, ...] | None:
    """Return what is another one after a file was written to or replaced; None without a file."""
    try:
        about = file.stat()
    except OSError:
        return None
    return about.st_ino, about.st_size, about.st_mtime_ns


def _advice(error: Exception) -> str:
    """Return what helps with a recording that was cut off, '' if nothing is known to."""
    text = str(error)
    if 'end magic' in text or 'footer' in text:
        return ' It was not closed, as after a power cut: `mcap recover FILE` mends it'
    if 'not indexed' in text or 'unindexed' in text.lower():
        return ' It was not closed, as after a power cut: `rosbag reindex FILE` mends it'
    return ''


def _definition(connection: Connection) -> dict[str, Any]:
    """Return how a connection of a rosbag2 was recorded; its definition only if that is whole."""
    if not isinstance(connection.ext, ConnectionExtRosbag2):
        return {}
    profiles: dict[str, Any] = {'offered_qos_profiles': connection.ext.offered_qos_profiles}
    if connection.msgdef.data and connection.digest:
        return profiles | {'msgdef': connection.msgdef.data, 'rihs01': connection.digest}
    return {}


def _topics(
    connections: Collection[Connection], latched: Collection[str]
) -> Mapping[str, RecordedTopic]:
    topics: dict[str, RecordedTopic] = {}
    for connection in connections:
        known = topics.get(connection.topic)
        topics[connection.topic] = RecordedTopic(
            connection.topic,
            connection.msgtype,
            connection.msgcount + (known.count if known else 0),
            _is_latched(connection)
            or connection.topic in latched
            or (known is not None and known.is_latched),
        )
    return topics


def _is_latched(connection: Connection) -> bool:
    if isinstance(connection.ext, ConnectionExtRosbag2):
        return any(
            profile.durability is QosDurability.TRANSIENT_LOCAL
            for profile in connection.ext.offered_qos_profiles
        )
    return bool(connection.ext.latching)
