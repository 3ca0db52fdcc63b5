"""Messages to arrays and back.

Headers are taken over as they are; received messages are never edited.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2, PointField

from drnet_ros.inference.depth import to_millimetres
from drnet_ros.inference.images.codec import decode_compressed_image, decode_image

if TYPE_CHECKING:
    from array import array

    from numpy.typing import NDArray
    from std_msgs.msg import Header

    from drnet_ros.inference import CameraModel
    from drnet_ros.inference.arrays import FloatArray, UInt8Array

__all__ = [
    'InputMessage',
    'camera_info_message',
    'camera_model_fields',
    'decode',
    'depth_message',
    'image_message',
    'points_message',
]

InputMessage: TypeAlias = Image | CompressedImage

_IS_BIGENDIAN = sys.byteorder == 'big'
_POINT_FIELDS = tuple(
    PointField(name=name, offset=4 * index, datatype=PointField.FLOAT32, count=1)
    for index, name in enumerate(('x', 'y', 'z', 'rgb'))
)


def decode(message: InputMessage) -> UInt8Array:
    """Decode an image message.

    Args:
        message: The message; for rgb8 the result shares its memory.

    Returns:
        Image, uint8 (H, W, 3), RGB.

    Raises:
        ImageError: If the message is not a usable image.
    """
    if isinstance(message, CompressedImage):
        return decode_compressed_image(message.data, message.format)
    return decode_image(
        encoding=message.encoding,
        height=message.height,
        width=message.width,
        step=message.step,
        is_bigendian=message.is_bigendian,
        data=message.data,
    )


def depth_message(depth_hw: FloatArray, header: Header, encoding: str) -> Image:
    """Build a depth image.

    Args:
        depth_hw: Depth in metres, float32 (H, W), NaN where invalid.
        header: Header of the image that the depth belongs to.
        encoding: '32FC1' (metres, NaN where invalid) or '16UC1' (millimetres, 0 where invalid).

    Returns:
        The message; the array is copied into it once.
    """
    if encoding == '16UC1':
        return image_message(to_millimetres(depth_hw), header, encoding)
    return image_message(depth_hw, header, encoding)


def image_message(pixels: NDArray[Any], header: Header, encoding: str) -> Image:
    """Build an image.

    Args:
        pixels: (H, W) or (H, W, channels), of the encoding's type.
        header: Its header.
        encoding: Its encoding, such as 'rgb8'.

    Returns:
        The message; the array is copied into it once.
    """
    height, width = pixels.shape[:2]
    message = Image(
        header=header,
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=_IS_BIGENDIAN,
        step=pixels[0].nbytes,
    )
    _fill(message.data, pixels)
    return message


def points_message(points_hwc: FloatArray, header: Header) -> PointCloud2:
    """Build an organised cloud.

    Args:
        points_hwc: x, y, z and, as a fourth channel if there is one, packed color; float32
            (H, W, 3 or 4), in metres in the optical frame, NaN where invalid.
        header: Header of the image that the cloud belongs to.

    Returns:
        The message; the array is copied into it once.
    """
    height, width, channels = points_hwc.shape
    message = PointCloud2(
        header=header,
        height=height,
        width=width,
        fields=list(_POINT_FIELDS[:channels]),
        is_bigendian=_IS_BIGENDIAN,
        point_step=4 * channels,
        row_step=4 * channels * width,
        is_dense=False,
    )
    _fill(message.data, points_hwc)
    return message


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
        What was received, under the new header, where sizes agree; else the scaled camera, without
        binning and region of interest, which it has in its intrinsics already. Of a rectified
        image it is a camera with P's intrinsics in K too and no distortion, so that consumers of K
        and consumers of P see the same.
    """
    if is_rectified:
        return _camera_info(camera.rectified(), header, 'plumb_bob', [0.0] * 5)
    message = copy.copy(received)
    message.header = header
    if (camera.height, camera.width) == image_hw and _is_of_size(received, image_hw):
        return message
    return _camera_info(camera, header, received.distortion_model, received.d)


def _camera_info(
    camera: CameraModel, header: Header, distortion_model: str, d: Sequence[float]
) -> CameraInfo:
    return CameraInfo(
        header=header,
        height=camera.height,
        width=camera.width,
        distortion_model=distortion_model,
        d=d,
        r=list(camera.r),
        k=[camera.fx, 0.0, camera.cx, 0.0, camera.fy, camera.cy, 0.0, 0.0, 1.0],
        p=list(camera.p),
    )


def camera_model_fields(received: CameraInfo) -> dict[str, object]:
    """Return the plain numbers of a CameraInfo as `CameraModel.from_fields` takes them.

    Args:
        received: The message.

    Returns:
        Keyword arguments; equal for messages that describe the same camera.
    """
    roi = received.roi
    return {
        'width': received.width,
        'height': received.height,
        'k': tuple(received.k),
        'd': tuple(received.d),
        'distortion_model': received.distortion_model,
        'r': tuple(received.r),
        'p': tuple(received.p),
        'binning': (received.binning_x, received.binning_y),
        'roi': (roi.x_offset, roi.y_offset, roi.width, roi.height),
    }


def _is_of_size(received: CameraInfo, image_hw: tuple[int, int]) -> bool:
    """Whether a CameraInfo, by its binning and region of interest, is of images of this size."""
    height, width = received.roi.height or received.height, received.roi.width or received.width
    return image_hw == (height // (received.binning_y or 1), width // (received.binning_x or 1))


def _fill(data: array[int], pixels: NDArray[Any]) -> None:
    # Appending to the array that the message was born with is one copy; assigning another array
    # makes the message copy it once more, and assigning a list takes fifty times as long.
    data.frombytes(np.ascontiguousarray(pixels).data.cast('B'))
