"""The tree of a robot's frames over the last seconds, as /tf and /tf_static describe it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

from drnet_ros.errors import SparseDepthError
from drnet_ros.inference.sparse_depth.sources.pose_track import PoseTrack
from drnet_ros.inference.sparse_depth.sources.rigid import Pose, inverse

__all__ = ['Authority', 'TransformBuffer', 'frame_name']

_MOST_FRAMES = 5000
_DEEPEST = 100


class Authority(IntEnum):
    """Who says where a frame is; the highest is believed."""

    ODOMETRY = 0
    TF = 1
    PARAMETER = 2


@dataclass(slots=True, eq=False)
class _Edge:
    """Where one frame is in its parent: for good, or over time."""

    parent: str
    authority: Authority
    static: Pose | None = None
    track: PoseTrack = field(default_factory=PoseTrack)

    def at(self, child: str, stamp_ns: int) -> Pose:
        if self.static is not None:
            return self.static
        try:
            return self.track.at(stamp_ns)
        except SparseDepthError as error:
            msg = f'no transform from {self.parent} to {child} at this time: {error}'
            raise SparseDepthError(msg) from error


class TransformBuffer:
    """Transforms between frames; may be filled and read by different threads.

    Unlike the buffer of tf2 it never waits, and continues a motion for a moment after the newest
    transform. The same messages give the same transforms, live and from a recording.
    """

    def __init__(self, hint: str = '') -> None:
        """Begin without frames.

        Args:
            hint: Added to what is said of frames that are not connected.
        """
        self._hint = hint
        self._lock = threading.Lock()
        self._edges: dict[str, _Edge] = {}

    def add(
        self,
        parent: str,
        child: str,
        pose: Pose,
        *,
        stamp_ns: int | None = None,
        authority: Authority = Authority.TF,
    ) -> None:
        """Take a transform.

        Args:
            parent: Name of the frame that the pose is in.
            child: Name of the frame whose pose it is.
            pose: The pose of `child` in `parent`.
            stamp_ns: When it holds; None for always.
            authority: Who says so. What a lower one says of the same child is not used.

        Raises:
            SparseDepthError: If a name is empty, both are the same, or there are too many frames.
        """
        parent, child = frame_name(parent), frame_name(child)
        if not parent or not child or parent == child:
            msg = f'a transform must lead to another frame, got {parent!r} to {child!r}'
            raise SparseDepthError(msg)
        with self._lock:
            edge = self._edges.get(child)
            if edge is None and len(self._edges) >= _MOST_FRAMES:
                msg = f'there must be at most {_MOST_FRAMES} frames, got {child} besides'
                raise SparseDepthError(msg)
            if edge is not None and edge.authority > authority:
                return
            if edge is None or edge.parent != parent or edge.authority != authority:
                edge = self._edges[child] = _Edge(parent, authority)
            if stamp_ns is None:
                edge.static = pose
            else:
                edge.static = None
                edge.track.add(stamp_ns, pose)

    def lookup(self, target: str, source: str, stamp_ns: int) -> Pose:
        """Return the pose of one frame in another.

        Args:
            target: Frame that points are wanted in.
            source: Frame that points are in.
            stamp_ns: When.

        Returns:
            The motion that takes coordinates in `source` to coordinates in `target`.

        Raises:
            SparseDepthError: If the frames are not connected, or not at that time.
        """
        target, source = frame_name(target), frame_name(source)
        if target and target == source:
            return np.eye(4)
        with self._lock:
            up_target, up_source = self._ancestors(target), self._ancestors(source)
            common = next((name for name in up_source if name and name in up_target), None)
            if common is None:
                raise SparseDepthError(self._unconnected(target, source))
            to_common = self._climb(up_source[: up_source.index(common)], stamp_ns)
            target_to_common = self._climb(up_target[: up_target.index(common)], stamp_ns)
        return inverse(target_to_common) @ to_common

    def is_above(self, frame: str, other: str) -> bool:
        """Return whether a frame carries another one, or is that."""
        with self._lock:
            return frame_name(frame) in self._ancestors(frame_name(other))

    def _ancestors(self, frame: str) -> list[str]:
        """Return the frame and all above it."""
        names = [frame]
        while len(names) < _DEEPEST and (edge := self._edges.get(names[-1])) is not None:
            if edge.parent in names:  # a circle
                break
            names.append(edge.parent)
        return names

    def _climb(self, frames: list[str], stamp_ns: int) -> Pose:
        pose: Pose = np.eye(4)
        for frame in frames:
            pose = self._edges[frame].at(frame, stamp_ns) @ pose
        return pose

    def _unconnected(self, target: str, source: str) -> str:
        known = {name for child, edge in self._edges.items() for name in (child, edge.parent)}
        missing = [name for name in (source, target) if name not in known]
        got = f'no transform of {" or ".join(missing)}' if missing else 'two separate trees'
        if not source or not target:
            other = source or target or 'any frame'
            return f'header.frame_id must be set, got none to be connected to {other}'
        return (
            f'{source} must be connected to {target} by tf or by sparse_depth_extrinsics, '
            f'got {got}{self._hint}'
        )


def frame_name(name: str) -> str:
    """Return the name of a frame without the leading slash that ROS 1 gave it."""
    return name.lstrip('/')
