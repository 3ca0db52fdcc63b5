"""Point clouds as PLY files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from plyfile import PlyData, PlyElement

from drnet_offline.outputs.files import whole_file

if TYPE_CHECKING:
    from pathlib import Path

    from drnet_ros.inference.arrays import FloatArray

__all__ = ['write_ply']


def write_ply(path: Path, points: FloatArray) -> int:
    """Write the valid points of a cloud as a binary PLY.

    Args:
        path: The file.
        points: float32 (..., 3) or (..., 4): x, y, z in metres, NaN where invalid, and the bits of
            the packed colour 0x00RRGGBB.

    Returns:
        How many points were written.

    Raises:
        OfflineError: It cannot be written.
    """
    flat = points.reshape(-1, points.shape[-1])
    flat = flat[np.isfinite(flat[:, 2])]
    layout = [('x', '<f4'), ('y', '<f4'), ('z', '<f4')]
    has_colour = flat.shape[1] > 3
    if has_colour:
        layout += [('red', 'u1'), ('green', 'u1'), ('blue', 'u1')]
    vertices = np.empty(len(flat), layout)
    for index, name in enumerate('xyz'):
        vertices[name] = flat[:, index]
    if has_colour:
        packed = np.ascontiguousarray(flat[:, 3]).view(np.uint32)
        for name, shift in (('red', 16), ('green', 8), ('blue', 0)):
            vertices[name] = (packed >> shift) & 0xFF
    with whole_file(path) as part:
        PlyData([PlyElement.describe(vertices, 'vertex')], byte_order='<').write(str(part))
    return len(flat)
