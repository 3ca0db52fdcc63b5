"""Which CameraInfo holds for which image of a recording, where intrinsics change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from known_scenes import (
    FOCAL,
    HW,
    ROS2,
    STEP_NS,
    RunInProcess,
    Scene,
    info,
    load,
    raw,
    write_messages,
)

from drnet_offline.replay.frames import read_frames
from drnet_offline.replay.index import index_recording
from drnet_ros.recordings.recording import Recording
from drnet_ros.recordings.topics import choose_topics

COUNT, CHANGES_AT = 60, 40
HOUR_NS = 3600 * 10**9
WARNING = 'camera_info on /cam/camera_info changes, and its stamps are of another clock'


def write_changing(
    path: Path, clock_ns: int = 0, *, is_info_first: bool = True, is_sorted: bool = True
) -> Path:
    """Images and a camera_info for each, whose focal length doubles; its clock is another one."""
    scene = Scene.make(COUNT)
    messages: list[tuple[str, Any]] = []
    for place, (stamp, image) in enumerate(zip(scene.stamps, scene.images, strict=True)):
        focal = FOCAL * (1 + (place >= CHANGES_AT))
        both = [
            ('/cam/camera_info', info(ROS2, stamp + clock_ns, 'optical', HW, focal)),
            ('/cam/image_raw', raw(ROS2, stamp, 'optical', 'rgb8', image)),
        ]
        messages += both if is_info_first else both[::-1]
    if not is_sorted:
        messages.sort(key=lambda each: each[0])
    return write_messages(path, messages)


def focal_lengths(path: Path) -> list[float]:
    with Recording(path) as recording:
        index = index_recording(recording, choose_topics(recording.topics), 0.02)
        return [0.0 if f.camera is None else f.camera.fx for f in read_frames(index)]


EXPECTED = [FOCAL] * CHANGES_AT + [2 * FOCAL] * (COUNT - CHANGES_AT)


@pytest.mark.parametrize('clock_ns', [0, HOUR_NS, -HOUR_NS, 5 * 10**8 * 3, -STEP_NS * 100])
@pytest.mark.parametrize('is_info_first', [True, False])
@pytest.mark.usefixtures('known_network')
def test_intrinsics_that_change_on_another_clock_are_taken_in_the_order_of_recording(
    tmp_path: Path, drnet: RunInProcess, clock_ns: int, *, is_info_first: bool
) -> None:
    path = write_changing(tmp_path / 'bag', clock_ns, is_info_first=is_info_first)
    assert focal_lengths(path) == EXPECTED
    code, said = drnet('bag', path, '--json', tmp_path / 'out.json')
    assert code == 0, said
    warnings = load(tmp_path / 'out.json')['warnings']
    assert [WARNING in text for text in warnings] == ([True] if clock_ns else [])


def test_stamps_tell_where_all_camera_info_was_written_before_the_images(tmp_path: Path) -> None:
    assert focal_lengths(write_changing(tmp_path / 'bag', is_sorted=False)) == EXPECTED


def test_stamps_tell_where_the_order_differs_by_less_than_a_second(tmp_path: Path) -> None:
    clock_ns = 10 * STEP_NS
    later = [FOCAL] * 10 + EXPECTED
    assert focal_lengths(write_changing(tmp_path / 'bag', clock_ns)) == later[:COUNT]
