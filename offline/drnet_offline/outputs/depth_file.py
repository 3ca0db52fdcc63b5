"""Depth as `drnet predict` writes it: a PNG in millimetres that says what it was made of.

By that, results of other weights or of another camera are told from those asked for, and files of
the user from ours: no other file is overwritten.
"""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING

from drnet_offline.errors import DatasetError
from drnet_offline.outputs.files import encode_image, write_bytes
from drnet_ros.inference.depth import to_millimetres

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from drnet_ros.inference.arrays import FloatArray

__all__ = ['is_depth_file', 'origin_of', 'refuse_foreign', 'write_depth']

_SIGNATURE = b'\x89PNG\r\n\x1a\n'
# Signature and the chunk IHDR, which every PNG begins with; ours comes next.
_HEAD_BYTES = 33
_TEXT = b'tEXt'
_KEYWORD = b'drnet predict\0'
_MOST_BYTES = 8192


def write_depth(path: Path, depth_hw: FloatArray, origin: Mapping[str, object]) -> None:
    """Write depth, whole or not at all.

    Args:
        path: The .png file.
        depth_hw: Metres, float32 (H, W), NaN where invalid.
        origin: What it was made of, plain JSON; it is written into the file.

    Raises:
        DatasetError: There is a file that `drnet predict` did not write.
        OfflineError: It cannot be written.
    """
    refuse_foreign(path)
    png = encode_image('.png', to_millimetres(depth_hw))
    body = _TEXT + _KEYWORD + json.dumps(origin, sort_keys=True).encode('ascii')
    chunk = (len(body) - len(_TEXT)).to_bytes(4, 'big') + body
    chunk += zlib.crc32(body).to_bytes(4, 'big')
    write_bytes(path, png[:_HEAD_BYTES] + chunk + png[_HEAD_BYTES:])


def origin_of(path: Path) -> dict[str, object] | None:
    """Return what a depth file was made of; None if `drnet predict` did not write it.

    Args:
        path: Any path, also of nothing.
    """
    if not path.is_file():  # a pipe would be waited for
        return None
    try:
        with path.open('rb') as file:
            head = file.read(_MOST_BYTES)
    except OSError:
        return None
    text_at = _HEAD_BYTES + 4 + len(_TEXT) + len(_KEYWORD)
    if head[:8] != _SIGNATURE or head[_HEAD_BYTES + 4 : text_at] != _TEXT + _KEYWORD:
        return None
    length = int.from_bytes(head[_HEAD_BYTES : _HEAD_BYTES + 4], 'big') - len(_KEYWORD)
    try:
        origin = json.loads(head[text_at : text_at + length])
    except ValueError:
        return {}
    return origin if isinstance(origin, dict) else {}


def is_depth_file(path: Path) -> bool:
    """Return whether `drnet predict` wrote a file."""
    return origin_of(path) is not None


def refuse_foreign(path: Path) -> None:
    """Refuse to overwrite a file that `drnet predict` did not write.

    Raises:
        DatasetError: There is one.
    """
    if path.exists() and not is_depth_file(path):
        msg = (
            f'{path} must be free for depth, got a file that drnet predict did not write: name '
            'another output folder'
        )
        raise DatasetError(msg)
