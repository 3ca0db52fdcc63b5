"""What a video file says of its frames: whether it lists them, and whether all are there."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

__all__ = ['is_whole_gif', 'lists_frames']

_BOX = struct.Struct('>I4s')
_EDIT_LIST = b'elst'
_MOST_BYTES = 64 << 20
_GIF_END = b'\0;'  # the last block of the last image, and the trailer
# Of an edit, by the version of the list: its length, where it starts in the media, its rate.
_EDITS = {0: struct.Struct('>IiI'), 1: struct.Struct('>QqI')}


def lists_frames(path: Path) -> bool:
    """Return whether each frame that a video file lists must be shown.

    That is so for AVI; and for MP4 and QuickTime without fragments (their index does not count
    them) and without an edit list that hides the start, as trimming without encoding leaves it.

    Args:
        path: The file.
    """
    try:
        with path.open('rb') as file:
            start = file.read(12)
            if start[:4] == b'RIFF' and start[8:] == b'AVI ':
                return True
            return start[4:8] == b'ftyp' and _is_shown_whole(file)
    except OSError:
        return False


def is_whole_gif(path: Path) -> bool:
    """Return whether a file is a GIF that ends as one does.

    Args:
        path: The file.
    """
    try:
        data = path.read_bytes()
    except OSError:
        return False
    return data.startswith(b'GIF8') and data.endswith(_GIF_END)


def _is_shown_whole(file: BinaryIO) -> bool:
    index: bytes | None = None
    position = 0
    while len(head := _head(file, position)) == _BOX.size:
        size, kind = _BOX.unpack(head)
        if kind == b'moof':
            return False
        if kind == b'moov' and size <= _MOST_BYTES:
            index = file.read(size)
        if size == 1:  # 64 bits of it follow
            size = int.from_bytes(file.read(8), 'big')
        if size < _BOX.size:  # to the end of the file
            break
        position += size
    return index is not None and not _hides_start(index)


def _head(file: BinaryIO, position: int) -> bytes:
    file.seek(position)
    return file.read(_BOX.size)


def _hides_start(index: bytes) -> bool:
    """Return whether an edit list of a `moov` box has the media start later than it is stored."""
    at = index.find(_EDIT_LIST)
    while at >= 0:
        # Version (1 byte), flags (3), number of edits (4), then the edits.
        version, count = index[at + 4], int.from_bytes(index[at + 8 : at + 12], 'big')
        edit = _EDITS.get(version)
        if edit is None or count != 1 or len(index) < at + 12 + edit.size:
            return True
        if edit.unpack_from(index, at + 12)[1] != 0:
            return True
        at = index.find(_EDIT_LIST, at + 4)
    return False
