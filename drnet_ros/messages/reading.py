"""Messages to arrays: images, depth and cameras.

A message is any object with the fields of its ROS type: one of rclpy, or one that `rosbags` read
from a recording.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drnet_ros.inference.camera import CameraModel
from drnet_ros.inference.images.codec import (
    decode_compressed_depth,
    decode_compressed_image,
    decode_depth,
    decode_image,
)

if TYPE_CHECKING:
    from drnet_ros.inference.arrays import FloatArray, UInt8Array

__all__ = [
    'NS_PER_S',
    'camera_fields',
    'camera_of',
    'decode_depth_message',
    'decode_image_message',
    'stamp_ns',
]

NS_PER_S = 1_000_000_000

_RAW_FIELDS = ('encoding', 'height', 'width', 'step', 'is_bigendian', 'data')


def stamp_ns(message: Any) -> int:
    """Return the stamp of a message's header in nanoseconds.

    Args:
        message: A message with a std_msgs/Header.
    """
    stamp = message.header.stamp
    return int(stamp.sec) * NS_PER_S + int(stamp.nanosec)


def decode_image_message(message: Any) -> UInt8Array:
    """Decode an image.

    Args:
        message: A sensor_msgs/Image or sensor_msgs/CompressedImage.

    Returns:
        Image, uint8 (H, W, 3), RGB. For rgb8 it shares the message's memory.

    Raises:
        ImageError: If the message is not a usable image.
    """
    if _is_compressed(message):
        return decode_compressed_image(message.data, message.format)
    return decode_image(**_raw_fields(message))


def decode_depth_message(message: Any) -> FloatArray:
    """Decode a depth image.

    Args:
        message: A sensor_msgs/Image, or a sensor_msgs/CompressedImage of
            compressed_depth_image_transport.

    Returns:
        Depth in metres, float32 (H, W), NaN where invalid, owning its memory.

    Raises:
        ImageError: If the message is not a usable depth image.
    """
    if _is_compressed(message):
        return decode_compressed_depth(format=message.format, data=message.data)
    return decode_depth(**_raw_fields(message))


def camera_of(message: Any) -> CameraModel:
    """Build the model of the images that a camera takes.

    Args:
        message: Its sensor_msgs/CameraInfo.

    Raises:
        CameraError: If it is not calibrated, or its values are not usable.
    """
    return CameraModel.from_fields(**camera_fields(message))


def camera_fields(message: Any) -> dict[str, Any]:
    """Return the plain numbers of a camera, as `CameraModel.from_fields` takes them.

    Args:
        message: A sensor_msgs/CameraInfo.

    Returns:
        Keyword arguments; equal for messages that describe the same camera.
    """
    roi = message.roi
    return {
        'width': message.width,
        'height': message.height,
        'k': tuple(message.k),
        'd': tuple(message.d),
        'distortion_model': message.distortion_model,
        'r': tuple(message.r),
        'p': tuple(message.p),
        'binning': (message.binning_x, message.binning_y),
        'roi': (roi.x_offset, roi.y_offset, roi.width, roi.height),
    }


def _is_compressed(message: Any) -> bool:
    return not hasattr(message, 'encoding')


def _raw_fields(message: Any) -> dict[str, Any]:
    return {name: getattr(message, name) for name in _RAW_FIELDS}
