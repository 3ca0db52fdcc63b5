"""Corners of a recording placed by odometry, with hindsight: seen before and after each image."""

from __future__ import annotations

import math
import os
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from drnet_offline.errors import DatasetError
from drnet_offline.outputs.files import named_disk
from drnet_offline.replay.frames import RecordedFrame, read_frames
from drnet_offline.training.adaptation.views import PosedImage, Views
from drnet_ros.errors import DrnetError, SparseDepthError
from drnet_ros.inference import OdometryMap, SparseDepth
from drnet_ros.inference.sparse_depth.sources.extrinsics import add_extrinsics
from drnet_ros.inference.sparse_depth.sources.motion import ImageMoment
from drnet_ros.inference.sparse_depth.sources.odometry import OdometrySource
from drnet_ros.inference.sparse_depth.sources.pose_track import is_jump, jump_words
from drnet_ros.inference.sparse_depth.sources.rigid import Pose, angle, pose_of
from drnet_ros.inference.sparse_depth.sources.transforms import TransformBuffer
from drnet_ros.messages.reading import stamp_ns
from drnet_ros.messages.sparse_reading import add_transforms, odometry_pose

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from drnet_offline.replay.sparse_topics import SparseTopics
    from drnet_offline.training.adaptation.sources import RecordedFrames
    from drnet_ros.inference.camera import CameraModel

__all__ = ['POSE_TYPE', 'Corners', 'place_corners']

POSE_TYPE = 'geometry_msgs/msg/PoseStamped'

_WIDTH = 400  # as `OdometryMap` has it
# A pose that comes later than its image is waited for during so many images.
_LAG = 10
_LEAST_CORNERS = 10
_LEAST_SHARE = 0.2
# Corrections of a SLAM are rarer.
_MOST_TORN_SHARE = 0.2


@dataclass(slots=True)
class Corners:
    """What odometry makes known of the depth in images.

    Attributes:
        points: For each position with enough corners of known depth, these.
        images: Number of images.
        posed: Number of images whose pose is known.
        problem: Why one has no pose, '' if all have.
        moved_m: Length of the camera's way.
        turned_deg: Sum of its turns.
        jumps: How many times it moved faster than is believed between two images.
        jump: One of these, in words.
        views: The images with their poses.
    """

    points: dict[int, SparseDepth] = field(default_factory=dict)
    images: int = 0
    posed: int = 0
    problem: str = ''
    moved_m: float = 0.0
    turned_deg: float = 0.0
    jumps: int = 0
    jump: str = ''
    views: Views = field(default_factory=lambda: Views(()))

    @property
    def is_torn(self) -> bool:
        """Whether poses jump so often that their unit is wrong, or the camera too fast."""
        return self.jumps > _MOST_TORN_SHARE * max(self.posed - 1, 1)

    def check(self, name: str) -> None:
        """Refuse a recording whose camera has turned, but not moved.

        Args:
            name: The recording.

        Raises:
            DatasetError: Too few images have corners of known depth; it says the figures.
        """
        if len(self.points) >= _LEAST_SHARE * max(self.images, 1):
            return
        turn = self.turned_deg / max(self.moved_m, 1e-3)
        msg = (
            f'{name} must show corners from places apart to be learned from by odometry: '
            f'{len(self.points)} of {self.images} images have {_LEAST_CORNERS} corners of known '
            f'depth, {_LEAST_SHARE:.0%} are needed; {self.posed} have a pose, and the camera '
            f'moved by {self.moved_m:.2f} m and turned by {self.turned_deg:.0f} degrees, '
            f'{turn:.0f} for each metre'
            + (f' ({self.problem or self.jump})' if self.problem or self.jump else '')
            + ': drive, do not only turn, or learn from depth'
        )
        raise DatasetError(msg)


def place_corners(
    frames: RecordedFrames, topics: SparseTopics, on_image: Callable[[], None] = lambda: None
) -> Corners:
    """Follow corners through a recording forwards and backwards, and place them by its poses.

    Args:
        frames: The recording.
        topics: Where odometry, poses of the camera (`POSE_TYPE`) and transforms are recorded;
            other sources are left out.
        on_image: Called for each image and direction.

    Raises:
        OfflineError: The temporary folder has no room for the images.
    """
    corners = Corners(images=len(frames.index.images))
    with tempfile.TemporaryFile() as file:
        greys: NDArray[np.uint8] | None = None
        posed: list[PosedImage] = []
        for frame, camera, pose in _poses(frames, topics, corners):
            grey = _small(frame)
            if greys is None:
                shape = (corners.images, *grey.shape)
                with named_disk(Path(tempfile.gettempdir())):
                    # Written to without room on the disk, the map would end the process.
                    os.posix_fallocate(file.fileno(), 0, math.prod(shape))
                greys = np.memmap(file, np.uint8, 'r+', shape=shape)
            if grey.shape == greys.shape[1:]:
                greys[frame.position] = grey
                kept = greys[frame.position]
                posed.append(PosedImage(frame.position, frame.stamp_ns, camera, pose, kept))
            on_image()
        if greys is None:
            return corners
        _measure_motion(posed, corners)
        corners.views = Views(posed)
        found = [_follow(way, on_image) for way in (posed, posed[::-1])]
    for each in posed:
        both = [seen[each.position] for seen in found if each.position in seen]
        together = SparseDepth.fused(both) if both else None
        if together is not None and len(together) >= _LEAST_CORNERS:
            corners.points[each.position] = together
    return corners


def _follow(way: Sequence[PosedImage], on_image: Callable[[], None]) -> dict[int, SparseDepth]:
    """Return the corners of known depth in each image, for images in one direction of time."""
    found: dict[int, SparseDepth] = {}
    map_ = OdometryMap()
    last: PosedImage | None = None
    for each in way:
        on_image()
        if each.pose is None:
            continue
        if last is not None and last.pose is not None:
            gap_ns = abs(each.stamp_ns - last.stamp_ns)
            if is_jump(last.pose, each.pose, gap_ns):
                map_.reset()
        last = each
        found[each.position] = map_.feed(each.grey_hw, each.camera, each.pose)
    return found


def _measure_motion(posed: Sequence[PosedImage], corners: Corners) -> None:
    poses = [(each.stamp_ns, each.pose) for each in posed if each.pose is not None]
    corners.posed = len(poses)
    for (earlier_ns, before), (later_ns, after) in pairwise(poses):
        corners.moved_m += float(np.linalg.norm(after[:3, 3] - before[:3, 3]))
        corners.turned_deg += float(np.degrees(angle(before, after)))
        if later_ns > earlier_ns and is_jump(before, after, later_ns - earlier_ns):
            corners.jumps += 1
            corners.jump = jump_words(before, after, later_ns - earlier_ns)


def _poses(
    frames: RecordedFrames, topics: SparseTopics, corners: Corners
) -> Iterator[tuple[RecordedFrame, CameraModel, Pose | None]]:
    """Yield each image with its camera and pose, a little after what was recorded later."""
    index = frames.index
    alone = index.without_depth()
    reader = _PoseReader(frames, topics)
    waiting: deque[RecordedFrame] = deque()
    posing = (topics.by_source['odometry'], *topics.transforms)
    for frame in read_frames(alone, side_topics=posing):
        reader.receive(frame)
        if frame.rgb_hwc is not None:
            waiting.append(replace(frame, side_messages=()))
        if len(waiting) > _LAG:
            yield reader.posed(waiting.popleft(), corners)
    while waiting:
        yield reader.posed(waiting.popleft(), corners)
    index.damage = index.damage or alone.damage


class _PoseReader:
    """The poses of a camera, from odometry, from poses of its own, or from transforms."""

    def __init__(self, frames: RecordedFrames, topics: SparseTopics) -> None:
        self._frames = frames
        self._recording = frames.index.recording
        self._topics = topics
        self._source = OdometrySource()
        self._transforms = TransformBuffer()
        add_extrinsics(frames.settings.sparse_depth_extrinsics, self._transforms)

    def receive(self, frame: RecordedFrame) -> None:
        for recorded in frame.side_messages:
            with suppress(DrnetError):  # counted by the images that have no pose
                message = self._recording.deserialize(recorded)
                self._take(recorded.topic, message, frame.frame_id)

    def posed(
        self, frame: RecordedFrame, corners: Corners
    ) -> tuple[RecordedFrame, CameraModel, Pose | None]:
        camera = self._frames.camera_of(frame)
        moment = ImageMoment(frame.stamp_ns, frame.frame_id)
        fixed = self._source.frame_id or self._frames.settings.sparse_depth_fixed_frame
        try:
            return frame, camera, self._source.camera_pose(moment, self._transforms, fixed)
        except SparseDepthError as error:
            corners.problem = str(error)
            return frame, camera, None

    def _take(self, topic: str, message: Any, image_frame: str) -> None:
        if topic in self._topics.transforms:
            add_transforms(message, self._transforms, is_static=topic.endswith('tf_static'))
            return
        msgtype = self._recording.topics[topic].msgtype
        if msgtype == POSE_TYPE:
            p, q = message.pose.position, message.pose.orientation
            pose = pose_of((p.x, p.y, p.z), (q.x, q.y, q.z, q.w))
            child = image_frame
        else:
            pose, child = odometry_pose(message), message.child_frame_id
        self._source.add(
            stamp_ns(message), message.header.frame_id or 'world', child, pose, self._transforms
        )


def _small(frame: RecordedFrame) -> NDArray[np.uint8]:
    grey = cv2.cvtColor(frame.rgb_hwc, cv2.COLOR_RGB2GRAY)  # type: ignore[arg-type]
    shrink = max(1, round(grey.shape[1] / _WIDTH))
    size = (grey.shape[1] // shrink, grey.shape[0] // shrink)
    small = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    return small.astype(np.uint8, copy=False)
