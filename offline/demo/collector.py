"""The demo's own ROS node: listens to the camera and to the depth node as any consumer would."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image, PointCloud2

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from rclpy.node import Node
    from rclpy.subscription import MessageInfo

__all__ = ['Collector', 'KeptFrame']

_MOST_KEPT = 160
_QUEUE = 10


@dataclass(slots=True, eq=False)
class KeptFrame:
    """One frame that is scored and perhaps drawn.

    Attributes:
        stamp_ns: Its header's stamp.
        depth_hw: float16 (H, W), metres, NaN where invalid.
    """

    stamp_ns: int
    depth_hw: NDArray[np.float16]


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
    kept: list[KeptFrame] = field(default_factory=list)
    cloud: PointCloud2 | None = None
    sent_ns: dict[int, int] = field(default_factory=dict)
    published_ns: dict[int, int] = field(default_factory=dict)
    status: dict[str, str] = field(default_factory=dict)
    status_count: int = 0
    _stride: int = 1
    _cloud_count: int = 0

    def __post_init__(self) -> None:
        """Subscribe."""
        qos = QoSProfile(depth=_QUEUE, reliability=ReliabilityPolicy.RELIABLE)
        subscribe = self.node.create_subscription
        subscribe(Image, self.image_topic, self.on_image, qos)
        subscribe(Image, f'{self.namespace}/depth/image_rect', self.on_depth, qos)
        subscribe(PointCloud2, f'{self.namespace}/points', self.on_points, qos)
        subscribe(DiagnosticArray, '/diagnostics', self.on_diagnostics, qos)

    @property
    def frames_out(self) -> int:
        """Depth images that arrived."""
        return len(self.published_ns)

    @property
    def fps(self) -> float:
        """Depth images per second between the first and the last one."""
        if self.frames_out < 2:
            return 0.0
        times_ns = list(self.published_ns.values())
        return (self.frames_out - 1) / max(1, times_ns[-1] - times_ns[0]) * 1e9

    @property
    def latencies_ms(self) -> list[float]:
        """Time from publishing an image to publishing its depth, by the middleware's stamps."""
        return [
            (done_ns - self.sent_ns[stamp]) / 1e6
            for stamp, done_ns in self.published_ns.items()
            if stamp in self.sent_ns
        ]

    def is_active(self) -> bool:
        """Return whether the depth node said that it is active."""
        return self.status.get('state') == 'active'

    def is_settled(self) -> bool:
        """Return whether the depth node's last word accounts for every image it received."""
        counts = [
            int(self.status.get(f'frames_{name}', '0'))
            for name in ('in', 'out', 'dropped', 'failed', 'skipped')
        ]
        return counts[0] > 0 and counts[0] == sum(counts[1:]) and self.frames_out >= counts[1]

    def on_image(self, message: Image, info: MessageInfo) -> None:
        """Note when an image was published."""
        self.sent_ns[_stamp_ns(message)] = info['source_timestamp']

    def on_depth(self, message: Image, info: MessageInfo) -> None:
        """Note when a depth image was published, and perhaps keep it."""
        index = self.frames_out
        self.published_ns[_stamp_ns(message)] = info['source_timestamp']
        if index % self._stride:
            return
        depth = np.frombuffer(message.data, np.float32).reshape(message.height, message.width)
        self.kept.append(KeptFrame(_stamp_ns(message), depth.astype(np.float16)))
        if len(self.kept) > _MOST_KEPT:
            # Every second one goes: what is kept stays spread over the whole recording.
            del self.kept[1::2]
            self._stride *= 2

    def on_points(self, message: PointCloud2) -> None:
        """Keep a cloud from the second half of the recording."""
        # The newest of clouds 1, 2, 4, 8 ...
        self._cloud_count += 1
        if self._cloud_count & (self._cloud_count - 1) == 0:
            self.cloud = message

    def on_diagnostics(self, message: DiagnosticArray) -> None:
        """Keep what the depth node says of its frames."""
        for status in message.status:
            if status.hardware_id == 'drnet_ros':
                self.status = {item.key: item.value for item in status.values}
                self.status_count += 1


def _stamp_ns(message: Any) -> int:
    return int(message.header.stamp.sec) * 1_000_000_000 + int(message.header.stamp.nanosec)
