"""The messages that the node publishes, filled without a copy too many.

Headers are taken over as they are; received messages are never edited.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from sensor_msgs.msg import CameraInfo, CompressedImage, Image, LaserScan, PointCloud2, PointField
from std_msgs.msg import Header

from drnet_ros.messages.building import (
    camera_info_fields,
    depth_fields,
    image_fields,
    points_fields,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from drnet_ros.inference import CameraModel
    from drnet_ros.inference.arrays import FloatArray
    from drnet_ros.inference.postprocess.scan import Scan

__all__ = [
    'InputMessage',
    'camera_info_message',
    'compressed_message',
    'depth_message',
    'image_message',
    'points_message',
    'scan_message',
]

InputMessage: TypeAlias = Image | CompressedImage

MessageT = TypeVar('MessageT', Image, CompressedImage, PointCloud2)


def depth_message(depth_hw: FloatArray, header: Header, encoding: str) -> Image:
    """Build a depth image.

    Args:
        depth_hw: Depth in metres, float32 (H, W), NaN where invalid.
        header: Header of the image that the depth belongs to.
        encoding: '32FC1' (metres, NaN where invalid) or '16UC1' (millimetres, 0 where invalid).

    Returns:
        The message; the array is copied into it once.
    """
    return _filled(Image, header, depth_fields(depth_hw, encoding))


def image_message(pixels: NDArray[Any], header: Header, encoding: str) -> Image:
    """Build an image.

    Args:
        pixels: (H, W) or (H, W, channels), of the encoding's type.
        header: Its header.
        encoding: Its encoding, such as 'rgb8'.

    Returns:
        The message; the array is copied into it once.
    """
    return _filled(Image, header, image_fields(pixels, encoding))


def compressed_message(kind: str, data: bytes, header: Header) -> CompressedImage:
    """Build a compressed image.

    Args:
        kind: Its format, such as 'rgb8; jpeg compressed bgr8'.
        data: The file.
        header: Its header.
    """
    return _filled(CompressedImage, header, {'format': kind, 'data': data})


def points_message(points_hwc: FloatArray, header: Header) -> PointCloud2:
    """Build a cloud, organised if it has several rows.

    Args:
        points_hwc: The points, as `building.points_fields` takes them.
        header: Header of the image that the cloud belongs to.

    Returns:
        The message; the array is copied into it once.
    """
    fields = points_fields(points_hwc)
    fields['fields'] = [PointField(**field) for field in fields['fields']]
    return _filled(PointCloud2, header, fields)


def scan_message(scan: Scan, header: Header, frame_id: str) -> LaserScan:
    """Build a laser scan.

    Args:
        scan: The scan.
        header: Header of the image that it was made of; its stamp is taken.
        frame_id: The frame of the scan.
    """
    return LaserScan(
        header=Header(stamp=header.stamp, frame_id=frame_id),
        angle_min=scan.angle_min,
        angle_max=scan.angle_min + (len(scan.ranges) - 1) * scan.angle_increment,
        angle_increment=scan.angle_increment,
        range_min=scan.range_min,
        range_max=scan.range_max,
        ranges=array('f', scan.ranges.tobytes()),
    )


def camera_info_message(
    received: CameraInfo,
    camera: CameraModel,
    header: Header,
    *,
    image_hw: tuple[int, int],
    is_rectified: bool = False,
) -> CameraInfo:
    """Build the CameraInfo of a depth image.

    Args:
        received: The CameraInfo of the input image.
        camera: The same camera at the size of the depth image.
        header: Header of the input image.
        image_hw: Height and width of the input image.
        is_rectified: Whether the image is rectified, while K and D are those of the raw one.

    Returns:
        The message, with what `building.camera_info_fields` says.
    """
    fields = camera_info_fields(received, camera, image_hw=image_hw, is_rectified=is_rectified)
    fields['d'] = array('d', fields['d'])  # a numpy array is no sequence to rclpy
    return CameraInfo(header=header, **fields)


def _filled(kind: type[MessageT], header: Header, fields: dict[str, Any]) -> MessageT:
    # Appending to the array that the message was born with is one copy; assigning another array
    # makes the message copy it once more, and assigning a list takes fifty times as long.
    data = fields.pop('data')
    message = kind(header=header, **fields)
    message.data.frombytes(data)
    return message
