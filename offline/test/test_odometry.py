"""`drnet vo`: trackers on the bundled clip, whose depth and poses are exact; errors as evo's."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from clip_start import CLIP, DEPTH, IMAGE, INFO, write_clip_start
from full_disk import full_disk
from known_scenes import RunInProcess, Scene, write
from numpy.typing import NDArray
from recorded_sensors import odometry
from rosbags.rosbag2 import Reader, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from drnet_offline.errors import OfflineError
from drnet_offline.odometry.comparison import frame_warning, summarise
from drnet_offline.odometry.report import write_trajectory
from drnet_offline.odometry.running import Path3D
from drnet_offline.odometry.trajectories import compare, find_truth, read_truth, trajectory
from drnet_offline.odometry.verdict import is_no_better_than_standing, path_verdict
from drnet_offline.replay import playback
from drnet_offline.replay.decoding import read_depths
from drnet_offline.replay.summary import plain
from drnet_ros.inference import DepthEstimator, DepthFrame, Engine, Frame, Settings
from drnet_ros.inference.engines.engine import Pending
from drnet_ros.recordings.recording import Recording

pytestmark = pytest.mark.slow

file_interface = pytest.importorskip(
    'evo.tools.file_interface', reason='odometry is judged by evo'
)

FRAMES = 12
TOO_FAR = 1.25


@pytest.fixture(scope='module')
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first frames of the clip."""
    return write_clip_start(tmp_path_factory.mktemp('clip') / 'start', FRAMES)


class RecordedPending(Pending):
    def __init__(self, depths: list[NDArray[np.float32]]) -> None:
        self._depths = depths

    def result(self, timeout_s: float | None = None) -> list[DepthFrame]:  # noqa: ARG002
        return [DepthFrame(depth) for depth in self._depths]


class RecordedEngine(Engine):
    """Gives the recorded depth, all of it too far by one factor."""

    name = 'recorded'
    device = 'test'
    precision = 'exact'

    def __init__(self) -> None:
        with Recording(CLIP) as recording:
            self._depths = dict(read_depths(recording, DEPTH))

    def submit(self, frames: Sequence[Frame], settings: Settings) -> Pending:  # noqa: ARG002
        stamps = [frame.stamp_ns for frame in frames if frame.stamp_ns is not None]
        return RecordedPending([self._depths[s] * np.float32(TOO_FAR) for s in stamps])

    def prepare(self, image_hw: tuple[int, int], settings: Settings) -> None:
        pass

    def network_size(self, image_hw: tuple[int, int]) -> tuple[int, int]:
        return image_hw

    def close(self) -> None:
        pass


def open_estimator(settings: Settings) -> DepthEstimator:
    return DepthEstimator(settings, engine=RecordedEngine())


@pytest.fixture(autouse=True)
def _recorded_depth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(playback, 'DepthEstimator', open_estimator)


@pytest.mark.slow
def test_exact_depth_gives_the_exact_path_and_a_factor_shows(
    clip: Path, tmp_path: Path, drnet: RunInProcess
) -> None:
    out, folder = tmp_path / 'vo.json', tmp_path / 'vo'
    assert drnet('vo', clip, '--json', out, '--output', folder)[0] == 0
    summary = json.loads(out.read_text())
    assert summary['ground_truth'] == '/camera/pose'
    assert summary['scale_factors']['embedded'] == pytest.approx(1 / TOO_FAR, rel=1e-5)
    rows = {(row['method'], row['depth']): row for row in summary['paths']}
    assert len(rows) == 9
    for method, limit_m in (('features', 0.006), ('photometric', 0.006), ('dense', 0.002)):
        recorded = rows[method, 'recorded depth']
        ours, rescaled = rows[method, 'embedded'], rows[method, 'embedded, rescaled']
        assert recorded['ape_m'] < limit_m
        assert recorded['lost'] == 0
        # Depth too far by a factor makes the path longer by it, which one scale mends.
        assert ours['scale'] == pytest.approx(1 / TOO_FAR, rel=0.08)
        assert ours['ape_m'] > 2 * recorded['ape_m']
        assert rescaled['ape_m'] == pytest.approx(recorded['ape_m'], abs=0.002)
        assert (folder / f'{method}_recorded_depth.tum').is_file()
        assert (folder / f'paths_{method}.png').is_file()
    still = summary['standing_still']
    assert still['ape_m'] > 5 * rows['dense', 'recorded depth']['ape_m']
    page = (folder / 'report.html').read_text()
    assert page.count('data:image/png;base64,') == 2 * 3, 'for wide and for narrow screens'
    assert 'standing still would be' in page.partition('<p class="verdict">')[2].partition('<')[0]
    lines = (folder / 'dense_recorded_depth.tum').read_text().splitlines()
    assert len([line for line in lines if not line.startswith('#')]) == FRAMES


def a_row(method: str, depth: str, ape_m: float) -> dict[str, Any]:
    return {'method': method, 'depth': depth, 'ape_m': ape_m}


def test_the_verdict_says_when_standing_still_would_do_as_well() -> None:
    still = {'ape_m': 0.5, 'length_m': 3.25}
    good, poor = a_row('dense', 'A', 0.125), a_row('features', 'A', 0.46)
    recorded = a_row('dense', 'recorded depth', 0.01)
    rescaled = a_row('dense', 'A, rescaled', 0.02)  # by the truth: no robot has it
    summary = {'standing_still': still, 'paths': [recorded, good, poor, rescaled]}
    assert path_verdict(summary) == [
        (
            'The best path with estimated depth ("dense" with "A") is 125 mm off (APE) on a path '
            'of 3.25 m; standing still would be 500 mm off.'
        ),
        'Standing still would have done as well as "features" with "A".',
        'With recorded depth, "dense" is 10 mm off.',
    ]
    assert 'as well as each of these paths' in path_verdict(summary | {'paths': [poor]})[1]
    # 0.5 m is within a tenth of 0.46 m, and not of 0.45 m.
    assert is_no_better_than_standing(poor, still)
    assert not is_no_better_than_standing(a_row('features', 'A', 0.45), still)
    hard = [good | {'ape_m': 1.5}, a_row('dense', 'recorded depth', 0.6)]
    first, *_, last = path_verdict(summary | {'paths': hard})
    assert 'is 1.50 m off' in first
    assert last.endswith('no better than standing still: the motion is hard to follow here.')


@pytest.mark.parametrize(
    ('factor', 'depth', 'said'),
    [
        (1.0, 'recorded depth', ''),
        (1.5, 'recorded depth', ''),
        (100.0, 'recorded depth', 'is 100 times as long as that by recorded depth'),
        (0.3048, 'recorded depth', 'is 0.305 times as long as that by recorded depth'),
        (3.0, 'embedded', ''),
        (0.001, 'embedded', 'is 0.001 times as long as that by estimated depth'),
        (0.0, 'recorded depth', 'The true path does not move'),
    ],
)
def test_a_true_path_in_another_unit_is_said(factor: float, depth: str, said: str) -> None:
    poses = random_path(20, 1)
    true = [pose.copy() for pose in poses]
    for pose in true:
        pose[:3, 3] *= factor
    stamps_s = [0.1 * i for i in range(20)]
    path = Path3D(depth, False, 'dense', stamps_s, poses)
    summary = plain(summarise([path], {'dense': trajectory(true, stamps_s)}))
    assert said in path_verdict(summary)[0]
    assert ('The true path' in path_verdict(summary)[0]) == bool(said)


def test_poses_of_the_truth_that_cannot_be_used_are_left_out_and_counted(
    clip: Path, tmp_path: Path, drnet: RunInProcess
) -> None:
    bag, store, seen = tmp_path / 'bag', get_typestore(Stores.LATEST), 0
    with Reader(clip) as reader, Writer(bag, version=9, storage_plugin=StoragePlugin.MCAP) as out:
        for connection in reader.connections:
            kind = connection.msgtype
            added = out.add_connection(connection.topic, kind, typestore=store)
            for _, recorded_ns, data in reader.messages([connection]):
                if connection.topic != '/camera/pose':
                    out.write(added, recorded_ns, data)
                    continue
                stamped: Any = store.deserialize_cdr(data, kind)
                seen += 1
                place, turn = stamped.pose.position, stamped.pose.orientation
                place.x = math.nan if seen == 2 else place.x + 5.0 * (seen > 9)
                turn.w = 0.0 if seen == 3 else turn.w
                odd = bytes(store.serialize_cdr(stamped, kind))
                out.write(added, recorded_ns, odd[:30] if seen == 4 else odd)
    code, text = drnet('vo', bag, '--method', 'features')
    assert code == 1
    assert 'the true path jumps at 1 places, first by 5' in text
    assert f'ground truth: /camera/pose, {FRAMES - 3} poses' in text
    assert '2 true poses: /camera/pose: a pose must be finite and have a unit quaternion' in text
    assert '1 true poses: ' in text
    assert '3 messages could not be used' in text


def random_path(count: int, seed: int) -> list[NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    poses = []
    pose = np.eye(4)
    for _ in range(count):
        step = np.eye(4)
        angles = rng.normal(0, 0.05, 3)
        step[:3, :3] = rotation(angles)
        step[:3, 3] = rng.normal(0, 0.05, 3)
        pose = pose @ step
        poses.append(pose)
    return poses


def rotation(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    angle = float(np.linalg.norm(vector))
    x, y, z = vector / angle
    k = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.asarray(np.eye(3) + np.sin(angle) * k + (1 - np.cos(angle)) * k @ k)


def test_errors_equal_an_independent_computation() -> None:
    truth = random_path(40, 0)
    noise = random_path(40, 1)
    found = [t @ np.linalg.inv(n) for t, n in zip(truth, noise, strict=True)]
    stamps = [100 + 0.1 * i for i in range(40)]
    errors = compare(trajectory(truth, stamps), trajectory(found, stamps))
    p = np.array([pose[:3, 3] for pose in found])
    q = np.array([pose[:3, 3] for pose in truth])
    u, _, vt = np.linalg.svd((q - q.mean(0)).T @ (p - p.mean(0)))
    flip = np.diag([1, 1, np.sign(np.linalg.det(u @ vt))])
    turned = (p - p.mean(0)) @ (u @ flip @ vt).T + q.mean(0)
    assert errors.ape_m == pytest.approx(np.sqrt(np.mean(np.sum((turned - q) ** 2, 1))))
    moves: list[Any] = []
    for i in range(30):
        was = np.linalg.inv(truth[i]) @ truth[i + 10]
        is_ = np.linalg.inv(found[i]) @ found[i + 10]
        moves.append(np.linalg.inv(was) @ is_)
    shifts = [np.linalg.norm(move[:3, 3]) for move in moves]
    turns = [np.degrees(np.arccos((np.trace(move[:3, :3]) - 1) / 2)) for move in moves]
    assert errors.rpe_m == pytest.approx(np.sqrt(np.mean(np.square(shifts))))
    assert errors.rpe_deg == pytest.approx(np.sqrt(np.mean(np.square(turns))))
    assert errors.poses == 40


def test_ground_truth_may_be_a_file(clip: Path, tmp_path: Path, drnet: RunInProcess) -> None:
    with Recording(clip) as recording:
        truth = read_truth(recording, '/camera/pose')
    file_interface.write_tum_trajectory_file(str(tmp_path / 'truth.tum'), truth)
    out = tmp_path / 'vo.json'
    words = ('--ground-truth', tmp_path / 'truth.tum', '--method', 'features', '--json', out)
    assert drnet('vo', clip, *words)[0] == 0
    assert json.loads(out.read_text())['paths'][0]['ape_m'] < 0.006


@pytest.mark.parametrize(
    ('words', 'expected'),
    [
        (('--ground-truth', '/camera/camera_info'), 'ground truth must be of type'),
        (('--ground-truth', '/nope'), 'must have the topic /nope'),
        (('--camera-info-topic', '/camera/pose'), 'must be of type sensor_msgs/msg/CameraInfo'),
        (('--json', '/nowhere/out.json'), 'there is no folder /nowhere'),
    ],
)
def test_what_cannot_be_done_is_one_line_before_the_work(
    clip: Path,
    drnet: RunInProcess,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    expected: str,
) -> None:
    monkeypatch.setattr(playback, 'DepthEstimator', None)
    code, said = drnet('vo', clip, '--method', 'features', *words)
    assert (code, expected in said) == (1, True), said


def test_a_recording_without_poses_and_depth_is_refused_before_the_work(
    tmp_path: Path, drnet: RunInProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_clip_start(tmp_path / 'images', 2, [IMAGE, INFO])
    monkeypatch.setattr(playback, 'DepthEstimator', None)
    code, said = drnet('vo', path, '--depth-topic', 'none')
    assert (code, 'needs something to compare with' in said) == (1, True), said


def test_true_poses_of_another_frame_than_the_images_are_said(tmp_path: Path) -> None:
    scene, other = Scene.make(2), odometry(5)
    other.child_frame_id = '/base_link'
    topics = (('/gt', odometry(5)), ('/wheels', other))
    bag = write(tmp_path / 'bag', replace(scene, before=(topics, ())))
    with Recording(bag) as recording:
        said = frame_warning(recording, '/wheels', {'optical'})
        assert 'poses on /wheels are of base_link, and images of optical: ' in said
        for source, frames in (('/gt', {'/optical'}), ('/wheels', set()), ('a.tum', {'optical'})):
            assert frame_warning(recording, source, frames) == ''


def write_topics(path: Path, poses: Sequence[str], others: Sequence[str] = ()) -> Path:
    """A recording with one PoseStamped on each of the topics, one empty image on the others."""
    store = get_typestore(Stores.LATEST)
    types = store.types
    stamp = types['builtin_interfaces/msg/Time'](1, 2)
    header = types['std_msgs/msg/Header'](stamp, 'frame')
    point = types['geometry_msgs/msg/Point'](1.0, 2.0, 3.0)
    turn = types['geometry_msgs/msg/Quaternion'](0.0, 0.0, 0.0, 1.0)
    pose = types['geometry_msgs/msg/PoseStamped'](
        header, types['geometry_msgs/msg/Pose'](point, turn)
    )
    image = types['sensor_msgs/msg/Image'](header, 0, 0, 'rgb8', 0, 0, np.zeros(0, np.uint8))
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        for names, message in ((poses, pose), (others, image)):
            kind = message.__msgtype__
            for name in names:
                connection = writer.add_connection(name, kind, typestore=store)
                writer.write(connection, 1, store.serialize_cdr(message, kind))
    return path


@pytest.mark.parametrize(
    ('names', 'expected'),
    [
        (['/odom'], None),
        (['/goal_pose', '/initialpose', '/amcl_pose', '/robot_pose_ekf/odom_combined'], None),
        (['/camera/path_length'], None),  # has the letters of gt
        (['/a/odom', '/camera/pose'], '/camera/pose'),
        (['/a/pose', '/ground_truth'], '/ground_truth'),
        (['/a/pose', '/gt_odom'], '/gt_odom'),
        (['/odom', '/Vicon/robot/robot'], '/Vicon/robot/robot'),
    ],
)
def test_ground_truth_is_what_its_name_says_it_is(
    tmp_path: Path, names: list[str], expected: str | None
) -> None:
    with Recording(write_topics(tmp_path / 'bag', names)) as recording:
        assert find_truth(recording) == expected


def test_poses_of_something_else_are_named_and_taken_only_when_asked_for(
    tmp_path: Path, drnet: RunInProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_topics(tmp_path / 'bag', ['/odom', '/goal_pose'], ['/image'])
    monkeypatch.setattr(playback, 'DepthEstimator', None)
    code, said = drnet('vo', path)
    assert (code, 'needs something to compare with' in said) == (1, True), said
    assert '--ground-truth' in said
    assert '/goal_pose, /odom' in said
    code, said = drnet('vo', path, '--ground-truth', '/odom')
    assert (code, '/odom must have two poses of different stamps, got 1' in said) == (1, True), (
        said
    )


def test_poses_that_are_not_taken_are_named_where_paths_are_compared_with_another(
    clip: Path, tmp_path: Path, drnet: RunInProcess
) -> None:
    path, out = tmp_path / 'bag', tmp_path / 'vo.json'
    with (
        Recording(clip) as recording,
        Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer,
    ):
        kind, store = 'geometry_msgs/msg/PoseStamped', get_typestore(Stores.LATEST)
        connections = recording.add_topics_to(writer)
        connections['/camera/pose'] = writer.add_connection('/odom', kind, typestore=store)
        for message in recording.messages():
            writer.write(connections[message.topic], message.stamp_ns, message.data)
    assert drnet('vo', path, '--method', 'features', '--json', out)[0] == 0
    said = json.loads(out.read_text())['ground_truth']
    assert said.startswith('none: compared with odometry of the recorded depth; ')
    assert '--ground-truth TOPIC' in said
    assert said.endswith('are on /odom)')


def test_a_trajectory_that_does_not_fit_leaves_the_last_one(tmp_path: Path) -> None:
    path = tmp_path / 'ours.tum'
    poses, stamps_s = [np.eye(4)] * 60, [float(second) for second in range(60)]
    write_trajectory(path, trajectory(poses[:3], stamps_s[:3]))
    before = path.read_text()
    assert before.splitlines()[2].split()[0] == '2.000000000000000000e+00'
    with pytest.raises(OfflineError, match=rf'cannot write {path}: File too large'), full_disk():
        write_trajectory(path, trajectory(poses, stamps_s))
    assert path.read_text() == before
    assert [each.name for each in tmp_path.iterdir()] == ['ours.tum']


def test_recorded_depth_that_is_empty_is_warned_of(
    clip: Path, tmp_path: Path, drnet: RunInProcess
) -> None:
    path = tmp_path / 'bag'
    png = np.frombuffer(cv2.imencode('.png', np.zeros((480, 640), np.uint16))[1], np.uint8)
    store = get_typestore(Stores.LATEST)
    with (
        Recording(clip) as recording,
        Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer,
    ):
        connections = recording.add_topics_to(writer)
        for message in recording.messages():
            data: Any = message.data
            if message.topic.endswith('compressedDepth'):
                depth = recording.deserialize(message)
                depth = replace(depth, data=np.concatenate([depth.data[:12], png]))
                data = store.serialize_cdr(depth, message.msgtype)
            writer.write(connections[message.topic], message.stamp_ns, data)
    code, said = drnet('vo', path, '--method', 'features')
    assert code == 0
    assert 'frames: recorded depth without a valid pixel' in said


def test_an_unreadable_image_costs_itself_alone(
    clip: Path, tmp_path: Path, drnet: RunInProcess
) -> None:
    path, out = tmp_path / 'bag', tmp_path / 'vo.json'
    with (
        Recording(clip) as recording,
        Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer,
    ):
        connections = recording.add_topics_to(writer)
        images = 0
        for message in recording.messages():
            images += message.topic == IMAGE
            data = message.data[:200] if message.topic == IMAGE and images == 3 else message.data
            writer.write(connections[message.topic], message.stamp_ns, data)
    code, said = drnet('vo', path, '--method', 'features', '--json', out)
    assert code == 1
    assert '- 1 frames: image: unreadable message' in said
    assert '1 messages could not be used; paths are without them' in said
    summary = json.loads(out.read_text())
    assert summary['problems'] == {'image: unreadable message': 1}
    assert all(row['ape_m'] < 0.1 for row in summary['paths'])
