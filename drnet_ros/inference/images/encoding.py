"""Depth and pictures to the files that image_transport sends."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import cv2
import numpy as np

from drnet_ros.inference.depth import to_millimetres

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from drnet_ros.inference.arrays import FloatArray, UInt8Array

__all__ = ['encode_compressed_depth', 'encode_compressed_image']

# ConfigHeader of compressed_depth_image_transport: int32 format, float32 depthParam[2].
_HEADER = struct.Struct('<iff')
_INVERSE_DEPTH = 0
# Its parameters' defaults: at 100 m, a step of the stored inverse depth is 1 m.
_QUANTISATION_M = 100.0
_PNG_LEVEL = 3
_JPEG_QUALITY = 95
_GREATEST = 65535


def encode_compressed_depth(
    depth_hw: FloatArray, encoding: str, max_depth: float
) -> tuple[str, bytes]:
    """Encode depth as compressed_depth_image_transport does, as PNG.

    32FC1 is stored as inverse depth in 16 bits, i = A / depth + B with A = 100 x 101 and
    B = 1 - A / max_depth, rounded: a step is depth^2 / A, 1 mm at 3 m and 1 cm at 10 m. 16UC1 is
    stored as it is.

    Args:
        depth_hw: Depth in metres, float32 (H, W), NaN where invalid.
        encoding: '32FC1' or '16UC1'.
        max_depth: The greatest depth in it, in metres.

    Returns:
        Format and data of a sensor_msgs/CompressedImage. Pixels that are invalid, and in 32FC1
        those nearer than A / (65535.5 - B), which 16 bits do not hold, are 0: 0.152 m for a
        max_depth of 10 m.
    """
    if encoding == '16UC1':
        pixels, a, b = to_millimetres(depth_hw), 0.0, 0.0
    else:
        a = _QUANTISATION_M * (_QUANTISATION_M + 1)
        b = 1 - a / max_depth
        pixels = _inverse_depth(depth_hw, a, b)
    png = _encode('.png', pixels, cv2.IMWRITE_PNG_COMPRESSION, _PNG_LEVEL)
    return f'{encoding}; compressedDepth png', _HEADER.pack(_INVERSE_DEPTH, a, b) + png


def encode_compressed_image(rgb_hwc: UInt8Array) -> tuple[str, bytes]:
    """Encode a picture as compressed_image_transport does, as JPEG.

    Args:
        rgb_hwc: The picture, uint8 (H, W, 3), RGB.

    Returns:
        Format and data of a sensor_msgs/CompressedImage.
    """
    bgr_hwc = np.asarray(cv2.cvtColor(rgb_hwc, cv2.COLOR_RGB2BGR), np.uint8)
    jpeg = _encode('.jpg', bgr_hwc, cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY)
    return 'rgb8; jpeg compressed bgr8', jpeg


def _inverse_depth(depth_hw: FloatArray, a: float, b: float) -> NDArray[np.uint16]:
    with np.errstate(divide='ignore'):
        inverse = np.float32(a) / depth_hw
    inverse += np.float32(b + 0.5)
    inverse[~((inverse >= 1) & (inverse < _GREATEST + 1))] = 0
    return inverse.astype(np.uint16)


def _encode(
    suffix: str, pixels: NDArray[np.uint8] | NDArray[np.uint16], option: int, value: int
) -> bytes:
    _, data = cv2.imencode(suffix, pixels, [option, value])
    return bytes(data)
