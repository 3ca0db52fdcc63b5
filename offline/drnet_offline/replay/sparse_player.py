"""The recorded messages of the sources of sparse depth, given to the sources of the node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from drnet_ros.inference.sparse_depth.sources.extrinsics import add_extrinsics
from drnet_ros.inference.sparse_depth.sources.motion import ImageMoment
from drnet_ros.inference.sparse_depth.sources.transforms import TransformBuffer
from drnet_ros.messages.sparse_reading import add_transforms
from drnet_ros.messages.sparse_sources import SparseSources

if TYPE_CHECKING:
    from drnet_offline.replay.sparse_topics import SparseTopics
    from drnet_ros.inference import Frame, Settings
    from drnet_ros.inference.sparse_depth.sources.sensor import SourceStatus

__all__ = ['SparsePlayer']


class SparsePlayer:
    """What the node would know of the depth in each image, with the settings of one variant."""

    def __init__(self, settings: Settings, topics: SparseTopics) -> None:
        """Begin without messages.

        Args:
            settings: Its sources, their extrinsics and the fixed frame are read.
            topics: Where the sources are recorded.

        Raises:
            SettingsError: The extrinsics are not of the form that they must have.
        """
        self._settings = settings
        self._transforms = TransformBuffer()
        add_extrinsics(settings.sparse_depth_extrinsics, self._transforms)
        names = settings.sparse_depth_names
        self._sources = SparseSources(
            names, self._transforms, fixed_frame=settings.sparse_depth_fixed_frame
        )
        self._topics = topics
        wanted = (*names, 'camera_info') if 'depth' in names else names
        self._source_of = {
            topics.by_source[name]: name for name in wanted if name in topics.by_source
        }

    def receive(self, messages: Sequence[tuple[str, Any]]) -> list[str]:
        """Take what was recorded since the image before, in that order.

        Args:
            messages: Names of topics, each with a message; those of other topics are left out.

        Returns:
            What is wrong with transforms that are not usable.
        """
        problems: list[str] = []
        for topic, message in messages:
            name = self._source_of.get(topic)
            if topic in self._topics.transforms:
                is_static = topic in self._topics.static_transforms
                problems += add_transforms(message, self._transforms, is_static=is_static)
            elif name == 'camera_info':
                self._sources.receive_camera_info(message)
            elif name is not None:
                self._sources.receive(name, message)
        return problems

    def complete(self, frame: Frame, frame_id: str) -> Frame:
        """Add what the sources know of the depth in an image; call it once for each, in order.

        Args:
            frame: The image, with its stamp; its camera is usable for the settings.
            frame_id: Frame of the image's header.

        Returns:
            The frame that goes to the estimator.
        """
        camera = frame.camera
        if camera is not None and self._settings.image_is_rectified:
            camera = camera.rectified()
        image = ImageMoment(frame.stamp_ns or 0, frame_id)
        sparse_depth = self._sources.sparse_depth(image, frame.rgb_hwc, camera)
        return replace(frame, sparse_depth=sparse_depth)

    def status(self) -> dict[str, SourceStatus]:
        """Return how each source fared with the last image, by its name."""
        return self._sources.status()
