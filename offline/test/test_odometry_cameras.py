"""`drnet vo` on recordings whose camera changes, and whose messages were recorded twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from clip_start import DEPTH, IMAGE, INFO, write_clip_start
from known_scenes import ROS2, RunInProcess
from rosbags.rosbag2 import StoragePlugin, Writer

from drnet_ros.recordings.recording import Recording

pytestmark = pytest.mark.slow

pytest.importorskip('evo.core', reason='odometry is judged by evo')

FRAMES = 12
ROWS, COLUMNS = slice(60, 420), slice(80, 560)  # 0.75 of the image, around its middle


def decoded(data: Any) -> Any:
    return cv2.imdecode(data, cv2.IMREAD_UNCHANGED)


def cropped(topic: str, message: Any) -> Any:
    """An image, depth image or camera_info as a camera of a smaller sensor gives it."""
    if topic == IMAGE:
        pixels = decoded(message.data)[ROWS, COLUMNS]
        message.data = np.frombuffer(cv2.imencode('.png', pixels)[1], np.uint8)
        message.format = 'rgb8; png compressed bgr8'
    elif topic == DEPTH:
        depth = decoded(message.data[12:])[ROWS, COLUMNS]
        png = np.frombuffer(cv2.imencode('.png', depth)[1], np.uint8)
        message.data = np.concatenate([message.data[:12], png])
    elif topic == INFO:
        message.width, message.height = 480, 360
        shift = np.array([[COLUMNS.start], [ROWS.start], [0]])
        k, p = message.k.reshape(3, 3).copy(), message.p.reshape(3, 4).copy()
        k[:, 2:] -= shift
        p[:, 2:3] -= shift
        message.k, message.p = k.ravel(), p.ravel()
    return message


def write_changing(path: Path, changes_at: int, copies: int) -> Path:
    """The start of the clip; from one frame on cropped, each message as often as told."""
    with (
        Recording(write_clip_start(path.parent / 'whole', FRAMES)) as recording,
        Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer,
    ):
        connections = recording.add_topics_to(writer)
        stamps = sorted({m.stamp_ns for m in recording.messages([IMAGE])})
        for message in recording.messages():
            data: Any = message.data
            if message.topic in {IMAGE, DEPTH, INFO} and message.stamp_ns >= stamps[changes_at]:
                content = cropped(message.topic, recording.deserialize(message))
                data = ROS2.serialize_cdr(content, message.msgtype)
            for _ in range(copies):
                writer.write(connections[message.topic], message.stamp_ns, data)
    return path


def write_with_late_scans(path: Path, late_s: int) -> Path:
    """The start of the clip, whose scans have a clock of their own."""
    with (
        Recording(write_clip_start(path.parent / 'whole', FRAMES)) as recording,
        Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer,
    ):
        connections = recording.add_topics_to(writer)
        for message in recording.messages():
            data: Any = message.data
            if message.topic == '/scan':
                content = recording.deserialize(message)
                content.header.stamp.sec += late_s
                data = ROS2.serialize_cdr(content, message.msgtype)
            writer.write(connections[message.topic], message.stamp_ns, data)
    return path


@pytest.mark.parametrize('late_s', [0, 3600])
def test_a_source_without_points_is_said(tmp_path: Path, drnet: RunInProcess, late_s: int) -> None:
    path, out = write_with_late_scans(tmp_path / 'bag', late_s), tmp_path / 'out'
    words = ('--method', 'features', '--set', 'sparse_depth_sources=[scan]', '--output', out)
    code, said = drnet('vo', path, *words)
    assert code == 0, said
    is_late = late_s > 0
    assert (f'points in 0 of {FRAMES} frames' in said) is is_late
    reason = 'data must be within 0.5 s of the image'
    page = (out / 'report.html').read_text()
    assert [reason in text for text in (said, page)] == [is_late, is_late]
    assert 'scale by scan: points in' in page


def recorded_row(path: Path, tmp_path: Path, drnet: RunInProcess) -> Any:
    out = tmp_path / 'vo.json'
    code, said = drnet('vo', path, '--method', 'dense', '--json', out)
    assert code == 0, said
    rows = json.loads(out.read_text())['paths']
    return next(row for row in rows if row['depth'] == 'recorded depth')


def test_size_and_intrinsics_may_change(tmp_path: Path, drnet: RunInProcess) -> None:
    row = recorded_row(write_changing(tmp_path / 'bag', 6, 1), tmp_path, drnet)
    assert (row['poses'], row['lost']) == (FRAMES, 0)
    assert row['ape_m'] < 0.003


def test_a_message_that_was_recorded_twice_is_one_frame(
    tmp_path: Path, drnet: RunInProcess
) -> None:
    row = recorded_row(write_changing(tmp_path / 'bag', FRAMES - 1, 2), tmp_path, drnet)
    assert (row['poses'], row['lost']) == (FRAMES, 0)
    assert row['ape_m'] < 0.003


def test_depth_of_the_network_itself_is_warned_of(tmp_path: Path, drnet: RunInProcess) -> None:
    path, out = write_clip_start(tmp_path / 'whole', FRAMES), tmp_path / 'out.mcap'
    own = 'warning: recorded depth has the shape of the estimate'
    code, said = drnet('vo', path, '--method', 'features')
    assert (code, own in said) == (0, False), said
    assert f'images: {IMAGE}, camera_info: {INFO}, depth: {DEPTH}' in said
    assert drnet('bag', path, '--write', out)[0] == 0
    words = ('--depth-topic', '/drnet/depth/image_rect')
    code, said = drnet('vo', out, '--method', 'features', *words)
    assert (code, own in said) == (0, True), said
