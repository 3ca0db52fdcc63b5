"""The cloud without the floor."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sensor_msgs.msg import PointCloud2

from drnet_ros.errors import GroundError, SparseDepthError
from drnet_ros.inference.postprocess.ground import find_floor
from drnet_ros.inference.postprocess.voxels import voxel_points
from drnet_ros.inference.sparse_depth.sources.transforms import TransformBuffer
from drnet_ros.messages.reading import NS_PER_S
from drnet_ros.node.messages import points_message
from drnet_ros.node.output_publishers import create_output, has_subscribers

if TYPE_CHECKING:
    from rclpy.lifecycle import LifecycleNode
    from std_msgs.msg import Header

    from drnet_ros.inference import Settings
    from drnet_ros.inference.arrays import FloatArray

__all__ = ['ObstaclesOutput']


class ObstaclesOutput:
    """Publishes the obstacles that one camera sees, for subscribers alone.

    Attributes:
        problem: Why the last image has no obstacles, or no floor; '' if it has, or nobody listens.
    """

    def __init__(self, node: LifecycleNode, prefix: str) -> None:
        """Create the publisher.

        Args:
            node: The node that publishes.
            prefix: What topic names start with: '' or such as 'front/'.
        """
        self.problem = ''
        self._node = node
        self._publisher = create_output(node, PointCloud2, f'{prefix}obstacles')
        self._transforms = TransformBuffer()

    def use_transforms(self, transforms: TransformBuffer | None) -> None:
        """Take what is known of the frames; None if no parameter needs any."""
        self._transforms = transforms or TransformBuffer()

    def is_wanted(self) -> bool:
        """Whether anybody listens."""
        return has_subscribers(self._publisher)

    def publish(self, points: FloatArray | None, header: Header, settings: Settings) -> None:
        """Publish the obstacles of an image.

        Args:
            points: The organised cloud; None for an image that no cloud was computed of.
            header: Header of the image; the message gets it unchanged.
            settings: The settings that it was computed with.
        """
        if not self.is_wanted():
            self.problem = ''
        elif not settings.ground_frame:
            self.problem = 'obstacles needs the parameter ground_frame'
        elif points is not None:
            self._publish(points, header, settings)

    def close(self) -> None:
        """Destroy the publisher."""
        self._node.destroy_lifecycle_publisher(self._publisher)

    def _publish(self, points: FloatArray, header: Header, settings: Settings) -> None:
        self.problem = ''
        taken_ns = header.stamp.sec * NS_PER_S + header.stamp.nanosec
        try:
            pose = self._transforms.lookup(settings.ground_frame, header.frame_id, taken_ns)
            floor = find_floor(points, pose, settings)
        except SparseDepthError as error:
            self.problem = f'no obstacles: {error}'
            return
        except GroundError as error:
            self.problem = f'obstacles with the floor: {error}'
            obstacles = points[~np.isnan(points[..., 2])][np.newaxis]
        else:
            obstacles = floor.without(points, settings.ground_tolerance)
        if settings.point_voxel:
            obstacles = voxel_points(obstacles, settings.point_voxel)
        self._publisher.publish(points_message(obstacles, header))
