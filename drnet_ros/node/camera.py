"""One camera of the node: what comes in, what goes out, and how it fares."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from drnet_ros.errors import SettingsError
from drnet_ros.node.camera_output import CameraOutput
from drnet_ros.node.diagnostics import CameraHealth
from drnet_ros.node.intrinsics import IntrinsicsCache
from drnet_ros.node.messages import InputMessage
from drnet_ros.node.statistics import CameraStatistics
from drnet_ros.node.subscriptions import MatchingSubscription

if TYPE_CHECKING:
    from rclpy.lifecycle import LifecycleNode
    from rclpy.node import Node

    from drnet_ros.inference import CameraModel, Settings
    from drnet_ros.node.gpu_health import GpuState

__all__ = ['Camera', 'CameraInput', 'camera_prefixes']


def camera_prefixes(settings: Settings) -> tuple[str, ...]:
    """Return what the topic names of each camera start with: '' or such as 'front/'."""
    return tuple(f'{name}/' if name else '' for name in settings.cameras)


class CameraInput:
    """The subscriptions of one camera. Callbacks hand over and return.

    Attributes:
        intrinsics: What is known of the camera.
        images: The image subscription.
        infos: The CameraInfo subscription.
    """

    def __init__(
        self,
        node: Node,
        prefix: str,
        settings: Settings,
        on_image: Callable[[InputMessage], None],
        on_lost: Callable[[int], None],
    ) -> None:
        """Subscribe.

        Args:
            node: The node that subscribes.
            prefix: What topic names start with: '' or such as 'front/'.
            settings: `image_transport` and `input_reliability` are read.
            on_image: Called with each image message in the executor's thread.
            on_lost: Called there with the number of images found lost.

        Raises:
            SettingsError: If a QoS override is not allowed.
        """
        self.intrinsics = IntrinsicsCache()
        is_compressed = settings.image_transport == 'compressed'
        self.images = MatchingSubscription(
            node,
            CompressedImage if is_compressed else Image,
            _compressed_topic(node, f'{prefix}image') if is_compressed else f'{prefix}image',
            on_image,
            reliability=settings.input_reliability,
            on_lost=on_lost,
        )
        try:
            self.infos = MatchingSubscription(
                node, CameraInfo, f'{prefix}camera_info', self.intrinsics.store, takes_latched=True
            )
        except SettingsError:
            self.images.close()
            raise

    def find_intrinsics(
        self, image_hw: tuple[int, int], *, is_rectified: bool
    ) -> tuple[CameraInfo, CameraModel] | None:
        """Return the CameraInfo for an image and its model; see `IntrinsicsCache.find`."""
        return self.intrinsics.find(
            image_hw, is_announced=self.infos.publisher_count > 0, is_rectified=is_rectified
        )

    def refresh(self) -> None:
        """Choose QoS anew if publishers changed."""
        self.images.refresh()
        self.infos.refresh()

    def close(self) -> None:
        """Unsubscribe."""
        self.intrinsics.close()
        self.images.close()
        self.infos.close()


class Camera:
    """Publishers while the node is configured, subscriptions while it is active.

    Attributes:
        prefix: What its topic names start with.
        output: Its publishers.
        statistics: Its counters, from zero at each `open`.
    """

    def __init__(self, node: LifecycleNode, prefix: str) -> None:
        """Create the publishers.

        Args:
            node: The node that they belong to.
            prefix: What topic names start with.
        """
        self.prefix = prefix
        self.output = CameraOutput(node, prefix)
        self.statistics = CameraStatistics()
        self._node = node
        self._input: CameraInput | None = None

    @property
    def image_topic(self) -> str:
        """Full name of the topic that images are read from, '' while closed."""
        return self._input.images.resolved_topic if self._input else ''

    def open(self, settings: Settings, on_image: Callable[[str, InputMessage], None]) -> None:
        """Subscribe.

        Args:
            settings: The settings.
            on_image: Called with the prefix and each image, in the executor's thread.

        Raises:
            SettingsError: If a QoS override is not allowed.
        """
        self.statistics = CameraStatistics()
        self._input = CameraInput(
            self._node,
            self.prefix,
            settings,
            lambda message: on_image(self.prefix, message),
            self.statistics.lost,
        )

    def find_intrinsics(
        self, image_hw: tuple[int, int], settings: Settings
    ) -> tuple[CameraInfo, CameraModel] | None:
        """Return the CameraInfo for an image and its model; see `IntrinsicsCache.find`."""
        source = self._input  # the worker asks, while the executor may close
        if source is None:
            return None
        return source.find_intrinsics(image_hw, is_rectified=settings.image_is_rectified)

    def health(self, state: str, settings: Settings, gpu: GpuState | None) -> CameraHealth:
        """Return what the diagnostics judge.

        Args:
            state: State of the node.
            settings: The settings that hold now.
            gpu: The GPU that computes, None for a CPU.
        """
        source = self._input
        return CameraHealth(
            state=state,
            is_wanted=self.output.is_wanted(settings),
            camera_problem=source.intrinsics.problem if source else '',
            image_topic=self.image_topic,
            image_publishers=source.images.publisher_count if source else 0,
            image_reliability=source.images.reliability if source else '',
            counts=self.statistics.snapshot(),
            infos_in=source.infos.received_count if source else 0,
            infos_lost=source.infos.lost_count if source else 0,
            gpu=gpu,
        )

    def refresh(self) -> None:
        """Choose the QoS of subscriptions anew if publishers changed."""
        if self._input:
            self._input.refresh()

    def close(self) -> None:
        """Unsubscribe."""
        source, self._input = self._input, None
        if source:
            source.close()

    def destroy(self) -> None:
        """Destroy the publishers."""
        self.close()
        self.output.close()


def _compressed_topic(node: Node, image: str) -> str:
    """Return image/compressed, below wherever `image` was remapped to unless remapped itself."""
    own = f'{image}/compressed'
    if node.resolve_topic_name(own) != node.resolve_topic_name(own, only_expand=True):
        return own
    return f'{node.resolve_topic_name(image)}/compressed'
