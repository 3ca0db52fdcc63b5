"""`temporal_filter` on a live graph; test_temporal.py tests what it computes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from node_graph import Collected, Graph, NodeFactory, header, rgb_image
from numpy.typing import NDArray
from rclpy.parameter import Parameter
from rclpy.publisher import Publisher
from sensor_msgs.msg import Image

PERIOD_NS = 50_000_000


def picture(red: int) -> NDArray[np.uint8]:
    """Corners to follow in green and blue, one depth everywhere: 1 m + red centimetres."""
    noise = np.random.default_rng(8).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    image = np.repeat(np.repeat(noise, 8, axis=0), 8, axis=1)
    image[..., 0] = red
    return image


class Camera:
    """Publishes one picture after the other, and looks at the depth of each."""

    def __init__(
        self, graph: Graph, publisher: Publisher[Image], depths: Collected[Image]
    ) -> None:
        self.graph, self.publisher, self.depths, self.count = graph, publisher, depths, 0

    def depth_of(self, red: int) -> float:
        self.count += 1
        stamp = header(7, self.count * PERIOD_NS)
        self.publisher.publish(rgb_image(picture(red), stamp))
        message = self.depths.wait_for_stamp(stamp)
        depth = np.frombuffer(message.data, np.float32)
        assert (depth == depth[0]).all()
        return float(depth[0])


def test_flicker_of_each_camera_goes_and_the_parameter_is_live(
    graph: Graph, start_node: NodeFactory
) -> None:
    node = start_node(cameras=['front', 'rear'], temporal_filter=1.0)
    names = ('front', 'rear')
    depths = {name: graph.collect(Image, f'{name}/depth/image_rect') for name in names}
    cameras = {
        name: Camera(graph, graph.publisher(Image, f'{name}/image'), depths[name])
        for name in names
    }
    leak = math.exp(-PERIOD_NS / 1e9)
    assert cameras['front'].depth_of(100) == pytest.approx(2.0)
    assert cameras['rear'].depth_of(200) == pytest.approx(3.0)
    assert cameras['front'].depth_of(120) == pytest.approx(2.2 * (2.0 / 2.2) ** leak, rel=3e-3)
    assert cameras['rear'].depth_of(150) == pytest.approx(2.5 * (3.0 / 2.5) ** leak, rel=3e-3)
    node.set_parameters([Parameter('temporal_filter', value=0.0)])
    assert cameras['front'].depth_of(90) == pytest.approx(1.9)
    (answer,) = node.set_parameters([Parameter('temporal_filter', value=11.0)])
    assert not answer.successful
    assert 'Max: 10.0, value: 11.0' in answer.reason


def test_off_by_default(graph: Graph, start_node: NodeFactory) -> None:
    start_node()
    depths = graph.collect(Image, 'depth/image_rect')
    camera = Camera(graph, graph.publisher(Image, 'image'), depths)
    assert [camera.depth_of(red) for red in (100, 120)] == pytest.approx([2.0, 2.2])
