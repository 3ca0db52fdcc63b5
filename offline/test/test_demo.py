"""`make demo` whole: two processes over real DDS on the bundled clip, and what it writes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from known_scenes import FOCAL, HW, ROS2, Scene, info, raw, write, write_with_odd_records
from plyfile import PlyData
from rosbags.rosbag2 import StoragePlugin, Writer

from drnet_ros.inference.images.doubts import REGION_DOUBT
from drnet_ros.node.ros_domain import claim_domain
from drnet_ros.recordings.recording import Recording
from drnet_ros.recordings.topics import choose_topics

if TYPE_CHECKING:
    from collector import Collector

rclpy = pytest.importorskip('rclpy', reason='the demo needs ROS 2')
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402

pytestmark = pytest.mark.slow

DEMO = Path(__file__).resolve().parents[1] / 'demo' / 'run_demo.py'
FRAMES_IN_CLIP = 64
ROOM_DEPTH_M = 5.0


@pytest.fixture(autouse=True)
def _own_domain(monkeypatch: pytest.MonkeyPatch) -> None:
    """A domain that no other test, and no other run on this machine, is in."""
    monkeypatch.setenv('ROS_DOMAIN_ID', '')  # so that it is as before after the test
    claim_domain()


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(DEMO), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=500, check=False)


def test_demo_on_the_bundled_clip(tmp_path: Path) -> None:
    result = _run('--output', str(tmp_path))
    assert result.returncode == 0, result.stdout + result.stderr
    summary = json.loads((tmp_path / 'summary.json').read_text())
    assert summary['frames_published'] == FRAMES_IN_CLIP
    counted = sum(summary[f'frames_{name}'] for name in ('out', 'dropped', 'failed', 'skipped'))
    assert counted == summary['frames_in'] <= FRAMES_IN_CLIP
    assert summary['frames_failed'] == 0
    # A busy machine may drop frames of the 20 Hz, and lose some: the node tells of each it drops.
    assert summary['frames_out'] > 0
    assert 0 < summary['latency_ms_p50'] <= summary['latency_ms_p95']
    assert summary['fps'] > 0
    assert summary['engine'] == 'openvino'
    # The best constant depth scores 1.006 m and 0.465 on this clip.
    assert summary['rmse'] < 0.8
    assert summary['delta1'] > 0.6
    # The robot of the clip has recorded both; test_clip_sources.py looks at its points.
    assert set(summary['sources']) == {'scan', 'odometry'}
    assert all(figures['rel'] < summary['rel'] for figures in summary['sources'].values())
    page = tmp_path / 'report.html'
    assert f'open       {page.as_uri()}' in result.stdout
    text = page.read_text()
    assert f'Depth is {100 * summary["rel"]:.1f} % off on average (REL)' in text
    assert f'turned {summary["frames_out"]} of {FRAMES_IN_CLIP} images' in text
    assert ('It left out' in text) == (summary['frames_dropped'] > 0)
    assert '<th>REL</th>' in text
    assert '<h2>Image, depth and error</h2>' in text
    assert '<td>the image alone</td>' in text
    assert (
        '<p>cloud.ply (the cloud, for MeshLab or CloudCompare), sheet.jpg (the pictures)' in text
    )
    assert 'by the date of its file' not in text
    sheet = cv2.imread(str(tmp_path / 'sheet.jpg'))
    assert sheet is not None
    assert min(sheet.shape[:2]) > 500
    vertices = PlyData.read(str(tmp_path / 'cloud.ply'))['vertex']
    assert len(vertices) > 100_000
    assert 0.5 * ROOM_DEPTH_M < np.percentile(vertices['z'], 99) < 2 * ROOM_DEPTH_M


def test_demo_on_a_video(tmp_path: Path) -> None:
    clip, output = tmp_path / 'clip.mp4', tmp_path / 'output'
    writer = cv2.VideoWriter(str(clip), cv2.VideoWriter.fourcc(*'mp4v'), 10, (320, 240))
    scene = np.random.default_rng(3).integers(0, 255, (12, 16, 3), np.uint8)
    for index in range(12):
        writer.write(cv2.resize(np.roll(scene, index, axis=1), (320, 240)))
    writer.release()
    result = _run('--bag', str(clip), '--output', str(output))
    assert result.returncode == 0, result.stdout + result.stderr
    summary = json.loads((output / 'summary.json').read_text())
    assert summary['frames_published'] == 12
    assert 0 < summary['frames_out'] <= 12
    assert summary['not_compared'] == 'it has no depth topic'
    text = (output / 'report.html').read_text()
    assert 'was not compared with recorded depth: it has no depth topic' in text
    assert '<th>REL</th>' not in text
    assert 'data:image/jpeg;base64,' in text
    # Without a calibration there is no camera_info, and without that no cloud.
    assert not (output / 'cloud.ply').exists()
    assert 'id="cloud"' not in text
    assert '<p>sheet.jpg (the pictures) and summary.json (the figures) lie next to' in text
    assert '<div class="warning">there is no camera_info: depth is in the scale of' in text
    assert ', by the date of its file</dd>' in text, 'a video does not say when it was taken'
    # Nothing to compare with: neither errors nor another depth.
    assert '<h2>Image and depth</h2>' in text
    assert 'estimated depth' in text
    assert 'the image alone' not in text


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """The demo's collector on a node that nobody sends anything to."""
    monkeypatch.syspath_prepend(str(DEMO.parent))  # as where the demo runs
    from collector import Collector  # noqa: PLC0415

    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node('collector', context=context)
    yield Collector(node, '/image', '/drnet')
    node.destroy_node()
    rclpy.shutdown(context=context)


@pytest.mark.parametrize(
    ('counts', 'depths', 'is_settled'),
    [
        ({'in': 5, 'out': 2, 'dropped': 2, 'failed': 1, 'skipped': 0}, 2, True),
        ({'in': 6, 'out': 2, 'dropped': 2, 'failed': 1, 'skipped': 1}, 2, True),
        ({'in': 6, 'out': 2, 'dropped': 2, 'failed': 1, 'skipped': 0}, 2, False),
        ({'in': 5, 'out': 2, 'dropped': 2, 'failed': 1, 'skipped': 0}, 1, False),
        ({'in': 0, 'out': 0, 'dropped': 0, 'failed': 0, 'skipped': 0}, 0, False),
    ],
)
def test_all_is_settled_when_each_frame_is_accounted_for(
    collector: Collector, counts: dict[str, int], depths: int, is_settled: bool
) -> None:
    values = [KeyValue(key=f'frames_{name}', value=str(count)) for name, count in counts.items()]
    status = DiagnosticStatus(hardware_id='drnet_ros', values=values)
    collector.on_diagnostics(DiagnosticArray(status=[status]))
    for sec in range(depths):
        depth = Image(height=1, width=1, encoding='32FC1', step=4)
        depth.header.stamp.sec = sec
        depth.data.frombytes(bytes(4))
        collector.on_depth(
            depth,
            {
                'source_timestamp': sec,
                'received_timestamp': sec,
                'publication_sequence_number': None,
                'reception_sequence_number': None,
                'publisher_gid': None,
            },
        )
    assert collector.is_settled() is is_settled


def _collect(collector: Collector, scene: Scene, count: int) -> None:
    """Have the node turn so many images of a scene into the recorded depth, each exactly."""
    from collector import KeptFrame  # noqa: PLC0415

    height, width = scene.images[0].shape[:2]
    collector.kept = [
        KeptFrame(stamp, cv2.resize(truth, (width, height)).astype(np.float16) / np.float16(1000))
        for stamp, truth in zip(scene.stamps[:count], scene.truths[:count], strict=True)
    ]
    counts = {'in': count, 'out': count, 'dropped': 0, 'failed': 0, 'skipped': 0}
    about = dict.fromkeys(('engine', 'device', 'precision', 'backbone', 'network_size'), 'x')
    collector.status = {**{f'frames_{n}': str(c) for n, c in counts.items()}, **about}


@pytest.mark.parametrize(
    ('delay_ns', 'encoding', 'reason'),
    [
        (5_000_000, '16UC1', None),
        (24_000_000, '16UC1', 'taken within 20 ms'),
        (5_000_000, 'jpeg', 'cannot be decoded: compressed depth must have format'),
    ],
)
def test_outcome_compares_depth_of_other_stamps_or_says_why_not(
    collector: Collector, tmp_path: Path, delay_ns: int, encoding: str, reason: str | None
) -> None:
    from outcome import write_outcome  # noqa: PLC0415

    scene = replace(Scene.make(4), depth_delay_ns=delay_ns)
    bag = write(tmp_path / 'bag', scene, encoding=encoding)
    _collect(collector, scene, 4)
    (tmp_path / 'cloud.ply').touch()  # of an earlier demo
    with Recording(bag) as recording:
        choice = choose_topics(recording.topics)
        outcome = write_outcome(recording, choice, collector, tmp_path)
    summary = json.loads((tmp_path / 'summary.json').read_text())
    assert outcome.written == ['summary.json', 'sheet.jpg', 'report.html']
    assert not (tmp_path / 'cloud.ply').exists()
    assert (summary['frames_in'], summary['frames_out'], summary['frames_received']) == (4, 4, 0)
    if reason is None:
        assert summary['frames_scored'] == 4
        assert summary['rmse'] < 0.002  # half precision of the kept frames
        assert summary['not_compared'] is None
    else:
        assert (summary['frames_scored'], summary['rmse']) == (0, None)
        assert summary['sources'] == {}
        assert reason in summary['not_compared']


def test_depth_of_the_network_itself_is_told(collector: Collector) -> None:
    assert collector is not None  # the demo's folder is on the path
    from comparison import Comparison  # noqa: PLC0415

    comparison = Comparison(differences=[0.001, 0.3, 0.002])
    assert comparison.warnings == []
    comparison.metrics.update(np.ones((2, 2), np.float32), np.ones((2, 2), np.float32))
    (text,) = comparison.warnings
    assert text.startswith('recorded depth has the shape of the estimate (REL 0.0020')
    comparison.differences += [0.3, 0.3]
    assert comparison.warnings == []


def test_depth_without_a_valid_pixel_is_an_error(collector: Collector, tmp_path: Path) -> None:
    from outcome import write_outcome  # noqa: PLC0415

    scene = replace(Scene.make(4), depth_delay_ns=0)
    bag = write(tmp_path / 'bag', scene)
    _collect(collector, scene, 4)
    for frame in collector.kept:
        frame.depth_hw.fill(np.nan)
    with Recording(bag) as recording:
        outcome = write_outcome(recording, choose_topics(recording.topics), collector, tmp_path)
    said = 'no pixel of any depth image is valid: camera_info may be of another camera'
    assert said in outcome.problems
    reason = json.loads((tmp_path / 'summary.json').read_text())['not_compared']
    assert reason == 'no pixel has both recorded and estimated depth'


def test_images_that_share_stamps_are_neither_compared_nor_drawn(
    collector: Collector, tmp_path: Path
) -> None:
    from outcome import write_outcome  # noqa: PLC0415

    scene = replace(Scene.make(4), stamps=(0,) * 4, depth_delay_ns=0)
    bag = write(tmp_path / 'bag', scene)
    _collect(collector, scene, 4)
    with Recording(bag) as recording:
        outcome = write_outcome(recording, choose_topics(recording.topics), collector, tmp_path)
    assert outcome.written == ['summary.json', 'report.html']
    summary = json.loads((tmp_path / 'summary.json').read_text())
    assert 'images share stamps' in summary['not_compared']
    assert summary['rmse'] is None
    assert outcome.problems == [
        'images share stamps: none is drawn; have the driver set header.stamp'
    ]


def test_frames_whose_depth_has_another_size_are_counted_with_the_reason(
    collector: Collector, tmp_path: Path
) -> None:
    from outcome import write_outcome  # noqa: PLC0415

    scene = Scene.make(4)
    truths = (scene.truths[0], *(truth[::2, ::2] for truth in scene.truths[1:]))
    scene = replace(scene, truths=truths)
    bag = write(tmp_path / 'bag', scene)
    _collect(collector, scene, 4)
    with Recording(bag) as recording:
        outcome = write_outcome(recording, choose_topics(recording.topics), collector, tmp_path)
    assert outcome.summary['frames_scored'] == 1
    assert outcome.problems == []
    text = (
        '3 frames not compared with recorded depth: /cam/depth/image_rect has 32 x 24 pixels, '
        'the images have 64 x 48'
    )
    assert outcome.warnings[-1] == text
    assert text in (tmp_path / 'report.html').read_text()


def test_messages_that_cannot_be_read_are_counted_and_an_error(
    collector: Collector, tmp_path: Path
) -> None:
    from outcome import write_outcome  # noqa: PLC0415

    scene = Scene.make(4)
    names = ('/cam/image_raw', '/cam/depth/image_rect', '/cam/camera_info')
    odd = dict(zip(((names[0], 4), (names[1], 2), (names[2], 3)), [b'\0\1\0\0'] * 3, strict=True))
    bag = write_with_odd_records(tmp_path / 'bag', scene, odd)
    _collect(collector, scene, 3)
    collector.sent_ns = dict.fromkeys(scene.stamps[:3], 0)
    collector.status['frames_in'], collector.status['frames_failed'] = '4', '1'
    with Recording(bag) as recording:
        outcome = write_outcome(recording, choose_topics(recording.topics), collector, tmp_path)
    counts = ('published', 'unreadable', 'out', 'scored')
    assert [outcome.summary[f'frames_{name}'] for name in counts] == [4, 1, 3, 2]
    starts = [
        f'1 message of {names[1]} cannot be read: ',
        '1 message: camera_info: unreadable message',
        f'1 message of {names[0]} cannot be read: ',
        '1 image failed in the node: its log says why',
    ]
    assert len(outcome.problems) == 4, outcome.problems
    for problem, start in zip(outcome.problems, starts, strict=True):
        assert problem.startswith(start), problem
    assert '1 message of /cam/image_raw cannot be read' in (tmp_path / 'report.html').read_text()


def test_recording_that_is_none_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    result = _run('--bag', str(tmp_path / 'missing'), '--output', str(tmp_path))
    assert result.returncode == 1
    assert result.stdout.startswith('error: a recording must exist')
    assert 'Traceback' not in result.stdout + result.stderr


@pytest.mark.parametrize('when', ['node       active', 'depth      '])
def test_a_signal_ends_demo_and_children(tmp_path: Path, when: str) -> None:
    """Also while depth with other sensors is computed, when all depth is there."""
    command = [sys.executable, str(DEMO), '--output', str(tmp_path)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith(when):
            process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 130, lines
    assert 'Traceback' not in ''.join(lines)
    assert lines[-1].strip() == 'stopped'
    assert not (tmp_path / 'summary.json').exists()
    # The pipe is at its end: no child holds it any more.


@pytest.mark.parametrize(
    ('came', 'failed', 'unreadable', 'text'),
    [
        (64, 0, 0, '25 of 64 frames, 39 dropped'),
        (62, 0, 0, '25 of 64 frames, 37 dropped, 2 lost on the way'),
        (62, 1, 0, '25 of 64 frames, 36 dropped, 1 failed, 2 lost on the way'),
        (62, 0, 1, '25 of 64 frames, 37 dropped, 1 unreadable, 1 lost on the way'),
    ],
)
def test_what_is_said_of_all_images_adds_up(
    monkeypatch: pytest.MonkeyPatch, came: int, failed: int, unreadable: int, text: str
) -> None:
    monkeypatch.syspath_prepend(DEMO.parent)
    from outcome import Outcome  # noqa: PLC0415

    counts = {'published': 64, 'in': came, 'out': 25, 'failed': failed, 'skipped': 0}
    counts['unreadable'] = unreadable
    counts['dropped'] = came - 25 - failed
    outcome = Outcome({f'frames_{name}': n for name, n in counts.items()}, [])
    assert outcome.counts_text == text


def test_oddities_of_a_recording_are_told(collector: Collector, tmp_path: Path) -> None:
    assert collector is not None  # the demo's folder is on the path
    from oddities import oddities  # noqa: PLC0415

    bag = write(tmp_path / 'bag', replace(Scene.make(3), depth_frame='rear'))
    with Recording(bag) as recording:
        (text,), problems = oddities(recording, choose_topics(recording.topics))
    assert problems == []
    assert text.startswith("depth is of the frame 'rear', images of 'optical'")
    plain = write(tmp_path / 'plain', Scene.make(3))
    with Recording(plain) as recording:
        assert oddities(recording, choose_topics(recording.topics)) == ([], [])


def test_an_roi_beside_images_of_the_whole_sensor_is_told(
    collector: Collector, tmp_path: Path
) -> None:
    assert collector is not None  # the demo's folder is on the path
    from oddities import oddities  # noqa: PLC0415

    camera = info(ROS2, 1, 'optical', HW, FOCAL)
    camera.roi.width, camera.roi.height = HW[1] // 2, HW[0] // 2
    pixels = raw(ROS2, 1, 'optical', 'rgb8', np.full((*HW, 3), 90, np.uint8))
    with Writer(tmp_path / 'bag', version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        for name, content in {'/cam/camera_info': camera, '/cam/image_raw': pixels}.items():
            topic = writer.add_connection(name, content.__msgtype__, typestore=ROS2)
            writer.write(topic, 1, ROS2.serialize_cdr(content, content.__msgtype__))
    with Recording(tmp_path / 'bag') as recording:
        assert oddities(recording, choose_topics(recording.topics)) == ([REGION_DOUBT], [])
