"""What is published for subscribers alone, and needs to know where the camera is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drnet_ros.inference.sparse_depth.sources.transforms import TransformBuffer
from drnet_ros.messages.reading import NS_PER_S
from drnet_ros.node.output_publishers import create_output, has_subscribers

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from rclpy.lifecycle import LifecycleNode
    from std_msgs.msg import Header

__all__ = ['PosedOutput']


class PosedOutput:
    """A publisher, what is known of the frames, and why nothing is published.

    Attributes:
        problem: Why there is nothing of the last image, '' if there is, or nobody listens.
    """

    def __init__(self, node: LifecycleNode, message_type: type[Any], topic: str) -> None:
        """Create the publisher.

        Args:
            node: The node that publishes.
            message_type: What it publishes.
            topic: Its topic.
        """
        self.problem = ''
        self._node = node
        self._publisher = create_output(node, message_type, topic)
        self._transforms = TransformBuffer()

    def use_transforms(self, transforms: TransformBuffer | None) -> None:
        """Take what is known of the frames; None if no parameter needs any."""
        self._transforms = transforms or TransformBuffer()

    def is_wanted(self) -> bool:
        """Whether anybody listens."""
        return has_subscribers(self._publisher)

    def close(self) -> None:
        """Destroy the publisher."""
        self._node.destroy_lifecycle_publisher(self._publisher)

    def _camera_in(self, frame: str, header: Header) -> NDArray[np.float64]:
        """Return the pose of the camera in a frame when an image was taken, (4, 4).

        Raises:
            SparseDepthError: It is not known.
        """
        taken_ns = header.stamp.sec * NS_PER_S + header.stamp.nanosec
        return self._transforms.lookup(frame, header.frame_id, taken_ns)
