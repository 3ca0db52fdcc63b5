"""Pictures of rooms without depth: those that come with the repository, and those of a user."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

import drnet_offline
from drnet_offline.datasets.image_files import is_image
from drnet_offline.datasets.opening import open_dataset
from drnet_offline.errors import DatasetError

if TYPE_CHECKING:
    from drnet_ros.inference.arrays import UInt8Array

__all__ = ['ROOMS', 'are_pictures', 'check_replay_data', 'middle_of', 'pictures_in']

ROOMS = Path(drnet_offline.__file__).parents[1] / 'clip' / 'rooms'
"""Rendered rooms that come with the repository; not there in an installed package."""

_FEWEST_PICTURES = 24


def are_pictures(path: Path) -> bool:
    """Return whether a folder has pictures in itself, as no layout of a data set has."""
    return path.is_dir() and any(is_image(file) for file in path.iterdir())


def check_replay_data(path: Path) -> None:
    """Refuse what cannot be a replay set.

    Raises:
        DatasetError: There are too few pictures, or no data set.
    """
    if not are_pictures(path):
        open_dataset(path)
    elif len(files := pictures_in(path)) < _FEWEST_PICTURES:
        msg = (
            f'{path} must have at least {_FEWEST_PICTURES} pictures of other rooms, got '
            f'{len(files)}: add some, or leave out --replay-data'
        )
        raise DatasetError(msg)


def pictures_in(path: Path) -> list[Path]:
    """Return the pictures of a folder by name."""
    return sorted(file for file in path.iterdir() if is_image(file))


def middle_of(rgb_hwc: UInt8Array, size_hw: tuple[int, int]) -> UInt8Array:
    """Return the largest part of a picture with the ratio of a size, at that size.

    Args:
        rgb_hwc: uint8 (H, W, 3).
        size_hw: The size.
    """
    height, width = rgb_hwc.shape[:2]
    scale = max(size_hw[0] / height, size_hw[1] / width)
    part_h, part_w = (
        min(side, round(wanted / scale))
        for side, wanted in zip((height, width), size_hw, strict=True)
    )
    top, left = (height - part_h) // 2, (width - part_w) // 2
    part = rgb_hwc[top : top + part_h, left : left + part_w]
    resized = cv2.resize(part, size_hw[::-1], interpolation=cv2.INTER_AREA)
    return np.asarray(resized, np.uint8)
