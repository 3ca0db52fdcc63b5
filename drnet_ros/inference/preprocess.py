"""From an image of any size to the size that the network sees."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import cv2
import numpy as np

from drnet_ros.network.config import STRIDE

if TYPE_CHECKING:
    from drnet_ros.inference.arrays import UInt8Array
    from drnet_ros.inference.settings import Settings
    from drnet_ros.network.metadata import WeightsMetadata

__all__ = ['network_size', 'nominal_input_hw', 'resize_to_network']


# Sides shorter than the stride grow to it; memory and time must not grow with them.
_MAX_GROWTH = 2


def nominal_input_hw(settings: Settings, metadata: WeightsMetadata) -> tuple[int, int]:
    """Return the height and width whose area the network's input shall have.

    Args:
        settings: `input_size` decides, unless it is (0, 0).
        metadata: Knows the size that the weights were trained at.

    Returns:
        Height and width in pixels.
    """
    if settings.input_size != (0, 0):
        return settings.input_size
    return metadata.input_height, metadata.input_width


def network_size(image_hw: tuple[int, int], input_hw: tuple[int, int]) -> tuple[int, int]:
    """Return the size at which the network sees a whole image.

    Args:
        image_hw: Height and width of the image.
        input_hw: Height and width whose area the network's input shall have.

    Returns:
        Height and width with about that area and the image's aspect ratio, each rounded to the
        nearest multiple of the network's stride (32), at least one; narrow images are squeezed
        rather than seen at over twice the area.
    """
    area = input_hw[0] * input_hw[1]
    scale = math.sqrt(area / (image_hw[0] * image_hw[1]))
    longest = max(1, _MAX_GROWTH * area // STRIDE**2)
    height, width = (
        min(longest, max(1, math.floor(side * scale / STRIDE + 0.5))) * STRIDE for side in image_hw
    )
    return height, width


def resize_to_network(rgb_hwc: UInt8Array, size_hw: tuple[int, int]) -> UInt8Array:
    """Resize a whole image; averages where it shrinks, so that nothing aliases.

    Args:
        rgb_hwc: Image, uint8 (H, W, 3).
        size_hw: Height and width to resize to.

    Returns:
        uint8 (h, w, 3), C-contiguous; the image itself if it is so already.
    """
    if rgb_hwc.shape[:2] == size_hw:
        return np.ascontiguousarray(rgb_hwc)
    shrinks = size_hw[0] * size_hw[1] < rgb_hwc.shape[0] * rgb_hwc.shape[1]
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(  # type: ignore[return-value]
        rgb_hwc, size_hw[::-1], interpolation=interpolation
    )
