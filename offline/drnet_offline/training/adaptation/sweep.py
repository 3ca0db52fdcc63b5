"""Depth from images whose poses are known: which factor of a first depth makes images agree.

The plane sweep of Collins (CVPR 1996), along surfaces of the shape that a network sees in place of
planes: each hypothesis is the first depth times a factor, so that slanted surfaces stay slanted.
Images are compared by normalised cross-correlation. As in Monodepth2 (Godard et al., ICCV 2019),
the better of two groups of views counts, since a surface may be hidden in one of them, and what
standing still explains as well is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from drnet_offline.errors import DatasetError
from drnet_offline.training.adaptation.views import PosedImage, at_size, pinhole
from drnet_ros.inference.camera import rays
from drnet_ros.inference.sparse_depth.sources.rigid import inverse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from drnet_ros.inference.camera import CameraModel

    Array = NDArray[np.float32]

__all__ = ['STEPS', 'SweptDepth', 'sweep', 'view_costs']

_STEP = 0.04
STEPS = np.arange(-15, 16) * _STEP
"""Logarithms of the factors that are tried."""

_WIDTH = 240
_WINDOW = 7
_SMOOTH = 5
# Noise of grey levels: what has less contrast is the same everywhere.
_NOISE_GREY = 3.0
# Of something else, a chance agreement of both groups is rarer than of one.
_MOST_COST, _MOST_COST_ALONE = 0.4, 0.2
_NOISE_COST = 0.04
_NOISE_PX = 0.4
_FLOOR = 0.02
# Another place that is nearly as good, so many steps away, makes the best one doubtful.
_APART_STEPS, _LEAST_LEAD = 3, 0.08
_DISAGREE_STEPS = 3
_HIDDEN = 2.0  # cost where a view does not show a pixel


@dataclass(frozen=True, slots=True, eq=False)
class SweptDepth:
    """What views say of a first depth.

    Attributes:
        log_ratio_hw: Logarithm of the factor on the first depth, float32 (h, w), NaN where it is
            not known: no contrast, hidden, moving, or ambiguous.
        stddev_hw: One standard deviation of it, float32 (h, w).
    """

    log_ratio_hw: Array
    stddev_hw: Array


def sweep(
    image: PosedImage, earlier: Sequence[PosedImage], later: Sequence[PosedImage], first_hw: Array
) -> SweptDepth | None:
    """Find the factor on a first depth that makes views agree, pixel by pixel.

    Args:
        image: The image whose depth is wanted.
        earlier: Images taken before it from places apart.
        later: Images taken after it from places apart.
        first_hw: The first depth, metres, of any size of the image's view.

    Returns:
        At most 240 pixels wide; None without views.
    """
    groups = [group for group in (earlier, later) if group]
    if not groups:
        return None
    height, width = _size_of(image)
    small = cv2.resize(first_hw, (width, height), interpolation=cv2.INTER_AREA)
    first = np.asarray(small, np.float32)
    found = [[view_costs(image, view, first) for view in group] for group in groups]
    costs = [np.mean([view.costs for view in group], axis=0) for group in found]
    best = np.minimum.reduce(costs)
    still = np.minimum.reduce([view.still_hw for group in found for view in group])
    pixels = np.max([view.pixels_hw for group in found for view in group], axis=0)
    log_ratio, curvature, is_known = _minimum(best)
    is_known &= (best.min(axis=0) < still) & _is_confirmed(costs)
    noise = _FLOOR**2 + _STEP**2 * (
        _NOISE_COST / np.maximum(curvature, 1e-6) + (_NOISE_PX / np.maximum(pixels, 1e-6)) ** 2
    )
    stddev = np.sqrt(noise).astype(np.float32)
    log_ratio[~is_known] = np.nan
    stddev[~is_known] = np.nan
    return SweptDepth(log_ratio, stddev)


@dataclass(frozen=True, slots=True, eq=False)
class ViewCosts:
    """One view against an image.

    Attributes:
        costs: 1 - correlation at each factor, float32 (S, h, w), 0 to 2; 2 where the view does
            not show the pixel.
        still_hw: The same if the camera had not moved, (h, w).
        pixels_hw: How far a pixel moves in the view for one step of the factor, (h, w).
    """

    costs: Array
    still_hw: Array
    pixels_hw: Array


def view_costs(image: PosedImage, view: PosedImage, first_hw: Array) -> ViewCosts:
    """Compare an image with a view, for each factor on its depth.

    Args:
        image: The image.
        view: Another one.
        first_hw: The first depth, metres, at the size at which they are compared.

    Raises:
        DatasetError: If the pose of one of them is unknown.
    """
    height, width = first_hw.shape
    grey, still = (at_size(each, (height, width)) for each in (image, view))
    other, camera = pinhole(view, (height, width))
    projection = _Projection(image, view, camera)
    correlate = _Correlation(grey)
    costs = np.empty((len(STEPS), height, width), np.float32)
    for cost, factor in zip(costs, np.exp(STEPS).astype(np.float32), strict=True):
        column, row, is_seen = projection.pixels_of(first_hw * factor)
        warped = cv2.remap(other, column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        cost[:] = np.where(is_seen, correlate.cost(np.asarray(warped, np.float32)), _HIDDEN)
    half_step = np.float32(np.exp(_STEP / 2))
    (c0, r0, _), (c1, r1, _) = (
        projection.pixels_of(depth) for depth in (first_hw / half_step, first_hw * half_step)
    )
    return ViewCosts(costs, correlate.cost(still), np.nan_to_num(np.hypot(c1 - c0, r1 - r0)))


class _Projection:
    """Where the pixels of an image are in a view, by their depth."""

    def __init__(self, image: PosedImage, view: PosedImage, camera: CameraModel) -> None:
        """Take the camera of the view at the size at which they are compared."""
        if image.pose is None or view.pose is None:
            msg = f'images {image.position} and {view.position} must have poses to be compared'
            raise DatasetError(msg)
        self._size = camera.height, camera.width
        ray = rays(image.camera.scaled_to(*self._size))
        k = np.array(((camera.fx, 0, camera.cx), (0, camera.fy, camera.cy), (0, 0, 1)))
        moved = (k @ (inverse(view.pose) @ image.pose)[:3]).astype(np.float32)
        self._along = [m[0] * ray[..., 0] + m[1] * ray[..., 1] + m[2] for m in moved]
        self._shift = moved[:, 3]

    def pixels_of(self, depth_hw: Array) -> tuple[Array, Array, NDArray[np.bool_]]:
        """Return column and row of each pixel in the view, and whether it is in it, (h, w)."""
        height, width = self._size
        with np.errstate(divide='ignore', invalid='ignore'):
            x, y, away = (
                depth_hw * along + shift
                for along, shift in zip(self._along, self._shift, strict=True)
            )
            column, row = x / away, y / away
            is_seen = (away > 0) & (column >= 0) & (column < width) & (row >= 0) & (row < height)
        return column, row, is_seen


def _size_of(image: PosedImage) -> tuple[int, int]:
    height, width = image.grey_hw.shape
    return max(1, round(height * min(1.0, _WIDTH / width))), min(_WIDTH, width)


class _Correlation:
    """Normalised cross-correlation with one image, in a window about each pixel."""

    def __init__(self, grey_hw: Array) -> None:
        self._grey = grey_hw
        self._mean = _mean_of(grey_hw, _WINDOW)
        self._variance = _mean_of(grey_hw * grey_hw, _WINDOW) - self._mean**2 + _NOISE_GREY**2

    def cost(self, other_hw: Array) -> Array:
        """Return 1 - correlation, smoothed, (h, w)."""
        mean = _mean_of(other_hw, _WINDOW)
        variance = _mean_of(other_hw * other_hw, _WINDOW) - mean * mean + _NOISE_GREY**2
        covariance = _mean_of(self._grey * other_hw, _WINDOW) - self._mean * mean
        correlation = np.asarray(covariance / np.sqrt(self._variance * variance), np.float32)
        return _mean_of(1 - correlation, _SMOOTH)


def _mean_of(values_hw: Array, window: int) -> Array:
    mean: Array = cv2.blur(values_hw, (window, window))  # type: ignore[assignment]
    return mean


def _minimum(costs: Array) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Return where costs are least, between steps, their curvature, and whether that is clear."""
    count = len(costs)
    place = costs.argmin(axis=0)
    inner = place.clip(2, count - 3)
    c = [np.take_along_axis(costs, (inner + by)[None], 0)[0] for by in (-2, -1, 0, 1, 2)]
    curvature = np.maximum((c[0] + c[4] - 2 * c[2]) / 4, 0)
    bend = c[1] + c[3] - 2 * c[2]
    offset = np.where(bend > 1e-4, (c[1] - c[3]) / (2 * np.maximum(bend, 1e-4)), 0).clip(-1, 1)
    is_apart = np.abs(np.arange(count)[:, None, None] - place) >= _APART_STEPS
    second = np.where(is_apart, costs, np.inf).min(axis=0)
    is_clear = (place == inner) & (second > c[2] + _LEAST_LEAD)
    log_ratio = np.asarray((inner + offset - count // 2) * _STEP, np.float32)
    return log_ratio, curvature, is_clear


def _is_confirmed(costs: Sequence[Array]) -> NDArray[np.bool_]:
    """Return where earlier and later views see the same depth, or one of them sees it clearly."""
    least = [each.min(axis=0) for each in costs]
    is_clear: NDArray[np.bool_] = np.minimum.reduce(least) < _MOST_COST_ALONE
    if len(costs) == 1:
        return is_clear
    first, second = (each.argmin(axis=0) for each in costs)
    is_same = np.abs(first - second) <= _DISAGREE_STEPS
    is_in_both = np.maximum.reduce(least) < _MOST_COST
    is_confirmed: NDArray[np.bool_] = np.where(is_in_both, is_same, is_clear)
    return is_confirmed
