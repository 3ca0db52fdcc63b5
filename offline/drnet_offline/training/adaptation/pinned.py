"""Labels from what sensors and odometry know: the old weights' depth, scaled by sparse depth.

`inference.sparse_depth` scales each estimate by a factor that varies over the image, and says how
sure it is. That is what is learned, each pixel as far as it is sure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from drnet_offline.replay.frames import read_frames
from drnet_offline.replay.registration import has_same_aspect, registration_warnings
from drnet_offline.replay.sparse_player import SparsePlayer
from drnet_offline.replay.sparse_records import count_kinds
from drnet_offline.training.adaptation.frame_store import LabelledFrame
from drnet_offline.training.adaptation.fusing import fuse, points_of
from drnet_offline.training.adaptation.hindsight import frames_with_points
from drnet_offline.training.adaptation.sources import RecordedFrames
from drnet_offline.training.adaptation.sweep import sweep
from drnet_offline.training.adaptation.trajectory import Corners, place_corners
from drnet_ros.errors import RecordingError
from drnet_ros.inference import DepthEstimator, SparseDepth

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from drnet_offline.replay.frames import RecordedFrame
    from drnet_offline.replay.index import Index
    from drnet_offline.replay.sparse_topics import SparseTopics
    from drnet_ros.inference import DepthFrame, DepthScale, Settings

__all__ = ['PinnedDepth', 'weight_of']

_LEAST_POINTS = 5
# A label whose standard deviation is this share of its depth has the weight 1/2.
_HALF_SURE = 0.12


class PinnedDepth(RecordedFrames):
    """Images of a recording with the depth that sensors and odometry make known.

    Attributes:
        kind: One of `plan.LABELS`.
        labels: What the labels are, in words.
        follows_network: Whether labels have the shape that the network sees.
        topics: Where the sources are recorded.
    """

    def __init__(
        self,
        index: Index,
        settings: Settings,
        topics: SparseTopics,
        on_image: Callable[[], None] = lambda: None,
    ) -> None:
        """Keep what is read later.

        Args:
            index: The index of the recording.
            settings: The sources are those of `sparse_depth_sources`.
            topics: Where they are recorded.
            on_image: Called for each image that corners are followed in.
        """
        super().__init__(index, settings)
        names = settings.sparse_depth_names
        self.kind = 'odometry' if names == ('odometry',) else 'sparse'
        self._sensors = tuple(name for name in names if name != 'odometry')
        self._corners: Corners | None = None
        self._use(names)
        self.topics = topics
        self._on_image = on_image

    def _use(self, names: tuple[str, ...]) -> None:
        self.labels = f'depth scaled by {" and ".join(names)}'
        # Images from places apart show the shape as well.
        self.follows_network = 'odometry' not in names
        self._has_odometry = 'odometry' in names
        self._corners = None

    def may_have_label(self, positions: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which images show enough corners; all of them, if there are sensors.

        Raises:
            DatasetError: There is only odometry, and the camera has turned, but not moved.
        """
        if self._has_odometry and self._corners is None:
            self._corners = place_corners(self, self.topics, self._on_image)
            if self._sensors and self._corners.is_torn:
                self.problems[f'odometry is left out: {self._corners.jump}'] += self._corners.jumps
                self._use(self._sensors)
        if self._sensors or self._corners is None:
            return np.ones(len(positions), np.bool_)
        self._corners.check(self.name)
        return np.array(
            [int(position) in self._corners.points for position in positions], np.bool_
        )

    def frames(self, blocks: Mapping[int, int]) -> Iterator[LabelledFrame]:
        """Yield the frames whose depth is known well enough, with how sure it is."""
        wide = self.settings.changed(
            min_depth=0.05, max_depth=80.0, edge_threshold=0.0, temporal_filter=0.0,
            sparse_depth_sources=('',), max_stddev_ratio=0.0,
        )  # fmt: skip
        with DepthEstimator(wide) as estimator:
            for frame, points in self._with_points(blocks):
                if frame.rgb_hwc is None or not len(points):
                    continue
                result = estimator.estimate(
                    frame.rgb_hwc, frame.camera, sparse_depth=points, stddev=True
                )
                self._note_scale(result.scale)
                if result.scale is None or result.scale.points < _LEAST_POINTS:
                    continue
                depth_hw, stddev_hw = self._swept(estimator, frame, points, result)
                yield self._labelled(frame, depth_hw, stddev_hw, blocks[frame.position])

    def _with_points(
        self, blocks: Mapping[int, int]
    ) -> Iterator[tuple[RecordedFrame, SparseDepth]]:
        corners = {} if self._corners is None else self._corners.points
        if not self._sensors:
            for frame in read_frames(self.index, positions=set(blocks) & set(corners)):
                self.problems.update(frame.problems)
                yield frame, corners[frame.position]
            return
        settings = self.settings.changed(sparse_depth_sources=self._sensors)
        player = SparsePlayer(settings, self.topics)
        for frame, points in frames_with_points(self.index, player, self.topics, blocks):
            self.note(frame, player)
            known = [points, *([corners[frame.position]] if frame.position in corners else [])]
            yield frame, SparseDepth.fused(known)

    def _note_scale(self, scale: DepthScale | None) -> None:
        """Count why sources were left out of a frame, or all its points."""
        if scale is not None:
            count_kinds(self.problems, filter(None, (scale.refusal, scale.contradiction)))

    def _swept(
        self,
        estimator: DepthEstimator,
        frame: RecordedFrame,
        points: SparseDepth,
        first: DepthFrame,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return depth and its standard deviation, better known by images from places apart."""
        corners = self._corners
        image = None if corners is None else corners.views.at(frame.position)
        if corners is None or image is None or frame.rgb_hwc is None:
            return first.depth_hw, _stddev_of(first)
        # Poses that other sensors contradict, or nothing confirms, make views agree by chance.
        is_contradicted = first.scale is not None and 'odometry' in first.scale.contradiction
        if frame.position not in corners.points or is_contradicted:
            return first.depth_hw, _stddev_of(first)
        depth_m = float(np.median(first.depth_hw))
        earlier, later = corners.views.around(frame.position, depth_m)
        swept = sweep(image, earlier, later, first.depth_hw)
        if swept is None:
            return first.depth_hw, _stddev_of(first)
        known = SparseDepth.fused([points, points_of(swept, first.depth_hw, image.camera)])
        second = estimator.estimate(frame.rgb_hwc, frame.camera, sparse_depth=known, stddev=True)
        return fuse(second.depth_hw, _stddev_of(second), swept, first.depth_hw)

    def _labelled(
        self,
        frame: RecordedFrame,
        depth_hw: NDArray[np.float32],
        stddev_hw: NDArray[np.float32],
        block: int,
    ) -> LabelledFrame:
        size = (0, 0) if frame.rgb_hwc is None else frame.rgb_hwc.shape[:2]
        return self.labelled(
            frame,
            block,
            depth_hw,
            weight_of(depth_hw, stddev_hw),
            self._truth_of(frame, (size[0], size[1])),
        )

    def _truth_of(
        self, frame: RecordedFrame, image_hw: tuple[int, int]
    ) -> NDArray[np.float32] | None:
        """Return recorded depth, for reports, if it is registered."""
        if frame.truth_hw is None:
            return None
        size = (frame.truth_hw.shape[0], frame.truth_hw.shape[1])
        if not has_same_aspect(image_hw, size) or registration_warnings(self.index, size, size):
            return None
        return frame.truth_hw


def _stddev_of(result: DepthFrame) -> NDArray[np.float32]:
    if result.stddev_hw is None:
        msg = 'an estimate with a standard deviation was asked for, got none'
        raise RecordingError(msg)
    return result.stddev_hw


def weight_of(
    depth_hw: NDArray[np.float32], stddev_hw: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return how sure depth is, 0 to 1: 1 / (1 + (relative deviation / 0.12)^2), 0 where NaN.

    Args:
        depth_hw: Metres, (H, W).
        stddev_hw: One standard deviation of it, metres.
    """
    relative = stddev_hw / depth_hw / np.float32(_HALF_SURE)
    weight: NDArray[np.float32] = np.nan_to_num(1 / (1 + relative * relative), nan=0.0)
    return weight
