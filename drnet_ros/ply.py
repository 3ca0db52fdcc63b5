"""Point clouds as binary PLY files, which MeshLab, CloudCompare, Blender and Open3D read."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ['write_ply']

_TYPES = {'<f4': 'float', '|u1': 'uchar'}
_COLOURS = (('red', 16), ('green', 8), ('blue', 0))


def write_ply(path: str | os.PathLike[str], points: NDArray[np.float32]) -> int:
    """Write the valid points of a cloud; an existing file is replaced once the new one is whole.

    Args:
        path: The file.
        points: float32 (..., 3) or (..., 4): x, y, z in metres, NaN where invalid, and the bits of
            the packed colour 0x00RRGGBB.

    Returns:
        How many points were written.

    Raises:
        OSError: It cannot be written.
    """
    vertices = _vertices(points)
    layout = vertices.dtype.descr
    properties = [f'property {_TYPES[kind]} {name}' for name, kind, *_ in layout]
    head = ['ply', 'format binary_little_endian 1.0', f'element vertex {len(vertices)}']
    text = '\n'.join([*head, *properties, 'end_header', ''])
    whole = Path(path)
    part = whole.with_name(f'.{os.getpid()}.part{whole.suffix}')
    try:
        part.write_bytes(text.encode('ascii') + vertices.tobytes())
        part.replace(whole)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
    return len(vertices)


def _vertices(points: NDArray[np.float32]) -> NDArray[Any]:
    flat = points.reshape(-1, points.shape[-1])
    flat = flat[np.isfinite(flat[:, 2])]
    layout = [(axis, '<f4') for axis in 'xyz']
    has_colour = flat.shape[1] > 3
    if has_colour:
        layout += [(name, 'u1') for name, _ in _COLOURS]
    vertices = np.empty(len(flat), layout)
    for index, axis in enumerate('xyz'):
        vertices[axis] = flat[:, index]
    if has_colour:
        packed = np.ascontiguousarray(flat[:, 3]).view(np.uint32)
        for name, shift in _COLOURS:
            vertices[name] = (packed >> shift) & 0xFF
    return vertices
