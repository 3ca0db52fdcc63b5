"""The lifecycle node: its transitions, timers and cameras."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from std_srvs.srv import Trigger

from drnet_ros.errors import DrnetError, EngineError, one_line
from drnet_ros.inference import DepthEstimator, Settings
from drnet_ros.node.camera import Camera, camera_prefix
from drnet_ros.node.diagnostics import CameraHealth, camera_status, idle_status, reasons_of
from drnet_ros.node.gpu_health import GpuMonitor, open_monitor
from drnet_ros.node.image_conversion import ImageConverter
from drnet_ros.node.log_bridge import forward_logs
from drnet_ros.node.merged_points import MergedPoints
from drnet_ros.node.parameters import NodeParameters
from drnet_ros.node.problem_log import ProblemLog
from drnet_ros.node.ros_versions import steady_clock
from drnet_ros.node.services import FrameServices
from drnet_ros.node.transform_listener import TransformListener
from drnet_ros.node.transitions import log_exceptions
from drnet_ros.node.worker import Worker

if TYPE_CHECKING:
    from rclpy.context import Context

    from drnet_ros.node.gpu_health import GpuState

__all__ = ['DepthNode']

_DIAGNOSTICS_PERIOD_S = 1.0
# How soon a publisher with another QoS is noticed, where the middleware does not report it.
_REFRESH_PERIOD_S = 0.2
_STOP_TIMEOUT_S = 10.0


class DepthNode(LifecycleNode):
    """Depth from images as a managed node: configure loads, activate works, cleanup frees.

    Callbacks run in the executor's thread and return at once; the worker's thread does the work.

    Attributes:
        is_ending: Whether the program has been told to end, so that failures are no news.
        on_fatal: Called, from any thread, after an error that only a new process gets over.
    """

    def __init__(
        self,
        *,
        context: Context | None = None,
        create_estimator: Callable[[Settings], DepthEstimator] = DepthEstimator,
        **options: Any,
    ) -> None:
        """Declare the parameters and begin to publish diagnostics; not configured as yet.

        Args:
            context: The ROS context; None for the default one.
            create_estimator: Makes the estimator when the node is configured.
            **options: Passed on to the ROS node.

        Raises:
            SettingsError: If a parameter is not allowed.
        """
        super().__init__('depth_node', context=context, **options)
        self.is_ending = False
        self.on_fatal: Callable[[], None] = lambda: None
        self._create_estimator = create_estimator
        try:
            self._node_parameters = NodeParameters(self)
        except DrnetError:
            self.destroy_node()
            raise
        self._estimator: DepthEstimator | None = None
        self._description: dict[str, str] = {}
        self._cameras: dict[str, Camera] = {}
        self._problem_logs: dict[str, ProblemLog] = {}
        self._merged: MergedPoints | None = None
        self._worker: Worker | None = None
        self._transforms: TransformListener | None = None
        self._gpu: GpuMonitor | None = None
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 10)
        # Steady: with use_sim_time and no clock as yet, people look at diagnostics to see why.
        steady = steady_clock()
        self.create_timer(_DIAGNOSTICS_PERIOD_S, self._publish_diagnostics, clock=steady)
        self.create_timer(_REFRESH_PERIOD_S, self._refresh, clock=steady)
        self.create_service(Trigger, '~/reset_scale', self._reset_scale)
        self._frame_services = FrameServices(self, self._open_cameras_now, lambda: self.settings)
        forward_logs('drnet_ros', self.get_logger())

    @property
    def settings(self) -> Settings:
        """The settings that hold now."""
        return self._node_parameters.settings

    @property
    def state(self) -> str:
        """Label of the lifecycle state, such as 'active'."""
        label: str = self._state_machine.current_state[1]
        return label

    def health(self, camera: str = '') -> CameraHealth:
        """Return what the diagnostics judge of a camera; call it while no transition is under way.

        Args:
            camera: Its name, as in the parameter `cameras`.

        Raises:
            KeyError: If there is no such camera, or the node is not configured.
        """
        source = self._cameras[camera_prefix(camera)]
        return source.health(self.state, self.settings, self._read_gpu())

    def bring_up(self) -> bool:
        """Configure and activate, as `autostart` asks for.

        Returns:
            Whether the node is active now; if not, the reason has been logged.
        """
        return all(
            step() is TransitionCallbackReturn.SUCCESS
            for step in (self.trigger_configure, self.trigger_activate)
        )

    @log_exceptions
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the network and create the publishers."""
        try:
            self._estimator = self._create_estimator(self.settings)
            self._description = self._estimator.describe()
            self._gpu = open_monitor(self._description['device'])
            converter = ImageConverter(self.settings.image_conversion)
            prefixes = [camera_prefix(name) for name in self.settings.cameras]
            self._merged = MergedPoints(self, prefixes) if self.settings.merged_frame else None
            rectify, merged = self.settings.rectify, self._merged
            for prefix in prefixes:
                camera = Camera(self, prefix, converter, is_rectifying=rectify, merged=merged)
                self._cameras[prefix] = camera
                source = f'{prefix.rstrip("/")}: ' if prefix else ''
                self._problem_logs[prefix] = ProblemLog(self.get_logger(), source)
        except DrnetError as error:
            return self._refuse(error)
        self.get_logger().info(
            'configured: '
            + ', '.join(f'{name} {value}' for name, value in self._description.items())
        )
        return super().on_configure(state)

    @log_exceptions
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe and begin to work."""
        if self._estimator is None:
            return TransitionCallbackReturn.FAILURE
        self._worker = Worker(
            self._estimator, self._cameras, lambda: self.settings, self.get_logger(), self._give_up
        )
        try:
            self._open_cameras(self._worker)
        except DrnetError as error:
            return self._refuse(error)
        self._worker.start()
        self._node_parameters.warn_of_unused_qos()
        self.get_logger().info(
            'active: waiting for images on '
            + ', '.join(camera.image_topic for camera in self._cameras.values())
        )
        return super().on_activate(state)

    @log_exceptions
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe and stop work; what is being computed is still published."""
        self._stop_work()
        return super().on_deactivate(state)

    @log_exceptions
    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free the network and the publishers."""
        self._free()
        return super().on_cleanup(state)

    @log_exceptions
    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop and free everything, from whatever state."""
        self._stop_work()
        self._free()
        return super().on_shutdown(state)

    @log_exceptions
    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free everything after a transition that went wrong; the node is unconfigured then."""
        return self.on_shutdown(state)

    def destroy_node(self) -> None:
        """Destroy the node and, as rclpy does not, its state machine.

        While that is there, so are the DDS participant and its 64 MB of shared memory.
        """
        super().destroy_node()
        self._state_machine.destroy_when_not_in_use()

    def _open_cameras(self, worker: Worker) -> None:
        if self.settings.needs_transforms:
            self._transforms = TransformListener(self, self.settings)
        transforms = self._transforms.transforms if self._transforms else None
        for camera in self._cameras.values():
            camera.open(self.settings, worker.receive, transforms)

    def _open_cameras_now(self) -> dict[str, Camera]:
        return self._cameras if self._worker is not None else {}

    def _reset_scale(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        """Forget what sparse depth said of the scale so far, of all cameras."""
        estimator = self._estimator
        response.success = estimator is not None
        if estimator is None:
            response.message = f'the node must be configured, it is {self.state}'
            return response
        for camera in self._cameras.values():
            camera.reset_scale()
        estimator.reset_scale()
        response.message = 'the scale starts anew'
        return response

    def _refuse(self, error: DrnetError) -> TransitionCallbackReturn:
        """Log why a transition is refused; the node stays in the state that it was in."""
        if self.is_ending:
            self.get_logger().info(f'stopped before the node was ready: {error}')
        elif self.settings.autostart:
            self.get_logger().fatal(one_line(error))
        else:
            self.get_logger().error(one_line(error))
        self._stop_work()
        if self.state == 'configuring':
            self._free()
        return TransitionCallbackReturn.FAILURE

    def _give_up(self) -> None:
        self.on_fatal()

    def _stop_work(self) -> None:
        for camera in self._cameras.values():
            camera.close()
        transforms, self._transforms = self._transforms, None
        if transforms is not None:
            transforms.close()
        worker, self._worker = self._worker, None
        if worker is not None and not worker.stop(_STOP_TIMEOUT_S):
            self._leave_estimator_to(worker)
            msg = (
                f'the engine must finish a frame within {_STOP_TIMEOUT_S:g} s, got no answer; it '
                'is left and freed when it ends: restart the node if that does not happen'
            )
            raise EngineError(msg)
        self._frame_services.give_up(self._cameras.values())

    def _leave_estimator_to(self, worker: Worker) -> None:
        """Have it closed by the worker that still computes with it: closed now, that may crash."""
        estimator, self._estimator = self._estimator, None
        if estimator is not None:
            worker.abandon(estimator.close)

    def _free(self) -> None:
        for camera in self._cameras.values():
            camera.destroy()
        self._cameras = {}
        if self._merged is not None:
            self._merged.close()
        estimator, self._estimator, self._merged = self._estimator, None, None
        self._gpu = None
        if estimator is not None:
            estimator.close()

    def _refresh(self) -> None:
        for camera in self._cameras.values():
            camera.refresh()
        if self._transforms is not None:
            self._transforms.refresh()

    def _read_gpu(self) -> GpuState | None:
        return self._gpu.read() if self._gpu else None

    def _status_name(self, prefix: str) -> str:
        return f'{self.get_name()}: {prefix.rstrip("/") or "camera"}'

    def _publish_diagnostics(self) -> None:
        message = DiagnosticArray()
        message.header.stamp = self.get_clock().now().to_msg()
        gpu = self._read_gpu()
        for prefix, camera in self._cameras.items():
            health = camera.health(self.state, self.settings, gpu)
            reasons = reasons_of(health)
            name = self._status_name(prefix)
            message.status.append(camera_status(name, health, reasons, self._description))
            self._problem_logs[prefix].report(reasons)
        if not self._cameras:
            message.status.append(idle_status(self._status_name(''), self.state))
        self._diagnostics.publish(message)
