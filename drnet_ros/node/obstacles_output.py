"""The cloud without the floor."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sensor_msgs.msg import PointCloud2

from drnet_ros.errors import GroundError, SparseDepthError
from drnet_ros.inference.postprocess.ground import find_floor
from drnet_ros.inference.postprocess.voxels import voxel_points
from drnet_ros.node.messages import points_message
from drnet_ros.node.posed_output import PosedOutput

if TYPE_CHECKING:
    from rclpy.lifecycle import LifecycleNode
    from std_msgs.msg import Header

    from drnet_ros.inference import Settings
    from drnet_ros.inference.arrays import FloatArray

__all__ = ['ObstaclesOutput']


class ObstaclesOutput(PosedOutput):
    """Publishes the obstacles that one camera sees, for subscribers alone.

    Its `problem` may also be that the floor is among them.
    """

    def __init__(self, node: LifecycleNode, prefix: str) -> None:
        """Create the publisher.

        Args:
            node: The node that publishes.
            prefix: What topic names start with: '' or such as 'front/'.
        """
        super().__init__(node, PointCloud2, f'{prefix}obstacles')

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

    def _publish(self, points: FloatArray, header: Header, settings: Settings) -> None:
        self.problem = ''
        try:
            pose = self._camera_in(settings.ground_frame, header)
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
