"""The size that a JPEG or PNG file claims, read before anything is allocated for it."""

from __future__ import annotations

from dataclasses import dataclass

from drnet_ros.errors import ImageError
from drnet_ros.inference.limits import check_pixels

__all__ = ['ImageHeader', 'read_image_header']

_PNG_SIGNATURE = b'\x89PNG\r\n\x1a\n'
_PNG_END = b'IEND'
_JPEG_START = b'\xff\xd8'
_JPEG_END = b'\xff\xd9'
# Encoders and cameras pad files with zeros or append notes; the end marker is looked for in here.
_TAIL_BYTES = 4096
# Start-of-frame markers: FFC0 to FFCF without DHT (C4), JPG (C8) and DAC (CC).
_JPEG_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """What a compressed image claims to be.

    Attributes:
        codec: 'jpeg' or 'png'.
        height: Rows.
        width: Columns.
    """

    codec: str
    height: int
    width: int


def read_image_header(data: memoryview) -> ImageHeader:
    """Read codec and size, and make sure that the file is whole.

    Args:
        data: The bytes of the file.

    Returns:
        The header; its size is within `MAX_PIXELS`.

    Raises:
        ImageError: kind 'unknown_encoding', 'truncated', 'corrupt', 'zero_size' or 'too_large'.
    """
    tail = bytes(data[-_TAIL_BYTES:])
    if data[:8] == _PNG_SIGNATURE:
        header = _read_png(data)
        is_whole = _PNG_END in tail
    elif data[:2] == _JPEG_START:
        header = _read_jpeg(data)
        is_whole = _JPEG_END in tail
    else:
        start = bytes(data[:4]).hex(' ')
        msg = f'a compressed image must be JPEG or PNG, got {len(data)} bytes that start {start!r}'
        raise ImageError(msg, kind='unknown_encoding')
    if not is_whole:
        msg = f'a {header.codec} image must end with its end marker, got {len(data)} bytes without'
        raise ImageError(msg, kind='truncated')
    check_pixels(header.height, header.width)
    return header


def _read_png(data: memoryview) -> ImageHeader:
    # Signature (8), length of the first chunk (4), its type (4), then width and height (4 each).
    if len(data) < 24:
        raise _too_short(data, 'png')
    if bytes(data[12:16]) != b'IHDR':
        msg = f"a png image must start with chunk 'IHDR', got {bytes(data[12:16])!r}"
        raise ImageError(msg, kind='corrupt')
    return ImageHeader(
        'png', int.from_bytes(data[20:24], 'big'), int.from_bytes(data[16:20], 'big')
    )


def _read_jpeg(data: memoryview) -> ImageHeader:
    position = 2
    while position + 9 <= len(data):
        if data[position] != 0xFF:
            msg = f'a jpeg image must have a marker at byte {position}, got {data[position]:#04x}'
            raise ImageError(msg, kind='corrupt')
        marker = data[position + 1]
        if marker == 0xFF:  # a fill byte before the marker
            position += 1
        elif marker in _JPEG_FRAME_MARKERS:
            # Marker (2), length (2), precision (1), then height and width (2 each).
            return ImageHeader(
                'jpeg',
                int.from_bytes(data[position + 5 : position + 7], 'big'),
                int.from_bytes(data[position + 7 : position + 9], 'big'),
            )
        else:
            position += 2 + int.from_bytes(data[position + 2 : position + 4], 'big')
    raise _too_short(data, 'jpeg')


def _too_short(data: memoryview, codec: str) -> ImageError:
    msg = f'a {codec} image must have a header with its size, got only {len(data)} bytes'
    return ImageError(msg, kind='truncated')
