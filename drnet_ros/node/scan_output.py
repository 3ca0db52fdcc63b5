"""The laser scan that is made of depth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor_msgs.msg import LaserScan

from drnet_ros.errors import CameraError, SparseDepthError
from drnet_ros.inference.postprocess.height_scan import HeightScanner
from drnet_ros.inference.postprocess.scan import Scan, scan_of_rows
from drnet_ros.inference.sparse_depth.sources.transforms import TransformBuffer
from drnet_ros.messages.reading import NS_PER_S
from drnet_ros.node.messages import scan_message
from drnet_ros.node.output_publishers import create_output, has_subscribers

if TYPE_CHECKING:
    from rclpy.lifecycle import LifecycleNode
    from std_msgs.msg import Header

    from drnet_ros.inference import CameraModel, DepthFrame, Settings

__all__ = ['ScanOutput']


class ScanOutput:
    """Publishes the scans of one camera, for subscribers alone.

    Attributes:
        problem: Why there is no scan of the last image, '' if there is one or nobody listens.
    """

    def __init__(self, node: LifecycleNode, prefix: str) -> None:
        """Create the publisher.

        Args:
            node: The node that publishes.
            prefix: What topic names start with: '' or such as 'front/'.
        """
        self.problem = ''
        self._node = node
        self._publisher = create_output(node, LaserScan, f'{prefix}scan_out')
        self._scanner = HeightScanner()
        self._transforms = TransformBuffer()

    def use_transforms(self, transforms: TransformBuffer | None) -> None:
        """Take what is known of the frames; None if no parameter needs any."""
        self._transforms = transforms or TransformBuffer()

    def is_wanted(self) -> bool:
        """Whether anybody listens."""
        return has_subscribers(self._publisher)

    def publish(self, result: DepthFrame, header: Header, settings: Settings) -> None:
        """Publish the scan of an image.

        Args:
            result: The depth; without `beyond_hw` it was submitted before anybody listened.
            header: Header of the image.
            settings: The settings that it was computed with.
        """
        self.problem = ''
        if result.beyond_hw is None or not self.is_wanted():
            return
        if result.camera is None:
            self.problem = 'scan_out needs camera_info'
            return
        is_rectified = settings.image_is_rectified
        camera = result.camera.rectified() if is_rectified else result.camera
        try:
            scan = self._scan(result, camera, header, settings)
        except (CameraError, SparseDepthError) as error:
            self.problem = f'no scan_out: {error}'
            return
        frame_id = settings.scan_frame or _body_frame(header.frame_id)
        self._publisher.publish(scan_message(scan, header, frame_id))

    def close(self) -> None:
        """Destroy the publisher."""
        self._node.destroy_lifecycle_publisher(self._publisher)

    def _scan(
        self, result: DepthFrame, camera: CameraModel, header: Header, settings: Settings
    ) -> Scan:
        if not settings.scan_frame:
            return scan_of_rows(result, camera, settings)
        taken_ns = header.stamp.sec * NS_PER_S + header.stamp.nanosec
        pose = self._transforms.lookup(settings.scan_frame, header.frame_id, taken_ns)
        return self._scanner.scan(result, camera, pose, settings)


def _body_frame(optical_frame: str) -> str:
    """Return the frame with x forward and z up of a camera, by the names of REP 103."""
    for ending in ('_optical_frame', '_optical'):
        if optical_frame.endswith(ending):
            return optical_frame.removesuffix(ending) + ending.removeprefix('_optical')
    return optical_frame
