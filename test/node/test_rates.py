"""`max_rate` and `points_max_rate`: which images are used, alone and on a live graph."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from known_depth import KnownEngine
from node_graph import Graph, NodeFactory, camera_info, header, ramp, rgb_image
from rclpy.parameter import Parameter
from rclpy.publisher import Publisher
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

from drnet_ros.node.depth_node import DepthNode
from drnet_ros.node.rate_limit import RateLimit

MS = 1_000_000
_30_HZ = [33_333_333 * n for n in range(31)]


def chosen(stamps: Iterable[float], rate_hz: float) -> list[int]:
    """Positions of the images that are used."""
    limit = RateLimit()
    return [n for n, stamp in enumerate(stamps) if limit.admits(int(stamp), rate_hz)]


@pytest.mark.parametrize(
    ('rate_hz', 'expected'),
    [
        (0.0, list(range(31))),
        (30.0, list(range(31))),
        (100.0, list(range(31))),
        (15.0, list(range(0, 31, 2))),
        (10.0, list(range(0, 31, 3))),
        (7.5, list(range(0, 31, 4))),
        (1.0, [0, 30]),
        (0.5, [0]),
    ],
)
def test_rates_that_divide_that_of_the_camera_take_every_nth(
    rate_hz: float, expected: list[int]
) -> None:
    assert chosen(_30_HZ, rate_hz) == expected


@pytest.mark.parametrize('rate_hz', [10.0, 15.0, 30.0])
def test_jitter_changes_nothing(rate_hz: float) -> None:
    jitter = [(7 * n % 11 - 5) * MS for n in range(31)]  # up to 5 ms either way
    stamps = [stamp + late for stamp, late in zip(_30_HZ, jitter, strict=True)]
    assert chosen(stamps, rate_hz) == list(range(0, 31, round(30 / rate_hz)))


def test_other_rates_hold_on_average_and_choose_the_nearest() -> None:
    # Due at 0, 50, 100, ...; images at 0, 33.3, 66.7, 100, ...
    assert len(chosen([33_333_333.4 * n for n in range(300)], 20.0)) == pytest.approx(200, abs=1)
    # Due at 0, 125, 250, 375, 500 ms; images each 50 ms: the nearest are 100 or 150, 250, 350, 500
    assert chosen([50 * MS * n for n in range(11)], 8.0) in ([0, 2, 5, 7, 10], [0, 3, 5, 8, 10])


@pytest.mark.parametrize('camera_hz', [29.9, 30.1])
def test_a_camera_that_is_a_little_off_loses_only_what_is_too_much(camera_hz: float) -> None:
    count = 3000
    used = chosen([1e9 / camera_hz * n for n in range(count)], 30.0)
    assert len(used) == pytest.approx(min(count, count * 30 / camera_hz), abs=1)


def test_nothing_is_made_up_for_after_a_gap() -> None:
    stamps = [*range(0, 400, 100), *range(1250, 2000, 100)]
    used = chosen([stamp * MS for stamp in stamps], 5.0)
    assert [stamps[n] for n in used] == [0, 200, 1250, 1450, 1650, 1850]


def test_stamps_that_go_back_begin_anew_and_the_same_stamp_gets_the_same_answer() -> None:
    assert chosen([0, 100 * MS, 200 * MS, 50 * MS, 100 * MS, 250 * MS], 5.0) == [0, 2, 3, 5]
    assert chosen([7 * MS] * 4, 5.0) == [0, 1, 2, 3]
    assert chosen([0, 90 * MS, 90 * MS, 200 * MS], 5.0) == [0, 3]


def test_the_rate_may_change_at_any_image() -> None:
    limit = RateLimit()
    rates = [10.0] * 4 + [0.0] * 3 + [5.0] * 5
    used = [n for n, rate in enumerate(rates) if limit.admits(n * 50 * MS, rate)]
    assert used == [0, 2, 4, 5, 6, 10]


def publish_each(
    graph: Graph, node: DepthNode, publisher: Publisher[Image], stamps_ms: Iterable[int]
) -> None:
    """Publish images one by one, each when the one before is published or left out."""
    for stamp_ms in stamps_ms:
        done = _done(node)
        publisher.publish(rgb_image(ramp(), header(1, stamp_ms * MS)))
        graph.wait_for_value(lambda: _done(node), done + 1, 'images done')


def _done(node: DepthNode) -> int:
    counts = node.health().counts
    return counts.frames_out + counts.frames_skipped


def stamps_of(messages: Iterable[Image | PointCloud2]) -> list[int]:
    return [message.header.stamp.nanosec // MS for message in messages]


def test_max_rate_computes_no_more_and_is_live(
    graph: Graph, start_node: NodeFactory, engine: KnownEngine
) -> None:
    node = start_node(max_rate=10.0)
    depths = graph.collect(Image, 'depth/image_rect')
    publisher = graph.publisher(Image, 'image')
    publish_each(graph, node, publisher, range(0, 500, 50))
    depths.wait_for(5)
    assert stamps_of(depths.messages) == [0, 100, 200, 300, 400]
    assert engine.batches == [1] * 5
    counts = node.health().counts
    assert (counts.frames_in, counts.frames_out, counts.frames_skipped) == (10, 5, 5)
    node.set_parameters([Parameter('max_rate', value=0.0)])
    publish_each(graph, node, publisher, (510, 520, 530))
    node.set_parameters([Parameter('max_rate', value=5.0)])
    publish_each(graph, node, publisher, range(580, 960, 50))
    depths.wait_for(10)
    assert stamps_of(depths.messages)[5:] == [510, 520, 530, 730, 930]
    (answer,) = node.set_parameters([Parameter('max_rate', value=-1.0)])
    assert not answer.successful


@pytest.mark.parametrize('point_voxel', [0.0, 0.1])
def test_points_max_rate_leaves_depth_alone(
    graph: Graph, start_node: NodeFactory, engine: KnownEngine, point_voxel: float
) -> None:
    node = start_node(points_max_rate=10.0, point_voxel=point_voxel)
    depths = graph.collect(Image, 'depth/image_rect')
    clouds = graph.collect(PointCloud2, 'points')
    publisher = graph.publisher(Image, 'image')
    graph.publisher(CameraInfo, 'camera_info').publish(camera_info())
    graph.wait_for_value(lambda: node.health().infos_in, 1, 'camera_info')
    publish_each(graph, node, publisher, range(0, 300, 50))
    depths.wait_for(6)
    assert stamps_of(clouds.wait_for(3)) == [0, 100, 200]
    assert engine.wanted_points == [not point_voxel, False] * 3
    node.set_parameters([Parameter('points_max_rate', value=0.0)])
    publish_each(graph, node, publisher, (310, 320))
    assert stamps_of(clouds.wait_for(5)) == [0, 100, 200, 310, 320]
    assert len(depths.wait_for(8)) == 8
