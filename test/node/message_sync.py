"""The two policies of message_filters, of which there is no wheel, as its sources have them.

Source: ros2/message_filters, include/message_filters/sync_policies/exact_time.hpp and
approximate_time.hpp (read at commit 361e42c). Queues, dropping and the choice of partners are
theirs; names are ours.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

Emit = Callable[..., None]
AGE_PENALTY = 0.1


def stamp_ns(message: Any) -> int:
    stamp = message.header.stamp
    return int(stamp.sec) * 10**9 + int(stamp.nanosec)


class ExactTime:
    """Emits as soon as every topic has a message of one stamp; older stamps are dropped then.

    `queue_size` stamps may wait at a time, the oldest is dropped for another.
    """

    def __init__(self, topics: int, queue_size: int, emit: Emit) -> None:
        self._topics, self._queue_size, self._emit = topics, queue_size, emit
        self._waiting: dict[int, dict[int, Any]] = {}

    def add(self, topic: int, message: Any) -> None:
        stamp = stamp_ns(message)
        together = self._waiting.setdefault(stamp, {})
        together[topic] = message
        if len(together) == self._topics:
            self._emit(*(together[index] for index in range(self._topics)))
            self._waiting = {key: kept for key, kept in self._waiting.items() if key > stamp}
        while len(self._waiting) > self._queue_size:
            del self._waiting[min(self._waiting)]

    def callback(self, topic: int) -> Callable[[Any], None]:
        return lambda message: self.add(topic, message)


class ApproximateTime:
    """Two topics. Each message is used at most once, and pairs are as close as can be.

    The pivot is the latest of the fronts; a pair is emitted once nothing closer to the pivot can
    come, which two equal stamps prove at once. Without bounds on the rates, a topic whose queue is
    empty may bring its next message at the pivot's time at the earliest.
    """

    def __init__(self, queue_size: int, emit: Emit) -> None:
        self._queue_size, self._emit = queue_size, emit
        self._queues: tuple[deque[Any], deque[Any]] = (deque(), deque())
        self._past: tuple[list[Any], list[Any]] = ([], [])
        self._has_dropped = [False, False]
        self._candidate: tuple[Any, Any] | None = None
        self._candidate_ns = (0, 0)
        self._pivot, self._pivot_ns = 0, 0

    def add(self, topic: int, message: Any) -> None:
        queue = self._queues[topic]
        queue.append(message)
        if len(queue) == 1 and all(self._queues):
            self._process()
        if len(queue) + len(self._past[topic]) > self._queue_size:
            self._recover()
            queue.popleft()
            self._has_dropped[topic] = True
            if self._candidate is not None:
                self._candidate = None
                self._process()

    def callback(self, topic: int) -> Callable[[Any], None]:
        return lambda message: self.add(topic, message)

    def _process(self) -> None:
        while all(self._queues):
            fronts = [stamp_ns(queue[0]) for queue in self._queues]
            end, start = max(fronts), min(fronts)
            end_topic, start_topic = _last_maximum(fronts), fronts.index(start)
            self._has_dropped[1 - end_topic] = False
            if self._candidate is None:
                if self._has_dropped[end_topic]:
                    self._queues[start_topic].popleft()
                    continue
                self._pivot, self._pivot_ns = end_topic, end
                self._take_candidate(start, end)
            elif self._aged(end) < start - self._candidate_ns[0]:
                self._take_candidate(start, end)
            self._past[start_topic].append(self._queues[start_topic].popleft())
            if (
                start_topic == self._pivot
                or self._aged(end) >= self._pivot_ns - self._candidate_ns[0]
                or (not all(self._queues) and self._is_optimal())
            ):
                self._publish()

    def _take_candidate(self, start: int, end: int) -> None:
        self._candidate = (self._queues[0][0], self._queues[1][0])
        self._candidate_ns = (start, end)
        for past in self._past:
            past.clear()

    def _aged(self, end: int) -> float:
        return (end - self._candidate_ns[1]) * (1 + AGE_PENALTY)

    def _is_optimal(self) -> bool:
        """Whether even a message at the pivot's time would make no closer pair."""
        queues = [[stamp_ns(message) for message in queue] for queue in self._queues]
        while True:
            fronts = [queue[0] if queue else self._pivot_ns for queue in queues]
            start = min(fronts)
            if self._aged(max(fronts)) >= self._pivot_ns - self._candidate_ns[0]:
                return True
            if self._aged(max(fronts)) < start - self._candidate_ns[0]:
                return False
            queues[fronts.index(start)].pop(0)

    def _publish(self) -> None:
        assert self._candidate is not None
        self._emit(*self._candidate)
        self._candidate = None
        self._recover()
        for queue in self._queues:
            queue.popleft()

    def _recover(self) -> None:
        for queue, past in zip(self._queues, self._past, strict=True):
            queue.extendleft(reversed(past))
            past.clear()


def _last_maximum(values: list[int]) -> int:
    # Of equal stamps the later topic counts as the end, as the comparison in the source has it.
    return max(range(len(values)), key=lambda index: (values[index], index))
