"""Point clouds as PLY files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ['ply_of']


def ply_of(points: NDArray[np.float32]) -> tuple[bytes, int]:
    """Return the valid points of a cloud as a binary PLY.

    Args:
        points: float32 (..., 3) or (..., 4): x, y, z in metres, NaN where invalid, and the bits of
            the packed colour 0x00RRGGBB.

    Returns:
        The file, and how many points are in it.
    """
    flat = points.reshape(-1, points.shape[-1])
    flat = flat[np.isfinite(flat[:, 2])]
    layout = [(name, '<f4') for name in 'xyz']
    has_colour = flat.shape[1] > 3
    if has_colour:
        layout += [(name, 'u1') for name in ('red', 'green', 'blue')]
    vertices = np.empty(len(flat), layout)
    for index, name in enumerate('xyz'):
        vertices[name] = flat[:, index]
    if has_colour:
        packed = np.ascontiguousarray(flat[:, 3]).view(np.uint32)
        for name, shift in (('red', 16), ('green', 8), ('blue', 0)):
            vertices[name] = (packed >> shift) & 0xFF
    kinds = {'<f4': 'float', 'u1': 'uchar'}
    header = [
        'ply',
        'format binary_little_endian 1.0',
        f'element vertex {len(flat)}',
        *(f'property {kinds[kind]} {name}' for name, kind in layout),
        'end_header',
    ]
    return '\n'.join([*header, '']).encode() + vertices.tobytes(), len(flat)
