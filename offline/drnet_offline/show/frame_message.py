"""A frame as the page gets it: one binary message.

It holds the length of the header (uint32, little-endian), the header (JSON in UTF-8), the image
(JPEG), depth and its standard deviation (uint16 millimetres, little-endian, by rows, 0 invalid).
The header's `jpeg`, `depth` and `stddev` are the lengths of those in bytes.
"""

from __future__ import annotations

import json
import math
import struct
from typing import Any

import cv2
import numpy as np

from drnet_offline.outputs.files import encode_image
from drnet_ros.inference import CameraModel, DepthFrame
from drnet_ros.inference.arrays import FloatArray, UInt8Array
from drnet_ros.inference.camera import rays
from drnet_ros.inference.depth import to_millimetres

__all__ = ['cloud_rays', 'cloud_stride', 'frame_message', 'shown_image']

_JPEG_QUALITY = 82
_MOST_POINTS = 80_000


def frame_message(header: dict[str, Any], rgb_hwc: UInt8Array, result: DepthFrame) -> bytes:
    """Build the message.

    Args:
        header: What the page must know besides; completed here.
        rgb_hwc: The image at the size of the depth.
        result: Its depth.
    """
    jpeg = encode_image('.jpg', rgb_hwc, _JPEG_QUALITY)
    depth = _bytes(result.depth_hw)
    stddev = b'' if result.stddev_hw is None else _bytes(result.stddev_hw)
    height, width = result.depth_hw.shape
    facts = {
        **header,
        'height': height,
        'width': width,
        'stride': cloud_stride(height, width),
        'jpeg': len(jpeg),
        'depth': len(depth),
        'stddev': len(stddev),
    }
    head = json.dumps(facts).encode()
    return b''.join([struct.pack('<I', len(head)), head, jpeg, depth, stddev])


def shown_image(rgb_hwc: UInt8Array, result: DepthFrame) -> UInt8Array:
    """Return the image at the size of its depth.

    Args:
        rgb_hwc: uint8 (H, W, 3) RGB.
        result: Its depth.
    """
    height, width = result.depth_hw.shape
    if rgb_hwc.shape[:2] == (height, width):
        return rgb_hwc
    return cv2.resize(  # type: ignore[return-value]
        rgb_hwc, (width, height), interpolation=cv2.INTER_AREA
    )


def cloud_stride(height: int, width: int) -> int:
    """Return which rows and columns of depth of that size the page's cloud has: every n-th."""
    return max(1, math.ceil(math.sqrt(height * width / _MOST_POINTS)))


def cloud_rays(camera: CameraModel) -> bytes:
    """Return the rays of the cloud's points: x / z and y / z, float32, little-endian, by rows.

    Args:
        camera: The camera at the size of the depth.
    """
    every = slice(None, None, cloud_stride(camera.height, camera.width))
    grid = np.nan_to_num(rays(camera)[every, every], posinf=0.0, neginf=0.0)
    return np.ascontiguousarray(grid, '<f4').tobytes()


def _bytes(depth_hw: FloatArray) -> bytes:
    return to_millimetres(depth_hw).astype('<u2', copy=False).tobytes()
