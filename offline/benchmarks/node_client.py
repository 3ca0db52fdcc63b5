"""The load on a node under test: sends images, and notes when depth and clouds come back.

It costs as little as it can, since it runs on the same cores as the node: messages are serialised
once and only their stamp is changed, and what arrives is never deserialised.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import rclpy
from node_sensors import STAMP, STAMP_OFFSET, Sensors, stamp_bytes, stamped
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

if TYPE_CHECKING:
    from node_robot import Robot
    from rclpy.publisher import Publisher

__all__ = ['Camera', 'Client', 'Received']

_LONGEST_SPIN_S = 0.05


@dataclass(slots=True)
class Received:
    """A frame that has come back whole.

    Attributes:
        sent_s: When its image was published.
        arrived_s: When the last of its messages arrived.
    """

    sent_s: float
    arrived_s: float


@dataclass(slots=True, eq=False)
class Camera:
    """One camera of the load.

    Attributes:
        pictures: Images, sent one after the other and over again.
        sensors: What the robot sends beside them, if anything.
        received: What has come back.
        sent: How many images were sent.
        waiting: Images under way, by their stamp: when each was sent.
    """

    pictures: Sequence[bytes]
    info: bytes
    images: Publisher[Any]
    infos: Publisher[Any]
    topics: int
    sensors: Sensors | None = None
    received: list[Received] = field(default_factory=list)
    sent: int = 0
    waiting: dict[int, float] = field(default_factory=dict)
    parts: dict[int, int] = field(default_factory=dict)

    def send(self) -> None:
        """Publish image and CameraInfo with a stamp of their own."""
        now_ns = time.time_ns()
        stamp = stamp_bytes(now_ns)
        if self.sensors is not None:
            self.sensors.before_image(self.sent, stamp)
        self.infos.publish(stamped(self.info, stamp))
        self.waiting[now_ns] = time.monotonic()
        self.images.publish(stamped(self.pictures[self.sent % len(self.pictures)], stamp))
        self.sent += 1

    def send_between(self) -> None:
        """Publish what the robot knows half-way between two images."""
        if self.sensors is not None:
            self.sensors.between_images(self.sent - 1)

    def take(self, message: bytes) -> None:
        """Note a message; when a frame is whole, earlier images are known to be done or lost."""
        now_s = time.monotonic()
        seconds, nanoseconds = STAMP.unpack_from(message, STAMP_OFFSET)
        stamp_ns = seconds * 1_000_000_000 + nanoseconds
        sent_s = self.waiting.get(stamp_ns)
        if sent_s is None:
            return
        self.parts[stamp_ns] = self.parts.get(stamp_ns, 0) + 1
        if self.parts[stamp_ns] == self.topics:
            self.received.append(Received(sent_s, now_s))
            self.waiting = {key: at for key, at in self.waiting.items() if key > stamp_ns}
            self.parts = {key: n for key, n in self.parts.items() if key > stamp_ns}


class Client:
    """Cameras and a consumer in one ROS node.

    Attributes:
        cameras: The cameras.
    """

    def __init__(
        self,
        prefixes: Sequence[str],
        image_hw: tuple[int, int],
        *,
        clouds: bool,
        robot: Robot | None = None,
    ) -> None:
        """Publish and subscribe.

        Args:
            prefixes: What each camera's topics start with, such as '/bench/' or '/bench/front/'.
            image_hw: Height and width of the images.
            clouds: Whether to subscribe to clouds beside depth.
            robot: What has the cameras, for images and sensors of the clip; None for noise alone.
        """
        name = prefixes[0].strip('/').replace('/', '_')
        self._node = rclpy.create_node(f'drnet_benchmark_{name}')
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        qos = QoSProfile(depth=2, reliability=ReliabilityPolicy.RELIABLE)
        self.cameras = []
        for number, prefix in enumerate(prefixes):
            camera = Camera(
                [serialize_message(_image(image_hw, seed=number))],
                serialize_message(_info(image_hw)),
                self._node.create_publisher(Image, f'{prefix}image', qos),
                self._node.create_publisher(CameraInfo, f'{prefix}camera_info', qos),
                topics=1 + int(clouds),
            )
            if robot is not None:
                camera.pictures, camera.info = robot.images, robot.info
                camera.sensors = Sensors(self._node, prefix, robot)
            self.cameras.append(camera)
            topics: list[tuple[type[Any], str]] = [(Image, 'depth/image_rect')]
            if clouds:
                topics.append((PointCloud2, 'points'))
            for kind, topic in topics:
                self._node.create_subscription(
                    kind, f'{prefix}{topic}', camera.take, qos, raw=True
                )

    def is_connected(self) -> bool:
        """Return whether a node takes the images and publishes depth."""
        return all(camera.images.get_subscription_count() for camera in self.cameras)

    def spin_until(self, is_done: Callable[[], bool], seconds: float) -> bool:
        """Serve what arrives.

        Args:
            is_done: Asked after each message.
            seconds: Longest time.

        Returns:
            Whether it was done in time.
        """
        until_s = time.monotonic() + seconds
        while not is_done():
            left_s = until_s - time.monotonic()
            if left_s <= 0:
                return False
            self._executor.spin_once(timeout_sec=min(left_s, _LONGEST_SPIN_S))
        return True

    def saturate(self, seconds: float, window: int = 3) -> list[Received]:
        """Keep so many images of each camera under way that the node never waits for one.

        One is computed, one handed to the engine, one waits: a node that is slower than its
        camera always has as many.

        Args:
            seconds: How long.
            window: Images of each camera under way.

        Returns:
            What came back, in the order of arrival.
        """
        counts = [len(camera.received) for camera in self.cameras]
        until_s = time.monotonic() + seconds
        while (now_s := time.monotonic()) < until_s:
            for camera in self.cameras:
                lost = [key for key, at in camera.waiting.items() if now_s - at > 1.0]
                for key in lost:
                    del camera.waiting[key]
                while len(camera.waiting) < window:
                    camera.send()
            self._executor.spin_once(timeout_sec=_LONGEST_SPIN_S)
        return self._since(counts)

    def send_at(self, rate_hz: float, seconds: float) -> list[Received]:
        """Send images at a steady rate, as cameras do.

        Args:
            rate_hz: Images a second of each camera.
            seconds: How long.

        Returns:
            What came back, in the order of arrival.
        """
        counts = [len(camera.received) for camera in self.cameras]
        has_sensors = any(camera.sensors for camera in self.cameras)
        start_s = time.monotonic()
        for number in range(round(rate_hz * seconds)):
            due_s = start_s + number / rate_hz
            self.spin_until(lambda: False, due_s - time.monotonic())
            for camera in self.cameras:
                camera.send()
            if has_sensors:
                self.spin_until(lambda: False, due_s + 0.5 / rate_hz - time.monotonic())
                for camera in self.cameras:
                    camera.send_between()
        self.spin_until(lambda: not any(camera.waiting for camera in self.cameras), 0.5)
        # What was sent in an earlier turn is not of this one.
        return [frame for frame in self._since(counts) if frame.sent_s >= start_s]

    def listen(self, kind: type[Any], topic: str, seconds: float) -> list[Any]:
        """Return the messages of a topic while images are sent as fast as they are taken.

        Args:
            kind: Their type.
            topic: Name of the topic, below the first camera's prefix.
            seconds: How long.
        """
        heard: list[Any] = []
        prefix = self.cameras[0].images.topic_name.removesuffix('image')
        subscription = self._node.create_subscription(kind, f'{prefix}{topic}', heard.append, 10)
        self.saturate(seconds)
        self._node.destroy_subscription(subscription)
        return heard

    def _since(self, counts: list[int]) -> list[Received]:
        frames = [
            frame
            for camera, count in zip(self.cameras, counts, strict=True)
            for frame in camera.received[count:]
        ]
        return sorted(frames, key=lambda frame: frame.arrived_s)

    def close(self) -> None:
        """Leave the graph."""
        self._executor.shutdown()
        self._node.destroy_node()


def _image(image_hw: tuple[int, int], *, seed: int) -> Image:
    height, width = image_hw
    noise = np.random.default_rng(seed).integers(0, 256, (*image_hw, 3), dtype=np.uint8)
    message = Image(height=height, width=width, encoding='rgb8', step=3 * width)
    message.header.frame_id = 'camera'
    message.data.frombytes(noise.tobytes())
    return message


def _info(image_hw: tuple[int, int]) -> CameraInfo:
    height, width = image_hw
    focal = 0.82 * width
    message = CameraInfo(height=height, width=width, distortion_model='plumb_bob', d=[0.0] * 5)
    message.header.frame_id = 'camera'
    message.k = [focal, 0.0, width / 2, 0.0, focal, height / 2, 0.0, 0.0, 1.0]
    message.r = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    message.p = [focal, 0.0, width / 2, 0.0, 0.0, focal, height / 2, 0.0, 0.0, 0.0, 1.0, 0.0]
    return message
