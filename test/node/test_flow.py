"""How frames flow: newest wins, nothing queues, callbacks never wait, cameras share batches."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from functools import partial

from known_depth import KnownEngine, depth_of
from node_graph import DEADLINE_S, Graph, NodeFactory, camera_info, header, ramp, rgb_image
from sensor_msgs.msg import CameraInfo, Image

from drnet_ros.inference import Frame, Pending, Settings
from drnet_ros.inference.arrays import FloatArray, UInt8Array
from drnet_ros.node.depth_node import DepthNode


def test_newest_frame_wins_and_drops_are_counted(
    graph: Graph, start_node: NodeFactory, engine: KnownEngine
) -> None:
    node = start_node()
    depths = graph.collect(Image, 'depth/image_rect')
    publisher = graph.publisher(Image, 'image')
    engine.may_finish.clear()
    for sec in range(1, 11):
        publisher.publish(rgb_image(ramp(), header(sec)))
        graph.wait_for_value(lambda: node.health().counts.frames_in, sec, 'images')
        if sec == 1:
            graph.wait(lambda: engine.batches, 'work on the first image')
            engine.entered.acquire(timeout=DEADLINE_S)
    engine.may_finish.set()
    depths.wait_for_stamp(header(10))
    assert [depth.header.stamp.sec for depth in depths.messages] == [1, 10]
    counts = node.health().counts
    assert (counts.frames_in, counts.frames_dropped) == (10, 8)
    graph.wait(lambda: node.health().counts.frames_out == 2, 'count of both')


def test_callbacks_return_at_once_while_the_engine_computes(
    graph: Graph, start_node: NodeFactory, engine: KnownEngine
) -> None:
    node = start_node()
    graph.collect(Image, 'depth/image_rect')
    publisher = graph.publisher(Image, 'image')
    engine.may_finish.clear()
    publisher.publish(rgb_image(ramp(), header(1)))
    assert engine.entered.acquire(timeout=DEADLINE_S)
    for sec in range(2, 22):
        publisher.publish(rgb_image(ramp(), header(sec)))
        graph.wait_for_value(lambda: node.health().counts.frames_in, sec, 'images taken in')
    graph.publisher(CameraInfo, 'camera_info').publish(camera_info())
    graph.wait_for_value(lambda: node.health().infos_in, 1, 'camera_infos taken in')
    assert not engine.may_finish.is_set()
    assert engine.batches == [1]


def test_next_frame_is_submitted_before_the_last_one_is_published(
    graph: Graph, start_node: NodeFactory, engine: KnownEngine
) -> None:
    node = start_node()
    depths = graph.collect(Image, 'depth/image_rect')
    publisher = graph.publisher(Image, 'image')
    submit = engine.submit
    submitted_when_fetched = []

    def submit_and_receive(frames: Sequence[Frame], settings: Settings) -> Pending:
        pending = submit(frames, settings)
        if len(engine.batches) < 3:  # the next image comes while this one is computed
            count = len(engine.batches) + 1
            publisher.publish(rgb_image(ramp(), header(count)))
            graph.wait_for_value(lambda: node.health().counts.frames_in, count, 'images')
        return pending

    def look(rgb_hwc: UInt8Array) -> FloatArray:
        submitted_when_fetched.append(len(engine.batches))
        return depth_of(rgb_hwc)

    engine.submit, engine.depth_of = submit_and_receive, look  # type: ignore[method-assign]
    publisher.publish(rgb_image(ramp(), header(1)))
    depths.wait_for_stamp(header(3))
    assert submitted_when_fetched == [2, 3, 3]
    assert [depth.header.stamp.sec for depth in depths.messages] == [1, 2, 3]


def test_an_engine_that_computes_one_at_a_time_gets_the_newest_frame_of_its_turn(
    graph: Graph, start_node: NodeFactory, engine: KnownEngine
) -> None:
    engine.is_serial = True
    node = start_node()
    depths = graph.collect(Image, 'depth/image_rect')
    publisher = graph.publisher(Image, 'image')
    engine.may_finish.clear()
    for sec in (1, 2, 3):
        publisher.publish(rgb_image(ramp(), header(sec)))
        graph.wait_for_value(lambda: node.health().counts.frames_in, sec, 'images')
        assert sec > 1 or engine.entered.acquire(timeout=DEADLINE_S)
    assert engine.batches == [1]  # the second waits outside, where the third takes its place
    engine.may_finish.set()
    depths.wait_for_stamp(header(3))
    assert [depth.header.stamp.sec for depth in depths.messages] == [1, 3]
    assert node.health().counts.frames_dropped == 1


def test_nobody_subscribes_then_no_work_is_done(
    graph: Graph, start_node: NodeFactory, engine: KnownEngine
) -> None:
    node = start_node()
    publisher = graph.publisher(Image, 'image')
    publisher.publish(rgb_image(ramp(), header(1)))
    graph.wait(lambda: node.health().counts.frames_skipped == 1, 'skipped frame')
    assert engine.batches == []
    depths = graph.collect(Image, 'depth/image_rect')
    publisher.publish(rgb_image(ramp(), header(2)))
    depths.wait_for_stamp(header(2))
    assert engine.batches == [1]


def test_without_lazy_work_is_done_for_nobody(
    graph: Graph, start_node: NodeFactory, engine: KnownEngine
) -> None:
    node = start_node(lazy=False)
    graph.publisher(Image, 'image').publish(rgb_image(ramp()))
    graph.wait(lambda: node.health().counts.frames_out == 1, 'computed frame')
    assert engine.batches == [1]


def frames_in(node: DepthNode, name: str) -> int:
    return node.health(name).counts.frames_in


def test_cameras_have_prefixes_and_frames_that_wait_share_a_batch(
    graph: Graph, start_node: NodeFactory, engine: KnownEngine
) -> None:
    node = start_node(cameras=['front', 'rear', 'left'])
    names = ('front', 'rear', 'left')
    depths = {name: graph.collect(Image, f'{name}/depth/image_rect') for name in names}
    publishers = {name: graph.publisher(Image, f'{name}/image') for name in names}
    engine.may_finish.clear()
    publishers['front'].publish(rgb_image(ramp(), header(1, 0, 'front')))
    assert engine.entered.acquire(timeout=DEADLINE_S)
    for sec, name in ((2, 'front'), (3, 'rear'), (4, 'left'), (5, 'left')):
        size = (48, 64) if name != 'left' else (24, 40)
        publishers[name].publish(rgb_image(ramp(*size), header(sec, 0, name)))
        count = 2 if sec in {2, 5} else 1
        graph.wait_for_value(partial(frames_in, node, name), count, f'images of {name}')
    engine.may_finish.set()
    for sec, name in ((1, 'front'), (2, 'front'), (3, 'rear'), (5, 'left')):
        assert depths[name].wait_for_stamp(header(sec, 0, name)).header.frame_id == name
    assert [d.header.stamp.sec for d in depths['left'].messages] == [5]
    # The first image alone, then front and rear together; left has another size.
    assert engine.batches[0] == 1
    assert sorted(engine.batches[1:]) == [1, 2]


def test_a_camera_whose_size_is_prepared_delays_no_other_and_loses_no_newest_frame(
    graph: Graph, start_node: NodeFactory, engine: KnownEngine
) -> None:
    preparation: Future[None] = Future()
    engine.preparations[24, 40] = preparation
    node = start_node(cameras=['front', 'rear'])
    depths = {name: graph.collect(Image, f'{name}/depth/image_rect') for name in ('front', 'rear')}
    front, rear = (graph.publisher(Image, f'{name}/image') for name in ('front', 'rear'))
    for sec in (1, 2, 3):
        rear.publish(rgb_image(ramp(24, 40), header(sec)))
        graph.wait_for_value(partial(frames_in, node, 'rear'), sec, 'images of rear')
        front.publish(rgb_image(ramp(), header(sec)))
        depths['front'].wait_for_stamp(header(sec))
    assert depths['rear'].messages == []
    preparation.set_result(None)
    depths['rear'].wait_for_stamp(header(3))
    assert [depth.header.stamp.sec for depth in depths['rear'].messages] == [3]
    counts = node.health('rear').counts
    assert (counts.frames_in, counts.frames_dropped, counts.frames_failed) == (3, 2, 0)


def test_publisher_may_vanish_and_come_back(graph: Graph, start_node: NodeFactory) -> None:
    start_node()
    depths = graph.collect(Image, 'depth/image_rect')
    for sec in (1, 2, 3):
        publisher = graph.publisher(Image, 'image')
        publisher.publish(rgb_image(ramp(), header(sec)))
        depths.wait_for_stamp(header(sec))
        graph.node.destroy_publisher(publisher)
        graph.wait(lambda: graph.node.count_publishers('image') == 0, 'end of the publisher')
