"""The covariance of the scale model; see `scale_model` for its equation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from drnet_ros.inference.sparse_depth.one_core import product

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from drnet_ros.inference.sparse_depth.scale_model import ScaleModel

__all__ = ['Kernel', 'Observations']


@dataclass(frozen=True, slots=True, eq=False)
class Observations:
    """Points that say how the estimate is wrong; float32 (N,) each.

    Attributes:
        u: Column, in widths of the image.
        v: Row, in widths of the image.
        log_depth: ln d of the estimate there.
        log_ratio: ln(z / d).
        variance: Of `log_ratio`, for the sensor and the pixel alone.
    """

    u: NDArray[np.float32]
    v: NDArray[np.float32]
    log_depth: NDArray[np.float32]
    log_ratio: NDArray[np.float32]
    variance: NDArray[np.float32]

    def __len__(self) -> int:
        """Return the number of points."""
        return len(self.u)


@dataclass(frozen=True, slots=True)
class Kernel:
    """Covariances of log ratios, without noise.

    The slopes turn about the mean of the points, so that points at one depth say nothing of the
    slope with depth, and of the factor at their own depth everything.

    Attributes:
        model: The calibrated numbers.
        amplitude2: Multiplies the variances of the slopes and of the local part.
        factor_variance: Variance of the global factor's logarithm.
        centre_v: Mean row of the points.
        centre_log_depth: Mean log depth of the points.
    """

    model: ScaleModel
    amplitude2: float
    factor_variance: float
    centre_v: float
    centre_log_depth: float

    def image_distance2(
        self, u: NDArray[np.float32], v: NDArray[np.float32], points: Observations
    ) -> NDArray[np.float32]:
        """Return squared distances in the image, in units of the local part's length.

        Args:
            u: Columns of places, in widths of the image, of any shape.
            v: Their rows, of a shape that goes with it.
            points: N points.

        Returns:
            float32, of the places' common shape and N.
        """
        unit = np.float32(1 / self.model.local_length)
        across = np.square((u[..., None] - points.u) * unit)
        return np.asarray(across + np.square((v[..., None] - points.v) * unit), np.float32)

    def local(
        self, distance2: NDArray[np.float32], log_depth: NDArray[np.float32], points: Observations
    ) -> NDArray[np.float32]:
        """Return the local part of the covariance of places with points, float32 (M, N).

        Args:
            distance2: What `image_distance2` gave for them, (M, N).
            log_depth: Log depth at the places, (M,).
            points: The same points.
        """
        unit = np.float32(1 / self.model.local_depth_length)
        covariance: NDArray[np.float32]
        covariance = np.subtract.outer(log_depth * unit, points.log_depth * unit)
        np.square(covariance, out=covariance)
        covariance += distance2
        np.sqrt(covariance, out=covariance)
        np.negative(covariance, out=covariance)
        cv2.exp(covariance, dst=covariance)
        covariance *= np.float32(self.amplitude2 * self.model.local_stddev**2)
        return covariance

    def trend(self, v: NDArray[np.float32], log_depth: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return factors of the covariance of the global factor and the slopes.

        Args:
            v: Rows of places, in widths of the image, (M,).
            log_depth: Log depth at the places, (M,).

        Returns:
            float32 (M, 3); the product of two rows is the covariance of two places.
        """
        stddev = math.sqrt(self.amplitude2)
        factors = np.empty((len(v), 3), np.float32)
        factors[:, 0] = math.sqrt(self.factor_variance)
        factors[:, 1] = stddev * self.model.row_slope_stddev * (v - self.centre_v)
        factors[:, 2] = (
            stddev * self.model.depth_slope_stddev * (log_depth - self.centre_log_depth)
        )
        return factors

    def covariance(
        self,
        distance2: NDArray[np.float32],
        v: NDArray[np.float32],
        log_depth: NDArray[np.float32],
        points: Observations,
    ) -> NDArray[np.float32]:
        """Return the covariance of places with points, float32 (M, N).

        Args:
            distance2: What `image_distance2` gave for them, (M, N).
            v: Rows of the places, (M,).
            log_depth: Log depth at the places, (M,).
            points: The same points.
        """
        covariance = self.local(distance2, log_depth, points)
        covariance += product(self.trend(v, log_depth), self.trend(points.v, points.log_depth).T)
        return covariance

    def variance(self, v: NDArray[Any], log_depth: NDArray[Any]) -> NDArray[Any]:
        """Return the prior variance at places, (M,)."""
        model = self.model
        slopes = (model.depth_slope_stddev * (log_depth - self.centre_log_depth)) ** 2
        slopes = slopes + (model.row_slope_stddev * (v - self.centre_v)) ** 2
        return self.factor_variance + self.amplitude2 * (model.local_stddev**2 + slopes)
