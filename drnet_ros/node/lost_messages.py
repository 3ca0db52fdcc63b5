"""Messages that were published but never reached a callback, told by their sequence numbers."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ['LossCounter']

# A bag that loops makes a new publisher each time: so many are remembered.
_KEPT_PUBLISHERS = 64


class LossCounter:
    """Counts gaps in the sequence numbers of each publisher of one topic.

    DDS numbers the messages of a publisher. A KEEP_LAST 1 reader overwrites what the executor has
    not taken in time without a word (the event `message_lost` does not tell of it, measured with
    Fast DDS), but the next message's number does, of messages lost on the way as well. What went
    before the first message from a publisher does not count: it was not meant for us yet.

    Jazzy's rclpy does not say which publisher a message is from: there gaps count as long as the
    topic has just one. Where the middleware gives no numbers, its `message_lost` events count.
    """

    def __init__(self, on_lost: Callable[[int], None]) -> None:
        """Begin without any publisher known.

        Args:
            on_lost: Called with the number of messages found lost, if there are any.
        """
        self._on_lost = on_lost
        self._last: OrderedDict[bytes, int] = OrderedDict()
        self._publishers: frozenset[bytes] = frozenset()
        self._has_numbers = False

    def publishers_are(self, identities: frozenset[bytes]) -> None:
        """Take note of who publishes the topic now.

        Args:
            identities: Identity of each publisher; only that they differ matters.
        """
        if identities != self._publishers:
            self._publishers = identities
            self._last.pop(b'', None)

    def received(self, information: Mapping[str, Any]) -> None:
        """Look at the numbers of a message that has come.

        Args:
            information: rclpy's message info.
        """
        number = information.get('publication_sequence_number')
        if not number:
            return
        self._has_numbers = True
        source = information.get('publisher_gid')
        identity = bytes(source['data']) if source else b''
        if not identity and len(self._publishers) > 1:
            return
        last = self._last.get(identity)
        self._last[identity] = number
        self._last.move_to_end(identity)
        if len(self._last) > _KEPT_PUBLISHERS:
            self._last.popitem(last=False)
        if last is not None and number > last + 1:
            self._on_lost(number - last - 1)

    def reported(self, count: int) -> None:
        """Take the middleware's word for losses where messages have no numbers.

        Args:
            count: How many more it says were lost.
        """
        if not self._has_numbers and count > 0:
            self._on_lost(count)
