"""One camera of the node: what comes in, what goes out, and how it fares."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from drnet_ros.inference import Frame
from drnet_ros.inference.images.rectification import rectified
from drnet_ros.node.camera_output import CameraOutput
from drnet_ros.node.diagnostics import CameraHealth
from drnet_ros.node.frame_saver import save_frame
from drnet_ros.node.input_check import InputCheck
from drnet_ros.node.intrinsics import IntrinsicsCache
from drnet_ros.node.messages import InputMessage
from drnet_ros.node.output_publishers import transport_topic
from drnet_ros.node.rate_limit import RateLimit
from drnet_ros.node.sparse_input import SparseInput
from drnet_ros.node.statistics import CameraStatistics
from drnet_ros.node.subscriptions import MatchingSubscription

if TYPE_CHECKING:
    from rclpy.lifecycle import LifecycleNode
    from std_msgs.msg import Header

    from drnet_ros.inference import CameraModel, DepthFrame, DepthScale, Settings
    from drnet_ros.inference.arrays import UInt8Array
    from drnet_ros.inference.sparse_depth.sources.transforms import TransformBuffer
    from drnet_ros.node.gpu_health import GpuState
    from drnet_ros.node.image_conversion import ImageConverter
    from drnet_ros.node.merged_points import MergedPoints
    from drnet_ros.node.scale_calibration import ScaleCalibration

__all__ = ['Camera', 'camera_prefix']


def camera_prefix(name: str) -> str:
    """Return what the topic names of a camera start with: '' or such as 'front/'."""
    return f'{name}/' if name else ''


class Camera:
    """Publishers while the node is configured, subscriptions while it is active.

    Attributes:
        prefix: What its topic names start with.
        converter: Decodes its images.
        output: Its publishers.
        statistics: Its counters, from zero at each `open`.
        input_check: What is odd about its images.
        image_rate: Chooses images for `max_rate`.
        points_rate: Chooses images for `points_max_rate`.
        is_saving: Whether the next image is to be saved.
        calibration: What collects the factors of its scale, None if nothing does.
    """

    def __init__(
        self,
        node: LifecycleNode,
        prefix: str,
        converter: ImageConverter,
        *,
        is_rectifying: bool = False,
        merged: MergedPoints | None = None,
    ) -> None:
        """Create the publishers.

        Args:
            node: The node that they belong to.
            prefix: What topic names start with.
            converter: Decodes its images.
            is_rectifying: Whether there are rectified images to publish.
            merged: Publishes the clouds of all cameras as one; None if they are not merged.
        """
        self.prefix = prefix
        self.converter = converter
        self.output = CameraOutput(node, prefix, is_rectifying=is_rectifying, merged=merged)
        self.statistics = CameraStatistics()
        self.input_check = InputCheck()
        self.image_rate, self.points_rate = RateLimit(), RateLimit()
        self.is_saving = False
        self.calibration: ScaleCalibration | None = None
        self._node = node
        self._intrinsics = IntrinsicsCache()
        self._images: MatchingSubscription | None = None
        self._infos: MatchingSubscription | None = None
        self._sparse: SparseInput | None = None
        self._scale: DepthScale | None = None

    @property
    def image_topic(self) -> str:
        """Full name of the topic that images are read from, '' while closed."""
        return self._images.resolved_topic if self._images else ''

    def open(
        self,
        settings: Settings,
        on_image: Callable[[str, InputMessage], None],
        transforms: TransformBuffer | None = None,
    ) -> None:
        """Subscribe.

        Args:
            settings: `image_transport`, `input_reliability` and the sources of sparse depth are
                read.
            on_image: Called with the prefix and each image, in the executor's thread.
            transforms: What is known of the frames; None if nothing needs it.

        Raises:
            SettingsError: If a QoS override is not allowed; `close` it then.
        """
        self.statistics = CameraStatistics()
        self.input_check = InputCheck()
        self.image_rate, self.points_rate = RateLimit(), RateLimit()
        self._intrinsics = IntrinsicsCache()
        self._sparse = self._scale = self.calibration = None
        self.is_saving = False
        self.output.derived.use_transforms(transforms)
        if transforms is not None and settings.sparse_depth_names:
            self._sparse = SparseInput(self._node, self.prefix, settings, transforms)
        is_compressed = settings.image_transport == 'compressed'
        topic = f'{self.prefix}image'
        self._images = MatchingSubscription(
            self._node,
            (CompressedImage if is_compressed else Image,),
            transport_topic(self._node, topic, 'compressed') if is_compressed else topic,
            lambda message: on_image(self.prefix, message),
            reliability=settings.input_reliability,
            on_lost=self.statistics.lost,
        )
        self._infos = MatchingSubscription(
            self._node,
            (CameraInfo,),
            f'{self.prefix}camera_info',
            self._intrinsics.store,
            takes_latched=True,
        )

    def frame(
        self, rgb_hwc: UInt8Array, taken_ns: int, settings: Settings
    ) -> tuple[Frame, CameraInfo | None]:
        """Return what the estimator is to work on, and the CameraInfo that belongs to it.

        Args:
            rgb_hwc: The image, uint8 (H, W, 3), RGB.
            taken_ns: When it was taken.
            settings: The settings that hold for it.

        Raises:
            CameraError: If it is to be rectified, and there is no camera_info.
        """
        info, model = self._find_intrinsics((rgb_hwc.shape[0], rgb_hwc.shape[1])) or (None, None)
        for_topic = self.output.wants_points(settings)
        for_others = self.output.derived.needs_points()
        is_due = model is not None and (for_topic or for_others)
        is_due = is_due and self.points_rate.admits(taken_ns, settings.points_max_rate)
        whole = self.is_saving or (is_due and (for_others or not settings.point_voxel))
        voxels = is_due and for_topic and settings.point_voxel > 0
        beyond = self.output.derived.scan.is_wanted()
        points = model is not None and whole
        frame = Frame(rgb_hwc, model, points, taken_ns, self.prefix, beyond=beyond, voxels=voxels)
        return (rectified(frame) if settings.rectify else frame), info

    def _find_intrinsics(self, image_hw: tuple[int, int]) -> tuple[CameraInfo, CameraModel] | None:
        """Return the CameraInfo for an image and its model; see `IntrinsicsCache.find`."""
        infos = self._infos  # the worker asks, while the executor may close
        if infos is None:
            return None
        return self._intrinsics.find(image_hw, is_announced=infos.publisher_count > 0)

    def complete(self, frame: Frame, header: Header, settings: Settings) -> Frame:
        """Add what the sources know of the depth in an image; call it once for each, in order.

        Args:
            frame: The image.
            header: Its header.
            settings: The settings that hold for it.

        Returns:
            The frame that goes to the estimator.
        """
        stddev = self.output.wants_stddev(settings)
        if self._sparse is None:
            return replace(frame, stddev=True) if stddev else frame
        sparse_depth = self._sparse.sparse_depth(frame, header.frame_id, settings)
        return replace(frame, sparse_depth=sparse_depth, stddev=stddev)

    def publish(
        self,
        result: DepthFrame,
        frame: Frame,
        header: Header,
        received: CameraInfo | None,
        settings: Settings,
    ) -> None:
        """Publish what was computed for one image, and do what services asked for.

        See `CameraOutput.publish`.
        """
        self._scale = result.scale
        self.input_check.look_at_depth(result, settings)
        if received is not None:
            size = frame.rgb_hwc.shape[0], frame.rgb_hwc.shape[1]
            self.input_check.look_at_camera_info(header.frame_id, size, received, result.camera)
        self.output.publish(result, frame, header, received, settings)
        if self.calibration is not None:
            self.calibration.add(result.scale, settings.scale_factor)
        if self.is_saving:
            self._save(result, frame, header, settings)

    def is_wanted(self, settings: Settings) -> bool:
        """Whether there is any work to do: for a subscriber, or a service."""
        is_measured = self.calibration is not None and not self.calibration.is_done
        return self.is_saving or is_measured or self.output.is_wanted(settings)

    def _save(self, result: DepthFrame, frame: Frame, header: Header, settings: Settings) -> None:
        if result.points is None and frame.camera is not None:
            return  # submitted before it was asked for
        self.is_saving = False
        try:
            folder = save_frame(self.prefix, result, frame, header, settings)
        except (OSError, RuntimeError) as error:
            where = settings.save_folder or 'the folder of ROS_HOME'
            self._node.get_logger().error(f'the frame is not saved in {where}: {error}')
        else:
            self._node.get_logger().info(f'saved a frame: {folder}')

    def reset_scale(self) -> None:
        """Forget what the sources of sparse depth said of earlier images."""
        if self._sparse is not None:
            self._sparse.reset()

    def health(self, state: str, settings: Settings, gpu: GpuState | None) -> CameraHealth:
        """Return what the diagnostics judge.

        Args:
            state: State of the node.
            settings: The settings that hold now.
            gpu: The GPU that computes, None for a CPU.
        """
        images, infos = self._images, self._infos
        return CameraHealth(
            state=state,
            is_wanted=self.is_wanted(settings),
            camera_problem=self._camera_problem(),
            image_topic=self.image_topic,
            image_publishers=images.publisher_count if images else 0,
            depth_topic=self.output.depth_topic,
            depth_publishers=self._node.count_publishers(self.output.depth_topic),
            image_reliability=images.reliability if images else '',
            counts=self.statistics.snapshot(),
            infos_in=infos.received_count if infos else 0,
            infos_lost=infos.lost_count if infos else 0,
            gpu=gpu,
            image_types=images.other_types if images else (),
            image_topics=images.topics_of_images() if images else (),
            oddities=self._oddities(),
            sources=self._sparse.status() if self._sparse else {},
            scale=self._scale if self._sparse else None,
        )

    def _camera_problem(self) -> str:
        """Return why no camera_info can be used, '' if one can or the camera is closed."""
        infos = self._infos
        if infos is None or infos.received_count:
            return self._intrinsics.problem if infos else ''
        type_problem = infos.type_problem
        return f'no camera_info: {type_problem or f"nothing comes on {infos.resolved_topic}"}'

    def _oddities(self) -> dict[str, str]:
        return self.input_check.problems() | self.output.derived.problems()

    def refresh(self) -> None:
        """Choose the QoS of subscriptions anew if publishers changed."""
        for subscription in (self._images, self._infos):
            if subscription:
                subscription.refresh()
        if self._sparse is not None:
            self._sparse.refresh()

    def close(self) -> None:
        """Unsubscribe."""
        subscriptions = self._images, self._infos
        self._images = self._infos = None
        self._intrinsics.close()
        for subscription in subscriptions:
            if subscription:
                subscription.close()
        if self._sparse is not None:
            self._sparse.close()

    def destroy(self) -> None:
        """Destroy the publishers."""
        self.close()
        self.output.close()
