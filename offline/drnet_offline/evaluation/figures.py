"""The figures of depth, by name, and the sums that they are made of: numpy only.

What is refused before the work needs the names, and must not wait for PyTorch.
"""

from __future__ import annotations

import math
import typing
from typing import TYPE_CHECKING, Any

import numpy as np

from drnet_offline.errors import OfflineError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = [
    'NAMES',
    'ImageMetrics',
    'compute_errors',
    'own_depth_warning',
    'scale_warning',
    'shape_difference',
]

_MOST_SCALE = 3.0
_LEAST_DIFFERENCE = 0.02


NAMES = ('rmse', 'rel', 'log10', 'delta1', 'delta2', 'delta3')
"""RMSE in metres, mean |e| / g, mean |log10 d - log10 g|, share of max(d/g, g/d) < 1.25^k."""


class ImageMetrics(typing.Protocol):
    """What is fed with the estimate and the truth of each image and then gives its figures."""

    def update(self, estimate_hw: NDArray[np.float32], truth_hw: NDArray[np.float32], /) -> None:
        """Add one image: float32 (H, W), metres; estimates are dense, truth may have holes."""

    def compute(self) -> dict[str, Any]:
        """Return the figures."""


def scale_warning(scale: float) -> str:
    """Return what to say of true depth that is a multiple of the estimate, '' if it is near.

    Args:
        scale: The median of truth / estimate; NaN without any.
    """
    if np.isnan(scale) or 1 / _MOST_SCALE <= scale <= _MOST_SCALE:
        return ''
    return (
        f'true depth is {scale:.2g} times the estimate: check its unit (16-bit files and 16UC1 '
        'have millimetres, 32FC1 metres) and the focal length of the camera'
    )


def shape_difference(estimate: NDArray[np.float32], truth: NDArray[np.float32]) -> float:
    """Return REL after the estimate was multiplied by its scale; NaN without a common pixel.

    Args:
        estimate: Float32, metres, may have holes.
        truth: Likewise, of the same shape.
    """
    with np.errstate(divide='ignore', invalid='ignore'):
        ratios = (estimate / truth)[np.isfinite(estimate) & (truth > 0)]
    if not ratios.size:
        return float('nan')
    return float(np.mean(np.abs(ratios / np.median(ratios) - 1)))


def own_depth_warning(differences: Sequence[float]) -> str:
    """Return what to say of true depth that has the very shape of the estimate, '' of other.

    Such depth was computed by the network: by depth_node while the recording was made, or by
    `drnet bag --write`. Compared with it, any weights are good.

    Args:
        differences: What `shape_difference` gives for each frame; NaN does not count.
    """
    known = [each for each in differences if math.isfinite(each)]
    difference = float(np.median(known)) if known else math.nan
    if not difference < _LEAST_DIFFERENCE:
        return ''
    return (
        f'recorded depth has the shape of the estimate (REL {difference:.4f} after scaling), as '
        "no sensor's has: it seems to come from depth_node or `drnet bag --write`; name that of a "
        'sensor by --depth-topic, or none'
    )


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
