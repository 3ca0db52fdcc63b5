"""Depth metrics: per-image figures and their mean, and figures over all pixels pooled.

`DepthMetrics` is a thin torchmetrics class over sums, so that it reduces correctly across
processes: sums add, means of means do not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torchmetrics import Metric

from drnet_offline.evaluation.figures import NAMES, compute_errors

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from drnet_offline.evaluation.protocols import Protocol

__all__ = ['DepthMetrics']


def _to_figures(sums: Tensor) -> Tensor:
    """Turn (..., 7) sums into (..., 6) figures in the order of `NAMES`."""
    figures = sums[..., :6] / sums[..., 6:]
    return torch.cat([figures[..., :1].sqrt(), figures[..., 1:]], -1)


class DepthMetrics(Metric):
    """All metrics of one protocol, per image and pooled.

    Args:
        protocol: Which pixels count.
    """

    full_state_update = False
    pooled: Tensor
    per_image: Tensor
    images: Tensor

    def __init__(self, protocol: Protocol) -> None:
        super().__init__()
        self.protocol = protocol
        zeros = torch.zeros
        self.add_state('pooled', zeros(7, dtype=torch.float64), dist_reduce_fx='sum')
        self.add_state('per_image', zeros(6, dtype=torch.float64), dist_reduce_fx='sum')
        self.add_state('images', zeros((), dtype=torch.float64), dist_reduce_fx='sum')

    def update(self, prediction_hw: NDArray[np.float32], truth_hw: NDArray[np.float32]) -> None:
        """Add one image; one without a single valid pixel is not counted.

        Args:
            prediction_hw: Float32 (H, W), metres, dense.
            truth_hw: Float32 (H, W), metres, NaN or 0 where invalid.
        """
        prediction, truth = self.protocol.select(prediction_hw, truth_hw)
        if truth.size == 0:
            return
        sums = torch.from_numpy(compute_errors(prediction, truth)).to(self.pooled.device)
        self.pooled += sums
        self.per_image += _to_figures(sums)
        self.images += 1

    def compute(self) -> dict[str, float]:
        """Return every figure: `rmse` and so on pooled, `rmse_per_image` ..., and `n_images`."""
        pooled = _to_figures(self.pooled).tolist()
        mean = (self.per_image / self.images).tolist()
        figures = dict(zip(NAMES, pooled, strict=True))
        figures |= {f'{name}_per_image': v for name, v in zip(NAMES, mean, strict=True)}
        return {**figures, 'n_images': float(self.images), 'n_pixels': float(self.pooled[6])}
