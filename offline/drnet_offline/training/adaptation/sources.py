"""Where frames come from: recordings, with the depth that was recorded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from drnet_offline.errors import DatasetError
from drnet_offline.replay import registration
from drnet_offline.replay.frames import RecordedFrame, read_frames
from drnet_offline.replay.sparse_records import count_kinds
from drnet_offline.training.adaptation.frame_store import LabelledFrame
from drnet_ros.errors import CameraError
from drnet_ros.inference.postprocess import ray_camera_of
from drnet_ros.messages.reading import NS_PER_S

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from drnet_offline.replay.index import Index
    from drnet_offline.replay.sparse_player import SparsePlayer
    from drnet_ros.inference import Settings
    from drnet_ros.inference.arrays import FloatArray, UInt8Array
    from drnet_ros.inference.camera import CameraModel

__all__ = [
    'TOLERANCE_S',
    'FrameSource',
    'RecordedDepth',
    'RecordedFrames',
    'check_camera',
    'registration_problem',
]

# Of longer recordings every n-th image is looked at: that is still 3 a second for half an hour.
_MOST_SURVEYED = 6000
TOLERANCE_S = 0.02
"""Largest time between an image and its depth."""

_LEAST_VIEW, _WIDEST_VIEW = 15.0, 170.0


class FrameSource(Protocol):
    """Images of one camera in the order of time, some with a label.

    Attributes:
        name: What reports call it.
        kind: One of `plan.LABELS`.
        labels: What the labels are, in words.
        follows_network: Whether labels have the shape that the network sees: better weights make
            better labels.
        problems: What is wrong with images and labels that `frames` has read, counted by kind.
    """

    name: str
    kind: str
    labels: str
    follows_network: bool
    problems: Counter[str]

    def images(self) -> Iterator[tuple[int, float, UInt8Array | None]]:
        """Yield position, stamp in seconds and image, None if it cannot be decoded."""
        ...

    def may_have_label(self, positions: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return for which images there is data that a label could be made of, (N,)."""
        ...

    def frames(self, blocks: Mapping[int, int]) -> Iterator[LabelledFrame]:
        """Yield the frames at some positions that have a label, each with its block."""
        ...

    @property
    def damage(self) -> str:
        """What of it cannot be read, '' if all can; known once it was read."""
        ...

    @property
    def warnings(self) -> Sequence[str]:
        """What is odd about it, in whole sentences."""
        ...


class RecordedFrames:
    """The images of a recording.

    Attributes:
        name: What reports call it.
        index: The index of the recording, which must stay open.
        settings: `image_is_rectified` and the sources of sparse depth are read.
        follows_network: As of `FrameSource`.
        problems: As of `FrameSource`.
    """

    follows_network = False

    def __init__(self, index: Index, settings: Settings) -> None:
        """Keep what is read later.

        Raises:
            DatasetError: If there is no camera that fits the images.
        """
        self.name = index.recording.path.name
        self.index = index
        self.settings = settings
        self.problems: Counter[str] = Counter()

    @property
    def damage(self) -> str:
        """What of the recording cannot be read, '' if all can."""
        return self.index.damage

    @property
    def warnings(self) -> Sequence[str]:
        """What is odd about the recording, in whole sentences."""
        found = registration.index_warnings(self.index)
        if len(self.index.depths.stamps_ns) and not self.index.pairs:
            found.append(
                f'depth on {self.index.choice.depth} is not learned: no depth image lies within '
                f'{TOLERANCE_S} s of an image'
            )
        return found

    def images(self) -> Iterator[tuple[int, float, UInt8Array | None]]:
        """Yield position, stamp in seconds and image, None if it cannot be decoded."""
        alone = self.index.without_depth()
        count = len(self.index.images)
        surveyed = range(0, count, -(-count // _MOST_SURVEYED) or 1)
        for frame in read_frames(alone, positions=surveyed):
            yield frame.position, frame.stamp_ns / NS_PER_S, frame.rgb_hwc

    def camera_of(self, frame: RecordedFrame) -> CameraModel:
        """Return the camera whose rays the pixels of an image look along.

        Raises:
            DatasetError: If there is none that fits.
        """
        shape = (0, 0) if frame.rgb_hwc is None else frame.rgb_hwc.shape[:2]
        return check_camera(self.index, frame.position, (shape[0], shape[1]), self.settings)

    def note(self, frame: RecordedFrame, player: SparsePlayer) -> None:
        """Count what is wrong with a frame, and with each source of sparse depth in it."""
        own = (
            f'{name}: {status.problem}'
            for name, status in player.status().items()
            if status.problem
        )
        count_kinds(self.problems, (*frame.problems, *own))

    def labelled(
        self,
        frame: RecordedFrame,
        block: int,
        depth_hw: FloatArray,
        weight_hw: FloatArray | None = None,
        truth_hw: FloatArray | None = None,
    ) -> LabelledFrame:
        """Put a frame and its label together.

        Args:
            frame: A frame with an image.
            block: Number of its held-out block, -1 if it is learned.
            depth_hw: As of `LabelledFrame`, metres.
            weight_hw: As of `LabelledFrame`, 0 to 1.
            truth_hw: As of `LabelledFrame`, metres.

        Raises:
            DatasetError: The frame has no image, or no camera fits it.
        """
        if frame.rgb_hwc is None:
            msg = f'{self.name}: a frame with a label must have an image, got none'
            raise DatasetError(msg)
        return LabelledFrame(
            f'{self.name}:{frame.position}',
            frame.position,
            frame.stamp_ns / NS_PER_S,
            block,
            frame.rgb_hwc,
            self.camera_of(frame).focal_at(*frame.rgb_hwc.shape[:2]),
            depth_hw,
            weight_hw,
            truth_hw,
        )


class RecordedDepth(RecordedFrames):
    """Images with recorded depth that is registered to them, which is the label."""

    kind = 'depth'
    labels = 'recorded depth'

    def may_have_label(self, positions: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which images have a depth image of the same time."""
        return np.array([int(position) in self.index.pairs for position in positions], np.bool_)

    def frames(self, blocks: Mapping[int, int]) -> Iterator[LabelledFrame]:
        """Yield frames with their recorded depth.

        Raises:
            DatasetError: If a camera does not fit.
        """
        for frame in read_frames(self.index, positions=blocks):
            self.problems.update(frame.problems)
            if frame.rgb_hwc is not None and frame.truth_hw is not None:
                yield self.labelled(frame, blocks[frame.position], frame.truth_hw)


def registration_problem(index: Index) -> str:
    """Return why recorded depth cannot be laid over the images as it is; '' if it can.

    Args:
        index: The index of a recording with depth.
    """
    for frame in read_frames(index, positions=sorted(index.pairs)[:10]):
        if frame.rgb_hwc is None or frame.truth_hw is None:
            continue
        image_hw = (frame.rgb_hwc.shape[0], frame.rgb_hwc.shape[1])
        depth_hw = (frame.truth_hw.shape[0], frame.truth_hw.shape[1])
        # Depth of another size of the same view is no fault.
        shown = depth_hw if registration.has_same_aspect(image_hw, depth_hw) else image_hw
        return next(iter(registration.registration_warnings(index, shown, depth_hw)), '')
    return ''


def check_camera(
    index: Index, position: int, image_hw: tuple[int, int], settings: Settings
) -> CameraModel:
    """Return the camera whose rays the pixels of an image look along.

    Args:
        index: The index of a recording.
        position: Which image of the recording it is, from 0.
        image_hw: Its height and width.
        settings: `image_is_rectified` is read.

    Raises:
        DatasetError: If there is no CameraInfo, or it cannot be that of the images.
    """
    found = index.cameras.find(position)
    if found is None:
        problem = index.cameras.problem or f'got none on {index.choice.camera_info}'
        msg = (
            f'{index.recording.path.name} must have a camera_info of the images, since the scale '
            f'is learned for their focal length; {problem}; record it, or name it by '
            '--camera-info-topic'
        )
        raise DatasetError(msg)
    try:
        camera = ray_camera_of(found[1].matching(*image_hw), settings)
    except CameraError as error:
        msg = f'camera_info must fit the images: {error}; record that of this camera'
        raise DatasetError(msg) from error
    view = 2 * np.degrees(np.arctan(camera.width / (2 * camera.fx)))
    is_inside = 0 <= camera.cx < camera.width and 0 <= camera.cy < camera.height
    if not _LEAST_VIEW < view < _WIDEST_VIEW or not is_inside:
        msg = (
            f'camera_info must be that of the images, got fx {camera.fx:.1f} (a view of '
            f'{view:.0f} degrees) and centre {camera.cx:.0f}, {camera.cy:.0f} for '
            f'{camera.width} x {camera.height} pixels; calibrate the camera'
        )
        raise DatasetError(msg)
    return camera
