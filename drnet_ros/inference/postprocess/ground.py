"""The floor in a cloud, found from where it should be and a fit to where it is seen.

An error of the scale of depth shifts the floor up or down as a whole, and an error of the camera's
mounting tilts it. So the floor is looked for as a plane near the ground of a frame, and what lies
within a tolerance of that plane belongs to it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from drnet_ros.errors import GroundError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from drnet_ros.inference.arrays import FloatArray
    from drnet_ros.inference.settings import Settings

__all__ = ['Floor', 'find_floor']

_MOST_SAMPLES = 5000
_HYPOTHESES = 200
# Of the tolerance, in the steps of the fit: what stands on the floor must not lift the plane.
_NARROWING = (1.0, 0.8, 0.6, 0.5, 0.5)
# Of the camera's height: how far an error of the scale may shift the floor.
_MOST_SHIFT = 0.3
# Steeper planes are looked for as well: a ramp that is to be refused must be found.
_STEEPER_DEG = 15.0
# A smaller piece does not tell its slope, and may be one step of stairs.
_LEAST_EXTENT_M = 0.4
_LEAST_AREA_M2 = 0.02  # of a parallelogram of three points that tell a plane
_FEWEST_SAMPLES = 50
_POINTS_AT_ONCE = 8192  # keeps temporaries in the CPU's cache


@dataclass(frozen=True, slots=True, eq=False)
class Floor:
    """A plane, as what the height above it is for a point in the camera's optical frame.

    Attributes:
        up: Height for each metre along x, y and z, float32 (3,).
        camera_height: Height of the camera above it, in metres.
        is_fitted: Whether enough of it is seen for a fit; else it is the ground of the frame.
    """

    up: FloatArray
    camera_height: float
    is_fitted: bool

    def without(self, points_hwc: FloatArray, tolerance_m: float) -> FloatArray:
        """Return the valid points that are not of the floor.

        Args:
            points_hwc: Organised cloud in the optical frame, float32 (H, W, 3 or 4), NaN where
                invalid; not changed.
            tolerance_m: What is at most so far above or below the floor belongs to it.

        Returns:
            float32 (1, N, 3 or 4), in the order of their pixels.
        """
        up, start = self.up, np.float32(self.camera_height)
        points, kept = points_hwc.reshape(-1, points_hwc.shape[2]), []
        for first in range(0, len(points), _POINTS_AT_ONCE):
            block = points[first : first + _POINTS_AT_ONCE]
            height = block[:, 0] * up[0]
            height += block[:, 1] * up[1]
            height += block[:, 2] * up[2]
            height += start
            np.abs(height, out=height)
            kept.append(np.flatnonzero(height > np.float32(tolerance_m)) + first)
        return points[np.concatenate(kept)][np.newaxis]


def find_floor(
    points_hwc: FloatArray, frame_from_camera: NDArray[np.float64], settings: Settings
) -> Floor:
    """Find the floor in a cloud.

    Among planes through three points each (RANSAC with a fixed seed), that one is taken that has
    most points in it and fewest below it: nothing is seen through the floor. Only the nearer half
    of the points counts, since the floor begins under the robot. A plane that is steeper than
    allowed is taken only if there is no other and most points are in it. Then the plane is
    fitted by least squares to all points within the tolerance, whatever slope that gives.

    Args:
        points_hwc: Organised cloud in the optical frame, float32 (H, W, 3 or 4), NaN where
            invalid.
        frame_from_camera: Pose of the optical frame in `ground_frame`, float (4, 4), metres.
        settings: `ground_height`, `ground_tolerance` and `ground_max_slope`.

    Raises:
        GroundError: If the camera is not above the ground, or what is seen in place of the floor
            is too steep.
    """
    height = float(frame_from_camera[2, 3]) - settings.ground_height
    if height <= 0:
        msg = (
            f'the camera must be above the ground of {settings.ground_frame}, got '
            f'{height:.2f} m; set ground_height'
        )
        raise GroundError(msg)
    from_foot = _sampled(points_hwc) @ frame_from_camera[:3, :3].T
    from_foot[:, 2] += height
    candidates = _near_ground(from_foot, height, settings.ground_max_slope)
    plane = _fitted(candidates, height, settings)
    is_fitted = plane is not None
    slope_x, slope_y, shift = plane if plane is not None else (0.0, 0.0, 0.0)
    _check_slope(math.degrees(math.atan(math.hypot(slope_x, slope_y))), settings)
    up = frame_from_camera[2, :3] - slope_x * frame_from_camera[0, :3]
    up = up - slope_y * frame_from_camera[1, :3]
    return Floor(up.astype(np.float32), height - shift, is_fitted)


def _check_slope(slope_deg: float, settings: Settings) -> None:
    if slope_deg > settings.ground_max_slope:
        msg = (
            f'the floor must be level in {settings.ground_frame} within ground_max_slope '
            f'({settings.ground_max_slope:g} degrees), got a plane of {slope_deg:.1f} degrees: a '
            'ramp, or a wrong transform'
        )
        raise GroundError(msg)


def _sampled(points_hwc: FloatArray) -> NDArray[np.float64]:
    """Return some of the valid points, evenly over the image, (N, 3)."""
    height, width = points_hwc.shape[:2]
    stride = max(1, math.ceil(math.sqrt(height * width / _MOST_SAMPLES)))
    sample = points_hwc[::stride, ::stride, :3].reshape(-1, 3).astype(np.float64)
    valid: NDArray[np.float64] = sample[~np.isnan(sample[:, 2])]
    return valid


def _near_ground(
    from_foot: NDArray[np.float64], height: float, max_slope_deg: float
) -> NDArray[np.float64]:
    """Return the points that may be of the floor, the nearest first."""
    distance = np.hypot(from_foot[:, 0], from_foot[:, 1])
    steepest = math.tan(math.radians(max_slope_deg + _STEEPER_DEG))
    is_near = np.abs(from_foot[:, 2]) <= _MOST_SHIFT * height + steepest * distance
    order = np.argsort(distance[is_near], kind='stable')
    nearest_first: NDArray[np.float64] = from_foot[is_near][order]
    return nearest_first


def _fitted(
    candidates: NDArray[np.float64], height: float, settings: Settings
) -> tuple[float, float, float] | None:
    """Return the slopes along x and y and the height of a plane below the camera, or None."""
    if len(candidates) < _FEWEST_SAMPLES:
        return None
    seeds, tolerance = candidates[: len(candidates) // 2], settings.ground_tolerance
    plane = _best_hypothesis(seeds, height, settings)
    if plane is None:
        return None
    design = _level(candidates)
    for share in _NARROWING:
        is_inlier = np.abs(design @ plane - candidates[:, 2]) <= share * tolerance
        inliers = design[is_inlier]
        if len(inliers) < _FEWEST_SAMPLES or _extent(inliers[:, :2]) < _LEAST_EXTENT_M:
            return None
        plane = np.linalg.lstsq(inliers, candidates[is_inlier, 2], rcond=None)[0]
    slope_x, slope_y, shift = plane.tolist()
    return slope_x, slope_y, shift


def _best_hypothesis(
    seeds: NDArray[np.float64], height: float, settings: Settings
) -> NDArray[np.float64] | None:
    """Return the plane through three points that is most likely the floor, else a steep one."""
    random = np.random.default_rng(0)  # the same cloud gives the same floor
    chosen = seeds[random.integers(0, len(seeds), (_HYPOTHESES, 3))]
    is_regular = np.abs(np.linalg.det(_level(chosen))) > _LEAST_AREA_M2
    chosen = chosen[is_regular]
    planes = np.linalg.solve(_level(chosen), chosen[..., 2:])[..., 0]
    planes = planes[np.abs(planes[:, 2]) <= _MOST_SHIFT * height]
    slopes = np.degrees(np.arctan(np.hypot(planes[:, 0], planes[:, 1])))
    above = seeds[:, 2:] - _level(seeds) @ planes.T
    tolerance = settings.ground_tolerance
    scores = (np.abs(above) <= tolerance).sum(axis=0) - (above < -tolerance).sum(axis=0)
    for is_in_turn, least in (
        (slopes <= settings.ground_max_slope, _FEWEST_SAMPLES),
        (slopes <= settings.ground_max_slope + _STEEPER_DEG, len(seeds) / 2),
    ):
        if is_in_turn.any() and scores[is_in_turn].max() >= least:
            best: NDArray[np.float64] = planes[is_in_turn][np.argmax(scores[is_in_turn])]
            return best
    return None


def _level(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return x, y and 1 of points, (..., 3), by which a plane's coefficients give its height."""
    return np.concatenate((points[..., :2], np.ones_like(points[..., :1])), axis=-1)


def _extent(places: NDArray[np.float64]) -> float:
    """Return the shorter side of a rectangle that spreads like these places, (N, 2)."""
    least_variance = float(np.linalg.eigvalsh(np.cov(places.T))[0])
    return math.sqrt(12 * max(0.0, least_variance))
