"""Transforms, readings of sensors and their motion, against numbers worked out by hand."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from drnet_ros.errors import SettingsError, SparseDepthError
from drnet_ros.inference import CameraModel, Settings
from drnet_ros.inference.sparse_depth.sources.motion import ImageMoment, bring
from drnet_ros.inference.sparse_depth.sources.pose_track import PoseTrack
from drnet_ros.inference.sparse_depth.sources.readings import Reading, depth_reading
from drnet_ros.inference.sparse_depth.sources.rigid import angle, interpolate, inverse, pose_of
from drnet_ros.inference.sparse_depth.sources.transforms import Authority, TransformBuffer
from drnet_ros.messages.sparse_reading import (
    add_transforms,
    odometry_pose,
    read_cloud,
    read_range,
    read_scan,
)
from drnet_ros.messages.sparse_sources import SparseSources

S = 1_000_000_000
HALF = math.sqrt(0.5)
NO_TURN = (0.0, 0.0, 0.0, 1.0)
QUARTER_LEFT = (0.0, 0.0, HALF, HALF)  # about z
OPTICAL = pose_of((0, 0, 0), (-0.5, 0.5, -0.5, 0.5))


def shift(x: float, y: float = 0.0, z: float = 0.0) -> Any:
    return pose_of((x, y, z), NO_TURN)


def test_a_quarter_turn_takes_x_to_y() -> None:
    pose = pose_of((1, 2, 3), QUARTER_LEFT)
    np.testing.assert_allclose(pose @ [1, 0, 0, 1], [1, 3, 3, 1], atol=1e-12)
    np.testing.assert_allclose(inverse(pose) @ [1, 3, 3, 1], [1, 0, 0, 1], atol=1e-12)


def test_the_optical_frame_looks_along_x_with_y_down() -> None:
    np.testing.assert_allclose(OPTICAL @ [0, 0, 1, 1], [1, 0, 0, 1], atol=1e-12)
    np.testing.assert_allclose(OPTICAL @ [0, 1, 0, 1], [0, 0, -1, 1], atol=1e-12)


@pytest.mark.parametrize(
    'rotation', [(0, 0, 0, 0), (0, 0, 0, 2), (math.nan, 0, 0, 1), (math.inf, 0, 0, 1)]
)
def test_what_is_no_rotation_is_refused(rotation: tuple[float, ...]) -> None:
    with pytest.raises(SparseDepthError, match='unit quaternion'):
        pose_of((0, 0, 0), rotation)


@pytest.mark.parametrize('turned', [1e-12, 0.3, 1.0, 3.0, math.pi])
def test_interpolation_turns_at_a_constant_rate(turned: float) -> None:
    axis = np.array([1.0, 2.0, -2.0]) / 3
    second = pose_of((4, 0, 0), (*(axis * math.sin(turned / 2)), math.cos(turned / 2)))
    half = interpolate(shift(0), second, 0.5)
    expected = pose_of((2, 0, 0), (*(axis * math.sin(turned / 4)), math.cos(turned / 4)))
    # Half a turn may go either way about its axis.
    other = pose_of((2, 0, 0), (*(axis * math.sin(-turned / 4)), math.cos(turned / 4)))
    errors = [np.abs(half - pose).max() for pose in (expected, other)]
    assert (min(errors) if turned == math.pi else errors[0]) < 1e-7
    assert angle(shift(0), second) == pytest.approx(turned, abs=1e-7)


def test_what_has_no_stamp_is_said_to_have_none() -> None:
    transforms, image = TransformBuffer(), ImageMoment(1_700_000_000 * S, 'optical')
    transforms.add('optical', 'laser', shift(0.0))
    reading = depth_reading(np.ones((1, 2), np.float32), CameraModel(2, 1, 9.0, 9.0, 0.5, 0.0))
    with pytest.raises(SparseDepthError, match='got data without a stamp: have the driver set'):
        bring(reading, ImageMoment(0, 'laser'), image, transforms, 'odom')
    track = PoseTrack()
    track.add(0, shift(0.0))
    with pytest.raises(SparseDepthError, match='poses have no stamp: have their publisher set'):
        track.at(image.stamp_ns)


def test_a_track_interpolates_continues_and_ends() -> None:
    track = PoseTrack()
    for tenth in (0, 1, 3, 2):  # in any order
        track.add(S + tenth * S // 10, shift(0.1 * tenth))
    assert track.at(S + S // 4)[0, 3] == pytest.approx(0.25)
    assert track.at(S + 4 * S // 10)[0, 3] == pytest.approx(0.4)
    with pytest.raises(SparseDepthError, match=r'0\.30 s newer than the newest pose'):
        track.at(S + 6 * S // 10)
    with pytest.raises(SparseDepthError, match=r'0\.50 s older than the oldest pose'):
        track.at(S // 2)


def test_a_track_knows_no_pose_between_two_that_jump_or_are_far_apart() -> None:
    track = PoseTrack()
    track.add(S, shift(0))
    track.add(S + S // 10, shift(5))  # 50 m/s
    with pytest.raises(SparseDepthError, match='jump'):
        track.at(S + S // 20)
    track.add(6 * S, shift(6))
    with pytest.raises(SparseDepthError, match=r'4\.9 s apart'):
        track.at(3 * S)
    assert track.at(6 * S)[0, 3] == 6


@pytest.mark.parametrize(
    ('apart_m', 'order', 'is_torn'),
    [
        (0.3, 'AB', True),
        (0.3, 'AAB', True),
        (0.05, 'AB', False),  # two that agree
        (0.0, 'AB', False),
        (0.3, 'AAAAAAAAB', False),  # single outliers
    ],
)
def test_two_nodes_that_publish_one_transform_are_said(
    apart_m: float, order: str, is_torn: bool
) -> None:
    """A robot of 1 m/s, whose odometry comes from its driver and from a filter."""
    track = PoseTrack()
    for place in range(60):
        from_filter = apart_m if order[place % len(order)] == 'B' else 0.0
        track.add(place * S // 50, shift(place / 50, from_filter))
    if is_torn:
        with pytest.raises(SparseDepthError, match=r'go to and fro by 0\.3 m .* two nodes'):
            track.at(S)
    else:
        assert track.at(S)[0, 3] == pytest.approx(1.0)


def test_two_poses_of_one_stamp_are_two_nodes_too() -> None:
    track = PoseTrack()
    for place in range(60):
        for apart_m in (0.0, 0.3):
            track.add(place * S // 50, shift(place / 50, apart_m))
    with pytest.raises(SparseDepthError, match='two nodes publish it'):
        track.at(S)
    again = PoseTrack()
    for place in range(60):
        for _ in range(2):
            again.add(place * S // 50, shift(place / 50))
    assert again.at(S)[0, 3] == pytest.approx(1.0)


def test_a_track_starts_anew_when_time_is_set_back() -> None:
    track = PoseTrack()
    track.add(100 * S, shift(1))
    track.add(S, shift(2))
    assert len(track) == 1
    assert track.at(S)[0, 3] == 2


def test_poses_of_before_a_simulation_was_reset_do_not_mix_with_those_of_after() -> None:
    """It ran for 7 s, and the robot is now 30 cm from where it was at these times."""
    track = PoseTrack()
    for tenth in range(70):
        track.add(tenth * S // 10, shift(0.01 * tenth))
    for tenth in range(11, 30):
        track.add(tenth * S // 10, shift(0.01 * tenth - 0.3))
    assert track.at(29 * S // 10 + S // 20)[0, 3] == pytest.approx(0.295 - 0.3)
    with pytest.raises(SparseDepthError, match='newer than the newest pose'):
        track.at(4 * S)


def test_a_track_forgets() -> None:
    track = PoseTrack()
    for number in range(1000):
        track.add(number * S // 10, shift(number / 1000))
    assert len(track) < 150
    assert track.at(999 * S // 10 - 9 * S)[0, 3] == pytest.approx(0.909)


def robot() -> TransformBuffer:
    """Odom -> base (drives 1 m/s along x) -> laser 0.2 m ahead, and -> optical 0.1 m ahead."""
    buffer = TransformBuffer()
    for tenth in range(21):
        buffer.add('odom', 'base', shift(tenth / 10), stamp_ns=S + tenth * S // 10)
    buffer.add('base', 'laser', shift(0.2))
    buffer.add('/base', '/optical', shift(0.1) @ OPTICAL)
    return buffer


def test_a_buffer_joins_frames_over_their_common_ancestor() -> None:
    buffer = robot()
    pose = buffer.lookup('optical', 'laser', 2 * S)
    np.testing.assert_allclose(pose @ [1, 0, 0, 1], [0, 0, 1.1, 1], atol=1e-12)
    pose = buffer.lookup('odom', 'optical', 2 * S + S // 20)
    np.testing.assert_allclose(pose @ [0, 0, 1, 1], [1.05 + 0.1 + 1, 0, 0, 1], atol=1e-12)
    assert buffer.is_above('odom', 'laser')
    assert not buffer.is_above('laser', 'optical')


def test_a_buffer_says_what_is_missing() -> None:
    buffer = robot()
    with pytest.raises(SparseDepthError, match=r'sonar must be connected.* no transform of sonar'):
        buffer.lookup('optical', 'sonar', S)
    with pytest.raises(SparseDepthError, match=r'frame_id must be set, got none .* to optical'):
        buffer.lookup('optical', '', S)
    # Two that name no frame need not be of the same one.
    with pytest.raises(SparseDepthError, match=r'frame_id must be set, got none .* to any frame'):
        buffer.lookup('', '', S)
    buffer.add('map', 'person', shift(1))
    with pytest.raises(SparseDepthError, match='two separate trees'):
        buffer.lookup('optical', 'person', S)
    with pytest.raises(SparseDepthError, match=r'odom to base at this time: .*7\.00 s newer'):
        buffer.lookup('odom', 'base', 10 * S)


def test_frames_in_a_circle_end() -> None:
    buffer = TransformBuffer()
    buffer.add('a', 'b', shift(1))
    buffer.add('b', 'a', shift(1))
    with pytest.raises(SparseDepthError, match='must be connected'):
        buffer.lookup('c', 'a', S)
    with pytest.raises(SparseDepthError, match='another frame'):
        buffer.add('a', 'a', shift(1))


def test_the_parameter_goes_before_tf_and_tf_before_odometry() -> None:
    buffer = TransformBuffer()
    buffer.add('base', 'laser', shift(1), authority=Authority.PARAMETER)
    buffer.add('base', 'laser', shift(2))
    assert buffer.lookup('base', 'laser', S)[0, 3] == 1
    buffer.add('odom', 'base', shift(3), stamp_ns=S, authority=Authority.ODOMETRY)
    buffer.add('odom', 'base', shift(4), stamp_ns=S)
    buffer.add('odom', 'base', shift(5), stamp_ns=S, authority=Authority.ODOMETRY)
    assert buffer.lookup('odom', 'base', S)[0, 3] == 4


def test_a_reading_moves_with_the_robot() -> None:
    """2 m ahead of the laser at 1.5 s is 1.8 m ahead of the camera at 1.8 s."""
    reading = Reading(np.array([[2.0, 0.0, 0.0]]), 0.01)
    taken, image = ImageMoment(S + S // 2, 'laser'), ImageMoment(S + 8 * S // 10, 'optical')
    moved = bring(reading, taken, image, robot(), 'odom')
    np.testing.assert_allclose(moved.sparse_depth.points_xyz, [[0, 0, 1.8]], atol=1e-9)
    assert moved.note == ''


def test_the_rays_of_a_scan_move_each_by_its_own_time() -> None:
    """A wall 3 m before the start, measured for 0.8 s while the robot approaches it at 1 m/s."""
    delay_s = np.arange(8) / 10
    points = np.stack([3 - 0.2 - delay_s, np.zeros(8), np.zeros(8)], axis=1)
    reading = Reading(points, 0.01, delay_s)
    moved = bring(reading, ImageMoment(S, 'laser'), ImageMoment(S, 'optical'), robot(), 'odom')
    np.testing.assert_allclose(moved.sparse_depth.points_xyz[:, 2], 3 - 0.1, atol=1e-9)


def test_without_a_fixed_frame_only_fresh_readings_are_used_and_less_is_believed() -> None:
    buffer = TransformBuffer()
    buffer.add('optical', 'laser', inverse(OPTICAL))
    reading = Reading(np.array([[2.0, 0.0, 0.0]]), 0.01)
    image = ImageMoment(2 * S, 'optical')
    moved = bring(reading, ImageMoment(2 * S - S // 10, 'laser'), image, buffer, 'odom')
    np.testing.assert_allclose(moved.sparse_depth.points_xyz, [[0, 0, 2]], atol=1e-12)
    # 0.5 m/s for 0.1 s are 0.05 m, 2.5 % of 2 m.
    assert moved.sparse_depth.stddev_n[0] == pytest.approx(math.hypot(0.01, 0.025))
    assert moved.note == 'without the motion of the robot: odom is not known'
    # What was measured together with the image needs no motion.
    assert bring(reading, ImageMoment(2 * S, 'laser'), image, buffer, 'odom').note == ''
    with pytest.raises(SparseDepthError, match=r'within 0\.2 s of the image.*0\.30 s newer'):
        bring(reading, ImageMoment(2 * S + 3 * S // 10, 'laser'), image, buffer, 'odom')


def test_times_of_rays_that_cannot_be_are_named_and_not_used() -> None:
    """A driver that gives time_increment in milliseconds: 36 s for a scan."""
    reading = Reading(np.array([[2.0, 0, 0], [2.0, 0, 0]]), 0.01, np.array([0.0, 36.0]))
    moment = ImageMoment(2 * S, 'laser'), ImageMoment(2 * S, 'optical')
    moved = bring(reading, *moment, robot(), 'odom')
    np.testing.assert_allclose(moved.sparse_depth.points_xyz[:, 2], [2.1, 2.1], atol=1e-9)
    assert 'within 2 s, got 36 s: have the driver set time_increment, in seconds' in moved.note


def sources(*names: str, fixed_frame: str = 'odom') -> tuple[SparseSources, TransformBuffer]:
    buffer = robot()
    return SparseSources(names, buffer, fixed_frame=fixed_frame), buffer


def at(stamp_ns: int, frame_id: str = 'laser') -> SimpleNamespace:
    stamp = SimpleNamespace(sec=stamp_ns // S, nanosec=stamp_ns % S)
    return SimpleNamespace(frame_id=frame_id, stamp=stamp)


def ranged(stamp_ns: int, frame_id: str, distance: float) -> SimpleNamespace:
    message = range_message(distance, radiation_type=1, field_of_view=0.0)
    message.header = at(stamp_ns, frame_id)
    return message


def depths(known: SparseSources, stamp_ns: int) -> list[float]:
    """Depths of the points that are known for an image."""
    image = ImageMoment(stamp_ns, 'optical')
    camera = CameraModel(4, 3, 9.0, 9.0, 1.5, 1.0)
    found = known.sparse_depth(image, np.zeros((3, 4, 3), np.uint8), camera)
    return [round(float(z), 9) for z in found.points_xyz[:, 2]]


def test_of_several_readings_with_one_stamp_the_last_counts() -> None:
    known, _ = sources('range')
    for distance in (2.0, 3.0):
        known.receive('range', ranged(2 * S, 'laser', distance))
    assert depths(known, 2 * S) == [3.1]


def test_readings_of_before_time_was_set_back_are_forgotten() -> None:
    """The map of 2.9 s is nearer in time to the image of 2.5 s than that of 1.5 s."""
    known, _ = sources('points')
    cloud = np.zeros((1, 1), XYZ)
    for tenths, x in ((29, 30.0), (15, 4.0)):
        cloud['x'] = x
        known.receive('points', point_cloud(cloud, header=at(tenths * S // 10, 'odom')))
    # The camera is at 1.5 m + 0.1 m.
    assert depths(known, 25 * S // 10) == [2.4]


def test_a_cone_comes_with_the_point_whether_it_is_moved_or_not() -> None:
    for fixed_frame in ('odom', 'nowhere'):
        known, _ = sources('range', fixed_frame=fixed_frame)
        message = range_message(2.0)
        message.header = at(2 * S)
        known.receive('range', message)
        image, camera = ImageMoment(2 * S + S // 10, 'optical'), CameraModel(4, 3, 9, 9, 1.5, 1)
        found = known.sparse_depth(image, np.zeros((3, 4, 3), np.uint8), camera)
        np.testing.assert_array_equal(found.cone_n, [0.3])
        assert found.source == 'range'


def test_the_frame_of_the_sensor_that_stopped_is_named() -> None:
    known, buffer = sources('range')
    buffer.add('base', 'rear_sonar', shift(0.0))
    known.receive('range', ranged(S, 'rear_sonar', 2.0))
    known.receive('range', ranged(2 * S, 'laser', 2.0))
    assert depths(known, 2 * S) == [2.1]
    said = 'rear_sonar: data must be within 0.5 s of the image, the nearest are 1.00 s older'
    assert known.status()['range'].problem == said


def turned(stamp_ns: int, low: float, high: float, range_max: float = 30.0) -> SimpleNamespace:
    """A scan over some angles."""
    return SimpleNamespace(
        header=at(stamp_ns),
        angle_min=low,
        angle_max=high,
        angle_increment=(high - low) / 10,
        time_increment=0.0,
        range_min=0.1,
        range_max=range_max,
        ranges=[2.0] * 11,
    )


@pytest.mark.parametrize(
    ('order', 'said'),
    [
        ('ABAB', 'angles -1.57 to 1.57 rad, range_max 30 m; angles -2.36 to 2.36 rad, range_max'),
        (
            'ACCA',
            'angles -1.57 to 1.57 rad, range_max 30 m; angles -1.57 to 1.57 rad, range_max 5',
        ),
        ('AADA', ''),  # a driver that rounds
        ('AABB', ''),  # set anew
        ('EFEF', ''),  # one sensor that sends its view in parts
    ],
)
def test_two_scanners_that_mix_in_one_frame_are_said(order: str, said: str) -> None:
    kinds = {
        'A': (-1.57, 1.57),
        'B': (-2.36, 2.36),
        'C': (-1.57, 1.57, 5.0),
        'D': (-1.58, 1.56),
        'E': (-3.1, 0.0),
        'F': (0.0, 3.1),
    }
    known, _ = sources('scan')
    for tenth, letter in enumerate(order):
        stamp_ns = S + tenth * S // 10
        known.receive('scan', turned(stamp_ns, *kinds[letter]))
        assert depths(known, stamp_ns)
    problem = known.status()['scan'].problem
    assert said in problem
    assert ('give each sensor a frame_id of its own' in problem) == bool(said)


def test_other_sensors_that_mix_in_one_frame_are_said_too() -> None:
    known, _ = sources('range', 'points')
    clouds = [point_cloud(np.ones((1, 1), kind)) for kind in (XYZ, [*XYZ.descr, ('i', '<f4')])]
    for place in range(3):
        stamp_ns = S + place * S // 10
        one = ranged(stamp_ns, 'laser', 2.0)
        one.max_range = (4.0, 10.0)[place % 2]
        known.receive('range', one)
        cloud = clouds[place % 2]
        cloud.header = at(stamp_ns)
        known.receive('points', cloud)
    depths(known, stamp_ns)
    status = known.status()
    assert 'max_range 4 m; field_of_view 0 rad, max_range 10 m' in status['range'].problem
    assert '4 fields, 16 bytes for each point; 5 fields' in status['points'].problem


def odometry(stamp_ns: int, frame_id: str, child: str, x: float) -> SimpleNamespace:
    pose = SimpleNamespace(
        position=SimpleNamespace(x=x, y=0.0, z=0.0),
        orientation=SimpleNamespace(x=0.0, y=0.0, z=0.0, w=1.0),
    )
    return SimpleNamespace(
        header=at(stamp_ns, frame_id), child_frame_id=child, pose=SimpleNamespace(pose=pose)
    )


def test_odometry_in_frames_of_its_own_leaves_the_fixed_frame_of_tf_to_other_sources() -> None:
    """A visual odometry says where `imu` is, which tf has below `base`."""
    known, buffer = sources('range', 'odometry')
    buffer.add('base', 'imu', shift(0.0))
    for tenth in range(21):
        stamp_ns = S + tenth * S // 10
        known.receive('odometry', odometry(stamp_ns, 'vio_world', 'imu', tenth / 10))
    known.receive('range', ranged(S + 6 * S // 10, 'laser', 2.0))
    # 0.4 m nearer 0.4 s later.
    assert depths(known, 2 * S) == [1.7]
    assert known.status()['range'].problem == ''


def test_odometry_that_is_not_usable_is_all_that_is_said_of_it() -> None:
    known, _ = sources('odometry', fixed_frame='nowhere')
    known.receive('odometry', odometry(S, 'odom', '', 0.0))
    assert depths(known, S) == []
    said = known.status()['odometry'].problem
    assert said.startswith('an odometry message is not usable: ')
    assert 'no message has come' not in said


@pytest.mark.parametrize(('speed', 'said'), [(18.0, 'the camera must move'), (50.0, 'by 5 m')])
def test_odometry_in_another_unit_is_not_said_to_stand_still(speed: float, said: str) -> None:
    """A robot of 0.5 m/s in centimetres; another one of 18 m/s is a fast one."""
    known, _ = sources('odometry')
    for tenth in range(4):
        known.receive(
            'odometry', odometry(S + tenth * S // 10, 'odom', 'base', speed * tenth / 10)
        )
        assert depths(known, S + tenth * S // 10) == []
    status = known.status()['odometry']
    assert said in status.problem
    assert ('it must be in metres' in status.problem) == status.is_fault == (speed > 20)


def test_odometry_of_two_robots_on_one_topic_is_said() -> None:
    known, buffer = sources('odometry')
    buffer.add('other', 'other_optical', shift(0.0))
    for tenth in range(6):
        stamp_ns = S + tenth * S // 10
        known.receive('odometry', odometry(stamp_ns, 'odom', ('base', 'other')[tenth % 2], 0.1))
        assert depths(known, stamp_ns) == []
    said = 'poses of other in odom and of base in odom alternate on one topic'
    assert said in known.status()['odometry'].problem
    assert known.status()['odometry'].is_fault


def test_landmarks_of_the_world_stay_where_they_are() -> None:
    buffer = robot()
    buffer.add('map', 'odom', shift(10))
    reading = Reading(np.array([[15.0, 0.0, 0.0]]), 0.03)
    image = ImageMoment(2 * S, 'optical')  # at 10 + 1 + 0.1 m
    moved = bring(reading, ImageMoment(2 * S - 20 * S, 'map'), image, buffer, 'odom')
    np.testing.assert_allclose(moved.sparse_depth.points_xyz, [[0, 0, 3.9]], atol=1e-9)
    with pytest.raises(SparseDepthError, match='within 30 s'):
        bring(reading, ImageMoment(-29 * S, 'map'), image, buffer, 'odom')


def laser_scan(ranges: list[float], **changed: float) -> SimpleNamespace:
    fields = {
        'angle_min': 0.0,
        'angle_increment': math.pi / 2,
        'time_increment': 0.0,
        'range_min': 0.1,
        'range_max': 10.0,
    }
    return SimpleNamespace(ranges=ranges, **(fields | changed))


def test_a_scan_goes_round_counterclockwise_and_drops_what_is_no_measurement() -> None:
    reading = read_scan(laser_scan([2.0, 3.0, math.nan, 4.0]))
    np.testing.assert_allclose(reading.points_xyz, [[2, 0, 0], [0, 3, 0], [0, -4, 0]], atol=1e-6)
    # Many drivers give the end of the range where nothing is met.
    bad = [0.0, -1.0, 0.05, 10.0, 11.0, math.inf, -math.inf]
    assert len(read_scan(laser_scan(bad))) == 0
    assert len(read_scan(laser_scan([]))) == 0
    # A scanner that states no limits measures everything.
    assert len(read_scan(laser_scan([0.05, 11.0], range_min=0.0, range_max=0.0))) == 2


def test_a_scan_of_angles_that_are_no_numbers_is_refused() -> None:
    with pytest.raises(SparseDepthError, match='finite angle_min'):
        read_scan(laser_scan([1.0], angle_increment=math.inf))
    with pytest.raises(SparseDepthError, match='angle_increment of a scan must not be 0, got 2 '):
        read_scan(laser_scan([1.0, 2.0], angle_increment=0.0))
    assert len(read_scan(laser_scan([1.0], angle_increment=0.0))) == 1


def range_message(distance: float, **changed: float) -> SimpleNamespace:
    fields = {'min_range': 0.2, 'max_range': 5.0, 'radiation_type': 0, 'field_of_view': 0.3}
    return SimpleNamespace(range=distance, **(fields | changed))


@pytest.mark.parametrize('distance', [0.0, -1.0, math.nan, math.inf, 5.0, 5.1, 0.1])
def test_a_range_finder_that_measures_nothing_has_no_point(distance: float) -> None:
    message = range_message(distance)
    assert len(read_range(message)) == 0
    message.range = 2.0
    np.testing.assert_array_equal(read_range(message).points_xyz, [[2, 0, 0]])


@pytest.mark.parametrize(
    ('radiation_type', 'field_of_view', 'cone_rad', 'stddev'),
    [
        (0, 0.3, 0.3, 0.15),
        (0, 0.0, math.radians(15), 0.15),  # a sonar whose driver states none
        (0, math.nan, math.radians(15), 0.15),
        (1, 0.44, 0.44, 0.15),  # an infrared sensor of time of flight
        (1, 0.05, 0.0, 0.05),
        (1, 0.0, 0.0, 0.05),
        (1, -1.0, 0.0, 0.05),
        (1, 1e9, math.pi, 0.15),
    ],
)
def test_a_range_finder_with_a_cone_is_believed_less_than_a_beam(
    radiation_type: int, field_of_view: float, cone_rad: float, stddev: float
) -> None:
    reading = read_range(
        range_message(2.0, radiation_type=radiation_type, field_of_view=field_of_view)
    )
    assert (reading.cone_rad, reading.relative_stddev) == (cone_rad, stddev)


def point_cloud(array: Any, **changed: Any) -> SimpleNamespace:
    fields = [
        SimpleNamespace(name=name, offset=offset, datatype=7 if array.itemsize else 8)
        for name, (_, offset) in array.dtype.fields.items()
    ]
    height, width = array.shape
    step = array.dtype.itemsize
    message = {
        'height': height,
        'width': width,
        'fields': fields,
        'is_bigendian': False,
        'point_step': step,
        'row_step': step * width,
        'data': array.tobytes(),
    }
    return SimpleNamespace(**(message | changed))


XYZ = np.dtype([('y', '<f4'), ('pad', '<f4'), ('x', '<f4'), ('z', '<f4')])


def test_a_cloud_is_read_by_the_names_of_its_fields() -> None:
    cloud = np.zeros((2, 3), XYZ)
    cloud['x'], cloud['y'], cloud['z'] = 1, 2, np.arange(6).reshape(2, 3)
    expected = np.stack([np.full(6, 1), np.full(6, 2), np.arange(6)], axis=1)
    np.testing.assert_array_equal(read_cloud(point_cloud(cloud)).points_xyz, expected)


def test_rows_of_a_cloud_may_be_padded() -> None:
    cloud = np.zeros((2, 4), XYZ)
    cloud['z'] = [[1, 2, 3, 99], [4, 5, 6, 99]]
    message = point_cloud(cloud, width=3)
    np.testing.assert_array_equal(read_cloud(message).points_xyz[:, 2], [1, 2, 3, 4, 5, 6])


@pytest.mark.parametrize('shape', [(1, 1_000_000), (1000, 1000), (1_000_000, 1)])
def test_a_large_cloud_is_read_in_part_from_all_of_it(shape: tuple[int, int]) -> None:
    cloud = np.zeros(shape, XYZ)
    cloud['z'] = np.arange(cloud.size).reshape(shape)
    z = read_cloud(point_cloud(cloud)).points_xyz[:, 2]
    assert 10_000 < len(z) <= 30_000
    assert z.min() == 0
    assert z.max() > 990_000
    assert np.diff(z).max() < 10_000


@pytest.mark.parametrize(
    ('changed', 'said'),
    [
        ({'width': 2**31, 'height': 2**31}, 'must have'),
        ({'data': b''}, 'got 0'),
        ({'point_step': 0}, 'within point_step 0'),
        ({'point_step': 2**32 - 1}, r'must have \d+ bytes'),
        ({'row_step': 1}, 'in rows of'),
        ({'fields': []}, 'got no fields'),
        (
            {'fields': [SimpleNamespace(name='x', offset=0, datatype=5)]},
            'float32 or float64, got x of int32',
        ),
    ],
)
def test_a_cloud_that_claims_what_it_has_not_is_refused(
    changed: dict[str, Any], said: str
) -> None:
    with pytest.raises(SparseDepthError, match=said):
        read_cloud(point_cloud(np.zeros((2, 3), XYZ), **changed))


def listed_cloud(points_xyz: Any, channels: int = 0) -> SimpleNamespace:
    """A sensor_msgs/PointCloud; its channels have 5 values each, as those of VINS-Fusion."""
    listed = [SimpleNamespace(x=x, y=y, z=z) for x, y, z in np.asarray(points_xyz).tolist()]
    values = [SimpleNamespace(name='', values=[0.0] * 5) for _ in range(channels)]
    return SimpleNamespace(points=listed, channels=values)


@pytest.mark.parametrize('count', [0, 1, 7, 100_000])
def test_listed_points_are_those_of_a_cloud_with_fields(count: int) -> None:
    points = np.random.default_rng(0).normal(size=(count, 3)).astype(np.float32)
    points[::5] = np.nan
    points[3::5, 1] = np.inf
    cloud = np.zeros((1, count), XYZ)
    for index, name in enumerate('xyz'):
        cloud[name] = points[:, index]
    expected, found = read_cloud(point_cloud(cloud)), read_cloud(listed_cloud(points))
    assert found.points_xyz.dtype == np.float32
    assert len(found.points_xyz) == (count if count < 30_000 else 25_000)
    np.testing.assert_array_equal(found.points_xyz, expected.points_xyz)
    assert found.relative_stddev == expected.relative_stddev


def test_listed_points_whose_channels_are_not_one_value_for_each_are_read() -> None:
    known, _ = sources('points')
    for place, count in enumerate((3, 2, 3, 2)):
        stamp_ns = S + place * S // 10
        message = listed_cloud(np.ones((count, 3)), channels=count)
        message.header = at(stamp_ns)
        known.receive('points', message)
        assert len(depths(known, stamp_ns)) == count
    # Landmarks come and go: that is no sign of two sensors.
    assert known.status()['points'].problem == ''


def test_a_depth_image_becomes_points_along_its_rays() -> None:
    camera = CameraModel(2, 1, 10.0, 10.0, 0.5, 0.0)
    reading = depth_reading(np.array([[2.0, np.nan]], np.float32), camera)
    np.testing.assert_allclose(reading.points_xyz, [[-0.1, 0, 2]])
    assert len(depth_reading(np.zeros((1, 2), np.float32), camera)) == 0


def test_transforms_of_a_message_that_are_not_usable_are_left_out_by_name() -> None:
    def stamped(child: str, w: float) -> SimpleNamespace:
        return SimpleNamespace(
            header=SimpleNamespace(
                frame_id='base', stamp=SimpleNamespace(sec=1, nanosec=500_000_000)
            ),
            child_frame_id=child,
            transform=SimpleNamespace(
                translation=SimpleNamespace(x=1.0, y=0.0, z=0.0),
                rotation=SimpleNamespace(x=0.0, y=0.0, z=0.0, w=w),
            ),
        )

    buffer = TransformBuffer()
    message = SimpleNamespace(transforms=[stamped('laser', 1.0), stamped('sonar', 0.0)])
    (problem,) = add_transforms(message, buffer, is_static=False)
    assert problem.startswith("'base' to 'sonar': a transform must have")
    assert buffer.lookup('base', 'laser', 1_500_000_000)[0, 3] == 1
    with pytest.raises(SparseDepthError, match='newer'):
        buffer.lookup('base', 'laser', 9 * S)
    message.transforms.pop()
    assert add_transforms(message, buffer, is_static=True) == []
    assert buffer.lookup('base', 'laser', 9 * S)[0, 3] == 1


def test_odometry_is_the_pose_of_the_child() -> None:
    pose = SimpleNamespace(
        position=SimpleNamespace(x=1.0, y=2.0, z=3.0),
        orientation=SimpleNamespace(x=0.0, y=0.0, z=HALF, w=HALF),
    )
    message = SimpleNamespace(pose=SimpleNamespace(pose=pose))
    np.testing.assert_allclose(odometry_pose(message), pose_of((1, 2, 3), QUARTER_LEFT))


@pytest.mark.parametrize(
    'text', ['base laser 0 0 0', 'base laser 0 0 0 0 0 0 2', 'base base 0 0 0 0 0 0 1', 'x y z']
)
def test_extrinsics_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(SettingsError, match='sparse_depth_extrinsics must be'):
        Settings(sparse_depth_extrinsics=(text,))


def test_sources_are_named_once_in_a_fixed_order() -> None:
    assert Settings().sparse_depth_names == ()
    assert Settings(sparse_depth_sources=()).sparse_depth_names == ()
    settings = Settings(sparse_depth_sources=('odometry', 'scan', '', 'scan'))
    assert settings.sparse_depth_names == ('scan', 'odometry')
    with pytest.raises(SettingsError, match='sparse_depth_sources must be one of'):
        Settings(sparse_depth_sources=('lidar',))
