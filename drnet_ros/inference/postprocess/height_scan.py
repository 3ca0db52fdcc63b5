"""A laser scan of what lies between two heights above the ground, from a camera that may tilt."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from drnet_ros.errors import CameraError
from drnet_ros.inference.camera import rays
from drnet_ros.inference.postprocess.scan import Beams, Scan, fill_beams, reach_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from drnet_ros.inference.arrays import FloatArray
    from drnet_ros.inference.camera import CameraModel
    from drnet_ros.inference.frames import DepthFrame
    from drnet_ros.inference.settings import Settings

__all__ = ['HeightScanner']

_STEEPEST = 0.25  # least horizontal part of a unit vector along the optical axis


@dataclass(frozen=True, slots=True, eq=False)
class _View:
    """A camera in the frame of the scan; the same for all images while it does not move there.

    Attributes:
        beams: Bearings from `heading`.
        heading: Bearing of the optical axis.
        origin: Where the camera is, (3,).
        along: What is added to that for each metre of depth, three planes (H, W).
        is_level: Which rays stay between the heights as far as the scan reaches, bool (H, W).
        level_index: The beams that those look along.
    """

    beams: Beams
    heading: float
    origin: FloatArray
    along: tuple[FloatArray, FloatArray, FloatArray]
    is_level: NDArray[np.bool_]
    level_index: NDArray[np.intp]

    def place(self, depth: FloatArray, chosen: NDArray[np.bool_]) -> tuple[FloatArray, FloatArray]:
        """Return x and y of the chosen pixels."""
        x, y = (self.origin[axis] + depth[chosen] * self.along[axis][chosen] for axis in (0, 1))
        return x, y


class HeightScanner:
    """Makes the scans of one camera, and keeps what does not change from image to image."""

    def __init__(self) -> None:
        """Know no camera as yet."""
        self._key: tuple[object, ...] = ()
        self._view: _View | None = None

    def scan(
        self,
        result: DepthFrame,
        camera: CameraModel,
        frame_from_camera: NDArray[np.float64],
        settings: Settings,
    ) -> Scan:
        """Make a scan in a frame whose z axis points up.

        A bearing is free if the pixels whose rays stay between the heights as far as the scan
        reaches see nothing; so the camera must be between them, and see its horizon.

        Args:
            result: The depth, with `beyond_hw`.
            camera: The camera whose rays its pixels look along, at its size.
            frame_from_camera: Pose of the camera's optical frame, float (4, 4), metres.
            settings: `scan_min_height`, `scan_max_height` and the ranges.

        Raises:
            CameraError: If the camera looks straight up or down, or no ray is known.
        """
        low, high = settings.scan_min_height, settings.scan_max_height
        reach = reach_of(settings)
        key = camera, frame_from_camera.tobytes(), low, high, reach
        if self._view is None or self._key != key:
            self._view, self._key = _view(camera, frame_from_camera, (low, high), reach), key
        view, depth = self._view, result.depth_hw
        z = view.origin[2] + depth * view.along[2]
        with np.errstate(invalid='ignore'):
            is_between = (z >= low) & (z <= high)
        x, y = view.place(depth, is_between)
        index = view.beams.index(_turned(np.arctan2(y, x), view.heading))
        level = np.hypot(*view.place(depth, view.is_level))
        if result.beyond_hw is not None:
            level[result.beyond_hw[view.is_level]] = np.inf
        ranges = fill_beams(
            view.beams, settings, points=(index, np.hypot(x, y)), level=(view.level_index, level)
        )
        first = view.heading + view.beams.first
        return Scan(first, view.beams.increment, settings.min_depth, reach, ranges)


def _view(
    camera: CameraModel, pose: NDArray[np.float64], heights: tuple[float, float], reach: float
) -> _View:
    if math.hypot(pose[0, 2], pose[1, 2]) < _STEEPEST:
        msg = 'a camera must not look straight up or down for scan_frame: its axis is vertical'
        raise CameraError(msg)
    heading = math.atan2(pose[1, 2], pose[0, 2])
    rotation, origin = pose[:3, :3].astype(np.float32), pose[:3, 3].astype(np.float32)
    ray_x, ray_y = rays(camera)[..., 0], rays(camera)[..., 1]
    x, y, z = (row[0] * ray_x + row[1] * ray_y + row[2] for row in rotation)
    beams = Beams.over(_turned(np.arctan2(y, x), heading)[camera.height // 2])
    with np.errstate(divide='ignore', invalid='ignore'):
        far = np.float32(reach) / np.hypot(x, y)
        end = origin[2] + far * z
        is_level = (end >= heights[0]) & (end <= heights[1])
    is_level &= heights[0] <= origin[2] <= heights[1]
    bearings = np.arctan2(origin[1] + far * y, origin[0] + far * x)[is_level]
    level_index = beams.index(_turned(bearings, heading))
    return _View(beams, heading, origin, (x, y, z), is_level, level_index)


def _turned(bearings: FloatArray, heading: float) -> FloatArray:
    """Return bearings from a heading, within half a turn of it."""
    turn = np.float32(2 * math.pi)
    turned: FloatArray = (bearings - np.float32(heading) + turn / 2) % turn - turn / 2
    return turned
