"""Image messages to arrays: plain fields in, RGB or metric depth out; no ROS, no cv_bridge.

Memory stays in proportion to the bytes received: what a header claims is compared with them before
anything is allocated.
"""

from __future__ import annotations

import struct
import sys
from typing import TYPE_CHECKING, Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from drnet_ros.errors import ImageError
from drnet_ros.inference.images.compressed_format import read_format
from drnet_ros.inference.images.file_header import ImageHeader, read_image_header
from drnet_ros.inference.images.jpeg_scan import check_jpeg
from drnet_ros.inference.images.layouts import DEPTH_LAYOUTS, IMAGE_LAYOUTS, Layout
from drnet_ros.inference.limits import check_pixels, check_shape

if TYPE_CHECKING:
    from array import array

    from drnet_ros.inference.arrays import FloatArray, UInt8Array

__all__ = [
    'DEPTH_ENCODINGS',
    'IMAGE_ENCODINGS',
    'ImageBytes',
    'decode_compressed_depth',
    'decode_compressed_gray16',
    'decode_compressed_image',
    'decode_depth',
    'decode_image',
]

ImageBytes: TypeAlias = 'bytes | bytearray | memoryview | array[int]'

# Depth encodings whose samples are millimetres.
_GRAY16_ENCODINGS = frozenset({'16UC1', 'mono16'})
_METRES_PER_MILLIMETRE = np.float32(0.001)
# ConfigHeader of compressed_depth_image_transport: int32 format, float32 depthParam[2].
_COMPRESSED_DEPTH_HEADER = struct.Struct('<iff')


IMAGE_ENCODINGS = tuple(IMAGE_LAYOUTS)
"""Encodings that `decode_image` takes, named as in sensor_msgs/image_encodings."""

DEPTH_ENCODINGS = tuple(DEPTH_LAYOUTS)
"""Encodings that `decode_depth` takes."""


def decode_image(
    *, encoding: str, height: int, width: int, step: int, is_bigendian: int, data: ImageBytes
) -> UInt8Array:
    """Decode the fields of a sensor_msgs/Image to RGB.

    16-bit samples are scaled over their full range. YUV is BT.601 with limited range. Bayer
    patterns are interpolated bilinearly.

    Args:
        encoding: One of `IMAGE_ENCODINGS`.
        height: Rows.
        width: Columns.
        step: Bytes from one row to the next; padding after a row is skipped.
        is_bigendian: Whether 16-bit samples have their high byte first.
        data: The pixels. For nv21 and nv24 the chroma plane follows the `height` rows of luma.

    Returns:
        Image, uint8 (H, W, 3), RGB. For rgb8 it is a view of `data`, strided if rows are padded;
        for everything else it owns its memory.

    Raises:
        ImageError: kind 'unknown_encoding', 'zero_size', 'too_large', 'odd_size', 'bad_step',
            'truncated', 'bad_shape' or 'corrupt'.
    """
    layout = _layout(IMAGE_LAYOUTS, encoding)
    pixels = _pixels(layout, encoding, (height, width), step, is_bigendian, data)
    check_shape(height, width)
    try:
        return layout.decode(pixels)
    except cv2.error as error:
        msg = f'a {encoding} image must be convertible to RGB, got {width} x {height}: {error.err}'
        raise ImageError(msg, kind='corrupt') from error


def decode_compressed_image(data: ImageBytes, format: str = '') -> UInt8Array:  # noqa: A002
    """Decode the data of a sensor_msgs/CompressedImage, JPEG or PNG, to RGB.

    Args:
        data: The file. An EXIF orientation in it is ignored, as camera_info knows nothing of it.
        format: The message's format, followed as compressed_image_transport does: a Bayer mosaic
            is interpolated, and 'rgb8; jpeg compressed rgb8' has red where JPEG has blue. '' is
            an ordinary file.

    Returns:
        Image, uint8 (H, W, 3), RGB, owning its memory.

    Raises:
        ImageError: kind 'unknown_encoding', 'zero_size', 'too_large', 'truncated', 'bad_shape' or
            'corrupt'.
    """
    described = read_format(format)
    if described.is_depth:
        msg = f'a compressed image must be a picture, got depth: format {format[:64]!r}'
        raise ImageError(msg, kind='unknown_encoding')
    view = memoryview(data)
    header = _file_header(view, format)
    check_shape(header.height, header.width)
    if described.is_bayer:
        mosaic = _decode_file(view, header, cv2.IMREAD_UNCHANGED)
        if mosaic.ndim == 2:
            return _layout(IMAGE_LAYOUTS, described.encoding).decode(mosaic)
    bgr = _decode_file(view, header, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if described.is_rgb:
        return bgr
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB, dst=bgr)  # type: ignore[return-value]


def decode_compressed_gray16(data: ImageBytes) -> NDArray[np.uint16]:
    """Decode a 16-bit gray PNG, such as depth in millimetres, without loss.

    Args:
        data: The file.

    Returns:
        The samples as they are, uint16 (H, W), owning their memory.

    Raises:
        ImageError: kind 'unknown_encoding', 'zero_size', 'too_large', 'truncated' or 'corrupt'.
    """
    view = memoryview(data)
    pixels = _decode_file(view, read_image_header(view), cv2.IMREAD_UNCHANGED)
    if pixels.ndim != 2 or pixels.dtype != np.uint16:
        msg = f'16-bit samples must come as a 16-bit gray PNG, got {pixels.dtype} {pixels.shape}'
        raise ImageError(msg, kind='corrupt')
    return pixels


def decode_depth(
    *, encoding: str, height: int, width: int, step: int, is_bigendian: int, data: ImageBytes
) -> FloatArray:
    """Decode the fields of a depth sensor_msgs/Image to metres.

    Args:
        encoding: '32FC1' (metres; not finite or not positive is invalid), '16UC1' or 'mono16'
            (millimetres; 0 is invalid).
        height: Rows.
        width: Columns.
        step: Bytes from one row to the next.
        is_bigendian: Whether samples have their high byte first.
        data: The pixels.

    Returns:
        Depth in metres, float32 (H, W), NaN where invalid, owning its memory.

    Raises:
        ImageError: kind 'unknown_encoding', 'zero_size', 'too_large', 'bad_step' or 'truncated'.
    """
    layout = _layout(DEPTH_LAYOUTS, encoding)
    pixels = _pixels(layout, encoding, (height, width), step, is_bigendian, data)
    return _to_metres(pixels)


def decode_compressed_depth(*, format: str, data: ImageBytes) -> FloatArray:  # noqa: A002
    """Decode depth in a sensor_msgs/CompressedImage, PNG only.

    Args:
        format: The message's format: '16UC1; compressedDepth png' and the like, as
            compressed_depth_image_transport writes it, or '16UC1; png compressed ', as
            compressed_image_transport does.
        data: Its data. Those of compressedDepth start with a header of 12 bytes before the PNG;
            there 32FC1 is stored as quantised inverse depth: depth = A / (value - B), with A and B
            from the header.

    Returns:
        Depth in metres, float32 (H, W), NaN where invalid, owning its memory.

    Raises:
        ImageError: kind 'unknown_encoding', 'zero_size', 'too_large', 'truncated' or 'corrupt'.
    """
    described = read_format(format)
    is_inverse = described.is_compressed_depth and described.encoding == '32FC1'
    is_millimetres = described.encoding in _GRAY16_ENCODINGS
    if not (is_inverse or is_millimetres) or described.codec not in {'', 'png'}:
        msg = (
            "compressed depth must have format '32FC1; compressedDepth png', '16UC1; "
            "compressedDepth png' or '16UC1; png compressed', which loses nothing, got "
            f'{format[:64]!r}'
        )
        raise ImageError(msg, kind='unknown_encoding')
    view = memoryview(data)
    if not described.is_compressed_depth:
        return _to_metres(decode_compressed_gray16(view))
    header_bytes = _COMPRESSED_DEPTH_HEADER.size
    if len(view) <= header_bytes:
        msg = (
            f'compressed depth must be longer than its {header_bytes}-byte header, got {len(view)}'
        )
        raise ImageError(msg, kind='truncated')
    _, depth_a, depth_b = _COMPRESSED_DEPTH_HEADER.unpack(view[:header_bytes])
    pixels = decode_compressed_gray16(view[header_bytes:])
    if is_millimetres:
        return _to_metres(pixels)
    with np.errstate(divide='ignore', invalid='ignore'):
        depth = np.float32(depth_a) / (pixels.astype(np.float32) - np.float32(depth_b))
    depth[pixels == 0] = np.nan
    return _to_metres(depth)


def _file_header(data: memoryview, format: str) -> ImageHeader:  # noqa: A002
    """Read the header of a file; what is no JPEG or PNG is named as its message names it."""
    try:
        return read_image_header(data)
    except ImageError as error:
        if error.kind == 'unknown_encoding' and format:
            msg = f'{error}, of format {format[:64]!r}'
            raise ImageError(msg, kind=error.kind) from error
        raise


def _layout(layouts: dict[str, Layout], encoding: str) -> Layout:
    layout = layouts.get(encoding)
    if layout is None:
        msg = f'encoding must be one of {", ".join(layouts)}, got {encoding[:64]!r}'
        raise ImageError(msg, kind='unknown_encoding')
    return layout


def _pixels(
    layout: Layout,
    encoding: str,
    size: tuple[int, int],
    step: int,
    is_bigendian: int,
    data: ImageBytes,
) -> NDArray[Any]:
    """View the data as (rows, width) or (rows, width, channels), in native byte order."""
    height, width = size
    check_pixels(height, width)
    if (layout.even[0] and height % 2) or (layout.even[1] and width % 2):
        msg = f'a {encoding} image must have even sides, got {width} x {height}'
        raise ImageError(msg, kind='odd_size')
    dtype = np.dtype(layout.dtype)
    pixel_bytes = layout.channels * dtype.itemsize
    if step < width * pixel_bytes:
        msg = (
            f'step must be at least {width * pixel_bytes} bytes for {encoding} of width {width},'
            f' got {step}'
        )
        raise ImageError(msg, kind='bad_step')
    rows = height * layout.rows[0] // layout.rows[1]
    view = memoryview(data)
    needed = (rows - 1) * step + width * pixel_bytes
    if view.nbytes < needed:
        msg = (
            f'data must have at least {needed} bytes for {encoding} of {width} x {height} with '
            f'step {step}, got {view.nbytes}'
        )
        raise ImageError(msg, kind='truncated')
    shape: tuple[int, ...] = (rows, width)
    strides: tuple[int, ...] = (step, pixel_bytes)
    if layout.channels > 1:
        shape, strides = (*shape, layout.channels), (*strides, dtype.itemsize)
    pixels: NDArray[Any] = np.ndarray(shape, dtype, buffer=view, strides=strides)
    if dtype.itemsize > 1 and bool(is_bigendian) != (sys.byteorder == 'big'):
        pixels = pixels.byteswap()
    elif step % dtype.itemsize:
        pixels = pixels.copy()  # OpenCV misreads rows that do not start on a whole sample
    return pixels


def _decode_file(data: memoryview, header: ImageHeader, flags: int) -> NDArray[Any]:
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        pixels = None
    if pixels is None or pixels.shape[:2] != (header.height, header.width):
        msg = (
            f'a {header.codec} image must be decodable, got {len(data)} bytes for '
            f'{header.width} x {header.height} that are not'
        )
        raise ImageError(msg, kind='corrupt')
    if header.codec == 'jpeg':
        check_jpeg(data, header, pixels, flags)
    return pixels


def _to_metres(pixels: NDArray[Any]) -> FloatArray:
    if pixels.dtype == np.uint16:
        depth = pixels * _METRES_PER_MILLIMETRE
    else:
        depth = pixels.astype(np.float32)
    depth[~((depth > 0) & (depth < np.inf))] = np.nan
    return depth
