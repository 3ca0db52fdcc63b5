"""Named evaluation protocols: which pixels of a 480x640 image count, and how depth is capped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from drnet_offline.errors import OfflineError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ['PROTOCOLS', 'Protocol']


@dataclass(frozen=True, slots=True)
class Protocol:
    """Where and how depths are compared.

    Attributes:
        name: As on the command line.
        crop: Rows and columns (top, bottom, left, right) of a 480x640 image, ends excluded;
            None is the whole image. Other sizes are cropped in proportion.
        min_depth_m: Truth and prediction are compared from here ...
        max_depth_m: ... to here; the prediction is clamped to the range.
        halved: Compare at half the resolution, as the baseline RSIDE does.
    """

    name: str
    crop: tuple[int, int, int, int] | None
    min_depth_m: float
    max_depth_m: float
    halved: bool = False

    def describe(self) -> str:
        """Return the protocol in words, for every printed result."""
        crop = 'no crop' if self.crop is None else 'rows {}:{}, columns {}:{}'.format(*self.crop)
        cap = (
            'no cap'
            if np.isinf(self.max_depth_m)
            else f'{self.min_depth_m:g}..{self.max_depth_m:g} m'
        )
        return f'{self.name} ({crop}, {cap}{", at half size" if self.halved else ""})'

    def select(
        self, prediction_hw: NDArray[np.float32], truth_hw: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the pixels that count.

        Args:
            prediction_hw: Float32 (H, W), metres, dense: `metrics.compute_errors` refuses NaN.
            truth_hw: Float32 (H, W), metres, NaN or 0 where invalid.

        Returns:
            Prediction (clamped) and truth, both float32 (N,).

        Raises:
            OfflineError: Prediction and truth differ in size.
        """
        if prediction_hw.shape != truth_hw.shape:
            msg = f'prediction {prediction_hw.shape} and truth {truth_hw.shape} must match in size'
            raise OfflineError(msg)
        if self.halved:
            # The baseline resizes bilinearly by one half; on even sizes that is the 2x2 mean. A
            # truth with a hole in its 2x2 block is a hole.
            prediction_hw, truth_hw = _halve(prediction_hw), _halve(truth_hw)
        if self.crop is not None:
            height, width = truth_hw.shape
            full_h, full_w = (240, 320) if self.halved else (480, 640)
            half = 2 if self.halved else 1
            top, bottom = (round(v / half * height / full_h) for v in self.crop[:2])
            left, right = (round(v / half * width / full_w) for v in self.crop[2:])
            window = (slice(top, bottom), slice(left, right))
            prediction_hw, truth_hw = prediction_hw[window], truth_hw[window]
        with np.errstate(invalid='ignore'):
            valid = (truth_hw > self.min_depth_m) & (truth_hw < self.max_depth_m)
        clamped = np.clip(prediction_hw[valid], self.min_depth_m, self.max_depth_m)
        return clamped, truth_hw[valid]


def _halve(depth_hw: NDArray[np.float32]) -> NDArray[np.float32]:
    even = depth_hw[: depth_hw.shape[0] // 2 * 2, : depth_hw.shape[1] // 2 * 2]
    even = np.where(even > 0, even, np.float32(np.nan))
    blocks = even.reshape(even.shape[0] // 2, 2, even.shape[1] // 2, 2)
    mean: NDArray[np.float32] = blocks.mean(axis=(1, 3), dtype=np.float32)
    return mean


PROTOCOLS = {
    'full': Protocol('full', None, 1e-3, float('inf')),
    'eigen': Protocol('eigen', (45, 471, 41, 601), 1e-3, 10.0),
    'rside': Protocol('rside', (12, 468, 16, 624), 1e-3, float('inf'), halved=True),
}
