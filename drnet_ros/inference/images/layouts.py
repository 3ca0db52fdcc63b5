"""How each image encoding lies in memory, and what turns it into RGB."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import cv2
import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

if TYPE_CHECKING:
    from drnet_ros.inference.arrays import UInt8Array

__all__ = ['DEPTH_LAYOUTS', 'IMAGE_LAYOUTS', 'Layout']

_Decoder: TypeAlias = 'Callable[[NDArray[Any]], UInt8Array]'

# BT.601, limited range, in the rounded constants that OpenCV uses for the other YUV encodings.
_YUV_TO_RGB = np.array(
    [
        [1.164, 0.0, 1.596, -16 * 1.164 - 128 * 1.596],
        [1.164, -0.391, -0.813, -16 * 1.164 + 128 * (0.391 + 0.813)],
        [1.164, 2.018, 0.0, -16 * 1.164 - 128 * 2.018],
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """One encoding.

    Attributes:
        dtype: Type of one sample, 'u1', 'u2' or 'f4'.
        decode: Function from (rows, width, channels), or (rows, width), to RGB.
        channels: Samples of one pixel in a row.
        rows: Rows in memory as a fraction (numerator, denominator) of the height.
        even: Whether (height, width) must be even.
    """

    dtype: str
    decode: _Decoder
    channels: int = 1
    rows: tuple[int, int] = (1, 1)
    even: tuple[bool, bool] = (False, False)


def _as_is(pixels: NDArray[Any]) -> NDArray[Any]:
    return pixels


def _to_8_bit(pixels: NDArray[Any]) -> UInt8Array:
    """Scale 16 bits to 8 over the full range, as cv_bridge does."""
    if pixels.dtype.itemsize == 1:
        return pixels
    return cv2.convertScaleAbs(pixels, alpha=255.0 / 65535.0)  # type: ignore[return-value]


def _convert(code: int) -> _Decoder:
    def convert(pixels: NDArray[Any]) -> UInt8Array:
        return cv2.cvtColor(_to_8_bit(pixels), code)  # type: ignore[return-value]

    return convert


def _decode_nv24(pixels: NDArray[Any]) -> UInt8Array:
    """Convert a luma plane and a chroma plane with U and V of each pixel, both at full size."""
    height, width = pixels.shape[0] // 3, pixels.shape[1]
    step = pixels.strides[0]
    # A row of chroma has twice the bytes of a row of luma, padding included (V4L2_PIX_FMT_NV24);
    # the caller made sure that three rows of `step` bytes are there for each row of the image.
    chroma = as_strided(
        pixels[height:], shape=(height, width, 2), strides=(2 * step, 2, 1), writeable=False
    )
    yuv = cv2.merge([pixels[:height], chroma[..., 0], chroma[..., 1]])
    return cv2.transform(yuv, _YUV_TO_RGB)  # type: ignore[return-value]


def _image_layouts() -> dict[str, Layout]:
    mono8 = Layout(dtype='u1', decode=_convert(cv2.COLOR_GRAY2RGB))
    bgr8 = Layout(dtype='u1', channels=3, decode=_convert(cv2.COLOR_BGR2RGB))
    bgra8 = Layout(dtype='u1', channels=4, decode=_convert(cv2.COLOR_BGRA2RGB))
    uyvy = Layout(
        dtype='u1', channels=2, decode=_convert(cv2.COLOR_YUV2RGB_UYVY), even=(False, True)
    )
    yuyv = Layout(
        dtype='u1', channels=2, decode=_convert(cv2.COLOR_YUV2RGB_YUYV), even=(False, True)
    )
    layouts = {
        'rgb8': Layout(dtype='u1', channels=3, decode=_as_is),
        'bgr8': bgr8,
        'rgba8': Layout(dtype='u1', channels=4, decode=_convert(cv2.COLOR_RGBA2RGB)),
        'bgra8': bgra8,
        'mono8': mono8,
        'mono16': Layout(dtype='u2', decode=_convert(cv2.COLOR_GRAY2RGB)),
        'rgb16': Layout(dtype='u2', channels=3, decode=_to_8_bit),
        'bgr16': Layout(dtype='u2', channels=3, decode=_convert(cv2.COLOR_BGR2RGB)),
        'rgba16': Layout(dtype='u2', channels=4, decode=_convert(cv2.COLOR_RGBA2RGB)),
        'bgra16': Layout(dtype='u2', channels=4, decode=_convert(cv2.COLOR_BGRA2RGB)),
        # Without an order of channels in its name an encoding has OpenCV's, as in cv_bridge.
        '8UC1': mono8,
        '8UC3': bgr8,
        '8UC4': bgra8,
        'yuv422': uyvy,
        'uyvy': uyvy,
        'yuv422_yuy2': yuyv,
        'yuyv': yuyv,
        'nv21': Layout(
            dtype='u1', decode=_convert(cv2.COLOR_YUV2RGB_NV21), rows=(3, 2), even=(True, True)
        ),
        'nv24': Layout(dtype='u1', decode=_decode_nv24, rows=(3, 1)),
    }
    for pattern in ('rggb', 'bggr', 'gbrg', 'grbg'):
        decode = _convert(getattr(cv2, f'COLOR_Bayer{pattern.upper()}2RGB'))
        layouts[f'bayer_{pattern}8'] = Layout(dtype='u1', decode=decode)
        layouts[f'bayer_{pattern}16'] = Layout(dtype='u2', decode=decode)
    return layouts


IMAGE_LAYOUTS = _image_layouts()
"""Layouts of color and gray images, by the names of sensor_msgs/image_encodings."""

DEPTH_LAYOUTS = {
    '32FC1': Layout(dtype='f4', decode=_as_is),
    '16UC1': Layout(dtype='u2', decode=_as_is),
    'mono16': Layout(dtype='u2', decode=_as_is),
}
"""Layouts of depth images."""
