"""The sources of sparse depth of one camera: their topics, and what they know of an image."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from nav_msgs.msg import Odometry
from sensor_msgs.msg import CameraInfo, Image, LaserScan, PointCloud, PointCloud2, Range

from drnet_ros.inference import SparseDepth
from drnet_ros.inference.sparse_depth.sources.motion import ImageMoment
from drnet_ros.messages.sparse_sources import SparseSources
from drnet_ros.node.subscriptions import MatchingSubscription

if TYPE_CHECKING:
    from rclpy.node import Node

    from drnet_ros.inference import Frame, Settings
    from drnet_ros.inference.sparse_depth.sources.sensor import SourceStatus
    from drnet_ros.inference.sparse_depth.sources.transforms import TransformBuffer

__all__ = ['SparseInput']

_TOPICS: dict[str, tuple[tuple[type[Any], ...], str]] = {
    'scan': ((LaserScan,), 'scan'),
    'range': ((Range,), 'range'),
    'points': ((PointCloud2, PointCloud), 'sparse_points'),
    'depth': ((Image,), 'sparse_depth/image'),
    'odometry': ((Odometry,), 'odom'),
}
# Several range finders may share a topic, and poses must not be lost.
_QUEUE_DEPTHS = {'range': 10, 'odometry': 50}


class SparseInput:
    """Subscribes to the sources that are set."""

    def __init__(
        self, node: Node, prefix: str, settings: Settings, transforms: TransformBuffer
    ) -> None:
        """Subscribe.

        Args:
            node: The node that subscribes.
            prefix: What topic names start with.
            settings: `sparse_depth_sources`, `sparse_depth_fixed_frame` and `input_reliability`
                are read.
            transforms: What is known of the frames.

        Raises:
            SettingsError: If a QoS override is not allowed.
        """
        self._node = node
        self._reliability = settings.input_reliability
        names = settings.sparse_depth_names
        self._sources = SparseSources(
            names, transforms, fixed_frame=settings.sparse_depth_fixed_frame
        )
        self._has_failed = False
        self._subscriptions: dict[str, MatchingSubscription] = {}
        for name in names:
            kinds, topic = _TOPICS[name]
            self._subscribe(kinds, f'{prefix}{topic}', self._receiver(name), name)
        if 'depth' in names:
            self._subscribe(
                (CameraInfo,),
                f'{prefix}sparse_depth/camera_info',
                self._sources.receive_camera_info,
                'depth camera_info',
            )

    def sparse_depth(self, frame: Frame, frame_id: str, settings: Settings) -> SparseDepth:
        """Return what the sources know of an image; call it once for each, in their order.

        Args:
            frame: The image, with its camera and stamp.
            frame_id: Optical frame of its camera.
            settings: The settings that hold for it.

        Returns:
            The points; none where there are none to be had, whatever the reason.
        """
        camera = frame.camera
        if camera is not None and settings.image_is_rectified:
            camera = camera.rectified()
        image = ImageMoment(frame.stamp_ns or 0, frame_id)
        try:
            return self._sources.sparse_depth(image, frame.rgb_hwc, camera)
        except Exception:  # noqa: BLE001 - whatever a source sends, the image has its depth
            if not self._has_failed:
                self._has_failed = True
                self._node.get_logger().error(
                    'sparse depth left out (further failures are not logged):\n'
                    f'{traceback.format_exc()}'
                )
            return SparseDepth(np.empty((0, 3)))

    def status(self) -> dict[str, SourceStatus]:
        """Return how each source fared with the last image, by its name."""
        found = dict(self._sources.status())
        for name, subscription in self._subscriptions.items():
            if problem := subscription.type_problem:
                source = name.partition(' ')[0]
                found[source] = replace(found[source], problem=problem, is_fault=True)
        return found

    def reset(self) -> None:
        """Forget what earlier images said."""
        self._sources.reset()

    def refresh(self) -> None:
        """Choose the QoS of subscriptions anew if publishers changed."""
        for subscription in self._subscriptions.values():
            subscription.refresh()

    def close(self) -> None:
        """Unsubscribe; an image on its way still gets what is known."""
        for subscription in self._subscriptions.values():
            subscription.close()
        self._subscriptions = {}

    def _receiver(self, name: str) -> Callable[[Any], None]:
        return lambda message: self._sources.receive(name, message)

    def _subscribe(
        self, kinds: Sequence[type[Any]], topic: str, receive: Callable[[Any], None], name: str
    ) -> None:
        self._subscriptions[name] = MatchingSubscription(
            self._node,
            kinds,
            topic,
            receive,
            reliability=self._reliability,
            # Maps, and the CameraInfo of a sensor, are published once for all who come later.
            takes_latched=True,
            depth=_QUEUE_DEPTHS.get(name, 1),
        )
