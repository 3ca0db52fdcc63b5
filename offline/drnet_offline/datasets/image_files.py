"""Images and depth maps as files: whole files only, and depth always as metres with NaN."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from drnet_offline.datasets.damage import damage_of
from drnet_offline.datasets.photo_facts import PhotoFacts, read_facts
from drnet_offline.errors import DatasetError
from drnet_ros.errors import ImageError
from drnet_ros.inference.images.file_header import ImageHeader, parse_image_header
from drnet_ros.inference.limits import MAX_PIXELS
from drnet_ros.opencv_log import without_warnings

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = [
    'IMAGE_SUFFIXES',
    'FileCamera',
    'Photo',
    'is_image',
    'read_camera',
    'read_cameras',
    'read_depth',
    'read_photo',
    'read_rgb',
]

IMAGE_SUFFIXES = (
    *('.jpg', '.jpeg', '.jfif', '.png', '.bmp', '.tif', '.tiff', '.webp', '.ppm', '.pgm'),
)
"""Names of image files end in one of these, whatever their case."""

# A JPEG is decoded at a half, a quarter or an eighth of its size in less time and memory.
_REDUCED = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}


@dataclass(frozen=True, slots=True, eq=False)
class Photo:
    """An image for people to look at.

    Attributes:
        rgb_hwc: uint8 (H, W, 3) RGB, upright.
        reduction: By how much its sides are shorter than those of the file: 1, 2, 4 or 8.
        facts: What the file says besides.
    """

    rgb_hwc: NDArray[np.uint8]
    reduction: int
    facts: PhotoFacts


def is_image(path: Path) -> bool:
    """Return whether a file's name is that of an image; hidden files are none.

    Args:
        path: The file.
    """
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith('.')


def read_photo(path: Path) -> Photo:
    """Read an image that no depth is registered to: upright, as its EXIF orientation says.

    One of more than `MAX_PIXELS` is reduced.

    Args:
        path: A file of one of `IMAGE_SUFFIXES`.

    Raises:
        DatasetError: The file is missing, cut short, far too large or no image.
    """
    data = _read(path)
    header = _whole_header(path, data)
    if header is None:  # neither JPEG nor PNG
        rgb = _to_rgb(_decode(path, data, cv2.IMREAD_COLOR))
        return Photo(rgb, 1, read_facts(data))
    pixels = header.height * header.width
    reduction = next((r for r in _REDUCED if pixels <= r * r * MAX_PIXELS), 0)
    if not reduction:
        msg = (
            f'{path} must have at most {max(_REDUCED) ** 2 * MAX_PIXELS} pixels, got '
            f'{header.width} x {header.height}: resize it'
        )
        raise DatasetError(msg)
    rgb = _to_rgb(_decode(path, data, _REDUCED[reduction]))
    return Photo(rgb, reduction, read_facts(data))


def read_rgb(path: Path) -> NDArray[np.uint8]:
    """Read an image as uint8 (H, W, 3) RGB, as it is stored: EXIF does not turn it.

    Raises:
        DatasetError: The file is missing, cut short or no image.
    """
    # Depth is registered to the stored pixels, and has no EXIF of its own.
    data = _read(path)
    _whole_header(path, data)
    return _to_rgb(_decode(path, data, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION))


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
    data = _read(path)
    _whole_header(path, data)
    raw = _decode(path, data, cv2.IMREAD_UNCHANGED)
    scales = {np.dtype(np.uint16): units_per_m, np.dtype(np.uint8): bytes_per_m}
    scale = scales.get(raw.dtype)
    if raw.ndim != 2 or scale is None:
        bits = '16-bit' if bytes_per_m is None else '8- or 16-bit'
        msg = f'{path} must be a single-channel {bits} PNG, got {raw.dtype} {raw.shape}'
        raise DatasetError(msg)
    depth = raw.astype(np.float32) / np.float32(scale)
    depth[raw == 0] = np.nan
    return depth


def _read(path: Path) -> bytes:
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            msg = f'{path} must be a file, got a pipe or a device'
            raise DatasetError(msg)
        return path.read_bytes()
    except OSError as error:
        msg = f'cannot read {path}: {error.strerror}'
        raise DatasetError(msg) from error


def _whole_header(path: Path, data: bytes) -> ImageHeader | None:
    """Return what a JPEG or PNG claims to be; None for another format.

    Raises:
        DatasetError: It is cut: OpenCV decodes the rest as grey, without a word.
    """
    try:
        return parse_image_header(memoryview(data))
    except ImageError as error:
        if error.kind == 'unknown_encoding':
            return None
        msg = f'{path} is cut short, damaged or no image: {error}'
        raise DatasetError(msg) from error


def _decode(path: Path, data: bytes, flags: int) -> NDArray[Any]:
    pixels = _decoded(data, flags)
    if pixels is None and (stored := _decoded(data, cv2.IMREAD_UNCHANGED)) is not None:
        msg = (
            f'{path} must be a picture of 8 or 16 bits, got {stored.dtype}, as depth and other '
            'measured images have: is it a picture? Write it again as PNG'
        )
        raise DatasetError(msg)
    if pixels is None:
        msg = (
            f'{path} is cut short, damaged or no image of a known type: fetch or write it '
            'again, as JPEG or PNG'
        )
        raise DatasetError(msg)
    if damage := damage_of(data):
        msg = f'{path} is cut short or damaged: {damage}; fetch or write it again'
        raise DatasetError(msg)
    return pixels


def _decoded(data: bytes, flags: int) -> NDArray[Any] | None:
    try:
        with without_warnings():
            return cv2.imdecode(np.frombuffer(data, np.uint8), flags) if data else None
    except cv2.error:  # larger than OpenCV takes
        return None


def _to_rgb(bgr: NDArray[Any]) -> NDArray[np.uint8]:
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)


@dataclass(frozen=True, slots=True)
class FileCamera:
    """The camera of images, as a file beside them tells it.

    Attributes:
        focal_px: Geometric mean of fx and fy, pixels.
        centre_px: Principal point, column and row; None if the file does not tell it.
    """

    focal_px: float
    centre_px: tuple[float, float] | None = None


def read_camera(path: Path) -> FileCamera:
    """Read a camera.txt: 'fx fy cx cy' in pixels.

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
    return _file_camera(*numbers)


def read_cameras(path: Path) -> dict[str, FileCamera]:
    """Read a cameras.csv: a camera for each image, with columns index, fx and fy in pixels.

    Columns cx and cy are read where they are there.

    Returns:
        The cameras by the image's name (the column index).

    Raises:
        DatasetError: The file is missing, lacks a column or holds something else than numbers.
    """
    try:
        with path.open(encoding='utf-8', newline='') as file:
            cameras = {
                row['index']: _file_camera(
                    *(float(row[name]) for name in ('fx', 'fy')),
                    *(float(row.get(name) or 0) for name in ('cx', 'cy')),
                )
                for row in csv.DictReader(file)
            }
    except (OSError, KeyError, TypeError, ValueError) as error:
        got = f'no column {error}' if isinstance(error, KeyError) else str(error)
        msg = f'{path} must have columns index, fx and fy with numbers in pixels, got: {got}'
        raise DatasetError(msg) from error
    for name, camera in cameras.items():
        if not (math.isfinite(camera.focal_px) and camera.focal_px > 0):
            msg = f'{path}: fx and fy of {name!r} must be finite and above 0'
            raise DatasetError(msg)
    return cameras


def _file_camera(fx: float, fy: float, cx: float, cy: float) -> FileCamera:
    return FileCamera(math.sqrt(fx * fy), (cx, cy) if cx or cy else None)
