"""Depth metrics: per-image figures and their mean, and figures over all pixels pooled.

`DepthMetrics` is a thin torchmetrics class over sums, so that it reduces correctly across
processes: sums add, means of means do not.
"""

from __future__ import annotations

import typing
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric

from drnet_offline.errors import OfflineError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from drnet_offline.evaluation.protocols import Protocol

__all__ = ['NAMES', 'DepthMetrics', 'ImageMetrics', 'compute_errors']


NAMES = ('rmse', 'rel', 'log10', 'delta1', 'delta2', 'delta3')
"""RMSE in metres, mean |e| / g, mean |log10 d - log10 g|, share of max(d/g, g/d) < 1.25^k."""


class ImageMetrics(typing.Protocol):
    """What is fed with the estimate and the truth of each image and then gives its figures."""

    def update(self, estimate_hw: NDArray[np.float32], truth_hw: NDArray[np.float32], /) -> None:
        """Add one image: float32 (H, W), metres; estimates are dense, truth may have holes."""

    def compute(self) -> dict[str, Any]:
        """Return the figures."""


def compute_errors(
    prediction: NDArray[np.float32], truth: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Return the sums that all metrics are made of.

    Args:
        prediction: Float32 (N,), metres, positive.
        truth: Float32 (N,), metres, positive.

    Returns:
        float64 (7,): sums of e^2, |e| / g, |log10 d - log10 g|, three threshold counts, and N.

    Raises:
        OfflineError: A prediction is not a positive number.
    """
    d, g = prediction.astype(np.float64), truth.astype(np.float64)
    if not bool(np.all((d > 0) & np.isfinite(d))):
        msg = (
            'metrics need a dense prediction, got a depth that is NaN, infinite, zero or negative'
        )
        raise OfflineError(msg)
    ratio = np.maximum(d / g, g / d)
    error = np.abs(d - g)
    return np.array(
        [
            np.sum(error**2),
            np.sum(error / g),
            # The ratio is at least 1, and so is its logarithm at least 0.
            np.sum(np.log10(ratio)),
            *(np.count_nonzero(ratio < 1.25**k) for k in (1, 2, 3)),
            d.size,
        ]
    )


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
