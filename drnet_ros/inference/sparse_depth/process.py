"""The Gaussian process of `scale_model`, conditioned on points of which some are wrong."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from drnet_ros.inference.sparse_depth.kernel import Kernel, Observations
from drnet_ros.inference.sparse_depth.one_core import inverse, product
from drnet_ros.inference.sparse_depth.robust import median

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from drnet_ros.inference.sparse_depth.coarse import CoarseDepth
    from drnet_ros.inference.sparse_depth.scale_model import ScaleModel

__all__ = ['Posterior', 'condition']

# So far from what the others say are a few percent of right points, at depth edges.
_SUSPECT_SIGMAS, _SUSPECT_ERROR = 3.0, 0.25
_MOST_SUSPECT = 0.2
_GROSS_SIGMAS = 5.0
_DEGREES_OF_FREEDOM = 4.0
_OUTLIER_SIGMAS = 4.0
_NO_SAY_VARIANCE = 1e3
# The variation that the calibration found counts like that of so many points of this image.
_PRIOR_POINTS = 2.0
_LEAST_AMPLITUDE2, _GREATEST_AMPLITUDE2 = 0.05, 4.0
_MAD_TO_STDDEV = 1.4826


@dataclass(frozen=True, slots=True, eq=False)
class Posterior:
    """The process, given points.

    Attributes:
        kernel: Its prior covariance.
        prior_log_factor: Prior mean of the global factor's logarithm.
        log_factor: Mean log ratio at the points that are used, by the process.
        log_factor_variance: Its variance.
        local_variance: Prior variance of its difference from the global factor's logarithm.
        points: The points.
        is_used: Which of them agree with the others, bool (N,).
        inverse: Inverse covariance of the observations, float32 (N, N).
        alpha: `inverse` times observations less prior mean, float32 (N,).
    """

    kernel: Kernel
    prior_log_factor: float
    log_factor: float
    log_factor_variance: float
    local_variance: float
    points: Observations
    is_used: NDArray[np.bool_]
    inverse: NDArray[np.float32]
    alpha: NDArray[np.float32]

    def means(self, coarse: CoarseDepth) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the mean log ratio over the cells of a depth image.

        Returns:
            At each cell's near depth and at its far depth, float32 (rows, columns) each.
        """
        points, alpha = self.points, self.alpha
        v, distance2 = self._places(coarse)
        trend = self.kernel.trend(points.v, points.log_depth).T @ alpha
        near, far = (
            self.kernel.local(distance2, log_depth, points) @ alpha
            + self.kernel.trend(v, log_depth) @ trend
            + np.float32(self.prior_log_factor)
            for log_depth in (coarse.near.ravel(), coarse.far.ravel())
        )
        return near.reshape(coarse.near.shape), far.reshape(coarse.near.shape)

    def variance(self, coarse: CoarseDepth) -> NDArray[np.float32]:
        """Return the variance over the cells, half way between near and far depth.

        Returns:
            float32 (rows, columns).
        """
        v, distance2 = self._places(coarse)
        middle: NDArray[np.float32] = ((coarse.near + coarse.far) * np.float32(0.5)).ravel()
        covariance = self.kernel.covariance(distance2, v, middle, self.points)
        explained = np.einsum('ij,ij->i', product(covariance, self.inverse), covariance)
        left: NDArray[np.float32] = self.kernel.variance(v, middle) - explained
        return np.maximum(left, np.float32(0)).reshape(coarse.near.shape)

    def _places(self, coarse: CoarseDepth) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the row of each of M cells, (M,), and squared distances to points, (M, N)."""
        columns, rows = coarse.cell_positions()
        distance2 = self.kernel.image_distance2(columns, rows[:, None], self.points)
        return np.repeat(rows, len(columns)), distance2.reshape(-1, len(self.points))


def condition(
    model: ScaleModel,
    points: Observations,
    centre: float,
    *,
    prior_log_factor: float,
    prior_variance: float,
) -> Posterior:
    """Condition the process on points.

    Each point is compared with what all others say of it (Rasmussen and Williams, equations 5.12).
    Where nearly all agree, they count as they are, but for gross errors. Where many do not, what
    most points agree on decides first, and points count less the more they differ from what the
    others say, by the weights of a Student-t distribution.

    Args:
        model: The calibrated numbers.
        points: At least one point.
        centre: The log ratio that most of them agree on.
        prior_log_factor: Prior mean of the global factor's logarithm.
        prior_variance: Its variance.
    """
    kernel, covariance = _prior(model, points, centre, prior_variance)
    difference = points.log_ratio - np.float32(prior_log_factor)
    inverted, noise, is_used = _reject_outliers(
        covariance,
        points.variance,
        difference,
        from_centre=points.log_ratio - np.float32(centre),
        local_variance=kernel.amplitude2 * model.local_stddev**2,
    )
    alpha = inverted @ difference
    weights = is_used.astype(np.float32) / np.float32(np.count_nonzero(is_used))
    # With C = K + N, K inv(C) y = y - N inv(C) y and K - K inv(C) K = N - N inv(C) N: differences
    # of small numbers, in place of those of large ones.
    noise *= weights
    variance = float(noise @ weights) - float(noise @ inverted @ noise)
    return Posterior(
        kernel,
        prior_log_factor,
        log_factor=prior_log_factor + float(weights @ difference) - float(noise @ alpha),
        log_factor_variance=max(0.0, variance),
        local_variance=max(0.0, float(weights @ covariance @ weights) - prior_variance),
        points=points,
        is_used=is_used,
        inverse=inverted,
        alpha=alpha,
    )


def _prior(
    model: ScaleModel, points: Observations, centre: float, factor_variance: float
) -> tuple[Kernel, NDArray[np.float32]]:
    """Return the kernel that fits how this image varies, and the points' covariance, (N, N)."""
    kernel = Kernel(
        model, 1.0, factor_variance, float(points.v.mean()), float(points.log_depth.mean())
    )
    distance2 = kernel.image_distance2(points.u, points.v, points)
    varying = kernel.covariance(distance2, points.v, points.log_depth, points)
    varying -= np.float32(factor_variance)
    amplitude2 = _amplitude2(varying, points, centre)
    covariance = varying * np.float32(amplitude2) + np.float32(factor_variance)
    return replace(kernel, amplitude2=amplitude2), covariance


def _reject_outliers(
    covariance: NDArray[np.float32],
    variance: NDArray[np.float32],
    difference: NDArray[np.float32],
    *,
    from_centre: NDArray[np.float32],
    local_variance: float,
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
    """Decide how far each point is believed.

    Args:
        covariance: Prior covariance of the points' log ratios, (N, N).
        variance: Of their noise, (N,).
        difference: Log ratios less the prior mean, (N,).
        from_centre: Log ratios less what most points agree on, (N,).
        local_variance: How far a point's ratio may differ from that without being wrong.

    Returns:
        The inverse covariance of the log ratios of the points that count, (N, N), 0 for others;
        the variance of each point's noise, (N,); and which points count, bool (N,).
    """
    inverted = _inverse(covariance, variance)
    error, sigmas = _left_out(inverted, difference)
    is_suspect = (sigmas > _SUSPECT_SIGMAS) & (np.abs(error) > _SUSPECT_ERROR)
    if np.count_nonzero(is_suspect) <= _MOST_SUSPECT * len(variance):
        is_used = ~(is_suspect & (sigmas > _GROSS_SIGMAS))
        return _without(inverted, np.flatnonzero(~is_used)), variance.copy(), is_used
    noise = _noise(from_centre, np.full_like(variance, local_variance), variance)
    inverted = _inverse(covariance, noise)
    slack = np.asarray(1 / np.diagonal(inverted) - noise, np.float32)
    noise = _noise(_left_out(inverted, difference)[0], slack, variance)
    return _inverse(covariance, noise), noise, noise < _NO_SAY_VARIANCE


def _amplitude2(varying: NDArray[np.float32], points: Observations, centre: float) -> float:
    """Return how much more this image's errors vary than those of the calibration did.

    Points that lie close together, as those of a scan, differ less than points all over the image,
    and say less of the whole.

    Args:
        varying: Prior covariance of the points, but for the global factor, (N, N).
        points: The points.
        centre: The log ratio that most of them agree on.
    """
    deviation = np.abs(points.log_ratio - np.float32(centre))
    found = (_MAD_TO_STDDEV * median(deviation)) ** 2 - median(points.variance)
    means = varying.mean(axis=0)
    about_mean = varying - means - means[:, None] + means.mean()
    expected = float(np.trace(about_mean)) / len(points)
    if expected <= 0:
        return 1.0
    independent = (expected * len(points)) ** 2 / float(np.vdot(about_mean, about_mean))
    ratio = max(0.0, found) / expected
    amplitude2 = (_PRIOR_POINTS + independent * ratio) / (_PRIOR_POINTS + independent)
    return min(_GREATEST_AMPLITUDE2, max(_LEAST_AMPLITUDE2, amplitude2))


def _left_out(
    inverted: NDArray[np.float32], difference: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return how far each point is from what the others say, and in how many deviations."""
    precision = np.diagonal(inverted)
    error = inverted @ difference / precision
    return error, np.abs(error) * np.sqrt(precision)


def _noise(
    error: NDArray[np.float32], expected: NDArray[np.float32], variance: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the variance with which each point counts.

    Args:
        error: How far each point is from what is expected of it, (N,).
        expected: Variance of what is expected, (N,).
        variance: Variance of the point itself, (N,).
    """
    error2 = error**2
    excess = np.maximum(0, error2 - expected)
    weighted = (_DEGREES_OF_FREEDOM * variance + excess) / (_DEGREES_OF_FREEDOM + 1)
    noise: NDArray[np.float32] = np.maximum(weighted, variance)
    noise[error2 > _OUTLIER_SIGMAS**2 * (expected + variance)] = _NO_SAY_VARIANCE
    return noise


def _without(of_all: NDArray[np.float32], dropped: NDArray[np.intp]) -> NDArray[np.float32]:
    """Return the inverse with the observations of some points taken back (Schur complement)."""
    if not len(dropped):
        return of_all
    rows = of_all[dropped]
    solved = np.asarray(np.linalg.solve(rows[:, dropped], rows), np.float32)
    return np.asarray(of_all - product(rows.T, solved), np.float32)


def _inverse(covariance: NDArray[np.float32], noise: NDArray[np.float32]) -> NDArray[np.float32]:
    total = covariance.copy()
    total.flat[:: len(noise) + 1] += noise
    return inverse(total)
