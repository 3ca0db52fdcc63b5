"""A laser scan made of depth: what is nearest at each bearing, and where all is free.

A beam has the range of the nearest point of its bearing. It is +inf if every pixel that looks
along it sees farther than the scan reaches, and NaN if one of them is invalid, since something may
be there: masked, uncertain, or at the edge of an object. depthimage_to_laserscan cannot tell far
from invalid, and has NaN for both.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from drnet_ros.errors import CameraError
from drnet_ros.inference.camera import rays

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from drnet_ros.inference.arrays import FloatArray
    from drnet_ros.inference.camera import CameraModel
    from drnet_ros.inference.frames import DepthFrame
    from drnet_ros.inference.settings import Settings

__all__ = ['Beams', 'Scan', 'fill_beams', 'reach_of', 'scan_of_rows']


@dataclass(frozen=True, slots=True, eq=False)
class Scan:
    """A planar scan about a z axis that points up; bearing 0 is the x axis, left is positive.

    Attributes:
        angle_min: Bearing of the first beam, in radians.
        angle_increment: From one beam to the next.
        range_min: Nothing nearer is seen, in metres.
        range_max: Nothing farther is told.
        ranges: float32 (N,), in metres; +inf where free, NaN where unknown.
    """

    angle_min: float
    angle_increment: float
    range_min: float
    range_max: float
    ranges: FloatArray


@dataclass(frozen=True, slots=True)
class Beams:
    """Bearings of a scan, even in angle and so wide that each has a pixel.

    Attributes:
        first: Bearing of the first one, in radians.
        increment: From one to the next.
        count: How many.
    """

    first: float
    increment: float
    count: int

    @classmethod
    def over(cls, bearings: FloatArray) -> Beams:
        """Return the beams of a row of pixels.

        Args:
            bearings: Bearing of each, (W,), without a jump at 180 degrees; NaN where unknown.

        Raises:
            CameraError: If fewer than two are known.
        """
        known = bearings[np.isfinite(bearings)].astype(np.float64)
        if len(known) < 2:
            msg = 'a scan must have rays, got none that the lens model can undo'
            raise CameraError(msg)
        first, last = float(known.min()), float(known.max())
        count = max(2, 1 + math.floor((last - first) / float(np.abs(np.diff(known)).max())))
        return cls(first, (last - first) / (count - 1), count)

    def index(self, bearings: FloatArray) -> NDArray[np.intp]:
        """Return the beam of each bearing; -1 outside."""
        with np.errstate(invalid='ignore'):
            index = np.rint((bearings - self.first) / self.increment)
            is_outside = ~((index >= 0) & (index < self.count))
        index[is_outside] = -1
        beams: NDArray[np.intp] = index.astype(np.intp)
        return beams


def scan_of_rows(result: DepthFrame, camera: CameraModel, settings: Settings) -> Scan:
    """Make a scan of the rows around the optical axis, in a frame at the camera: x along the axis.

    Args:
        result: The depth, with `beyond_hw`.
        camera: The camera whose rays its pixels look along, at its size.
        settings: `scan_rows` and the ranges.

    Raises:
        CameraError: If no ray is known.
    """
    top = min(camera.height - 1, max(0, int(camera.cy - settings.scan_rows / 2)))
    band = slice(top, min(camera.height, top + settings.scan_rows))
    ray_x = rays(camera)[..., 0]
    bearings = -np.arctan(ray_x[band])
    beams = Beams.over(bearings[len(bearings) // 2])
    distance = result.depth_hw[band] * np.sqrt(1 + ray_x[band] ** 2)
    if result.beyond_hw is not None:
        distance[result.beyond_hw[band]] = np.inf
    pixels = beams.index(bearings).ravel(), distance.ravel()
    ranges = fill_beams(beams, settings, points=pixels, level=pixels)
    return Scan(beams.first, beams.increment, settings.min_depth, reach_of(settings), ranges)


def reach_of(settings: Settings) -> float:
    """Return how far a scan reaches, in metres: depth says nothing of what is farther."""
    if not settings.scan_max_range:
        return settings.max_depth
    return min(settings.scan_max_range, settings.max_depth)


def fill_beams(
    beams: Beams,
    settings: Settings,
    *,
    points: tuple[NDArray[np.intp], FloatArray],
    level: tuple[NDArray[np.intp], FloatArray],
) -> FloatArray:
    """Put the nearest points, and what is known of the free space, into beams.

    Args:
        beams: The beams.
        settings: The ranges.
        points: Beam and distance of all points that count, (N,) each; beam -1 is none.
        level: Those of all pixels that must be free for their beam to be; +inf is far, NaN
            invalid.

    Returns:
        Ranges, float32, one for each beam, as those of `Scan`.
    """
    reach = reach_of(settings)
    index, distance = points
    with np.errstate(invalid='ignore'):
        is_seen = (index >= 0) & (distance <= reach) & (distance >= settings.min_depth)
    nearest = np.full(beams.count, np.inf, np.float32)
    np.minimum.at(nearest, index[is_seen], distance[is_seen])
    index, distance = level
    is_free, is_unknown = np.zeros((2, beams.count), np.bool_)
    is_free[index[(index >= 0) & (distance > reach)]] = True
    is_unknown[index[(index >= 0) & np.isnan(distance)]] = True
    nearest[np.isinf(nearest) & (is_unknown | ~is_free)] = np.nan
    return nearest
