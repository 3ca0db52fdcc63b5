"""What the clip's robot has recorded, through the sources of the node, against exact depth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from drnet_offline.replay.frames import read_frames
from drnet_offline.replay.index import index_recording
from drnet_offline.replay.sparse_player import SparsePlayer
from drnet_offline.replay.sparse_topics import choose_sparse_topics
from drnet_ros.inference import Frame, Settings
from drnet_ros.recordings.recording import Recording
from drnet_ros.recordings.topics import choose_topics

pytestmark = pytest.mark.slow

BAG = Path(__file__).parents[1] / 'clip' / 'room'
FOCAL, CENTRE = 525.0, (319.5, 239.5)

Array = npt.NDArray[np.float64]


def ratios(source: str) -> list[Array]:
    """Depth of the points of each image, by the exact depth of their pixels."""
    found = []
    settings = Settings().changed(sparse_depth_sources=(source,))
    with Recording(BAG) as recording:
        choice = choose_topics(recording.topics)
        topics = choose_sparse_topics(recording.topics, (source,), choice, {})
        player = SparsePlayer(settings, topics)
        for frame in read_frames(index_recording(recording, choice, 0.02), 0, topics.all):
            assert frame.rgb_hwc is not None
            assert frame.truth_hw is not None
            messages = [(m.topic, recording.deserialize(m)) for m in frame.side_messages]
            assert not player.receive(messages)
            image = Frame(frame.rgb_hwc, frame.camera, stamp_ns=frame.stamp_ns)
            sparse = player.complete(image, frame.frame_id).sparse_depth
            assert sparse is not None
            found.append(against(sparse.points_xyz.astype(np.float64), frame.truth_hw))
    return found


def against(points: Array, truth: npt.NDArray[np.float32]) -> Array:
    points = points[np.isfinite(points).all(axis=1) & (points[:, 2] > 0.1)]
    column = np.rint(points[:, 0] / points[:, 2] * FOCAL + CENTRE[0]).astype(int)
    row = np.rint(points[:, 1] / points[:, 2] * FOCAL + CENTRE[1]).astype(int)
    is_inside = (column >= 0) & (column < 640) & (row >= 0) & (row < 480)
    seen = truth[row[is_inside], column[is_inside]].astype(np.float64)
    ratio = points[is_inside, 2] / seen
    return np.asarray(ratio[np.isfinite(ratio)])


def test_the_scan_is_brought_to_the_moment_of_each_image() -> None:
    found = ratios('scan')
    assert [len(each) for each in found[:3]] == [0, 0, 0]  # before the first scan
    assert min(len(each) for each in found[3:]) > 80
    together = np.concatenate(found)
    # 1 cm of noise at 1 to 5 m; the scanner looks past edges that the camera sees from above.
    assert np.median(together) == pytest.approx(1.0, abs=0.002)
    assert np.median(abs(together - 1)) < 0.006
    assert np.mean(abs(together - 1) < 0.03) > 0.85


def test_corners_have_the_scale_of_the_odometry() -> None:
    found = ratios('odometry')
    assert not len(found[0])
    # The robot has moved far enough by then; its odometry measures 2 % too much length.
    late = found[20:]
    assert min(len(each) for each in late) > 60
    together = np.concatenate(late)
    assert np.median(together) == pytest.approx(1.01, abs=0.015)
    assert np.mean(abs(together / 1.01 - 1) < 0.1) > 0.85
