"""Images and depth maps as files: whole files only, and depth always as metres with NaN."""

from __future__ import annotations

import csv
import math
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from drnet_offline.errors import DatasetError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ['read_camera_focal_px', 'read_cameras_focal_px', 'read_depth', 'read_rgb']

# How a whole file ends: OpenCV decodes a cut one without a word and fills the rest with grey.
_ENDS = {b'\xff\xd8': b'\xff\xd9', b'\x89P': b'IEND'}
_END_WITHIN = 1024


def read_rgb(path: Path) -> NDArray[np.uint8]:
    """Read an image as uint8 (H, W, 3) RGB, as it is stored: EXIF does not turn it.

    Raises:
        DatasetError: The file is missing, cut short or no image.
    """
    # Depth is registered to the stored pixels, and has no EXIF of its own.
    bgr = _decode(path, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)


def read_depth(
    path: Path, *, units_per_m: float = 1000.0, bytes_per_m: float | None = None
) -> NDArray[np.float32]:
    """Read a depth PNG as float32 (H, W) metres, NaN where it is 0.

    Args:
        path: The file, with one channel.
        units_per_m: What a 16-bit value is divided by.
        bytes_per_m: What an 8-bit value is divided by; None refuses 8-bit files.

    Raises:
        DatasetError: The file is missing, cut short, or of another type.
    """
    raw = _decode(path, cv2.IMREAD_UNCHANGED)
    scales = {np.dtype(np.uint16): units_per_m, np.dtype(np.uint8): bytes_per_m}
    scale = scales.get(raw.dtype)
    if raw.ndim != 2 or scale is None:
        bits = '16-bit' if bytes_per_m is None else '8- or 16-bit'
        msg = f'{path} must be a single-channel {bits} PNG, got {raw.dtype} {raw.shape}'
        raise DatasetError(msg)
    depth = raw.astype(np.float32) / np.float32(scale)
    depth[raw == 0] = np.nan
    return depth


def _decode(path: Path, flags: int) -> NDArray[Any]:
    try:
        data = path.read_bytes()
    except OSError as error:
        msg = f'cannot read {path}: {error.strerror}'
        raise DatasetError(msg) from error
    end = _ENDS.get(data[:2], b'')
    pixels = None
    if end in data[-_END_WITHIN:]:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags) if data else None
    if pixels is None:
        msg = f'{path} is cut short, damaged or no image: fetch or write it again'
        raise DatasetError(msg)
    return pixels


def read_camera_focal_px(path: Path) -> float:
    """Read a camera.txt: 'fx fy cx cy' in pixels.

    Returns:
        The geometric mean of fx and fy.

    Raises:
        DatasetError: The file is missing or holds something else.
    """
    try:
        numbers = [float(word) for word in path.read_text(encoding='utf-8').split()]
    except (OSError, ValueError) as error:
        msg = f"{path} must hold 'fx fy cx cy' in pixels: {error}"
        raise DatasetError(msg) from error
    if len(numbers) != 4 or not all(map(math.isfinite, numbers)) or min(numbers[:2]) <= 0:
        msg = f"{path} must hold 'fx fy cx cy' in pixels, fx and fy above 0; got {numbers}"
        raise DatasetError(msg)
    return math.sqrt(numbers[0] * numbers[1])


def read_cameras_focal_px(path: Path) -> dict[str, float]:
    """Read a cameras.csv: a camera for each image, with columns index, fx and fy in pixels.

    Returns:
        The geometric mean of fx and fy by the image's name (the column index).

    Raises:
        DatasetError: The file is missing, lacks a column or holds something else than numbers.
    """
    try:
        with path.open(encoding='utf-8', newline='') as file:
            focals = {
                row['index']: math.sqrt(float(row['fx']) * float(row['fy']))
                for row in csv.DictReader(file)
            }
    except (OSError, KeyError, TypeError, ValueError) as error:
        msg = f'{path} must have columns index, fx and fy with numbers in pixels: {error!r}'
        raise DatasetError(msg) from error
    for name, focal_px in focals.items():
        if not (math.isfinite(focal_px) and focal_px > 0):
            msg = f'{path}: fx and fy of {name!r} must be finite and above 0'
            raise DatasetError(msg)
    return focals
