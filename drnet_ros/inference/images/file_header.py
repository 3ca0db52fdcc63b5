"""The size that a JPEG or PNG file claims, read before anything is allocated for it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from drnet_ros.errors import ImageError
from drnet_ros.inference.limits import check_pixels

__all__ = ['ImageHeader', 'parse_image_header', 'read_image_header']

_PNG_SIGNATURE = b'\x89PNG\r\n\x1a\n'
_PNG_END = b'IEND'
_JPEG_START = b'\xff\xd8'
_JPEG_SCAN = 0xDA
_JPEG_INTERVAL = 0xDD
# Within the data of a scan an FF is followed by 00 or a restart marker: this can only be the end.
_JPEG_END = re.compile(b'\xff\xd9')
# Start-of-frame markers: FFC0 to FFCF without DHT (C4), JPG (C8) and DAC (CC).
_JPEG_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """What a compressed image claims to be.

    Attributes:
        codec: 'jpeg' or 'png'.
        height: Rows.
        width: Columns.
        scan: Where the data of a JPEG's first scan begin, 0 for PNG.
        restarts: Number of restart markers that they must have.
    """

    codec: str
    height: int
    width: int
    scan: int = 0
    restarts: int = 0


def read_image_header(data: memoryview) -> ImageHeader:
    """Read codec and size, and make sure that the file is whole and not too large.

    Args:
        data: The bytes of the file. What follows its end is not looked at: cameras append films,
            second images and padding.

    Returns:
        The header; its size is within `MAX_PIXELS`.

    Raises:
        ImageError: kind 'unknown_encoding', 'truncated', 'corrupt', 'zero_size' or 'too_large'.
    """
    header = parse_image_header(data)
    check_pixels(header.height, header.width)
    return header


def parse_image_header(data: memoryview) -> ImageHeader:
    """Do as `read_image_header` does, with images of any size.

    Args:
        data: The bytes of the file.

    Returns:
        The header.

    Raises:
        ImageError: kind 'unknown_encoding', 'truncated' or 'corrupt'.
    """
    data = data.cast('B') if data.format != 'B' else data
    if data[:8] == _PNG_SIGNATURE:
        header, is_whole = _read_png(data)
    elif data[:2] == _JPEG_START:
        header, is_whole = _read_jpeg(data)
    else:
        start = bytes(data[:4]).hex(' ')
        msg = f'a compressed image must be JPEG or PNG, got {len(data)} bytes that start {start!r}'
        raise ImageError(msg, kind='unknown_encoding')
    if not is_whole:
        msg = f'a {header.codec} image must end with its end marker, got {len(data)} bytes without'
        raise ImageError(msg, kind='truncated')
    return header


def _read_png(data: memoryview) -> tuple[ImageHeader, bool]:
    """Return the header, and whether the chunk that ends the file is there."""
    # Signature (8), length of the first chunk (4), its type (4), then width and height (4 each).
    if len(data) < 24:
        raise _too_short(data, 'png')
    if bytes(data[12:16]) != b'IHDR':
        msg = f"a png image must start with chunk 'IHDR', got {bytes(data[12:16])!r}"
        raise ImageError(msg, kind='corrupt')
    width, height = (int.from_bytes(data[at : at + 4], 'big') for at in (16, 20))
    position = 8
    # A chunk is its length (4), its type (4), the data and a checksum (4).
    while position + 8 <= len(data) and data[position + 4 : position + 8] != _PNG_END:
        position += 12 + int.from_bytes(data[position : position + 4], 'big')
    return ImageHeader('png', height, width), position + 8 <= len(data)


def _read_jpeg(data: memoryview) -> tuple[ImageHeader, bool]:
    """Return the header, and whether the first scan is followed by the end of the image."""
    position, header, interval, units = 2, None, 0, 0
    while position + 9 <= len(data):
        if data[position] != 0xFF:
            msg = f'a jpeg image must have a marker at byte {position}, got {data[position]:#04x}'
            raise ImageError(msg, kind='corrupt')
        marker = data[position + 1]
        if marker == 0xFF:  # a fill byte before the marker
            position += 1
            continue
        if marker in _JPEG_FRAME_MARKERS:
            # Marker (2), length (2), precision (1), then height and width (2 each).
            height, width = (
                int.from_bytes(data[at : at + 2], 'big') for at in (position + 5, position + 7)
            )
            header = ImageHeader('jpeg', height, width)
            units = _units(data[position + 9 :], height, width)
        elif marker == _JPEG_INTERVAL:
            interval = int.from_bytes(data[position + 4 : position + 6], 'big')
        position += 2 + int.from_bytes(data[position + 2 : position + 4], 'big')
        if marker == _JPEG_SCAN:
            break
    if header is None:
        raise _too_short(data, 'jpeg')
    restarts = max(0, -(-units // interval) - 1) if interval else 0
    header = replace(header, scan=position, restarts=restarts)
    # An end before the first scan is that of a thumbnail within the header.
    return header, _JPEG_END.search(data, min(position, len(data))) is not None


def _units(components: memoryview, height: int, width: int) -> int:
    """Return the number of units that restart intervals count, of an interleaved scan.

    Args:
        components: What follows the size in the header of the frame: their number, then for each
            its name, its sampling factors in 4 bits each, and its quantisation table.
        height: Rows.
        width: Columns.
    """
    count = components[0] if len(components) else 0
    factors = [components[at] for at in range(2, min(2 + 3 * count, len(components)), 3)]
    if len(factors) < 2:  # a single component counts in blocks
        factors = [0x11]
    across, down = (8 * max(1, *(f >> shift & 0xF for f in factors)) for shift in (4, 0))
    return -(-width // across) * -(-height // down)


def _too_short(data: memoryview, codec: str) -> ImageError:
    msg = f'a {codec} image must have a header with its size, got only {len(data)} bytes'
    return ImageError(msg, kind='truncated')
