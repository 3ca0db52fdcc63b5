"""The covariance of the scale model; see `scale_model` for its equation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from drnet_ros.inference.sparse_depth.scale_model import ScaleModel

__all__ = ['ImageParts', 'Kernel', 'Observations']


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


@dataclass(frozen=True, slots=True, eq=False)
class ImageParts:
    """What of the covariance of M places with N points depends on the image alone; (M, N) each.

    Attributes:
        distance2: Squared distance in the image, in units of the local part's length.
        trend: Covariance of the global factor and of the slope down the image.
    """

    distance2: NDArray[np.float32]
    trend: NDArray[np.float32]


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

    def over_image(
        self, u: NDArray[np.float32], v: NDArray[np.float32], points: Observations
    ) -> ImageParts:
        """Return what depends on places in the image alone.

        Args:
            u: Columns, in widths of the image, (M,).
            v: Rows, in widths of the image, (M,).
            points: N points.
        """
        model = self.model
        distance2 = (u[:, None] - points.u) ** 2
        distance2 += (v[:, None] - points.v) ** 2
        distance2 *= np.float32(1 / model.local_length**2)
        slope = self.amplitude2 * model.row_slope_stddev**2
        trend = np.multiply.outer(slope * (v - self.centre_v), points.v - self.centre_v)
        trend += np.float32(self.factor_variance)
        return ImageParts(distance2, trend)

    def covariance(
        self, image: ImageParts, log_depth: NDArray[np.float32], points: Observations
    ) -> NDArray[np.float32]:
        """Return the covariance of places with points, float32 (M, N).

        Args:
            image: What `over_image` gave for them.
            log_depth: Log depth at the places, (M,).
            points: The same points.
        """
        model = self.model
        covariance = log_depth[:, None] - points.log_depth
        covariance *= np.float32(1 / model.local_depth_length)
        covariance *= covariance
        covariance += image.distance2
        np.sqrt(covariance, out=covariance)
        cv2.exp(-covariance, dst=covariance)
        covariance *= np.float32(self.amplitude2 * model.local_stddev**2)
        covariance += image.trend
        slope = self.amplitude2 * model.depth_slope_stddev**2
        covariance += np.multiply.outer(
            slope * (log_depth - self.centre_log_depth), points.log_depth - self.centre_log_depth
        )
        return covariance

    def variance(self, v: NDArray[Any], log_depth: NDArray[Any]) -> NDArray[Any]:
        """Return the prior variance at places, (M,)."""
        model = self.model
        slopes = (model.depth_slope_stddev * (log_depth - self.centre_log_depth)) ** 2
        slopes = slopes + (model.row_slope_stddev * (v - self.centre_v)) ** 2
        return self.factor_variance + self.amplitude2 * (model.local_stddev**2 + slopes)
