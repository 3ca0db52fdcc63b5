"""Which frames of a recording are worth learning from: those that differ, and are sharp."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from drnet_ros.inference.arrays import UInt8Array

__all__ = ['Survey', 'choose_frames', 'survey_images']

_WIDTH = 160
# Frames that differ by less show the same.
_LEAST_MOTION = 0.02
# A frame with less than this share of the usual sharpness is blurred.
_LEAST_SHARPNESS = 0.25


@dataclass(frozen=True, slots=True, eq=False)
class Survey:
    """What one pass over the images of a recording shows.

    Attributes:
        positions: Which images of the recording these are, (N,).
        stamps_s: When each was taken, float64 (N,).
        sharpness: Mean square of the image's Laplacian, (N,); NaN where it cannot be decoded.
        path: Length of the way that the picture has moved since the first image, in widths of the
            image, (N,), never falling.
        image_hw: Height and width of the first image.
    """

    positions: NDArray[np.int64]
    stamps_s: NDArray[np.float64]
    sharpness: NDArray[np.float64]
    path: NDArray[np.float64]
    image_hw: tuple[int, int]

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.stamps_s)


def survey_images(images: Iterable[tuple[int, float, UInt8Array | None]]) -> Survey:
    """Look at each image once.

    Args:
        images: Position, stamp in seconds and image uint8 (H, W, 3), None if it cannot be decoded;
            in order.
    """
    flow = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)  # type: ignore[attr-defined]
    positions, stamps, sharpness, moved = [], [], [], []
    image_hw = (0, 0)
    before = None
    for position, stamp_s, rgb in images:
        positions.append(position)
        stamps.append(stamp_s)
        if rgb is None:
            sharpness.append(np.nan)
            moved.append(0.0)
            continue
        image_hw = image_hw if any(image_hw) else (rgb.shape[0], rgb.shape[1])
        grey = _small(rgb)
        sharpness.append(float(np.square(cv2.Laplacian(grey, cv2.CV_32F)).mean()))
        step = 0.0
        if before is not None and before.shape == grey.shape:
            field = flow.calc(before, grey, None)
            step = float(np.median(np.linalg.norm(field, axis=2))) / grey.shape[1]
        moved.append(step)
        before = grey
    return Survey(
        np.array(positions, np.int64),
        np.array(stamps),
        np.array(sharpness),
        np.cumsum(moved),
        image_hw,
    )


def choose_frames(survey: Survey, wanted: NDArray[np.bool_], most: int) -> NDArray[np.intp]:
    """Choose the sharpest frame of each stretch of the picture's way.

    Args:
        survey: The images.
        wanted: Which of them may be chosen, (N,).
        most: The most that are chosen.

    Returns:
        Which of the survey's images, in order.
    """
    usable = np.flatnonzero(wanted & np.isfinite(survey.sharpness))
    if not len(usable):
        return usable
    # The way within what is wanted, so that stretches are not spent on what lies between.
    steps = np.diff(survey.path[usable], prepend=survey.path[usable[0]])
    stride = max(_LEAST_MOTION, float(steps.sum()) / most)
    stretch = np.floor(np.cumsum(steps) / stride).astype(np.int64)
    order = np.lexsort((-survey.sharpness[usable], stretch))
    _, first = np.unique(stretch[order], return_index=True)
    chosen = np.sort(usable[order[first]])
    sharp = survey.sharpness[chosen]
    chosen = chosen[sharp >= _LEAST_SHARPNESS * np.median(sharp)]
    places = np.unique(np.linspace(0, len(chosen) - 1, min(most, len(chosen))).astype(int))
    kept: NDArray[np.intp] = chosen[places]
    return kept


def _small(rgb_hwc: UInt8Array) -> UInt8Array:
    height = max(1, round(rgb_hwc.shape[0] * _WIDTH / rgb_hwc.shape[1]))
    small = cv2.resize(rgb_hwc, (_WIDTH, height), interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False)
