"""Arrays to messages: the fields of images, depth, clouds and cameras, without the header.

Whoever builds a message passes the fields and a header to the type of its own library.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from drnet_ros.inference.depth import to_millimetres

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from drnet_ros.inference.arrays import FloatArray, UInt8Array
    from drnet_ros.inference.camera import CameraModel

__all__ = ['camera_fields', 'camera_info_fields', 'depth_fields', 'image_fields', 'points_fields']

_IS_BIGENDIAN = sys.byteorder == 'big'
_FLOAT32 = 7  # PointField.FLOAT32
_POINT_FIELDS = tuple(
    {'name': name, 'offset': 4 * index, 'datatype': _FLOAT32, 'count': 1}
    for index, name in enumerate(('x', 'y', 'z', 'rgb'))
)
_CAMERA_INFO_FIELDS = (
    *('height', 'width', 'distortion_model', 'd', 'k', 'r', 'p'),
    *('binning_x', 'binning_y', 'roi'),
)


def image_fields(pixels: NDArray[Any], encoding: str) -> dict[str, Any]:
    """Return the fields of a sensor_msgs/Image.

    Args:
        pixels: (H, W) or (H, W, channels), of the encoding's type.
        encoding: Its encoding, such as 'rgb8'.

    Returns:
        All fields but the header. `data` is uint8 (bytes,), the memory of `pixels` unless they
        are strided.
    """
    return {
        'height': pixels.shape[0],
        'width': pixels.shape[1],
        'encoding': encoding,
        'is_bigendian': int(_IS_BIGENDIAN),
        'step': pixels[0].nbytes,
        'data': _bytes_of(pixels),
    }


def depth_fields(depth_hw: FloatArray, encoding: str) -> dict[str, Any]:
    """Return the fields of a depth image, a sensor_msgs/Image.

    Args:
        depth_hw: Depth in metres, float32 (H, W), NaN where invalid.
        encoding: '32FC1' (metres, NaN where invalid) or '16UC1' (millimetres, 0 where invalid).

    Returns:
        All fields but the header, as those of `image_fields`.
    """
    return image_fields(to_millimetres(depth_hw) if encoding == '16UC1' else depth_hw, encoding)


def points_fields(points_hwc: FloatArray) -> dict[str, Any]:
    """Return the fields of an organised cloud, a sensor_msgs/PointCloud2.

    Args:
        points_hwc: x, y, z and, as a fourth channel if there is one, packed color; float32
            (H, W, 3 or 4), in metres in the optical frame, NaN where invalid.

    Returns:
        All fields but the header. `fields` has the fields of each PointField; `data` is as that
        of `image_fields`.
    """
    height, width, channels = points_hwc.shape
    return {
        'height': height,
        'width': width,
        'fields': _POINT_FIELDS[:channels],
        'is_bigendian': _IS_BIGENDIAN,
        'point_step': 4 * channels,
        'row_step': 4 * channels * width,
        'data': _bytes_of(points_hwc),
        'is_dense': False,
    }


def camera_fields(camera: CameraModel) -> dict[str, Any]:
    """Return the fields of the sensor_msgs/CameraInfo of a camera.

    Args:
        camera: The camera at the size of its images.

    Returns:
        All fields but the header and the region of interest, which is the whole image.
    """
    if camera.distortion_model == 'none':
        return _camera_info(camera, 'plumb_bob', np.zeros(5))
    return _camera_info(camera, camera.distortion_model, np.array(camera.d))


def camera_info_fields(
    received: Any, camera: CameraModel, *, image_hw: tuple[int, int], is_rectified: bool = False
) -> dict[str, Any]:
    """Return the fields of the sensor_msgs/CameraInfo of a depth image.

    Args:
        received: The CameraInfo of the input image.
        camera: The same camera at the size of the depth image.
        image_hw: Height and width of the input image.
        is_rectified: Whether the image is rectified, while K and D are those of the raw one.

    Returns:
        All fields but the header. They are what was received where sizes agree, with unset P, R
        and distortion_model as the model that unset means; else the scaled
        camera, without binning and region of interest, which it has in its intrinsics already. Of
        a rectified image it is a camera with P's intrinsics in K too and no distortion, so that
        consumers of K and consumers of P see the same.
    """
    whole = type(received.roi)(x_offset=0, y_offset=0, height=0, width=0, do_rectify=False)
    if is_rectified:
        return {**_camera_info(camera.rectified(), 'plumb_bob', np.zeros(5)), 'roi': whole}
    complete = _completed({name: getattr(received, name) for name in _CAMERA_INFO_FIELDS})
    if (camera.height, camera.width) == image_hw and _is_of_size(received, image_hw):
        return complete
    scaled = _camera_info(camera, complete['distortion_model'], complete['d'])
    return {**scaled, 'roi': whole}


def _completed(fields: dict[str, Any]) -> dict[str, Any]:
    """Let fields that drivers leave unset say what unset means.

    Consumers divide by P[0], and refuse a model without a name.
    """
    fx, _, cx, _, fy, cy, *_ = fields['k']
    if not (fields['p'][0] or fields['p'][5]):
        fields['p'] = np.array([fx, 0, cx, 0, 0, fy, cy, 0, 0, 0, 1, 0], np.float64)
    if not any(fields['r']):
        fields['r'] = np.eye(3).ravel()
    if not fields['distortion_model'] and not any(fields['d']):
        fields['distortion_model'], fields['d'] = 'plumb_bob', np.zeros(5)
    return fields


def _camera_info(camera: CameraModel, distortion_model: str, d: Any) -> dict[str, Any]:
    return {
        'height': camera.height,
        'width': camera.width,
        'distortion_model': distortion_model,
        'd': d,
        'k': np.array([camera.fx, 0, camera.cx, 0, camera.fy, camera.cy, 0, 0, 1], np.float64),
        'r': np.array(camera.r),
        'p': np.array(camera.p),
        'binning_x': 0,
        'binning_y': 0,
    }


def _is_of_size(received: Any, image_hw: tuple[int, int]) -> bool:
    """Whether a CameraInfo, by its binning and region of interest, is of images of this size."""
    height, width = received.roi.height or received.height, received.roi.width or received.width
    return image_hw == (height // (received.binning_y or 1), width // (received.binning_x or 1))


def _bytes_of(pixels: NDArray[Any]) -> UInt8Array:
    return np.ascontiguousarray(pixels).reshape(-1).view(np.uint8)
