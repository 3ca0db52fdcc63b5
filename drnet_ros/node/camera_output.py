"""What goes out for one camera: depth and its certainty, CameraInfo, cloud, and the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

from drnet_ros.node.derived_outputs import DerivedOutputs
from drnet_ros.node.messages import (
    camera_info_message,
    depth_message,
    image_message,
    points_message,
)
from drnet_ros.node.output_publishers import create_output, has_subscribers
from drnet_ros.node.scale_report import scale_message

if TYPE_CHECKING:
    from rclpy.lifecycle import LifecycleNode, LifecyclePublisher
    from std_msgs.msg import Header

    from drnet_ros.inference import DepthFrame, Frame, Settings
    from drnet_ros.node.merged_points import MergedPoints

__all__ = ['CameraOutput']


class CameraOutput:
    """The publishers of one camera.

    Attributes:
        derived: Those of what is made from depth.
    """

    def __init__(
        self, node: LifecycleNode, prefix: str, *, is_rectifying: bool, merged: MergedPoints | None
    ) -> None:
        """Create the publishers; they publish while the node is active.

        Args:
            node: The node that publishes.
            prefix: What topic names start with: '' or such as 'front/'.
            is_rectifying: Whether there are rectified images to publish.
            merged: Publishes the clouds of all cameras as one; None if they are not merged.
        """
        self._node = node
        self._name = f'{node.get_name()}: {prefix.rstrip("/") or "camera"}'
        self._depth = create_output(node, Image, f'{prefix}depth/image_rect')
        self._info = create_output(node, CameraInfo, f'{prefix}depth/camera_info')
        self._points = create_output(node, PointCloud2, f'{prefix}points')
        self._stddev = create_output(node, Image, f'{prefix}depth/stddev')
        self._scale = create_output(node, DiagnosticArray, f'{prefix}depth/scale')
        self.derived = DerivedOutputs(node, prefix, is_rectifying=is_rectifying, merged=merged)

    @property
    def depth_topic(self) -> str:
        """Full name of the topic of depth."""
        return str(self._depth.topic_name)

    def is_wanted(self, settings: Settings) -> bool:
        """Whether there is any work to do: somebody listens, or the node is not lazy."""
        return (
            not settings.lazy
            or has_subscribers(self._depth)
            or has_subscribers(self._info)
            or (settings.points and has_subscribers(self._points))
            or has_subscribers(self._stddev)
            or has_subscribers(self._scale)
            or self.derived.is_wanted()
        )

    def wants_points(self, settings: Settings) -> bool:
        """Whether the cloud is worth computing."""
        return settings.points and self._is_due(self._points, settings)

    def wants_stddev(self, settings: Settings) -> bool:
        """Whether the standard deviation of depth is worth computing."""
        return not settings.lazy or has_subscribers(self._stddev) or has_subscribers(self._scale)

    def publish(
        self,
        result: DepthFrame,
        frame: Frame,
        header: Header,
        received: CameraInfo | None,
        settings: Settings,
    ) -> None:
        """Publish what was computed for one image.

        CameraInfo goes first: whoever waits for both acts when the larger one arrives.

        Args:
            result: Depth and, if computed, cloud.
            frame: What it was computed from.
            header: Header of the image; all messages get it unchanged.
            received: The CameraInfo of the image, if there is one.
            settings: The settings that it was computed with.
        """
        if received is not None and result.camera is not None:
            self._info.publish(
                camera_info_message(
                    received,
                    result.camera,
                    header,
                    image_hw=(frame.rgb_hwc.shape[0], frame.rgb_hwc.shape[1]),
                    is_rectified=settings.image_is_rectified or settings.rectify,
                )
            )
        if self._is_due(self._depth, settings):
            self._depth.publish(depth_message(result.depth_hw, header, settings.depth_encoding))
        points = result.voxels if settings.point_voxel else result.points
        if points is not None and self.wants_points(settings):
            self._points.publish(points_message(points, header))
        if result.stddev_hw is not None and self._is_due(self._stddev, settings):
            self._stddev.publish(image_message(result.stddev_hw, header, '32FC1'))
        if result.scale is not None and self._is_due(self._scale, settings):
            self._scale.publish(scale_message(result.scale, header, self._name))
        self.derived.publish(result, frame, header, settings)

    def close(self) -> None:
        """Destroy the publishers."""
        for publisher in (self._depth, self._info, self._points, self._stddev, self._scale):
            self._node.destroy_lifecycle_publisher(publisher)
        self.derived.close()

    @staticmethod
    def _is_due(publisher: LifecyclePublisher[Any], settings: Settings) -> bool:
        return not settings.lazy or has_subscribers(publisher)
