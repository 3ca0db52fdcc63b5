"""What of a recording belongs together, and what `drnet bag` warns of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from known_scenes import FOCAL, RunInProcess, Scene, load, write

from drnet_offline.datasets.matching import match_stamps
from drnet_offline.replay.frames import read_frames
from drnet_offline.replay.headers import read_header
from drnet_offline.replay.index import index_recording
from drnet_ros.errors import RecordingError
from drnet_ros.recordings.recording import Recording
from drnet_ros.recordings.topics import choose_topics

pytestmark = pytest.mark.usefixtures('known_network')


def warnings_on(tmp_path: Path, drnet: RunInProcess, scene: Scene) -> Any:
    out = tmp_path / 'out.json'
    code, said = drnet('bag', write(tmp_path / 'bag', scene), '--json', out)
    assert code == 0, said
    return load(out)


def test_depth_of_another_frame_is_warned_of(tmp_path: Path, drnet: RunInProcess) -> None:
    scene = replace(Scene.make(3), depth_frame='depth_optical')
    summary = warnings_on(tmp_path, drnet, scene)
    assert "depth is of the frame 'depth_optical'" in summary['warnings'][0]
    assert summary['variants'][0]['figures']['full']['n_images'] == 3


def test_depth_of_another_aspect_ratio_is_not_scored(tmp_path: Path, drnet: RunInProcess) -> None:
    scene = Scene.make(3)
    cropped = replace(scene, truths=tuple(truth[:, :50] for truth in scene.truths))
    summary = warnings_on(tmp_path, drnet, cropped)
    assert 'not scored' in summary['warnings'][0]
    assert summary['variants'][0]['figures'] == {}


def test_depth_with_other_intrinsics_is_warned_of(tmp_path: Path, drnet: RunInProcess) -> None:
    summary = warnings_on(tmp_path, drnet, replace(Scene.make(3), depth_focal=1.1 * FOCAL))
    assert 'seems not registered' in summary['warnings'][0]


def test_depth_of_half_the_size_is_the_same_view(tmp_path: Path, drnet: RunInProcess) -> None:
    scene = Scene.make(3)
    halved = replace(scene, truths=tuple(truth[1::2, 1::2] for truth in scene.truths))
    summary = warnings_on(tmp_path, drnet, halved)
    assert 'another size' in summary['warnings'][0]
    assert summary['variants'][0]['figures']['full']['n_images'] == 3


def test_stamps_that_go_back_are_warned_of_and_matched(
    tmp_path: Path, drnet: RunInProcess
) -> None:
    scene = Scene.make(5)
    mixed = replace(scene, stamps=tuple(scene.stamps[i] for i in (0, 2, 1, 3, 4)))
    summary = warnings_on(tmp_path, drnet, mixed)
    assert summary['frames_matched'] == 5
    assert 'do not rise at 1 places' in summary['warnings'][0]


def test_matching_equals_the_slow_way() -> None:
    rng = np.random.default_rng(1)
    images = sorted(rng.integers(0, 2000, 60).tolist())
    depths = rng.integers(0, 2000, 50).tolist()
    expected: dict[int, int] = {}
    gaps = sorted((abs(d - i), a, b) for a, i in enumerate(images) for b, d in enumerate(depths))
    for gap, a, b in gaps:
        if gap <= 20 and a not in expected and b not in expected.values():
            expected[a] = b
    assert match_stamps(images, depths, 20) == dict(sorted(expected.items()))


def test_header_of_either_byte_order() -> None:
    little = bytes([0, 1, 0, 0]) + (7).to_bytes(4, 'little') + (9).to_bytes(4, 'little')
    big = bytes([0, 0, 0, 0]) + (7).to_bytes(4, 'big') + (9).to_bytes(4, 'big')
    assert read_header(little + (4).to_bytes(4, 'little') + b'cam\0') == (7_000_000_009, 'cam')
    assert read_header(big + (4).to_bytes(4, 'big') + b'cam\0') == (7_000_000_009, 'cam')
    with pytest.raises(RecordingError, match='whole header'):
        read_header(little)


def test_messages_of_side_topics_come_with_the_next_image(tmp_path: Path) -> None:
    scene = Scene.make(5)
    bag = write(tmp_path / 'bag', scene)
    with Recording(bag) as recording:
        index = index_recording(recording, choose_topics(recording.topics), 0.02)
        infos = [message.data for message in recording.messages(['/cam/camera_info'])]
        frames = list(read_frames(index, side_topics=['/cam/camera_info']))
        later = list(read_frames(index, start=3, side_topics=['/cam/camera_info']))
    # Each image is recorded before its own camera_info, and its depth after both.
    assert [[m.data for m in frame.side_messages] for frame in frames] == [
        [],
        *([info] for info in infos[:4]),
    ]
    assert all(frame.truth_hw is not None for frame in frames)
    assert [[m.data for m in frame.side_messages] for frame in later] == [infos[:3], [infos[3]]]
