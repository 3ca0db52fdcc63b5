"""Point clouds as PLY files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drnet_offline.outputs.files import whole_file
from drnet_ros.ply import ply_of

if TYPE_CHECKING:
    from pathlib import Path

    from drnet_ros.inference.arrays import FloatArray

__all__ = ['write_ply']


def write_ply(path: Path, points: FloatArray) -> int:
    """Write the valid points of a cloud as a binary PLY.

    Args:
        path: The file.
        points: The cloud, as `ply_of` takes it.

    Returns:
        How many points were written.

    Raises:
        OfflineError: It cannot be written.
    """
    data, count = ply_of(points)
    with whole_file(path) as part:
        part.write_bytes(data)
    return count
