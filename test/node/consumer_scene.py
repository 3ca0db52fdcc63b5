"""What the tests of consumers share: a camera to look at, and subscriptions as theirs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from known_depth import KnownEngine, depth_of
from node_graph import DEADLINE_S, Graph, camera_info, header, ramp, rgb_image
from numpy.typing import NDArray
from rclpy.qos import DurabilityPolicy as Durability
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy, qos_profile_system_default
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from drnet_ros.node.depth_node import DepthNode

# rmw_qos_profile_default, which message_filters and image_transport subscribe with by default.
RMW_DEFAULT = QoSProfile(
    history=HistoryPolicy.KEEP_LAST, depth=10, reliability=ReliabilityPolicy.RELIABLE
)
# rclcpp::SystemDefaultsQoS, and what "SYSTEM_DEFAULT" is in parameters.
SYSTEM_DEFAULT = qos_profile_system_default
# rclcpp::QoS(10).reliability(RMW_QOS_POLICY_RELIABILITY_SYSTEM_DEFAULT).
TEN_SYSTEM_DEFAULT = QoSProfile(
    history=HistoryPolicy.KEEP_LAST, depth=10, reliability=ReliabilityPolicy.SYSTEM_DEFAULT
)
# nav2::qos::SensorDataQoS(50).
FIFTY_BEST_EFFORT = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=50,
    reliability=ReliabilityPolicy.BEST_EFFORT,
    durability=Durability.VOLATILE,
)
DEPTH_TYPES = {'32FC1': np.float32, '16UC1': np.uint16, 'mono16': np.uint16}


def listen(
    graph: Graph,
    message_type: type[Any],
    topic: str,
    profile: QoSProfile,
    callback: Callable[[Any], None],
) -> None:
    """Subscribe as a consumer, and wait until a publisher is there."""

    def receive(message: Any) -> None:
        callback(message)
        graph.notify()

    graph.node.create_subscription(message_type, topic, receive, profile)
    graph.wait(lambda: graph.node.count_publishers(topic), f'publisher of {topic}')


class Stream:
    """A camera that takes pictures of known depth; its CameraInfo comes at another time."""

    def __init__(
        self,
        graph: Graph,
        node: DepthNode,
        *,
        info: CameraInfo | None = None,
        image_topic: str = 'image',
        info_topic: str = 'camera_info',
    ) -> None:
        self.graph, self.node = graph, node
        self.info = info or camera_info()
        self.infos = graph.publisher(CameraInfo, info_topic)
        self.images = graph.publisher(Image, image_topic)
        self.count = 0

    def publish(
        self, pixels: NDArray[np.uint8] | None = None, *, is_same_time: bool = False
    ) -> Header:
        """Publish an image and its CameraInfo; return the header of the image."""
        self.count += 1
        stamp = header(self.count, 500 * self.count, 'camera_optical_frame')
        info_stamp = header(self.count, 500 * self.count + 7, 'camera_optical_frame')
        self.info.header = stamp if is_same_time else info_stamp
        self.infos.publish(self.info)
        self.images.publish(rgb_image(ramp() if pixels is None else pixels, stamp))
        return stamp

    def burst(self, engine: KnownEngine, count: int) -> list[Header]:
        """Publish images while the engine is busy with the first; only the last one follows."""
        before = self.node.health().counts.frames_in
        engine.may_finish.clear()
        stamps = [self.publish()]
        assert engine.entered.acquire(timeout=DEADLINE_S)
        for done in range(1, count):
            stamps.append(self.publish())
            self.graph.wait_for_value(
                lambda: self.node.health().counts.frames_in, before + done + 1, 'images taken in'
            )
        engine.may_finish.set()
        assert engine.entered.acquire(timeout=DEADLINE_S)
        return [stamps[0], stamps[-1]]


def rows_of(message: Image) -> NDArray[Any]:
    """Pixels as cv_bridge shares them: rows of `step` bytes."""
    dtype = np.dtype(DEPTH_TYPES[message.encoding])
    assert not message.is_bigendian
    rows = np.frombuffer(message.data, np.uint8).reshape(message.height, message.step)
    return rows[:, : message.width * dtype.itemsize].view(dtype)


def expected_depth() -> NDArray[np.float32]:
    return depth_of(ramp())
