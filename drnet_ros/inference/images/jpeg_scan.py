"""Whether a JPEG holds all of its picture.

libjpeg fills what is missing with gray, 128 in each channel, and OpenCV passes on no word of it.
A picture without its end has such a corner below on the right. So may a whole one: then bytes
after those of its scan change nothing, while they would go on where one is cut.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from drnet_ros.errors import ImageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from drnet_ros.inference.images.file_header import ImageHeader

__all__ = ['check_jpeg']

_FILLED = 128
_CORNER = 2  # pixels; those of the last block, whatever is mixed in from its neighbours
# Within a scan an FF is followed by 00 or is a restart marker; others end it.
_SCAN_END = re.compile(rb'\xff[^\x00\xd0-\xd7\xff]')
_IMAGE_END = b'\xff\xd9'
_RESTART = re.compile(rb'\xff([\xd0-\xd7])')
_FIRST_RESTART = 0xD0
_MORE = bytes(range(1, 255))


def check_jpeg(data: memoryview, header: ImageHeader, pixels: NDArray[Any], flags: int) -> None:
    """Refuse a JPEG that lacks a part of its picture, as far as that can be seen.

    It cannot where the bytes that are left make up a picture of the right length: after a few bits
    have changed, or of a gap within one interval of a file with restart markers.

    Args:
        data: The bytes of the file.
        header: What it claims to be.
        pixels: What OpenCV makes of it, uint8 (H, W) or (H, W, 3).
        flags: What it was decoded with.

    Raises:
        ImageError: kind 'truncated'.
    """
    if not _is_whole(data, header, pixels, flags):
        msg = (
            f'a jpeg image must hold all of its picture, got {len(data)} bytes for {header.width} '
            f'x {header.height} that lack a part; the camera, the network or a disk has lost it'
        )
        raise ImageError(msg, kind='truncated')


def _is_whole(data: memoryview, header: ImageHeader, pixels: NDArray[Any], flags: int) -> bool:
    is_filled = bool((pixels[-_CORNER:, -_CORNER:] == _FILLED).all())
    if not is_filled and not header.restarts:
        return True
    end = _SCAN_END.search(data, header.scan)
    if end is None:
        return False
    if header.restarts and not _has_restarts(data[header.scan : end.start()], header.restarts):
        return False
    if not is_filled:
        return True
    # libjpeg warns on the terminal of bytes before an end marker, and not where none follows. Only
    # files of more than one scan need what follows the first.
    rest = data[end.start() :]
    longer = b''.join((data[: end.start()], _MORE, b'' if rest[:2] == _IMAGE_END else rest))
    again = cv2.imdecode(np.frombuffer(longer, np.uint8), flags)
    return again is not None and np.array_equal(pixels, again)


def _has_restarts(scan: memoryview, count: int) -> bool:
    """Return whether a scan has so many restart markers, numbered from 0 to 7 and again."""
    found = [match[1][0] - _FIRST_RESTART for match in _RESTART.finditer(scan)]
    return len(found) >= count and found == [number % 8 for number in range(len(found))]
