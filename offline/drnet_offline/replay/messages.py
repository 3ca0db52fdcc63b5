"""Depth frames as serialised ROS 2 messages, field for field what the node publishes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
from rosbags.typesys import Stores, get_typestore

from drnet_ros.inference.depth import to_millimetres

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from drnet_offline.replay.frames import RecordedFrame
    from drnet_ros.inference import CameraModel, DepthFrame, Settings

__all__ = ['TYPES', 'TYPESTORE', 'depth_messages', 'header', 'serialize']

TYPESTORE = get_typestore(Stores.LATEST)
TYPES = {
    'depth/image_rect': 'sensor_msgs/msg/Image',
    'depth/camera_info': 'sensor_msgs/msg/CameraInfo',
    'points': 'sensor_msgs/msg/PointCloud2',
}
"""Types of the topics, by their names as the node has them."""

_IS_BIGENDIAN = sys.byteorder == 'big'
_FLOAT32 = 7  # PointField.FLOAT32


def depth_messages(
    frame: RecordedFrame, result: DepthFrame, settings: Settings
) -> dict[str, bytes]:
    """Serialise what the node would publish for a frame, by the topics of `TYPES`."""
    head = header(frame.stamp_ns, frame.frame_id)
    messages = {'depth/image_rect': _depth(result, head, settings.depth_encoding)}
    if frame.info is not None and result.camera is not None and frame.rgb_hwc is not None:
        image_hw = frame.rgb_hwc.shape[:2]
        messages['depth/camera_info'] = _camera_info(
            frame.info, result.camera, head, image_hw, is_rectified=settings.image_is_rectified
        )
    if result.points is not None:
        messages['points'] = _points(result.points, head)
    return {name: serialize(message, TYPES[name]) for name, message in messages.items()}


def header(stamp_ns: int, frame_id: str) -> Any:
    """Build a std_msgs/Header."""
    types = TYPESTORE.types
    stamp = types['builtin_interfaces/msg/Time'](*divmod(stamp_ns, 1_000_000_000))
    return types['std_msgs/msg/Header'](stamp, frame_id)


def serialize(message: Any, msgtype: str) -> bytes:
    """Serialise a message of a type that comes with ROS 2."""
    return bytes(TYPESTORE.serialize_cdr(message, msgtype))


def _depth(result: DepthFrame, head: Any, encoding: str) -> Any:
    depth = result.depth_hw
    pixels: NDArray[Any] = to_millimetres(depth) if encoding == '16UC1' else depth
    return TYPESTORE.types['sensor_msgs/msg/Image'](
        header=head,
        height=pixels.shape[0],
        width=pixels.shape[1],
        encoding=encoding,
        is_bigendian=int(_IS_BIGENDIAN),
        step=pixels[0].nbytes,
        data=_bytes(pixels),
    )


def _camera_info(
    received: Any, camera: CameraModel, head: Any, image_hw: tuple[int, ...], *, is_rectified: bool
) -> Any:
    """Build what the node's `camera_info_message` does."""
    types = TYPESTORE.types
    roi = received.roi
    full = (roi.height or received.height, roi.width or received.width)
    binned = (full[0] // (received.binning_y or 1), full[1] // (received.binning_x or 1))
    seen = camera.rectified() if is_rectified else camera
    fields: dict[str, Any] = {
        'height': seen.height,
        'width': seen.width,
        'distortion_model': 'plumb_bob' if is_rectified else received.distortion_model,
        'd': np.zeros(5) if is_rectified else received.d,
        'r': np.array(seen.r),
        'k': np.array([seen.fx, 0, seen.cx, 0, seen.fy, seen.cy, 0, 0, 1], np.float64),
        'p': np.array(seen.p),
        'binning_x': 0,
        'binning_y': 0,
        'roi': types['sensor_msgs/msg/RegionOfInterest'](0, 0, 0, 0, do_rectify=False),
    }
    if not is_rectified and (camera.height, camera.width) == tuple(image_hw) == binned:
        fields = {name: getattr(received, name) for name in fields}
    return types['sensor_msgs/msg/CameraInfo'](header=head, **fields)


def _points(points: NDArray[np.float32], head: Any) -> Any:
    field = TYPESTORE.types['sensor_msgs/msg/PointField']
    height, width, channels = points.shape
    return TYPESTORE.types['sensor_msgs/msg/PointCloud2'](
        header=head,
        height=height,
        width=width,
        fields=[
            field(name=name, offset=4 * index, datatype=_FLOAT32, count=1)
            for index, name in enumerate(('x', 'y', 'z', 'rgb')[:channels])
        ],
        is_bigendian=_IS_BIGENDIAN,
        point_step=4 * channels,
        row_step=4 * channels * width,
        data=_bytes(points),
        is_dense=False,
    )


def _bytes(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(pixels).view(np.uint8).ravel()
