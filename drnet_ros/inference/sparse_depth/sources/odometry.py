"""Odometry as a source: poses of the camera for the map of corners."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import cv2

from drnet_ros.errors import SparseDepthError
from drnet_ros.inference.sparse_depth.odometry_map import OdometryMap
from drnet_ros.inference.sparse_depth.sources.pose_track import PoseTrack, is_jump, jump_words
from drnet_ros.inference.sparse_depth.sources.sensor import SourceStatus
from drnet_ros.inference.sparse_depth.sources.transforms import Authority, frame_name

if TYPE_CHECKING:
    from drnet_ros.inference.arrays import UInt8Array
    from drnet_ros.inference.camera import CameraModel
    from drnet_ros.inference.sparse_depth.points import SparseDepth
    from drnet_ros.inference.sparse_depth.sources.motion import ImageMoment
    from drnet_ros.inference.sparse_depth.sources.rigid import Pose
    from drnet_ros.inference.sparse_depth.sources.transforms import TransformBuffer

__all__ = ['OdometrySource']

_NO_MOTION = 'no depth from the motion so far: the camera must move, not only turn'


class OdometrySource:
    """Where the camera was, and the corners that it saw; `add` and `at` may be in two threads.

    Attributes:
        status: How it fares.
        frame_id: Frame that the poses are in, '' before there is one.
    """

    def __init__(self) -> None:
        """Begin without poses."""
        self.status = SourceStatus()
        self.frame_id = ''
        self._child = ''
        self._lock = threading.Lock()
        self._track = PoseTrack()
        self._map = OdometryMap()
        self._last: tuple[int, Pose] | None = None
        self._received = 0
        self._is_reset = False
        self._jump = self._mixed = ''
        self._other = ('', '')

    def add(
        self, stamp_ns: int, frame_id: str, child: str, pose: Pose, transforms: TransformBuffer
    ) -> None:
        """Take a pose.

        Args:
            stamp_ns: When it held.
            frame_id: Frame that it is in.
            child: Frame whose pose it is.
            pose: The pose.
            transforms: Told of it too, for sources that have no other fixed frame.

        Raises:
            SparseDepthError: If a frame has no name.
        """
        transforms.add(frame_id, child, pose, stamp_ns=stamp_ns, authority=Authority.ODOMETRY)
        with self._lock:
            self._received += 1
            before, pair = (self.frame_id, self._child), (frame_name(frame_id), frame_name(child))
            if pair != before:
                is_back = pair == self._other
                self._mixed = _mixed_words(pair, before) if is_back else ''
                self._other = before
                self.frame_id, self._child = pair
                self._track = PoseTrack()
            self._track.add(stamp_ns, pose)

    def reset(self) -> None:
        """Forget the corners before the next image."""
        self._is_reset = True

    def at(
        self,
        image: ImageMoment,
        rgb_hwc: UInt8Array,
        camera: CameraModel | None,
        transforms: TransformBuffer,
        fixed_frame: str,
    ) -> list[SparseDepth]:
        """Take the next image, and return the corners of known depth in it.

        Args:
            image: When and where it was taken; call it once for each image, in their order.
            rgb_hwc: The image, uint8 (H, W, 3), RGB.
            camera: The camera whose rays its pixels look along; None if unknown.
            transforms: What is known of the frames.
            fixed_frame: Frame that stands still, for tf alone if no odometry comes.

        Returns:
            Points in the optical frame; `status` says why there are none.
        """
        problem, found, is_fault = '', [], True
        try:
            points = self._feed(image, rgb_hwc, camera, transforms, fixed_frame)
            found = [points] if len(points) else []
            if not found:
                problem = self._mixed or self._jump or _NO_MOTION
                is_fault = problem != _NO_MOTION
        except SparseDepthError as error:
            problem = self._mixed or str(error)
        self.status = SourceStatus(self._received, sum(map(len, found)), problem, is_fault)
        return found

    def camera_pose(
        self, image: ImageMoment, transforms: TransformBuffer, fixed_frame: str
    ) -> Pose:
        """Return the pose of the optical frame in a frame that stands still.

        Args:
            image: When it is wanted, and the optical frame.
            transforms: What is known of the frames.
            fixed_frame: As for `at`.

        Raises:
            SparseDepthError: If it is not known.
        """
        with self._lock:
            child = self._child
            if child:
                try:
                    pose = self._track.at(image.stamp_ns)
                except SparseDepthError as error:
                    msg = f'odometry must be known at the time of the image: {error}'
                    raise SparseDepthError(msg) from error
        if not child:
            if not transforms.is_above(fixed_frame, image.frame_id):
                msg = 'no message has come'
                raise SparseDepthError(msg)
            return transforms.lookup(fixed_frame, image.frame_id, image.stamp_ns)
        return pose @ transforms.lookup(child, image.frame_id, image.stamp_ns)

    def _feed(
        self,
        image: ImageMoment,
        rgb_hwc: UInt8Array,
        camera: CameraModel | None,
        transforms: TransformBuffer,
        fixed_frame: str,
    ) -> SparseDepth:
        if camera is None:
            msg = 'camera_info must be there'
            raise SparseDepthError(msg)
        pose = self.camera_pose(image, transforms, fixed_frame)
        last, self._last = self._last, (image.stamp_ns, pose)
        gap_ns = 0 if last is None else image.stamp_ns - last[0]
        is_torn = last is not None and gap_ns > 0 and is_jump(last[1], pose, gap_ns)
        self._jump = jump_words(last[1], pose, gap_ns) if last is not None and is_torn else ''
        if is_torn or self._is_reset or (last is not None and gap_ns <= 0):
            self._is_reset = False
            self._map.reset()
        gray_hw = cv2.cvtColor(rgb_hwc, cv2.COLOR_RGB2GRAY)
        return self._map.feed(gray_hw, camera, pose)  # type: ignore[arg-type]


def _mixed_words(first: tuple[str, str], second: tuple[str, str]) -> str:
    both = ' and '.join(f'of {child} in {frame}' for frame, child in (first, second))
    return f'poses {both} alternate on one topic: give each publisher a topic of its own'
