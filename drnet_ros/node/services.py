"""The services of the node: each returns at once, and the log has what becomes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from std_srvs.srv import Trigger

from drnet_ros.node.frame_saver import save_folder
from drnet_ros.node.scale_calibration import IMAGES, ScaleCalibration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from rclpy.lifecycle import LifecycleNode

    from drnet_ros.inference import Settings
    from drnet_ros.node.camera import Camera

__all__ = ['FrameServices']


class FrameServices:
    """`~/save_frame` and `~/calibrate_scale`, which wait for images."""

    def __init__(
        self,
        node: LifecycleNode,
        cameras: Callable[[], Mapping[str, Camera]],
        settings: Callable[[], Settings],
    ) -> None:
        """Offer the services.

        Args:
            node: The node that offers them.
            cameras: Returns its open cameras by their prefix, none while it is not active.
            settings: Returns the settings that hold now.
        """
        self._logger = node.get_logger()
        self._cameras = cameras
        self._settings = settings
        self._calibration: ScaleCalibration | None = None
        self._how_to_set = f'ros2 param set {node.get_fully_qualified_name()} scale_factor'
        node.create_service(Trigger, '~/save_frame', self._save_frame)
        node.create_service(Trigger, '~/calibrate_scale', self._calibrate_scale)

    def give_up(self, cameras: Iterable[Camera]) -> None:
        """Log what was asked for and was not done before the work of the node has ended.

        Args:
            cameras: Its cameras, which get no more images.
        """
        for camera in cameras:
            if camera.is_saving:
                name = camera.prefix.strip('/') or 'camera'
                self._logger.warning(f'save_frame is given up: no image of {name} came in time')
            running, camera.calibration, camera.is_saving = camera.calibration, None, False
            if running is not None and running is self._calibration and not running.is_done:
                self._logger.warning(
                    f'calibrate_scale is given up: {running.count} of {IMAGES} images had sparse '
                    'depth; call it again while the node is active'
                )
                self._calibration = None

    def _save_frame(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        cameras = self._cameras()
        if not cameras:
            return _refused(response, 'the node must be active')
        try:
            folder = save_folder(self._settings())
        except RuntimeError as error:
            return _refused(response, f'save_folder must be set: {error}')
        for camera in cameras.values():
            camera.is_saving = True
        response.success = True
        response.message = f'the next image of each camera goes to {folder}; the log says when'
        return response

    def _calibrate_scale(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        cameras, settings = self._cameras(), self._settings()
        if not cameras:
            return _refused(response, 'the node must be active')
        if not settings.sparse_depth_names:
            return _refused(
                response, 'sparse_depth_sources must be set: the scale is measured against them'
            )
        running = self._calibration
        is_used = any(camera.calibration is running for camera in cameras.values())
        if running is not None and is_used and not running.is_done:
            return _refused(response, f'it is under way: {running.count} of {IMAGES} images')
        self._calibration = ScaleCalibration(self._report)
        for camera in cameras.values():
            camera.calibration = self._calibration
        response.success = True
        response.message = f'the log has scale_factor after {IMAGES} images with sparse depth'
        return response

    def _report(self, result: str) -> None:
        factor = result.split()[1]
        self._logger.info(f'{result}; set it: {self._how_to_set} {factor}')


def _refused(response: Trigger.Response, reason: str) -> Trigger.Response:
    response.success = False
    response.message = reason
    return response
