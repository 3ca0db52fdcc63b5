"""Lens distortion undone: from distorted normalised coordinates to the ray that made them.

The models are those of sensor_msgs/CameraInfo (REP 104 and OpenCV's calib3d):

- plumb_bob (k1 k2 p1 p2 k3) and rational_polynomial (k1 k2 p1 p2 k3 k4 k5 k6):
  x' = x q + 2 p1 x y + p2 (r^2 + 2 x^2),  y' = y q + p1 (r^2 + 2 y^2) + 2 p2 x y,
  q = (1 + k1 r^2 + k2 r^4 + k3 r^6) / (1 + k4 r^2 + k5 r^4 + k6 r^6),  r^2 = x^2 + y^2;
- equidistant (k1 k2 k3 k4), Kannala and Brandt's fisheye:
  (x', y') = (x, y) / r * t (1 + k1 t^2 + k2 t^4 + k3 t^6 + k4 t^8),  t = atan(r).

All are inverted by Newton's method in float64, which takes a few steps where OpenCV's fixed-point
iteration takes dozens. Where a model has no inverse that continues the one at the center (it folds
over far off axis), or the ray does not point forward, the answer is NaN.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from drnet_ros.errors import CameraError

__all__ = ['COEFFICIENTS', 'checked_coefficients', 'distort', 'undistort']

_Array: TypeAlias = NDArray[np.float64]

COEFFICIENTS = {'plumb_bob': 5, 'rational_polynomial': 8, 'equidistant': 4}
"""Number of coefficients of each distortion model."""

_STEPS = 12
_CONVERGED = 1e-10  # normalised units; a pixel is around 1e-3
_ACCEPTED = 1e-6
_MOST_SHOWN = 14  # OpenCV's most
# A fisheye ray at 89 degrees already has x / z = 57; beyond, a z-depth means nothing.
_MAX_ANGLE = math.radians(89.0)


def checked_coefficients(model: str, d: tuple[float, ...]) -> tuple[float, ...]:
    """Check the coefficients of a distortion.

    Args:
        model: Its name in CameraInfo.
        d: The coefficients in CameraInfo.

    Returns:
        Exactly as many coefficients as the model has, or () where nothing is distorted.

    Raises:
        CameraError: If a coefficient is not finite, or the model or their number is unknown.
    """
    if not all(map(math.isfinite, d)):
        msg = f'D must have finite values, got {_shown(d)}'
        raise CameraError(msg)
    # An equidistant camera bends rays even with all coefficients zero; no other model does.
    if not any(d) and model != 'equidistant':
        return ()
    if str(model) not in COEFFICIENTS:
        known = ', '.join(sorted(COEFFICIENTS))
        msg = (
            f'distortion_model must be one of {known}, got {str(model)[:64]!r} with D {_shown(d)}'
        )
        raise CameraError(msg)
    count = COEFFICIENTS[model]
    # Drivers pad D with zeros, or leave out k3.
    if any(d[count:]):
        msg = f'D must have {count} coefficients for {model}, got {_shown(d)}'
        raise CameraError(msg)
    return (*d, *[0.0] * count)[:count]


def _shown(d: tuple[float, ...]) -> str:
    """Return coefficients for a message, which a wrong message may have any number of."""
    more = len(d) - _MOST_SHOWN
    return f'{list(d[:_MOST_SHOWN])}{f" and {more} more" if more > 0 else ""}'


def distort(
    model: str, coefficients: tuple[float, ...], x: _Array, y: _Array
) -> tuple[_Array, _Array]:
    """Distort the rays of points, as a lens does.

    Beyond the angle at which a model folds, what comes out is another ray's pixel: check that
    `undistort` leads back.

    Args:
        model: A key of `COEFFICIENTS`.
        coefficients: Its coefficients, as many as `COEFFICIENTS` says.
        x: x / z of the rays, float64, any shape.
        y: y / z of the rays, of the same shape.

    Returns:
        Distorted normalised coordinates x' and y', new arrays.
    """
    r2 = x * x + y * y
    if model == 'equidistant':
        r = np.sqrt(r2)
        angle = np.arctan(r)
        t2 = angle * angle
        k1, k2, k3, k4 = coefficients
        distorted = angle * (1 + t2 * (k1 + t2 * (k2 + t2 * (k3 + t2 * k4))))
        with np.errstate(divide='ignore', invalid='ignore'):
            shrink = np.where(r > 0, distorted / r, 1.0)
        return x * shrink, y * shrink
    k1, k2, p1, p2, k3, k4, k5, k6 = (*coefficients, 0.0, 0.0, 0.0)[:8]
    q = _polynomial((k1, k2, k3), r2)[0] / _polynomial((k4, k5, k6), r2)[0]
    return (
        x * q + 2 * p1 * x * y + p2 * (r2 + 2 * x * x),
        y * q + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y,
    )


def undistort(model: str, coefficients: tuple[float, ...], x: _Array, y: _Array) -> None:
    """Undistort normalised coordinates in place.

    Args:
        model: A key of `COEFFICIENTS`.
        coefficients: Its coefficients, as many as `COEFFICIENTS` says.
        x: Distorted (u - cx) / fx, float64, any shape; becomes x / z of the ray, or NaN.
        y: Distorted (v - cy) / fy, of the same shape; becomes y / z of the ray, or NaN.
    """
    if model == 'equidistant':
        _undistort_equidistant(coefficients, x, y)
    else:
        k1, k2, p1, p2, k3, k4, k5, k6 = (*coefficients, 0.0, 0.0, 0.0)[:8]
        _undistort_radial_tangential((k1, k2, k3), (k4, k5, k6), (p1, p2), x, y)


def _undistort_radial_tangential(
    upper: tuple[float, float, float],
    lower: tuple[float, float, float],
    tangential: tuple[float, float],
    x: _Array,
    y: _Array,
) -> None:
    p1, p2 = tangential
    target_x, target_y = x.copy(), y.copy()
    for _ in range(_STEPS):
        r2 = x * x + y * y
        numerator, numerator_slope = _polynomial(upper, r2)
        denominator, denominator_slope = _polynomial(lower, r2)
        q = numerator / denominator
        # Twice dq / d(r^2), since dr^2 / dx = 2 x.
        slope = 2 * (numerator_slope - q * denominator_slope) / denominator
        error_x = x * q + 2 * p1 * x * y + p2 * (r2 + 2 * x * x) - target_x
        error_y = y * q + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y - target_y
        jacobian_xx = q + slope * x * x + 2 * p1 * y + 6 * p2 * x
        jacobian_yy = q + slope * y * y + 6 * p1 * y + 2 * p2 * x
        jacobian_xy = slope * x * y + 2 * p1 * x + 2 * p2 * y
        determinant = jacobian_xx * jacobian_yy - jacobian_xy * jacobian_xy
        error = np.maximum(np.abs(error_x), np.abs(error_y))
        if np.all(error < _CONVERGED):
            break
        x -= (jacobian_yy * error_x - jacobian_xy * error_y) / determinant
        y -= (jacobian_xx * error_y - jacobian_xy * error_x) / determinant
    # The inverse that continues the one at the center has a positive definite Jacobian.
    is_lost = ~((error < _ACCEPTED) & (determinant > 0) & (jacobian_xx > 0) & (denominator > 0))
    x[is_lost] = np.nan
    y[is_lost] = np.nan


def _undistort_equidistant(coefficients: tuple[float, ...], x: _Array, y: _Array) -> None:
    k1, k2, k3, k4 = coefficients
    distorted = np.hypot(x, y)
    angle = np.minimum(distorted, _MAX_ANGLE)
    for _ in range(_STEPS):
        t2 = angle * angle
        error = angle * (1 + t2 * (k1 + t2 * (k2 + t2 * (k3 + t2 * k4)))) - distorted
        slope = 1 + t2 * (3 * k1 + t2 * (5 * k2 + t2 * (7 * k3 + t2 * 9 * k4)))
        if np.all(np.abs(error) < _CONVERGED):
            break
        angle -= error / slope
    is_lost = ~((np.abs(error) < _ACCEPTED) & (slope > 0) & (angle < _MAX_ANGLE))
    with np.errstate(divide='ignore', invalid='ignore'):
        stretch = np.where(distorted > 0, np.tan(angle) / distorted, 1.0)
    stretch[is_lost] = np.nan
    x *= stretch
    y *= stretch


def _polynomial(k: tuple[float, float, float], r2: _Array) -> tuple[_Array, _Array]:
    """Return 1 + k1 r2 + k2 r2^2 + k3 r2^3 and its derivative by r2."""
    value = 1 + r2 * (k[0] + r2 * (k[1] + r2 * k[2]))
    return value, k[0] + r2 * (2 * k[1] + r2 * 3 * k[2])
