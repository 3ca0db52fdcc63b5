"""One cloud of all cameras, in a frame of the robot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header

from drnet_ros.errors import SparseDepthError
from drnet_ros.inference.postprocess.merging import StampMatcher, points_in_frame
from drnet_ros.inference.postprocess.voxels import voxel_points
from drnet_ros.messages.reading import NS_PER_S
from drnet_ros.node.messages import points_message
from drnet_ros.node.posed_output import PosedOutput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rclpy.lifecycle import LifecycleNode

    from drnet_ros.inference import Settings
    from drnet_ros.inference.arrays import FloatArray
    from drnet_ros.inference.sparse_depth.sources.transforms import TransformBuffer

__all__ = ['MergedPoints']

_NS_PER_S = 1_000_000_000
_MOST_UNMATCHED = 10


@dataclass(frozen=True, slots=True, eq=False)
class _Cloud:
    header: Header
    points: FloatArray


class MergedPoints(PosedOutput):
    """Publishes clouds of all cameras that belong together as one, for subscribers alone."""

    def __init__(self, node: LifecycleNode, prefixes: Sequence[str]) -> None:
        """Create the publisher.

        Args:
            node: The node that publishes.
            prefixes: What the topic names of each camera start with.
        """
        super().__init__(node, PointCloud2, 'points_merged')
        self._prefixes = tuple(prefixes)
        self.use_transforms(None)

    def use_transforms(self, transforms: TransformBuffer | None) -> None:
        """Forget all clouds, and take what is known of the frames; None if nothing is."""
        super().use_transforms(transforms)
        self._matcher: StampMatcher[_Cloud] = StampMatcher(self._prefixes)
        self._unmatched = 0

    def add(
        self, prefix: str, points: FloatArray | None, header: Header, settings: Settings
    ) -> None:
        """Take the cloud of one camera, and publish if those of all others are there.

        Args:
            prefix: What the topic names of the camera start with.
            points: Its organised cloud; None for an image that no cloud was computed of.
            header: Header of the image.
            settings: The settings that it was computed with.
        """
        if not self.is_wanted():
            self.problem = ''
            return
        if points is None:
            return
        taken_ns = header.stamp.sec * NS_PER_S + header.stamp.nanosec
        try:
            pose = self._camera_in(settings.merged_frame, header)
        except SparseDepthError as error:
            self.problem = f'no points_merged: {error}'
            return
        cloud = _Cloud(header, points_in_frame(points, pose))
        slop_ns = round(settings.sync_slop * _NS_PER_S)
        found = self._matcher.add(prefix, taken_ns, cloud, slop_ns)
        if found:
            self._unmatched, self.problem = 0, ''
            self._publish([each for _, each in found], settings)
            return
        self._unmatched += 1
        if self._unmatched >= _MOST_UNMATCHED * len(self._prefixes):
            self.problem = self._why_unmatched(settings)

    def _publish(self, clouds: list[_Cloud], settings: Settings) -> None:
        if len({cloud.points.shape[2] for cloud in clouds}) > 1:
            return  # point_color was changed in between
        points = np.concatenate([cloud.points for cloud in clouds], axis=1)
        if settings.point_voxel:
            points = voxel_points(points, settings.point_voxel)
        stamp = max((cloud.header.stamp for cloud in clouds), key=lambda t: (t.sec, t.nanosec))
        header = Header(stamp=stamp, frame_id=settings.merged_frame)
        self._publisher.publish(points_message(points, header))

    def _why_unmatched(self, settings: Settings) -> str:
        newest = self._matcher.newest_ns()
        missing = [prefix.rstrip('/') for prefix, stamp in newest.items() if stamp is None]
        if missing:
            return f'no points_merged: no cloud of {", ".join(missing)}'
        stamps = [stamp for stamp in newest.values() if stamp is not None]
        apart = (max(stamps) - min(stamps)) / _NS_PER_S
        return (
            f'no points_merged: the clouds of the cameras are {apart:.3f} s apart, sync_slop is '
            f'{settings.sync_slop:g} s'
        )
