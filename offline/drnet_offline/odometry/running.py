"""Odometry over a recording, once for each source of depth and each method."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from drnet_offline.errors import OfflineError
from drnet_offline.evaluation.figures import own_depth_warning, shape_difference
from drnet_offline.odometry.rectifying import Rectifier
from drnet_offline.odometry.trackers import Tracker, create_tracker
from drnet_offline.replay.playback import Estimated, Playback
from drnet_offline.replay.registration import at_size
from drnet_offline.replay.sparse_topics import SparseTopics

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from drnet_offline.replay.frames import RecordedFrame
    from drnet_offline.replay.index import Index
    from drnet_offline.replay.variants import Variant
    from drnet_ros.inference.arrays import FloatArray, UInt8Array
    from drnet_ros.inference.camera import CameraModel

__all__ = ['RECORDED', 'RESCALED', 'Path3D', 'follow_camera']

_NO_TOPICS = SparseTopics()

RECORDED = 'recorded depth'
"""What reports call the depth of the recording."""
RESCALED = ', rescaled'
"""What they add to the name of depth that was multiplied by the scale of the whole sequence."""


@dataclass(slots=True)
class Path3D:
    """What one method made of one source of depth.

    Attributes:
        source: Whose depth: `RECORDED`, or the name of a variant.
        is_rescaled: Whether depth was multiplied by the scale of the whole sequence.
        method: Which odometry.
        stamps_s: When.
        poses: Poses of the camera in its first frame, 4 x 4.
        lost: In how many frames the motion could not be told.
    """

    source: str
    is_rescaled: bool
    method: str
    stamps_s: list[float] = field(default_factory=list)
    poses: list[NDArray[np.float64]] = field(default_factory=list)
    lost: int = 0

    @property
    def name(self) -> str:
        """The source in words."""
        return f'{self.source}{RESCALED}' if self.is_rescaled else self.source


@dataclass(slots=True)
class _Followed:
    """A path in the making."""

    path: Path3D
    tracker: Tracker

    def add(self, stamp_s: float, gray_hw: UInt8Array, depth_hw: FloatArray) -> None:
        self.path.poses.append(self.tracker.add(gray_hw, depth_hw))
        self.path.stamps_s.append(stamp_s)
        self.path.lost = self.tracker.lost


def follow_camera(
    index: Index,
    variants: Sequence[Variant],
    methods: Sequence[str],
    on_frame: Callable[[], None] = lambda: None,
    sparse_topics: SparseTopics = _NO_TOPICS,
    on_estimated: Callable[[Estimated], None] = lambda _estimated: None,
    *,
    on_warning: Callable[[str], None] = lambda _text: None,
) -> tuple[list[Path3D], dict[str, float]]:
    """Run odometry with recorded depth, with estimated depth, and with that rescaled.

    Rescaled is by one factor for the whole recording: the median over frames of recorded by
    estimated depth. The first pass over the recording finds it, the second one uses it.

    Args:
        index: The index of the recording.
        variants: What estimates depth.
        methods: Names of `trackers.METHODS`.
        on_frame: Called for each frame of each pass.
        sparse_topics: Where the sources of sparse depth of all variants are recorded.
        on_estimated: Called with each frame of the first pass.
        on_warning: Called with what is doubtful about the whole recording, in a sentence.

    Returns:
        The paths, and the factor of each variant by name (none without recorded depth).

    Raises:
        OfflineError: There is no camera_info.
    """
    has_truth = bool(index.pairs)
    sources = [RECORDED] * has_truth + [variant.name for variant in variants]
    is_rectified = variants[0].settings.image_is_rectified
    first = _Pass(sources, methods, is_rescaled=False, is_rectified=is_rectified)
    scales: dict[str, list[float]] = {variant.name: [] for variant in variants}
    differences: list[float] = []
    for estimated in _estimated(index, variants, sparse_topics):
        on_estimated(estimated)
        truth = _truth(estimated)
        depths: dict[str, FloatArray | None] = {RECORDED: truth}
        for variant, result in zip(variants, estimated.results, strict=False):
            depths[variant.name] = _fitted(estimated, result.depth_hw)
            if (scale := _scale(truth, depths[variant.name])) is not None:
                scales[variant.name].append(scale)
        differences.append(_difference(truth, depths.get(variants[0].name)))
        first.add(estimated, depths)
        on_frame()
    if text := own_depth_warning(differences):
        on_warning(text)
    factors = {name: float(np.median(values)) for name, values in scales.items() if values}
    if not factors:
        return first.paths, {}
    second = _Pass(list(factors), methods, is_rescaled=True, is_rectified=is_rectified)
    for estimated in _estimated(index, variants, sparse_topics):
        second.add(estimated, _rescaled(estimated, variants, factors))
        on_frame()
    return first.paths + second.paths, factors


class _Pass:
    """All trackers of one pass over the recording."""

    def __init__(
        self,
        sources: Sequence[str],
        methods: Sequence[str],
        *,
        is_rescaled: bool,
        is_rectified: bool,
    ) -> None:
        self._is_rectified = is_rectified
        self.paths = [
            Path3D(source, is_rescaled, method) for source in sources for method in methods
        ]
        self._followed: list[_Followed] = []
        self._stamps_ns: set[int] = set()
        self._first: CameraModel | None = None
        self._last: tuple[CameraModel, Rectifier] | None = None

    def add(self, estimated: Estimated, depths: dict[str, FloatArray | None]) -> None:
        frame = estimated.frame
        # A message that was recorded twice is one frame: a path has one pose at a time.
        is_new = frame.stamp_ns not in self._stamps_ns
        if frame.rgb_hwc is None or not estimated.results or not is_new:
            return
        rectifier = self._rectifier_of(frame)
        if rectifier is None:
            return
        self._stamps_ns.add(frame.stamp_ns)
        if not self._followed:
            k = rectifier.k
            self._followed = [_Followed(p, create_tracker(p.method, k)) for p in self.paths]
        gray = rectifier.image(frame.rgb_hwc)
        rectified: dict[str, FloatArray] = {}
        for followed in self._followed:
            source = followed.path.source
            depth = depths.get(source)
            # A frame without recorded depth is left out of that path, not taken for standing.
            if depth is not None:
                if source not in rectified:
                    rectified[source] = rectifier.depth(depth)
                followed.add(frame.stamp_ns / 1e9, gray, rectified[source])

    def _rectifier_of(self, frame: RecordedFrame) -> Rectifier | None:
        """Return what makes a frame one of the first frame's camera, which trackers follow.

        Intrinsics and size may change in a recording. A frame without a camera of its own, which
        its problems say, is left out.

        Raises:
            OfflineError: The first frame has no camera.
        """
        if frame.camera is None:
            if self._first is None:
                msg = 'odometry needs the camera: the recording must have a usable camera_info'
                raise OfflineError(msg)
            return None
        camera = frame.camera.rectified() if self._is_rectified else frame.camera
        self._first = self._first or camera
        if self._last is None or self._last[0] != camera:
            self._last = camera, Rectifier(camera, self._first)
        return self._last[1]


def _estimated(
    index: Index, variants: Sequence[Variant], sparse_topics: SparseTopics
) -> Iterator[Estimated]:
    with Playback(index, variants, sparse_topics=sparse_topics) as playback:
        yield from playback.frames()


def _truth(estimated: Estimated) -> FloatArray | None:
    truth = estimated.frame.truth_hw
    return None if truth is None else _fitted(estimated, truth)


def _fitted(estimated: Estimated, depth_hw: FloatArray) -> FloatArray | None:
    """Bring depth to the size of the image."""
    rgb: Any = estimated.frame.rgb_hwc
    return None if rgb is None else at_size(depth_hw, (rgb.shape[0], rgb.shape[1]))


def _scale(truth: FloatArray | None, depth: FloatArray | None) -> float | None:
    if truth is None or depth is None:
        return None
    ratios = truth / depth
    ratios = ratios[np.isfinite(ratios)]
    return float(np.median(ratios)) if ratios.size else None


def _difference(truth: FloatArray | None, depth: FloatArray | None) -> float:
    return float('nan') if truth is None or depth is None else shape_difference(depth, truth)


def _rescaled(
    estimated: Estimated, variants: Sequence[Variant], factors: Mapping[str, float]
) -> dict[str, FloatArray | None]:
    return {
        variant.name: _times(_fitted(estimated, result.depth_hw), factors.get(variant.name))
        for variant, result in zip(variants, estimated.results, strict=False)
    }


def _times(depth: FloatArray | None, factor: float | None) -> FloatArray | None:
    return None if depth is None or factor is None else depth * np.float32(factor)
