"""What goes out besides depth itself, made from it only while somebody listens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor_msgs.msg import CompressedImage, Image

from drnet_ros.inference.depth import colourise
from drnet_ros.inference.images.encoding import encode_compressed_depth, encode_compressed_image
from drnet_ros.node.merged_points import MergedPoints
from drnet_ros.node.messages import compressed_message, image_message
from drnet_ros.node.obstacles_output import ObstaclesOutput
from drnet_ros.node.output_publishers import create_output, has_subscribers, transport_topic
from drnet_ros.node.scan_output import ScanOutput

if TYPE_CHECKING:
    from rclpy.lifecycle import LifecycleNode
    from std_msgs.msg import Header

    from drnet_ros.inference import DepthFrame, Frame, Settings
    from drnet_ros.inference.sparse_depth.sources.transforms import TransformBuffer

__all__ = ['DerivedOutputs']


class DerivedOutputs:
    """Publishers of one camera that work for their subscribers alone, lazy or not.

    Attributes:
        scan: That of the laser scan.
        obstacles: That of the cloud without the floor.
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
        self._node, self._prefix, self._merged = node, prefix, merged
        depth, preview = f'{prefix}depth/image_rect', f'{prefix}depth/preview'
        self._compressed_depth = create_output(
            node, CompressedImage, transport_topic(node, depth, 'compressedDepth')
        )
        self._preview = create_output(node, Image, preview)
        self._compressed_preview = create_output(
            node, CompressedImage, transport_topic(node, preview, 'compressed')
        )
        self._all = [self._compressed_depth, self._preview, self._compressed_preview]
        self._image_rect = None
        if is_rectifying:
            self._image_rect = create_output(node, Image, f'{prefix}image_rect')
            self._all.append(self._image_rect)
        self.scan = ScanOutput(node, prefix)
        self.obstacles = ObstaclesOutput(node, prefix)

    def use_transforms(self, transforms: TransformBuffer | None) -> None:
        """Take what is known of the frames; None if no parameter needs any."""
        self.scan.use_transforms(transforms)
        self.obstacles.use_transforms(transforms)
        if self._merged is not None:
            self._merged.use_transforms(transforms)

    def is_wanted(self) -> bool:
        """Whether anybody listens to any of them."""
        return self.scan.is_wanted() or self.needs_points() or any(map(has_subscribers, self._all))

    def needs_points(self) -> bool:
        """Whether anybody listens to what is made of the cloud."""
        return self.obstacles.is_wanted() or (
            self._merged is not None and self._merged.is_wanted()
        )

    def problems(self) -> dict[str, str]:
        """Return why an output is not what it should be, by its name."""
        found = {'scan': self.scan.problem, 'obstacles': self.obstacles.problem}
        if self._merged is not None:
            found['points_merged'] = self._merged.problem
        return {name: problem for name, problem in found.items() if problem}

    def publish(
        self, result: DepthFrame, frame: Frame, header: Header, settings: Settings
    ) -> None:
        """Publish what somebody listens to.

        Args:
            result: The depth.
            frame: What it was computed from.
            header: Header of the image; all messages get it unchanged.
            settings: The settings that it was computed with.
        """
        if self._image_rect is not None and has_subscribers(self._image_rect):
            self._image_rect.publish(image_message(frame.rgb_hwc, header, 'rgb8'))
        if has_subscribers(self._compressed_depth):
            encoded = encode_compressed_depth(
                result.depth_hw, settings.depth_encoding, settings.max_depth
            )
            self._compressed_depth.publish(compressed_message(*encoded, header))
        raw, compressed = has_subscribers(self._preview), has_subscribers(self._compressed_preview)
        if raw or compressed:
            rgb_hwc = colourise(result.depth_hw, settings.min_depth, settings.max_depth)
            if raw:
                self._preview.publish(image_message(rgb_hwc, header, 'rgb8'))
            if compressed:
                encoded = encode_compressed_image(rgb_hwc)
                self._compressed_preview.publish(compressed_message(*encoded, header))
        self.scan.publish(result, header, settings)
        self.obstacles.publish(result.points, header, settings)
        if self._merged is not None:
            self._merged.add(self._prefix, result.points, header, settings)

    def close(self) -> None:
        """Destroy the publishers."""
        self.scan.close()
        self.obstacles.close()
        for publisher in self._all:
            self._node.destroy_lifecycle_publisher(publisher)
