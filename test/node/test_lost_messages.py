"""Frames that were published and never reached a callback are counted, wherever they were lost."""

from __future__ import annotations

import threading
from typing import Any

from node_graph import DEADLINE_S, Graph, NodeFactory, header, qos, ramp, rgb_image, values_of
from sensor_msgs.msg import Image

from drnet_ros.node.depth_node import DepthNode
from drnet_ros.node.lost_messages import LossCounter
from drnet_ros.node.statistics import Snapshot


def message(number: int | None, publisher: bytes | None = b'one') -> dict[str, Any]:
    gid = {'publisher_gid': {'data': publisher}} if publisher else {}
    return {'publication_sequence_number': number, **gid}


def losses_of(messages: list[dict[str, Any]]) -> list[int]:
    losses: list[int] = []
    counter = LossCounter(losses.append)
    for information in messages:
        counter.received(information)
    return losses


def test_gaps_count_for_each_publisher_from_its_first_message_on() -> None:
    assert losses_of([message(7), message(8), message(11), message(12)]) == [2]
    others = [message(1), message(50, b'two'), message(2), message(51, b'two'), message(5)]
    assert losses_of(others) == [2]


def test_a_new_publisher_that_counts_from_one_again_has_lost_nothing() -> None:
    assert losses_of([message(40), message(1), message(2)]) == []


def test_without_identities_gaps_count_only_while_there_is_one_publisher() -> None:
    losses: list[int] = []
    counter = LossCounter(losses.append)
    counter.publishers_are(frozenset([b'one']))
    counter.received(message(1, None))
    counter.received(message(3, None))
    assert losses == [1]
    counter.publishers_are(frozenset([b'one', b'two']))
    counter.received(message(90, None))
    counter.publishers_are(frozenset([b'two']))
    counter.received(message(95, None))
    counter.received(message(97, None))
    assert losses == [1, 1]


def test_middleware_without_numbers_is_believed_and_one_with_numbers_not_counted_twice() -> None:
    losses: list[int] = []
    counter = LossCounter(losses.append)
    counter.received(message(None))
    counter.reported(3)
    assert losses == [3]
    counter.received(message(1))
    counter.reported(2)
    assert losses == [3]


def stall(node: DepthNode) -> tuple[threading.Event, threading.Event]:
    """Keep the node's executor busy, as Python is when it does something else."""
    begun, may_go_on = threading.Event(), threading.Event()

    def wait() -> None:
        timer.cancel()
        begun.set()
        may_go_on.wait(DEADLINE_S)

    timer = node.create_timer(0.001, wait)
    return begun, may_go_on


def test_frames_overwritten_while_the_executor_is_busy_are_counted_and_warned_of(
    graph: Graph, start_node: NodeFactory
) -> None:
    node = start_node()
    arrays = graph.diagnostics()
    graph.collect(Image, 'depth/image_rect')
    publisher = graph.publisher(Image, 'image', qos(depth=20))

    def counts() -> Snapshot:
        return node.health().counts

    publisher.publish(rgb_image(ramp(), header(0)))
    graph.wait(lambda: counts().frames_in == 1, 'first frame')
    begun, may_go_on = stall(node)
    assert begun.wait(DEADLINE_S)
    for sec in range(1, 11):
        publisher.publish(rgb_image(ramp(), header(sec)))
    assert publisher.wait_for_all_acked()
    may_go_on.set()
    graph.wait(lambda: counts().frames_in + counts().frames_lost == 11, 'account of all frames')
    assert counts().frames_lost >= 8

    def now() -> dict[str, str]:
        return values_of(arrays.messages[-1], 'depth_node: camera') if arrays.messages else {}

    graph.wait(lambda: now().get('frames_lost') == str(counts().frames_lost), 'diagnostics')
    assert now()['level'] == '1'
    assert '% of the published frames before they reach the node' in now()['message']
