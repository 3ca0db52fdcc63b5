"""What goes out for one camera: depth and its certainty, CameraInfo, cloud and preview."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSPolicyKind, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

from drnet_ros.inference.depth import colourise
from drnet_ros.node.messages import (
    camera_info_message,
    depth_message,
    image_message,
    points_message,
)
from drnet_ros.node.qos_overrides import named_overrides
from drnet_ros.node.scale_report import scale_message

if TYPE_CHECKING:
    from rclpy.lifecycle import LifecycleNode, LifecyclePublisher
    from std_msgs.msg import Header

    from drnet_ros.inference import DepthFrame, Settings

__all__ = ['CameraOutput']

_QUEUE_DEPTH = 5
_OVERRIDABLE = (
    QoSPolicyKind.HISTORY,
    QoSPolicyKind.DEPTH,
    QoSPolicyKind.RELIABILITY,
    QoSPolicyKind.DURABILITY,
)


class CameraOutput:
    """The publishers of one camera: RELIABLE, VOLATILE, KEEP_LAST, so that everybody matches."""

    def __init__(self, node: LifecycleNode, prefix: str) -> None:
        """Create the publishers; they publish while the node is active.

        Args:
            node: The node that publishes.
            prefix: What topic names start with: '' or such as 'front/'.
        """
        self._node = node
        self._name = f'{node.get_name()}: {prefix.rstrip("/") or "camera"}'
        self._depth = self._publisher(Image, f'{prefix}depth/image_rect')
        self._info = self._publisher(CameraInfo, f'{prefix}depth/camera_info')
        self._points = self._publisher(PointCloud2, f'{prefix}points')
        self._preview = self._publisher(Image, f'{prefix}depth/preview')
        self._stddev = self._publisher(Image, f'{prefix}depth/stddev')
        self._scale = self._publisher(DiagnosticArray, f'{prefix}depth/scale')

    def is_wanted(self, settings: Settings) -> bool:
        """Whether there is any work to do: somebody listens, or the node is not lazy."""
        return (
            not settings.lazy
            or _has_subscribers(self._depth)
            or _has_subscribers(self._info)
            or (settings.points and _has_subscribers(self._points))
            or _has_subscribers(self._preview)
            or _has_subscribers(self._stddev)
            or _has_subscribers(self._scale)
        )

    def wants_points(self, settings: Settings) -> bool:
        """Whether the cloud is worth computing."""
        return settings.points and self._is_due(self._points, settings)

    def wants_stddev(self, settings: Settings) -> bool:
        """Whether the standard deviation of depth is worth computing."""
        return not settings.lazy or _has_subscribers(self._stddev) or _has_subscribers(self._scale)

    def publish(
        self,
        result: DepthFrame,
        header: Header,
        received: CameraInfo | None,
        image_hw: tuple[int, int],
        settings: Settings,
    ) -> None:
        """Publish what was computed for one image.

        CameraInfo goes first: whoever waits for both acts when the larger one arrives.

        Args:
            result: Depth and, if computed, cloud.
            header: Header of the image; all messages get it unchanged.
            received: The CameraInfo of the image, if there is one.
            image_hw: Height and width of the image.
            settings: The settings that it was computed with.
        """
        if received is not None and result.camera is not None:
            self._info.publish(
                camera_info_message(
                    received,
                    result.camera,
                    header,
                    image_hw=image_hw,
                    is_rectified=settings.image_is_rectified,
                )
            )
        if self._is_due(self._depth, settings):
            self._depth.publish(depth_message(result.depth_hw, header, settings.depth_encoding))
        if result.points is not None:
            self._points.publish(points_message(result.points, header))
        if _has_subscribers(self._preview):
            rgb_hwc = colourise(result.depth_hw, settings.min_depth, settings.max_depth)
            self._preview.publish(image_message(rgb_hwc, header, 'rgb8'))
        if result.stddev_hw is not None and self._is_due(self._stddev, settings):
            self._stddev.publish(image_message(result.stddev_hw, header, '32FC1'))
        if result.scale is not None and self._is_due(self._scale, settings):
            self._scale.publish(scale_message(result.scale, header, self._name))

    def close(self) -> None:
        """Destroy the publishers."""
        for publisher in (
            *(self._depth, self._info, self._points, self._preview),
            *(self._stddev, self._scale),
        ):
            self._node.destroy_lifecycle_publisher(publisher)

    @staticmethod
    def _is_due(publisher: LifecyclePublisher[Any], settings: Settings) -> bool:
        return not settings.lazy or _has_subscribers(publisher)

    def _publisher(self, message_type: type[Any], topic: str) -> LifecyclePublisher[Any]:
        profile = QoSProfile(
            history=HistoryPolicy.KEEP_LAST,
            depth=_QUEUE_DEPTH,
            reliability=ReliabilityPolicy.RELIABLE,
            durability=DurabilityPolicy.VOLATILE,
        )
        overriding = QoSOverridingOptions(_OVERRIDABLE)
        with named_overrides(self._node.resolve_topic_name(topic), 'publisher'):
            return self._node.create_lifecycle_publisher(
                message_type, topic, profile, qos_overriding_options=overriding
            )


def _has_subscribers(publisher: LifecyclePublisher[Any]) -> bool:
    return bool(publisher.get_subscription_count())
