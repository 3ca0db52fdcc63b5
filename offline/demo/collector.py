"""The demo's own ROS node: listens to the camera and to the depth node as any consumer would."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image, PointCloud2

from drnet_ros.errors import ImageError
from drnet_ros.inference.image_codec import decode_image

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from rclpy.node import Node

__all__ = ['Collector', 'KeptFrame']

_MOST_KEPT = 160
_QUEUE = 10


@dataclass(slots=True, eq=False)
class KeptFrame:
    """One frame that is scored and perhaps drawn.

    Attributes:
        stamp_ns: Its header's stamp.
        depth_hw: float16 (H, W), metres, NaN where invalid.
        image: The camera's message, None if it did not arrive here.
    """

    stamp_ns: int
    depth_hw: NDArray[np.float16]
    image: Image | None


@dataclass(slots=True)
class Collector:
    """Counts and times what arrives, and keeps a spread of frames in bounded memory.

    Args:
        node: The node to subscribe with.
        image_topic: The camera's raw images.
        namespace: Where the depth node is.
    """

    node: Node
    image_topic: str
    namespace: str
    images: dict[int, tuple[float, Image]] = field(default_factory=dict)
    kept: list[KeptFrame] = field(default_factory=list)
    cloud: PointCloud2 | None = None
    latencies_ms: list[float] = field(default_factory=list)
    arrivals_s: list[float] = field(default_factory=list)
    status: dict[str, str] = field(default_factory=dict)
    _stride: int = 1
    _cloud_count: int = 0

    def __post_init__(self) -> None:
        """Subscribe."""
        qos = QoSProfile(depth=_QUEUE, reliability=ReliabilityPolicy.RELIABLE)
        subscribe = self.node.create_subscription
        subscribe(Image, self.image_topic, self._on_image, qos)
        subscribe(Image, f'{self.namespace}/depth/image_rect', self._on_depth, qos)
        subscribe(PointCloud2, f'{self.namespace}/points', self._on_points, qos)
        subscribe(DiagnosticArray, '/diagnostics', self._on_diagnostics, qos)

    @property
    def frames_out(self) -> int:
        """Depth images that arrived."""
        return len(self.arrivals_s)

    @property
    def fps(self) -> float:
        """Depth images per second between the first and the last one."""
        if self.frames_out < 2:
            return 0.0
        return (self.frames_out - 1) / (self.arrivals_s[-1] - self.arrivals_s[0])

    def is_active(self) -> bool:
        """Return whether the depth node said that it is active."""
        return self.status.get('state') == 'active'

    def is_settled(self) -> bool:
        """Return whether the depth node's last word accounts for every image it received."""
        counts = [
            int(self.status.get(f'frames_{n}', '0')) for n in ('in', 'out', 'dropped', 'failed')
        ]
        return counts[0] > 0 and counts[0] == sum(counts[1:]) and self.frames_out >= counts[1]

    def _on_image(self, message: Image) -> None:
        self.images[_stamp_ns(message)] = (time.monotonic(), message)
        while len(self.images) > 3 * _QUEUE:
            del self.images[next(iter(self.images))]

    def _on_depth(self, message: Image) -> None:
        now_s, stamp_ns = time.monotonic(), _stamp_ns(message)
        sent_s, image = self.images.pop(stamp_ns, (None, None))
        if sent_s is not None:
            self.latencies_ms.append((now_s - sent_s) * 1e3)
        index = self.frames_out
        self.arrivals_s.append(now_s)
        if index % self._stride:
            return
        depth = np.frombuffer(message.data, np.float32).reshape(message.height, message.width)
        self.kept.append(KeptFrame(stamp_ns, depth.astype(np.float16), image))
        if len(self.kept) > _MOST_KEPT:
            # Every second one goes: what is kept stays spread over the whole recording.
            del self.kept[1::2]
            self._stride *= 2

    def _on_points(self, message: PointCloud2) -> None:
        # The newest of 1, 2, 4, 8 ... clouds: somewhere in the second half of the recording.
        self._cloud_count += 1
        if self._cloud_count & (self._cloud_count - 1) == 0:
            self.cloud = message

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.hardware_id == 'drnet_ros':
                self.status = {item.key: item.value for item in status.values}


def decode(image: Image) -> NDArray[np.uint8] | None:
    """Return a message's image as uint8 (H, W, 3) RGB, None if it cannot be decoded."""
    try:
        return decode_image(
            encoding=image.encoding,
            height=image.height,
            width=image.width,
            step=image.step,
            is_bigendian=bool(image.is_bigendian),
            data=image.data,
        )
    except ImageError:
        return None


def _stamp_ns(message: Any) -> int:
    return int(message.header.stamp.sec) * 1_000_000_000 + int(message.header.stamp.nanosec)
