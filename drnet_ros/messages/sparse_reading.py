"""Messages of sensors to readings: laser scans, range finders, clouds, depth images, poses."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from drnet_ros.errors import SparseDepthError
from drnet_ros.inference.sparse_depth.sources.readings import (
    MAX_POINTS,
    Reading,
    cloud_reading,
    depth_reading,
    range_reading,
    scan_reading,
)
from drnet_ros.inference.sparse_depth.sources.rigid import Pose, pose_of
from drnet_ros.messages.reading import NS_PER_S, camera_of, decode_depth_message

if TYPE_CHECKING:
    from collections.abc import Iterator

    from drnet_ros.inference.sparse_depth.sources.transforms import TransformBuffer

__all__ = [
    'add_transforms',
    'is_listed_cloud',
    'odometry_pose',
    'read_cloud',
    'read_depth',
    'read_range',
    'read_scan',
]

_ULTRASOUND = 0  # Range.ULTRASOUND
_FLOAT_TYPES = {7: 'f4', 8: 'f8'}  # PointField.FLOAT32, FLOAT64
_OTHER_TYPES = dict(enumerate(('int8', 'uint8', 'int16', 'uint16', 'int32', 'uint32'), 1))
# One scanner has a few thousand rays; messages with more are read in part.
_MOST_RAYS = 1_000_000


def read_scan(message: Any) -> Reading:
    """Read a laser scan.

    Args:
        message: A sensor_msgs/LaserScan.

    Raises:
        SparseDepthError: If its angles or times are not finite, or all its rays are one.
    """
    numbers = message.angle_min, message.angle_increment, message.time_increment
    if not all(map(math.isfinite, numbers)):
        msg = (
            'a scan must have finite angle_min, angle_increment and time_increment, got '
            f'{", ".join(map(str, numbers))}'
        )
        raise SparseDepthError(msg)
    if message.angle_increment == 0 and len(message.ranges) > 1:
        msg = (
            f'angle_increment of a scan must not be 0, got {len(message.ranges)} ranges: have the '
            'driver set it'
        )
        raise SparseDepthError(msg)
    return scan_reading(
        np.asarray(message.ranges[:_MOST_RAYS], np.float32),
        angle_min=message.angle_min,
        angle_increment=message.angle_increment,
        limits_m=_limits(message.range_min, message.range_max),
        time_increment_s=message.time_increment,
    )


def read_range(message: Any) -> Reading:
    """Read a range finder.

    Args:
        message: A sensor_msgs/Range.
    """
    return range_reading(
        float(message.range),
        limits_m=_limits(message.min_range, message.max_range),
        is_sonar=message.radiation_type == _ULTRASOUND,
        field_of_view_rad=float(message.field_of_view),
    )


def read_cloud(message: Any) -> Reading:
    """Read the points of a cloud; of a very large one, every n-th.

    Args:
        message: A sensor_msgs/PointCloud2 with fields x, y and z of float32 or float64, or a
            sensor_msgs/PointCloud.

    Raises:
        SparseDepthError: If it has no such fields, or less data than it claims.
    """
    if is_listed_cloud(message):
        return _read_listed_cloud(message)
    height, width = int(message.height), int(message.width)
    if not height * width:
        return cloud_reading(np.empty((0, 3)))
    strides = _strides(message, height, width)  # first: a type of absurd size is an error of NumPy
    cloud = np.ndarray(
        (height, width), _point_type(message), memoryview(message.data), strides=strides
    )
    # Whole rows of organised clouds are left out first: a view, whatever the size.
    every = max(1, math.ceil(height * width / MAX_POINTS))
    rows = max(1, min(height, round(math.sqrt(every)) if height > 1 else 1))
    thinned = cloud[::rows, :: max(1, every // rows)]
    points = np.stack([thinned[name].ravel() for name in ('x', 'y', 'z')], axis=1)
    return cloud_reading(points.astype(points.dtype.newbyteorder('='), copy=False))


def is_listed_cloud(message: Any) -> bool:
    """Return whether a cloud is a sensor_msgs/PointCloud, whose points are listed one by one."""
    return not hasattr(message, 'point_step')


def _read_listed_cloud(message: Any) -> Reading:
    # Channels are left alone: VINS-Fusion has one for each point in place of a value in each.
    thinned = message.points[:: max(1, math.ceil(len(message.points) / MAX_POINTS))]
    return cloud_reading(np.array([_xyz(each) for each in thinned], np.float32).reshape(-1, 3))


def read_depth(message: Any, camera_info: Any) -> Reading:
    """Read a depth image.

    Args:
        message: A sensor_msgs/Image of depth, 16UC1 in millimetres or 32FC1 in metres.
        camera_info: The sensor_msgs/CameraInfo of its camera; None if none has come.

    Raises:
        SparseDepthError: If there is no CameraInfo.
        ImageError: If the image cannot be decoded.
        CameraError: If the camera is not usable, or not that of the image.
    """
    if camera_info is None:
        msg = 'a depth image must have a camera_info, got none'
        raise SparseDepthError(msg)
    return depth_reading(decode_depth_message(message), camera_of(camera_info))


def odometry_pose(message: Any) -> Pose:
    """Return the pose of child_frame_id in the header's frame.

    Args:
        message: A nav_msgs/Odometry.

    Raises:
        SparseDepthError: If it is not finite, or its quaternion not of unit length.
    """
    pose = message.pose.pose
    return pose_of(_xyz(pose.position), _xyzw(pose.orientation))


def add_transforms(message: Any, transforms: TransformBuffer, *, is_static: bool) -> list[str]:
    """Put transforms into a buffer; those that are not usable are left out.

    Args:
        message: A tf2_msgs/TFMessage.
        transforms: The buffer.
        is_static: Whether they hold for ever, as those of /tf_static do.

    Returns:
        What is wrong with those left out.
    """
    return list(_refused_transforms(message, transforms, is_static=is_static))


def _refused_transforms(
    message: Any, transforms: TransformBuffer, *, is_static: bool
) -> Iterator[str]:
    for stamped in message.transforms:
        stamp = stamped.header.stamp
        stamp_ns = int(stamp.sec) * NS_PER_S + int(stamp.nanosec)
        motion = stamped.transform
        try:
            transforms.add(
                stamped.header.frame_id,
                stamped.child_frame_id,
                pose_of(_xyz(motion.translation), _xyzw(motion.rotation)),
                stamp_ns=None if is_static else stamp_ns,
            )
        except SparseDepthError as error:
            yield f'{stamped.header.frame_id!r} to {stamped.child_frame_id!r}: {error}'


def _xyz(vector: Any) -> tuple[float, float, float]:
    return vector.x, vector.y, vector.z


def _xyzw(quaternion: Any) -> tuple[float, float, float, float]:
    return quaternion.x, quaternion.y, quaternion.z, quaternion.w


def _limits(least: float, greatest: float) -> tuple[float, float]:
    """Return the limits of a range sensor; one that has none set measures everything."""
    return (least if least > 0 else 0.0), (greatest if greatest > 0 else math.inf)


def _point_type(message: Any) -> np.dtype[Any]:
    order = '>' if message.is_bigendian else '<'
    offsets = {field.name: field for field in message.fields if field.name in {'x', 'y', 'z'}}
    formats = []
    for name in ('x', 'y', 'z'):
        field = offsets.get(name)
        kind = None if field is None else _FLOAT_TYPES.get(int(field.datatype))
        if field is None or kind is None:
            msg = (
                'a cloud must have fields x, y and z of float32 or float64, got '
                f'{", ".join(map(_described, message.fields)) or "no fields"}'
            )
            raise SparseDepthError(msg)
        if int(field.offset) + int(kind[1]) > int(message.point_step):
            msg = (
                f'field {name} of a cloud must lie within point_step {message.point_step}, got '
                f'offset {field.offset}'
            )
            raise SparseDepthError(msg)
        formats.append(f'{order}{kind}')
    return np.dtype(
        {
            'names': ['x', 'y', 'z'],
            'formats': formats,
            'offsets': [int(offsets[name].offset) for name in ('x', 'y', 'z')],
            'itemsize': int(message.point_step),
        }
    )


def _described(field: Any) -> str:
    """Return the name of a field, with its type if that is no float."""
    kind = _OTHER_TYPES.get(int(field.datatype))
    return f'{field.name} of {kind}' if kind else str(field.name)


def _strides(message: Any, height: int, width: int) -> tuple[int, int]:
    point_step = int(message.point_step)
    row_step = int(message.row_step) if height > 1 else width * point_step
    needed = (height - 1) * row_step + width * point_step
    if row_step < width * point_step or needed > len(message.data):
        msg = (
            f'a cloud of {width} x {height} points of {point_step} bytes must have {needed} bytes '
            f'in rows of at least {width * point_step}, got {len(message.data)} in rows of '
            f'{row_step}'
        )
        raise SparseDepthError(msg)
    return row_step, point_step
