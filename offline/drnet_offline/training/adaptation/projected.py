"""Recorded depth of another camera, brought into the images by tf and intrinsics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from drnet_offline.errors import DatasetError
from drnet_offline.replay.sparse_player import SparsePlayer
from drnet_offline.training.adaptation.frame_store import LabelledFrame
from drnet_offline.training.adaptation.hindsight import frames_with_points
from drnet_offline.training.adaptation.sources import RecordedFrames
from drnet_ros.inference.sparse_depth.projection import project

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from drnet_offline.replay.index import Index
    from drnet_offline.replay.sparse_topics import SparseTopics
    from drnet_ros.inference import Settings, SparseDepth
    from drnet_ros.inference.camera import CameraModel

__all__ = ['ProjectedDepth', 'project_depth']

# Points lie close enough for an image of this width without gaps.
_WIDTH = 160


class ProjectedDepth(RecordedFrames):
    """Images with the depth of another camera of the robot as their label."""

    kind = 'depth'
    labels = 'recorded depth, projected into the images'

    def __init__(self, index: Index, settings: Settings, topics: SparseTopics) -> None:
        """Keep what is read later.

        Args:
            index: The index of the recording.
            settings: The extrinsics and the fixed frame are read.
            topics: The source 'depth', its CameraInfo and transforms.
        """
        super().__init__(index, settings)
        self._topics = topics

    def may_have_label(self, positions: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which images have a depth image of the same time."""
        return np.array([int(position) in self.index.pairs for position in positions], np.bool_)

    def frames(self, blocks: Mapping[int, int]) -> Iterator[LabelledFrame]:
        """Yield frames with the depth that the other camera saw of them.

        Raises:
            DatasetError: If the cameras are not connected by tf.
        """
        settings = self.settings.changed(sparse_depth_sources=('depth',))
        player = SparsePlayer(settings, self._topics)
        alone = self.index.without_depth()
        count = 0
        for frame, points in frames_with_points(alone, player, self._topics, blocks):
            self.note(frame, player)
            if frame.rgb_hwc is None:
                continue
            count += bool(len(points))
            depth_hw = project_depth(points, self.camera_of(frame))
            yield self.labelled(frame, blocks[frame.position], depth_hw)
        if not count:
            problem = player.status()['depth'].problem
            msg = f'recorded depth must be connected to the images by tf: {problem}'
            raise DatasetError(msg)


def project_depth(points: SparseDepth, camera: CameraModel) -> NDArray[np.float32]:
    """Return the depth of the nearest point in each pixel of a small image.

    Args:
        points: In the optical frame of the camera.
        camera: The camera, at the size of the image.

    Returns:
        float32 (h, 160), metres, NaN where no point is; of the camera's aspect ratio.
    """
    small = camera.scaled_to(max(1, round(camera.height * _WIDTH / camera.width)), _WIDTH)
    seen = project(points, small)
    depth = np.full((small.height, small.width), np.inf, np.float32)
    np.minimum.at(depth, (seen.rows, seen.columns), seen.depth_m)
    depth[np.isinf(depth)] = np.nan
    return depth
