"""The policies that consumers synchronise by, against examples worked by hand."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from message_sync import ApproximateTime, ExactTime, stamp_ns
from node_graph import header
from sensor_msgs.msg import CameraInfo


def message(stamp: int) -> CameraInfo:
    return CameraInfo(header=header(stamp // 10**9, stamp % 10**9))


class Emitted(list[tuple[int, ...]]):
    def __call__(self, *messages: Any) -> None:
        self.append(tuple(stamp_ns(given) for given in messages))


def test_exact_time_emits_equal_stamps_and_drops_what_is_older() -> None:
    emitted = Emitted()
    sync = ExactTime(2, 10, emitted)
    for topic, stamp in ((0, 1), (0, 2), (1, 3), (1, 2), (1, 1), (0, 3), (0, 1)):
        sync.add(topic, message(stamp))
    # 1 was dropped when 2 was emitted, and its partner, which came later, when 3 was.
    assert emitted == [(2, 2), (3, 3)]


def test_exact_time_holds_as_many_stamps_as_its_queue() -> None:
    """Depth that comes more than `queue_size` images late finds no partner: rtabmap's pain."""
    emitted = Emitted()
    sync = ExactTime(2, 10, emitted)
    for stamp in range(1, 12):
        sync.add(0, message(stamp))
    sync.add(1, message(1))
    assert emitted == []
    sync.add(1, message(3))
    assert emitted == [(3, 3)]


@pytest.mark.parametrize(
    ('events', 'expected'),
    [
        ([(0, 10), (1, 10), (0, 20), (1, 20)], [(10, 10), (20, 20)]),
        # All images first, then the depth of some of them: equal stamps find each other.
        ([(0, 10), (0, 20), (0, 30), (1, 10), (1, 30)], [(10, 10), (30, 30)]),
        # 12 is closer to 13 than 10 is; 20 proves that nothing better comes.
        ([(0, 10), (0, 12), (1, 13), (0, 20)], [(12, 13)]),
        ([(0, 10), (1, 13)], []),
    ],
)
def test_approximate_time_by_hand(
    events: list[tuple[int, int]], expected: list[tuple[int, int]]
) -> None:
    emitted = Emitted()
    sync = ApproximateTime(10, emitted)
    for topic, stamp in events:
        sync.add(topic, message(stamp))
    assert emitted == expected


@given(is_second=st.lists(st.booleans(), max_size=60), queue_size=st.integers(1, 10))
def test_approximate_time_uses_each_message_once_and_in_order(
    is_second: list[bool], queue_size: int
) -> None:
    emitted = Emitted()
    sync = ApproximateTime(queue_size, emitted)
    stamps = [0, 0]
    for topic in map(int, is_second):
        stamps[topic] += 10
        sync.add(topic, message(stamps[topic] + topic))
    for side in (0, 1):
        used = [pair[side] for pair in emitted]
        assert used == sorted(set(used))
