"""Measures the constant error of the scale against sparse depth, for the service."""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from drnet_ros.inference import DepthScale

__all__ = ['IMAGES', 'ScaleCalibration']

IMAGES = 100
"""So many images with sparse depth make a calibration."""


class ScaleCalibration:
    """Collects the factors of images; may be filled and asked by different threads."""

    def __init__(self, on_done: Callable[[str], None]) -> None:
        """Begin with nothing.

        Args:
            on_done: Called once, with the result in words.
        """
        self._on_done = on_done
        self._lock = threading.Lock()
        self._log_factors: list[float] = []

    @property
    def count(self) -> int:
        """How many images have been collected."""
        return len(self._log_factors)

    @property
    def is_done(self) -> bool:
        """Whether there are enough."""
        return self.count >= IMAGES

    def add(self, scale: DepthScale | None, scale_factor: float) -> None:
        """Take the scale of an image; one without points of its own says nothing.

        Args:
            scale: By what sparse depth scaled the image.
            scale_factor: The parameter that its depth had been multiplied by; it may change.
        """
        if scale is None or not scale.points:
            return
        with self._lock:
            before = len(self._log_factors)
            if before < IMAGES:
                self._log_factors.append(math.log(scale_factor * scale.factor))
        if before + 1 == IMAGES:
            self._on_done(self._result())

    def _result(self) -> str:
        factors = np.exp(self._log_factors)
        low, high = np.percentile(factors, [5, 95])
        mean = math.exp(sum(self._log_factors) / IMAGES)
        return (
            f'scale_factor: {mean:.4f} (geometric mean of {IMAGES} images; 5 % to 95 %: '
            f'{low:.4f} to {high:.4f})'
        )
