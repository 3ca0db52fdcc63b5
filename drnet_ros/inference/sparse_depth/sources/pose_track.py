"""The poses of one frame in another over the last seconds."""

from __future__ import annotations

import bisect
import math
from typing import TYPE_CHECKING

from drnet_ros.errors import SparseDepthError
from drnet_ros.inference.sparse_depth.sources.rigid import angle, interpolate

if TYPE_CHECKING:
    from drnet_ros.inference.sparse_depth.sources.rigid import Pose

__all__ = ['PoseTrack', 'is_jump', 'is_set_back', 'jump_words']

_NS_PER_S = 1e9
_KEPT_S = 10.0
# Messages overtake one another by less.
_SET_BACK_S = 1.0
_MOST_POSES = 20_000
# Poses come a little later than the images they are needed for: so far they are continued, with
# the velocity of at least the last `_BASE_S`, and at most so many times as long as that is.
_CONTINUED_S = 0.2
_BASE_S = 0.05
_MOST_BASES = 4.0
# Between poses further apart than this nobody knows the way, unless it led nowhere.
_WIDEST_GAP_S = 1.0
# What moves faster than this was put elsewhere: odometry that was reset, a new robot of that name.
_FASTEST_M_PER_S = 20.0
_FASTEST_RAD_PER_S = 20.0
_JITTER_M, _JITTER_RAD = 0.05, 0.05
# A pose so far from the two beside it, which are near one another, swings; where many do, two
# nodes publish the transform, such as a driver's odometry and a filter's.
_LEAST_SWING_M, _MOST_SHARE_OF_SWING = 0.1, 1 / 3
_SWING_POINTS, _TORN_POINTS, _MOST_POINTS = 3, 9, 18


class PoseTrack:
    """Poses in the order of their stamps, with what lies between them; not for two threads."""

    def __init__(self) -> None:
        """Begin without poses."""
        self._stamps_ns: list[int] = []
        self._poses: list[Pose] = []
        self._swing_points = 0
        self._swing_m = 0.0

    def __len__(self) -> int:
        """Return the number of poses."""
        return len(self._stamps_ns)

    @property
    def newest_ns(self) -> int:
        """Stamp of the newest pose; there must be one."""
        return self._stamps_ns[-1]

    def add(self, stamp_ns: int, pose: Pose) -> None:
        """Take a pose, in any order.

        Args:
            stamp_ns: When it held. If time was set back, the track starts anew.
            pose: The pose.
        """
        stamps = self._stamps_ns
        if stamps and is_set_back(stamp_ns, stamps[-1]):
            stamps.clear()
            self._poses.clear()
        place = bisect.bisect_left(stamps, stamp_ns)
        if place < len(stamps) and stamps[place] == stamp_ns:
            self._count_swing(self._poses[place], pose, self._poses[place])
            self._poses[place] = pose
            return
        stamps.insert(place, stamp_ns)
        self._poses.insert(place, pose)
        if len(stamps) > 2:
            self._count_swing(*self._poses[-3:])
        oldest_ns = stamps[-1] - _KEPT_S * _NS_PER_S
        old = max(bisect.bisect_left(stamps, oldest_ns), len(stamps) - _MOST_POSES)
        # In bulk, since taking from the front moves the rest.
        if old > len(stamps) // 4:
            del stamps[:old], self._poses[:old]

    def at(self, stamp_ns: int) -> Pose:
        """Return the pose at a moment, between poses or a little after the last one.

        Args:
            stamp_ns: The moment.

        Raises:
            SparseDepthError: If there is no pose near, or the poses around it jump.
        """
        stamps, poses = self._stamps_ns, self._poses
        if not stamps:
            msg = 'a pose must have come, got none'
            raise SparseDepthError(msg)
        if self._swing_points >= _TORN_POINTS:
            msg = (
                f'poses go to and fro by {self._swing_m:.2g} m from one to the next: two nodes '
                'publish it, stop one'
            )
            raise SparseDepthError(msg)
        place = bisect.bisect_left(stamps, stamp_ns)
        if place < len(stamps) and stamps[place] == stamp_ns:
            return poses[place]
        if place == len(stamps):
            return self._continued(stamp_ns)
        if place == 0:
            if stamps[0] - stamp_ns <= _CONTINUED_S * _NS_PER_S:
                return poses[0]
            msg = f'it is {(stamps[0] - stamp_ns) / _NS_PER_S:.2f} s older than the oldest pose'
            raise SparseDepthError(msg)
        return self._between(place - 1, place, stamp_ns)

    def _count_swing(self, before: Pose, middle: Pose, after: Pose) -> None:
        # In plain numbers: hundreds of these come in a second.
        (ax, ay, az), (bx, by, bz), (cx, cy, cz) = (
            pose[:3, 3].tolist() for pose in (before, middle, after)
        )
        swing_m = math.hypot(bx - (ax + cx) / 2, by - (ay + cy) / 2, bz - (az + cz) / 2)
        gone_m = math.hypot(cx - ax, cy - ay, cz - az)
        if swing_m > _LEAST_SWING_M and gone_m < _MOST_SHARE_OF_SWING * swing_m:
            self._swing_points = min(_MOST_POINTS, self._swing_points + _SWING_POINTS)
            self._swing_m = swing_m
        else:
            self._swing_points = max(0, self._swing_points - 1)

    def _continued(self, stamp_ns: int) -> Pose:
        stamps, poses = self._stamps_ns, self._poses
        ahead_s = (stamp_ns - stamps[-1]) / _NS_PER_S
        if ahead_s > _CONTINUED_S:
            msg = f'it is {ahead_s:.2f} s newer than the newest pose'
            if not stamps[-1]:
                msg = 'poses have no stamp: have their publisher set header.stamp'
            raise SparseDepthError(msg)
        base = max(0, bisect.bisect_right(stamps, stamps[-1] - _BASE_S * _NS_PER_S) - 1)
        base_s = (stamps[-1] - stamps[base]) / _NS_PER_S
        if not 0 < ahead_s <= _MOST_BASES * base_s:
            return poses[-1]
        return self._between(base, len(stamps) - 1, stamp_ns)

    def _between(self, first: int, second: int, stamp_ns: int) -> Pose:
        stamps, poses = self._stamps_ns, self._poses
        gap_ns = stamps[second] - stamps[first]
        if is_jump(poses[first], poses[second], gap_ns):
            msg = f'around it {jump_words(poses[first], poses[second], gap_ns)}'
            raise SparseDepthError(msg)
        if gap_ns > _WIDEST_GAP_S * _NS_PER_S and is_jump(poses[first], poses[second], 0):
            msg = f'the poses around it are {gap_ns / _NS_PER_S:.1f} s apart'
            raise SparseDepthError(msg)
        return interpolate(poses[first], poses[second], (stamp_ns - stamps[first]) / gap_ns)


def is_set_back(stamp_ns: int, newest_ns: int) -> bool:
    """Return whether time was set back: a simulation was reset, or a recording begins anew.

    Args:
        stamp_ns: Stamp of a message.
        newest_ns: The newest stamp of those before.
    """
    return stamp_ns < newest_ns - _SET_BACK_S * _NS_PER_S


def is_jump(first: Pose, second: Pose, gap_ns: int) -> bool:
    """Return whether nothing can have moved from one pose to another in a time.

    Args:
        first: A pose.
        second: A later pose.
        gap_ns: The time between them in nanoseconds.
    """
    gap_s = max(0.0, gap_ns / _NS_PER_S)
    return (
        _moved_m(first, second) > _JITTER_M + _FASTEST_M_PER_S * gap_s
        or angle(first, second) > _JITTER_RAD + _FASTEST_RAD_PER_S * gap_s
    )


def jump_words(first: Pose, second: Pose, gap_ns: int) -> str:
    """Say how far a pose jumps, and what may be wrong with it.

    Args:
        first: A pose.
        second: A later pose that `is_jump`.
        gap_ns: The time between them in nanoseconds.
    """
    gap_s = max(0.0, gap_ns / _NS_PER_S)
    return (
        f'the pose jumps by {_moved_m(first, second):.3g} m and '
        f'{math.degrees(angle(first, second)):.0f} degrees '
        f'in {gap_s:.2g} s, at most {_FASTEST_M_PER_S:g} m/s are believed: it must be in metres, '
        'and not be set anew while the robot moves'
    )


def _moved_m(first: Pose, second: Pose) -> float:
    return math.dist(first[:3, 3], second[:3, 3])
