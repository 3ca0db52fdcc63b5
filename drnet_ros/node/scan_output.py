"""The laser scan that is made of depth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor_msgs.msg import LaserScan

from drnet_ros.errors import CameraError, SparseDepthError
from drnet_ros.inference.postprocess.height_scan import HeightScanner
from drnet_ros.inference.postprocess.scan import Scan, scan_of_rows
from drnet_ros.node.messages import scan_message
from drnet_ros.node.posed_output import PosedOutput

if TYPE_CHECKING:
    from rclpy.lifecycle import LifecycleNode
    from std_msgs.msg import Header

    from drnet_ros.inference import CameraModel, DepthFrame, Settings

__all__ = ['ScanOutput']


class ScanOutput(PosedOutput):
    """Publishes the scans of one camera, for subscribers alone."""

    def __init__(self, node: LifecycleNode, prefix: str) -> None:
        """Create the publisher.

        Args:
            node: The node that publishes.
            prefix: What topic names start with: '' or such as 'front/'.
        """
        super().__init__(node, LaserScan, f'{prefix}scan_out')
        self._scanner = HeightScanner()

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

    def _scan(
        self, result: DepthFrame, camera: CameraModel, header: Header, settings: Settings
    ) -> Scan:
        if not settings.scan_frame:
            return scan_of_rows(result, camera, settings)
        pose = self._camera_in(settings.scan_frame, header)
        return self._scanner.scan(result, camera, pose, settings)


def _body_frame(optical_frame: str) -> str:
    """Return the frame with x forward and z up of a camera, by the names of REP 103."""
    for ending in ('_optical_frame', '_optical'):
        if optical_frame.endswith(ending):
            return optical_frame.removesuffix(ending) + ending.removeprefix('_optical')
    return optical_frame
