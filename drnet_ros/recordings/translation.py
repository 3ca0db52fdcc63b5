"""Messages as ROS 2 defines them now, from those of ROS 1 and of other versions of ROS 2.

Range has had a variance since Iron, Marker of ROS 1 has no texture: read by the definition of
today, such a message ends too early. So what a recording defines otherwise is read by its own
definition; fields that it lacks are zero or empty.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from rosbags.interfaces import Nodetype
from rosbags.typesys import Stores, get_typestore

if TYPE_CHECKING:
    from rosbags.interfaces import Connection
    from rosbags.typesys.store import Typestore

__all__ = ['Translation']

_HEADER = 'std_msgs/msg/Header'
_EMPTY = {'string': '', 'wstring': '', 'bool': False}


class Translation:
    """Turns the messages of a recording into those of ROS 2 as it is now.

    Args:
        store: The types as they are now, and those that only the recording defines.
        recorded: The types as the recording defines them.
        is2: Whether it is of ROS 2.
    """

    def __init__(self, store: Typestore, recorded: Typestore, *, is2: bool) -> None:
        self._store = store
        self._recorded = recorded
        self._is2 = is2
        self._differs = cache(self._compare)

    def differs(self, connection: Connection) -> bool:
        """Return whether the messages of a topic are not those of today's definition."""
        return self._differs(connection.msgtype, self._source(connection))

    def cdr(self, raw: bytes, connection: Connection) -> bytes | memoryview:
        """Return a message as CDR.

        Args:
            raw: As it was recorded.
            connection: Its topic.

        Raises:
            Exception: Whatever the library raises where the type is not known, or the message is
                damaged.
        """
        name, source = connection.msgtype, self._source(connection)
        if not self._differs(name, source):
            return raw if self._is2 else self._store.ros1_to_cdr(raw, name)
        if source is not self._recorded and self._is_of_now(raw, name):
            return raw
        read = source.deserialize_cdr if self._is2 else source.deserialize_ros1
        return self._store.serialize_cdr(self._message(read(raw, name), name, source), name)

    def _source(self, connection: Connection) -> Typestore:
        """Return the types that a topic was written with.

        rosbag2 has stored definitions since Iron, or at least their hashes: what has neither may
        be of Humble or before.
        """
        is_defined = connection.msgtype in self._recorded.fielddefs
        return self._recorded if is_defined or connection.digest or not self._is2 else _older()

    def _is_of_now(self, raw: bytes, name: str) -> bool:
        try:
            self._store.deserialize_cdr(raw, name)
        except Exception:  # noqa: BLE001 - the library lets errors of struct and Unicode pass
            return False
        return True

    def _compare(self, name: str, source: Typestore) -> bool:
        if name not in source.fielddefs or name not in self._store.fielddefs:
            return False
        if name == _HEADER and not self._is2:  # the library drops its sequence number
            return False
        before, now = (
            [(field.lower(), kind) for field, kind in store.fielddefs[name][1]]
            for store in (source, self._store)
        )
        parts = {part for _, kind in before if (part := _part(kind)) is not None}
        return before != now or any(self._differs(part, source) for part in parts)

    def _message(self, found: Any, name: str, source: Typestore) -> Any:
        """Return a message of today's type: with the fields of another one, or empty for None."""
        fields = [] if found is None else source.fielddefs[name][1]
        values = {field.lower(): getattr(found, field) for field, _ in fields}
        made = {
            field: self._value(values.get(field.lower()), kind, source)
            for field, kind in self._store.fielddefs[name][1]
        }
        return self._store.types[name](**made)

    def _value(self, found: Any, kind: Any, source: Typestore) -> Any:
        node, about = kind
        if node is Nodetype.NAME:
            return self._message(found, about, source)
        if node is Nodetype.BASE:
            return _EMPTY.get(about[0], 0) if found is None else found
        item, count = about
        length = count if node is Nodetype.ARRAY else 0
        if item[0] is Nodetype.BASE and item[1][0] not in ('string', 'wstring'):
            return np.zeros(length, item[1][0]) if found is None else found
        return [self._value(each, item, source) for each in found or [None] * length]


@cache
def _older() -> Typestore:
    return get_typestore(Stores.ROS2_HUMBLE)


def _part(kind: Any) -> str | None:
    """Return the type of message that a field has, alone or in a list."""
    node, about = kind
    while node in (Nodetype.ARRAY, Nodetype.SEQUENCE):
        node, about = about[0]
    return about if node is Nodetype.NAME else None
