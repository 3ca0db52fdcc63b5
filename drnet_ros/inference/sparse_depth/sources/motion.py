"""Brings what a sensor measured to the optical frame of a camera, at the stamp of an image."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from drnet_ros.errors import SparseDepthError
from drnet_ros.inference.sparse_depth.points import SparseDepth

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from drnet_ros.inference.sparse_depth.sources.readings import Reading
    from drnet_ros.inference.sparse_depth.sources.rigid import Pose
    from drnet_ros.inference.sparse_depth.sources.transforms import TransformBuffer

__all__ = ['ImageMoment', 'Moved', 'bring']

_NS_PER_S = 1e9
# What moves in the scene, people above all, has not gone far in this time.
_LONGEST_MOVED_S = 0.5
# Without the robot's motion, what it may have been in the time between counts as deviation.
_LONGEST_UNMOVED_S = 0.2
_UNKNOWN_SPEED_M_PER_S = 0.5
# Landmarks of the world stay where they are; SLAM publishes them when it has new ones.
_LONGEST_WORLD_S = 30.0
# A scan takes a tenth of a second, in which the robot turns: its rays move in so many groups.
_GROUPS = 8
_LONGEST_SCAN_S = 2.0


@dataclass(frozen=True, slots=True)
class ImageMoment:
    """When and where an image was taken.

    Attributes:
        stamp_ns: Its stamp.
        frame_id: Optical frame of its camera.
    """

    stamp_ns: int
    frame_id: str


@dataclass(frozen=True, slots=True, eq=False)
class Moved:
    """A reading at the moment of an image.

    Attributes:
        sparse_depth: Its points.
        note: Why the robot's motion was left out, in words; '' if it was not.
    """

    sparse_depth: SparseDepth
    note: str = ''


def bring(
    reading: Reading,
    taken: ImageMoment,
    image: ImageMoment,
    transforms: TransformBuffer,
    fixed_frame: str,
) -> Moved:
    """Bring a reading to the moment of an image.

    Args:
        reading: The points in their sensor's frame.
        taken: When, and that frame.
        image: The image.
        transforms: What is known of the frames.
        fixed_frame: A frame that stands still while the robot moves. If it is connected to both,
            points are moved by the robot's motion between the stamps. A reading in this frame or
            above it is of landmarks of the world, which stay.

    Returns:
        Points in the optical frame.

    Raises:
        SparseDepthError: If the frames are not connected, or the reading is too old.
    """
    if transforms.is_above(taken.frame_id, fixed_frame):
        _check_age(taken, image, _LONGEST_WORLD_S)
        pose = transforms.lookup(image.frame_id, taken.frame_id, image.stamp_ns)
        return Moved(_transformed(reading, pose))
    gap_s = _check_age(taken, image, _LONGEST_MOVED_S)
    note = f'{fixed_frame} is not known'
    if transforms.is_above(fixed_frame, image.frame_id):
        try:
            return Moved(_moved(reading, taken, image, transforms, fixed_frame))
        except SparseDepthError as error:
            note = str(error)
    # Raises where the mount is not known either, and says so.
    pose = transforms.lookup(image.frame_id, taken.frame_id, image.stamp_ns)
    _check_age(taken, image, _LONGEST_UNMOVED_S, f' without the motion of the robot ({note})')
    still = _transformed(reading, pose)
    if not gap_s and reading.delay_s is None:  # measured together with the image
        return Moved(still)
    unknown_m = _UNKNOWN_SPEED_M_PER_S * abs(gap_s)
    with np.errstate(all='ignore'):
        stddev = np.hypot(still.stddev_n, unknown_m / still.points_xyz[:, 2])
    vague = replace(still, relative_stddev=stddev)
    return Moved(vague, f'without the motion of the robot: {note}')


def _check_age(
    taken: ImageMoment, image: ImageMoment, longest_s: float, condition: str = ''
) -> float:
    """Return by how many seconds data are older than the image, if that is not too much."""
    gap_s = (image.stamp_ns - taken.stamp_ns) / _NS_PER_S
    if abs(gap_s) <= longest_s:
        return gap_s
    found = f'the nearest are {abs(gap_s):.2f} s {"older" if gap_s > 0 else "newer"}'
    if not taken.stamp_ns:
        found = 'got data without a stamp: have the driver set header.stamp'
    msg = f'data must be within {longest_s:g} s of the image{condition}, {found}'
    raise SparseDepthError(msg)


def _moved(
    reading: Reading,
    taken: ImageMoment,
    image: ImageMoment,
    transforms: TransformBuffer,
    fixed_frame: str,
) -> SparseDepth:
    optical_from_fixed = transforms.lookup(image.frame_id, fixed_frame, image.stamp_ns)

    def at(stamp_ns: int) -> Pose:
        return optical_from_fixed @ transforms.lookup(fixed_frame, taken.frame_id, stamp_ns)

    delay_s = reading.delay_s
    if delay_s is None or not len(reading):
        return _transformed(reading, at(taken.stamp_ns))
    longest_s = float(np.abs(delay_s).max())
    if longest_s > _LONGEST_SCAN_S:
        msg = (
            f'the rays of a scan must be measured within {_LONGEST_SCAN_S:g} s, '
            f'got {longest_s:.3g} s: have the driver set time_increment, in seconds'
        )
        raise SparseDepthError(msg)
    groups = np.array_split(np.arange(len(reading)), min(_GROUPS, len(reading)))
    points = [
        _apply(
            at(taken.stamp_ns + round(float(delay_s[group].mean()) * _NS_PER_S)),
            reading.points_xyz[group],
        )
        for group in groups
    ]
    return SparseDepth(np.concatenate(points), reading.relative_stddev)


def _transformed(reading: Reading, pose: Pose) -> SparseDepth:
    points = _apply(pose, reading.points_xyz)
    return SparseDepth(points, reading.relative_stddev, cone_rad=reading.cone_rad)


def _apply(pose: Pose, points_xyz: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    # NaN and infinity may be among the points; they stay that, and are dropped later.
    with np.errstate(all='ignore'):
        return points_xyz.astype(np.float64) @ pose[:3, :3].T + pose[:3, 3]
