"""All that a robot knows of the depth in one camera's images, collected from its messages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from drnet_ros.errors import DrnetError
from drnet_ros.inference.sparse_depth.points import SparseDepth
from drnet_ros.inference.sparse_depth.sources.motion import ImageMoment
from drnet_ros.inference.sparse_depth.sources.odometry import OdometrySource
from drnet_ros.inference.sparse_depth.sources.sensor import SensorSource, SourceStatus
from drnet_ros.messages.reading import stamp_ns
from drnet_ros.messages.sensor_kinds import kind_of_sensor
from drnet_ros.messages.sparse_reading import (
    odometry_pose,
    read_cloud,
    read_depth,
    read_range,
    read_scan,
)

if TYPE_CHECKING:
    from drnet_ros.inference.arrays import UInt8Array
    from drnet_ros.inference.camera import CameraModel
    from drnet_ros.inference.sparse_depth.sources.readings import Reading
    from drnet_ros.inference.sparse_depth.sources.transforms import TransformBuffer

__all__ = ['SparseSources']

_READERS: Mapping[str, Callable[[Any], Reading]] = {
    'scan': read_scan,
    'range': read_range,
    'points': read_cloud,
}


class SparseSources:
    """The sources of one camera; the node and recordings use the same.

    `receive` and `reset` may be called in one thread and `sparse_depth` in another. Nothing waits:
    what is not there when an image is worked on is not used for it.
    """

    def __init__(
        self, names: Sequence[str], transforms: TransformBuffer, *, fixed_frame: str
    ) -> None:
        """Begin without messages.

        Args:
            names: The sources, out of `Settings.sparse_depth_sources`.
            transforms: What is known of the frames; fill it from /tf and /tf_static.
            fixed_frame: A frame that stands still; that of odometry goes before it where it is
                connected to the camera.
        """
        self._transforms = transforms
        self._fixed_frame = fixed_frame
        self._sensors = {name: SensorSource(name) for name in names if name != 'odometry'}
        self._odometry = OdometrySource() if 'odometry' in names else None
        self._camera_info: Any = None
        self._refused = ''

    def receive(self, name: str, message: Any) -> None:
        """Take a message; returns at once.

        Args:
            name: Its source: a sensor_msgs/LaserScan of 'scan', sensor_msgs/Range of 'range',
                sensor_msgs/PointCloud2 or PointCloud of 'points', sensor_msgs/Image of 'depth', or
                nav_msgs/Odometry of 'odometry'.
            message: The message. It is kept, and must not be changed.
        """
        if name == 'odometry':
            self._receive_odometry(message)
            return
        if name == 'depth':
            read: Callable[[], Reading] = partial(self._read_depth, message)
        else:
            read = partial(_READERS[name], message)
        kind = kind_of_sensor(name, message)
        self._sensors[name].add(stamp_ns(message), message.header.frame_id, read, kind)

    def receive_camera_info(self, message: Any) -> None:
        """Take the CameraInfo of the source 'depth'.

        Args:
            message: A sensor_msgs/CameraInfo.
        """
        self._camera_info = message

    def sparse_depth(
        self, image: ImageMoment, rgb_hwc: UInt8Array, camera: CameraModel | None
    ) -> SparseDepth:
        """Return what is known of the depth in an image; call it once for each, in their order.

        Args:
            image: When and where it was taken.
            rgb_hwc: The image, uint8 (H, W, 3), RGB.
            camera: The camera whose rays its pixels look along, that of `CameraModel.rectified`
                for a rectified image; None if unknown.

        Returns:
            The points of all sources; none if there are none to be had, and `status` says why.
        """
        fixed_frame = self._fixed_frame
        found: list[SparseDepth] = []
        if self._odometry is not None:
            # Odometry in a tree of its own cannot move what the robot's other sensors see.
            if self._transforms.is_above(self._odometry.frame_id, image.frame_id):
                fixed_frame = self._odometry.frame_id
            found += self._odometry.at(image, rgb_hwc, camera, self._transforms, fixed_frame)
        for sensor in self._sensors.values():
            found += sensor.at(image, self._transforms, fixed_frame)
        return SparseDepth.fused(found) if found else SparseDepth(np.empty((0, 3)))

    def status(self) -> dict[str, SourceStatus]:
        """Return how each source fared with the last image, by its name."""
        result = {name: sensor.status for name, sensor in self._sensors.items()}
        if self._odometry is not None:
            status = self._odometry.status
            if self._refused and not status.points:
                status = SourceStatus(status.received, 0, self._refused)
            result['odometry'] = status
        return result

    def reset(self) -> None:
        """Forget the corners that odometry has placed."""
        if self._odometry is not None:
            self._odometry.reset()

    def _receive_odometry(self, message: Any) -> None:
        if self._odometry is None:
            return
        try:
            pose = odometry_pose(message)
            self._odometry.add(
                stamp_ns(message),
                message.header.frame_id,
                message.child_frame_id,
                pose,
                self._transforms,
            )
        except DrnetError as error:
            self._refused = f'an odometry message is not usable: {error}'
        else:
            self._refused = ''

    def _read_depth(self, message: Any) -> Reading:
        return read_depth(message, self._camera_info)
