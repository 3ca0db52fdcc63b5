"""The types of the arrays that pass through inference, and matrices as people give them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from drnet_ros.errors import CameraError, shown

__all__ = [
    'FloatArray',
    'Matrix',
    'UInt8Array',
    'check_rotation',
    'flat_matrix',
    'flat_numbers',
    'plain_fields',
    'whole_numbers',
]

# Calibration files may have few digits.
_ROTATION_TOLERANCE = 0.01
_NUMBERS = 'biuf'  # NumPy's kinds: bool, int, unsigned, float

FloatArray: TypeAlias = NDArray[np.float32]
UInt8Array: TypeAlias = NDArray[np.uint8]
Matrix: TypeAlias = Sequence[float] | Sequence[Sequence[float]] | NDArray[Any]
"""A matrix by rows: its values in a row, or its rows, or an array of either shape."""


def flat_matrix(name: str, values: Matrix, shape: tuple[int, int]) -> tuple[float, ...]:
    """Return a matrix as its values by rows.

    Args:
        name: What errors call it.
        values: The matrix, flat or nested.
        shape: Its rows and columns.

    Returns:
        The values, () if there are none.

    Raises:
        CameraError: The values are no numbers, or have another shape.
    """
    count = shape[0] * shape[1]
    if type(values) is tuple and len(values) == count and all(type(v) is float for v in values):
        return values  # of a camera that is scaled, with each image
    try:
        array = np.asarray(values)
        if array.dtype.kind not in _NUMBERS:
            raise TypeError  # noqa: TRY301
    except (TypeError, ValueError) as error:  # ValueError: rows of different lengths
        msg = f'{name} must be numbers, {shape[0]} rows of {shape[1]}, got {shown(repr(values))}'
        raise CameraError(msg) from error
    if array.size == 0:
        return ()
    if array.shape not in {shape, (count,)}:
        msg = (
            f'{name} must be {shape[0]} rows of {shape[1]} or {count} values by '
            f'rows, got shape {array.shape}'
        )
        raise CameraError(msg)
    return tuple(array.astype(np.float64).ravel().tolist())


def flat_numbers(name: str, values: Sequence[float]) -> tuple[float, ...]:
    """Return a list of numbers as a tuple.

    Args:
        name: What errors call it.
        values: The numbers.

    Raises:
        CameraError: They are none.
    """
    try:
        return tuple(_number(value) for value in values)
    except (TypeError, ValueError) as error:
        msg = f'{name} must be a list of numbers, got {shown(repr(values))}'
        raise CameraError(msg) from error


def plain_fields(camera: Any) -> dict[str, Any]:
    """Return the numbers of a camera in plain types, whatever types it was given them in.

    Args:
        camera: The CameraModel.

    Raises:
        CameraError: One of them is no number, or a matrix has another shape.
    """
    size = whole_numbers('width and height', (camera.width, camera.height), 2)
    fields: dict[str, Any] = dict(zip(('width', 'height'), size, strict=True))
    for name in ('fx', 'fy', 'cx', 'cy'):
        value = getattr(camera, name)
        try:
            fields[name] = _number(value)
        except (TypeError, ValueError) as error:
            msg = f'{name} must be a number, got {shown(repr(value))}'
            raise CameraError(msg) from error
    fields['d'] = flat_numbers('D', camera.d)
    fields['r'] = flat_matrix('R', camera.r, (3, 3))
    fields['p'] = flat_matrix('P', camera.p, (3, 4))
    return fields


def _number(value: Any) -> float:
    if isinstance(value, str | bytes):
        raise TypeError
    return float(value)


def whole_numbers(name: str, values: Sequence[float], count: int) -> tuple[int, ...]:
    """Return whole numbers of any type, 640.0 included, as a tuple of int.

    Args:
        name: What errors call them.
        values: The numbers.
        count: How many there must be.

    Raises:
        CameraError: One of them is not whole, or there are more or fewer.
    """
    try:
        numbers = tuple(int(value) for value in values)
    except (OverflowError, TypeError, ValueError):
        numbers = ()
    if len(numbers) != count or numbers != tuple(values):
        msg = f'{name} must be {count} whole numbers, got {shown(repr(values))}'
        raise CameraError(msg)
    return numbers


def check_rotation(name: str, values: Sequence[float]) -> None:
    """Refuse a matrix that mirrors or stretches.

    Args:
        name: What errors call it.
        values: 3 x 3 finite values by rows.

    Raises:
        CameraError: It is not a rotation.
    """
    matrix = np.reshape(values, (3, 3))
    error = np.abs(matrix @ matrix.T - np.eye(3)).max()
    if error > _ROTATION_TOLERANCE or np.linalg.det(matrix) < 0:
        msg = f'{name} must be a rotation or zeros, got {list(values)}'
        raise CameraError(msg)
