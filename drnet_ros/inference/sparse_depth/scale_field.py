"""A factor for each pixel of a depth estimate, with its uncertainty, from sparse depth."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import cv2
import numpy as np

from drnet_ros.inference.depth import ROWS_AT_ONCE
from drnet_ros.inference.sparse_depth.one_core import product
from drnet_ros.inference.sparse_depth.process import condition

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from drnet_ros.inference.sparse_depth.coarse import CoarseDepth
    from drnet_ros.inference.sparse_depth.observations import Selection
    from drnet_ros.inference.sparse_depth.scale_model import ScaleModel

__all__ = ['ScaleField', 'estimate_scale_field', 'uniform_scale_field']


@dataclass(frozen=True, slots=True, eq=False)
class ScaleField:
    """Factors for the pixels of one depth image: offset + slope * depth, by cells.

    Attributes:
        log_factor: Logarithm of the global factor: the mean over the points, or the prior's.
        log_factor_variance: Its variance.
        local_variance: Variance that single places add to it.
        offset: float32 (rows, columns).
        slope: In 1 / metres of estimated depth, of the same size.
        log_variance: Computes the variance of the logarithm of a pixel's factor, of the same size.
            It takes longer than the factors, and only `stddev` needs it.
        outliers: Points that the others contradict.
        used: Points that the field rests on; 0 if on the prior alone.
    """

    log_factor: float
    log_factor_variance: float
    local_variance: float
    offset: NDArray[np.float32]
    slope: NDArray[np.float32]
    log_variance: Callable[[], NDArray[np.float32]]
    outliers: int = 0
    used: int = 0

    def factors(self, depth_hw: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the factor of each pixel.

        Args:
            depth_hw: Estimated depth in metres, float32 (H, W).

        Returns:
            float32 (H, W), NaN where depth is.
        """
        return np.concatenate([factors for _, factors in self.factor_rows(depth_hw)])

    def factor_rows(
        self, depth_hw: NDArray[np.float32]
    ) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """Yield the factors of some rows at a time, so few that they stay in the CPU's cache.

        Args:
            depth_hw: Estimated depth in metres, float32 (H, W); rows that were yielded may change.

        Yields:
            Which rows; their factors, float32 (rows, W), NaN where depth is.
        """
        height, width = depth_hw.shape
        count = len(self.slope)
        # As `_enlarged`, but across first and then down, without two images of the whole size.
        slope, offset = (_enlarged(cells, (count, width)) for cells in (self.slope, self.offset))
        weights = _enlarged(np.eye(count, dtype=np.float32), (height, count))
        for top in range(0, height, ROWS_AT_ONCE):
            rows = slice(top, min(top + ROWS_AT_ONCE, height))
            used = np.flatnonzero(weights[rows].any(axis=0))
            near = slice(used[0], used[-1] + 1)
            factors = product(weights[rows, near], slope[near])
            factors *= depth_hw[rows]
            factors += product(weights[rows, near], offset[near])
            yield rows, factors

    def stddev(
        self, depth_hw: NDArray[np.float32], coarse: CoarseDepth, model: ScaleModel
    ) -> NDArray[np.float32]:
        """Return one standard deviation of each pixel's scaled depth.

        Args:
            depth_hw: Scaled depth in metres, float32 (H, W).
            coarse: The cells of the estimate.
            model: The calibrated numbers.

        Returns:
            Metres, float32 (H, W), NaN where depth is.
        """
        variance = _enlarged(self.log_variance(), coarse.spread.shape)
        variance += np.float32(model.noise_stddev**2)
        variance += (np.float32(model.edge_noise) * coarse.spread) ** 2
        factor = model.sparse_stddev_factor if self.used else model.stddev_factor
        stddev = _enlarged(np.sqrt(variance) * np.float32(factor), depth_hw.shape)
        stddev *= depth_hw
        return stddev


def _enlarged(cells: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
    return np.asarray(cv2.resize(cells, (shape[1], shape[0])), np.float32)


def estimate_scale_field(
    selection: Selection,
    coarse: CoarseDepth,
    model: ScaleModel,
    prior_log_factor: float,
    prior_variance: float,
) -> ScaleField:
    """Estimate the field that makes an estimate agree with points.

    Args:
        selection: At least one point.
        coarse: The cells of the estimate.
        model: The calibrated numbers.
        prior_log_factor: Logarithm of the global factor to expect.
        prior_variance: Its variance.
    """
    posterior = condition(
        model,
        selection.points,
        selection.centre,
        prior_log_factor=prior_log_factor,
        prior_variance=prior_variance,
    )
    near_log_factor, far_log_factor = posterior.means(coarse)
    near_factor, far_factor = np.exp(near_log_factor), np.exp(far_log_factor)
    near, far = np.exp(coarse.near), np.exp(coarse.far)
    slope = (far_factor - near_factor) / (far - near)
    used = int(np.count_nonzero(posterior.is_used))
    return ScaleField(
        posterior.log_factor,
        posterior.log_factor_variance,
        posterior.local_variance,
        near_factor - slope * near,
        slope,
        partial(posterior.variance, coarse),
        len(selection.points) - used,
        used,
    )


def uniform_scale_field(
    coarse: CoarseDepth, model: ScaleModel, log_factor: float, variance: float
) -> ScaleField:
    """Return the field of a global factor alone.

    Args:
        coarse: The cells of the estimate.
        model: The calibrated numbers.
        log_factor: Logarithm of the factor.
        variance: Its variance.
    """
    ones = np.ones(coarse.near.shape, np.float32)

    def log_variance() -> NDArray[np.float32]:
        _, v = coarse.cell_positions()
        slopes = (model.row_slope_stddev * (v - v.mean())) ** 2
        log_depth = (coarse.near + coarse.far) / 2
        slopes = slopes[:, None] + (model.depth_slope_stddev * (log_depth - log_depth.mean())) ** 2
        total: NDArray[np.float32] = np.float32(variance + model.local_stddev**2) + slopes
        return total

    return ScaleField(
        log_factor,
        variance,
        model.local_stddev**2,
        ones * np.float32(math.exp(log_factor)),
        ones * np.float32(0),
        log_variance,
    )
