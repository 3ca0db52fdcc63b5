"""Layout `folder`: rgb/NAME.jpg|png, depth/NAME.png (uint16 mm, 0 invalid), camera.txt."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import cv2
import numpy as np

from drnet_offline.datasets.sample import DepthSample
from drnet_offline.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ['NYU_FOCAL_PX', 'FolderDataset', 'read_millimetres', 'read_rgb', 'select_blocks']

NYU_FOCAL_PX = math.sqrt(518.8579 * 519.4696)
"""Colour camera of NYU Depth v2 at 640x480; taken where a folder has no camera.txt."""

_SUFFIXES = ('.jpg', '.jpeg', '.png')


def read_rgb(path: Path) -> NDArray[np.uint8]:
    """Read an image as uint8 (H, W, 3) RGB.

    Raises:
        DatasetError: The file is missing or no image.
    """
    bgr = cv2.imread(str(path), cv2.IMREAD_COLOR) if path.is_file() else None
    if bgr is None:
        msg = f'cannot read the image {path}: it is missing or damaged'
        raise DatasetError(msg)
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)


def read_millimetres(path: Path) -> NDArray[np.float32]:
    """Read a uint16 PNG in millimetres as float32 (H, W) metres, NaN where it is 0.

    Raises:
        DatasetError: The file is missing or no 16-bit single-channel image.
    """
    raw = cv2.imread(str(path), cv2.IMREAD_UNCHANGED) if path.is_file() else None
    if raw is None or raw.dtype != np.uint16 or raw.ndim != 2:  # noqa: PLR2004 - (H, W)
        msg = f'{path} must be a single-channel 16-bit PNG in millimetres'
        raise DatasetError(msg)
    depth = raw.astype(np.float32) * np.float32(1e-3)
    depth[raw == 0] = np.nan
    return depth


def _read_focal_px(path: Path) -> float:
    if not path.is_file():
        return NYU_FOCAL_PX
    try:
        fx, fy, _, _ = (float(word) for word in path.read_text().split())
        return math.sqrt(fx * fy)
    except ValueError as error:
        msg = f"{path} must hold 'fx fy cx cy' in pixels: {error}"
        raise DatasetError(msg) from error


def select_blocks(
    names: Sequence[str], blocks: Sequence[tuple[int, int]], *, inside: bool
) -> list[str]:
    """Pick names whose number lies inside (or outside) whole index ranges.

    Args:
        names: Numbers in text, as '00042'.
        blocks: First and last index of each range, both inclusive.
        inside: Which side to keep.

    Raises:
        DatasetError: A name is no number.
    """
    kept = []
    for name in names:
        if not name.isdecimal():
            msg = f'validation blocks need numbered files, got {name!r}'
            raise DatasetError(msg)
        if any(first <= int(name) <= last for first, last in blocks) is inside:
            kept.append(name)
    return kept


class FolderDataset:
    """A folder of images and depths of the same names.

    Args:
        root: The folder with rgb/ and depth/.
        validation_blocks: Index ranges that are for validation.
        part: 'all', 'train' (outside the blocks) or 'val' (inside them).

    Raises:
        DatasetError: A folder is missing or empty, or an image lacks its depth or the reverse.
    """

    def __init__(
        self, root: Path, *, validation_blocks: Sequence[tuple[int, int]] = (), part: str = 'all'
    ) -> None:
        images = {p.stem: p for p in _list_files(root / 'rgb') if p.suffix.lower() in _SUFFIXES}
        depths = {p.stem: p for p in _list_files(root / 'depth') if p.suffix.lower() == '.png'}
        lonely = sorted(images.keys() ^ depths.keys())
        if lonely:
            msg = f'{root}: {len(lonely)} images or depths lack their sibling, first {lonely[0]!r}'
            raise DatasetError(msg)
        names = sorted(images)
        if part != 'all':
            names = select_blocks(names, validation_blocks, inside=part == 'val')
        if not names:
            msg = f'{root} holds no images for part {part!r}'
            raise DatasetError(msg)
        self._files = [(name, images[name], depths[name]) for name in names]
        self._focal_px = _read_focal_px(root / 'camera.txt')

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self._files)

    def __getitem__(self, index: int) -> DepthSample:
        """Read one sample.

        Raises:
            DatasetError: A file is damaged, or image and depth differ in size.
        """
        name, image, depth = self._files[index]
        rgb_hwc, depth_hw = read_rgb(image), read_millimetres(depth)
        if rgb_hwc.shape[:2] != depth_hw.shape:
            msg = f'{image} has size {rgb_hwc.shape[:2]}, {depth} has {depth_hw.shape}'
            raise DatasetError(msg)
        return DepthSample(name, rgb_hwc, depth_hw, self._focal_px)


def _list_files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        msg = f'no folder {folder}: layout `folder` needs rgb/ and depth/'
        raise DatasetError(msg)
    return sorted(folder.iterdir())
