"""Sources of sparse depth on a live graph: a known scene, exact data, and all that goes wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from node_graph import Graph, NodeFactory, camera_info, values_of
from numpy.typing import NDArray
from rclpy.publisher import Publisher
from sensor_msgs.msg import CameraInfo, Image, LaserScan, PointCloud2, Range
from sparse_scene import (
    BASE,
    BASE_TO_OPTICAL,
    FACTOR,
    at,
    cloud,
    image,
    range_finder,
    scan,
    tof,
    true_depth,
    true_points,
)


class Robot:
    """The node with a camera, and what it made of each image."""

    def __init__(self, graph: Graph, start_node: NodeFactory, **parameters: Any) -> None:
        self.graph = graph
        self.node = start_node(**parameters)
        self.depths = graph.collect(Image, 'depth/image_rect')
        self.stddevs = graph.collect(Image, 'depth/stddev')
        self.scales = graph.collect(DiagnosticArray, 'depth/scale')
        self.images = graph.publisher(Image, 'image')
        self.infos = graph.publisher(CameraInfo, 'camera_info')
        self.infos.publish(camera_info())
        self._wait_for_outputs()

    def _wait_for_outputs(self) -> None:
        """Every topic reaches us before the first image counts; no data is there as yet."""
        self.graph.repeat_until(
            lambda: self.images.publish(image(0)),
            lambda: self.depths.messages and self.stddevs.messages and self.scales.messages,
            'outputs',
        )

    def source(self, kind: type[Any], topic: str) -> Publisher[Any]:
        return self.graph.publisher(kind, topic)

    def send(self, publisher: Publisher[Any], message: Any, name: str) -> None:
        """Publish, and wait until the node has it."""
        before = self.received(name)
        publisher.publish(message)
        self.graph.wait(lambda: self.received(name) > before, f'{name} in the node')

    def received(self, name: str) -> int:
        sparse = self.node._cameras['']._sparse
        assert sparse is not None
        source = sparse._sources._odometry if name == 'odometry' else None
        return (source or sparse._sources._sensors[name])._received

    def take(self, milliseconds: int) -> tuple[NDArray[np.float32], dict[str, str]]:
        """Send an image, and return its depth and the values of its scale."""
        message = image(milliseconds)
        self.images.publish(message)
        depth = self.depths.wait_for_stamp(message.header)
        assert depth.header == message.header
        assert self.stddevs.wait_for_stamp(message.header).encoding == '32FC1'
        scale = self.scales.wait_for_stamp(message.header)
        return pixels(depth), values_of(scale, 'camera')


def pixels(message: Image) -> NDArray[np.float32]:
    return np.frombuffer(message.data, np.float32).reshape(message.height, message.width)


def error_of(depth_hw: NDArray[np.float32]) -> float:
    """Largest relative error of a depth image, in places where it is seldom invalid."""
    return float(np.nanmax(np.abs(depth_hw / true_depth() - 1)))


def send_points(robot: Robot) -> None:
    publisher = robot.source(PointCloud2, 'sparse_points')
    robot.send(publisher, cloud(true_points(), at(1000)), 'points')


def send_scan(robot: Robot) -> None:
    robot.send(robot.source(LaserScan, 'scan'), scan(at(1000, BASE)), 'scan')


def send_range(robot: Robot) -> None:
    robot.send(robot.source(Range, 'range'), range_finder(at(1000, BASE)), 'range')


def send_tof(robot: Robot) -> None:
    message, info = tof(at(1000))
    infos = robot.source(CameraInfo, 'sparse_depth/camera_info')
    infos.publish(info)
    sparse = robot.node._cameras['']._sparse
    assert sparse is not None
    robot.graph.wait(lambda: sparse._sources._camera_info is not None, 'camera_info of depth')
    robot.send(robot.source(Image, 'sparse_depth/image'), message, 'depth')


@pytest.mark.parametrize(
    ('name', 'send'),
    [('points', send_points), ('scan', send_scan), ('range', send_range), ('depth', send_tof)],
)
def test_exact_data_give_the_factor_within_one_percent(
    name: str, send: Callable[[Robot], None], graph: Graph, start_node: NodeFactory
) -> None:
    robot = Robot(
        graph, start_node, sparse_depth_sources=[name], sparse_depth_extrinsics=[BASE_TO_OPTICAL]
    )
    send(robot)
    depth, scale = robot.take(1000)
    assert scale['source'] == name
    assert float(scale['age_s']) == 0
    assert int(scale['points']) >= 1
    # One point alone is believed less than many: the prior of the estimate counts as well.
    tolerance = 0.08 if name == 'range' else 0.01
    assert float(scale['factor']) == pytest.approx(FACTOR, rel=tolerance)
    assert error_of(depth) < tolerance + 0.01
