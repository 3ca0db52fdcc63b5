"""`drnet bag` with sparse depth: a recorded scan, cloud or range finder sets the scale."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from known_scenes import HW, Array, KnownEngine, RunInProcess, known_depth, load, write
from recorded_sensors import (
    COUNT,
    EXTRINSICS,
    FACTOR,
    cloud,
    listed_cloud,
    odometry,
    range_finder,
    scan,
    slanted_wall,
    tof,
    transform,
    with_scans,
)

from drnet_offline.replay import journal
from drnet_offline.replay.sparse_topics import choose_sparse_topics
from drnet_ros.errors import RecordingError
from drnet_ros.recordings.recording import RecordedTopic, Recording
from drnet_ros.recordings.topics import TopicChoice

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures('known_network')]


def depths_of(path: Path) -> list[Array]:
    with Recording(path) as recording:
        images = map(recording.deserialize, recording.messages(['/drnet/depth/image_rect']))
        return [image.data.view(np.float32).reshape(HW) for image in images]


def error_of(depth_hw: Array) -> float:
    """Largest relative error of a depth image."""
    truth = FACTOR * known_depth(slanted_wall().images[0])
    return float(np.nanmax(abs(depth_hw / truth - 1)))


def test_a_recorded_scan_sets_the_scale(tmp_path: Path, drnet: RunInProcess) -> None:
    bag = write(tmp_path / 'bag', with_scans())
    outputs = ('--json', tmp_path / 'out.json', '--write', tmp_path / 'out.mcap')
    report = tmp_path / 'report'
    words = ('--set', 'sparse_depth_sources=[scan]', '--versus', 'sparse_depth_sources=[]')
    code, said = drnet('bag', bag, *outputs, '--report', report, *words)
    assert code == 0, said
    depths = depths_of(tmp_path / 'out.mcap')
    assert len(depths) == COUNT
    assert max(map(error_of, depths)) < 0.01
    summary = load(tmp_path / 'out.json')
    assert summary['topics']['sparse_depth'] == {'scan': '/front/scan'}
    with_scan, alone = summary['variants']
    assert with_scan['figures']['full']['rel'] < 0.01
    assert alone['figures']['full']['rel'] == pytest.approx(1 - 1 / FACTOR, abs=1e-3)
    about = with_scan['sparse_depth']
    assert (about['frames'], about['frames_with_points']) == (COUNT, COUNT)
    assert about['factor']['median'] == pytest.approx(FACTOR, rel=0.01)
    assert (about['first_points_s'], about['converged_s']) == (0.0, 0.0)
    error = about['scale_error']
    assert error['image_alone'] == pytest.approx(np.log(FACTOR), abs=1e-3)
    assert error['with_sources'] < 0.01
    assert error['won'] == pytest.approx(1 - error['with_sources'] / error['image_alone'])
    assert about['refused'] == {'frames': 0, 'kinds': []}
    assert alone['sparse_depth'] is None
    assert 'A: scale by scan: points in 6 of 6 frames' in said
    rows = [line.split(',') for line in (report / 'frames.csv').read_text().splitlines()]
    assert rows[0][-4:] == ['factor', 'points_used', 'factor_stddev', 'residual']
    own = [row for row in rows[1:] if row[3].startswith('"A:')]
    assert [float(row[-4]) for row in own] == pytest.approx([FACTOR] * COUNT, rel=0.01)
    assert all(int(row[-3]) > 10 for row in own)
    assert all(0 < float(row[-2]) < 0.2 for row in own)
    residuals = [float(row[-1]) for row in own]
    assert max(residuals) < 0.01
    assert about['residual_median'] == pytest.approx(np.median(residuals))
    page = (report / 'report.html').read_text()
    assert '<h2>Sparse depth</h2>' in page
    assert f'<td>{error["image_alone"]:.1%}</td><td>{error["won"]:.0%}</td>' in page
    assert (report / 'calibration.png').is_file()


def test_listed_points_give_the_depth_of_a_cloud_with_fields(
    tmp_path: Path, drnet: RunInProcess
) -> None:
    depths = []
    for make in (cloud, listed_cloud):
        scene = slanted_wall()
        before = tuple((('/landmarks', make(stamp)),) for stamp in scene.stamps)
        bag = write(tmp_path / make.__name__, replace(scene, before=before))
        out = tmp_path / f'{make.__name__}.mcap'
        code, said = drnet('bag', bag, '--write', out, '--set', 'sparse_depth_sources=[points]')
        assert code == 0, said
        depths.append(depths_of(out))
    assert max(map(error_of, depths[1])) < 0.01
    np.testing.assert_array_equal(depths[0], depths[1])


def test_of_two_clouds_the_one_with_fields_is_taken_as_in_the_node() -> None:
    kinds = {'/a': 'PointCloud', '/b': 'PointCloud2', '/c': 'PointCloud'}
    topics = {
        name: RecordedTopic(name, f'sensor_msgs/msg/{kind}', 9, is_latched=False)
        for name, kind in kinds.items()
    }
    choice = TopicChoice('/image', None, None)
    found = choose_sparse_topics(topics, ('points',), choice, {})
    assert found.by_source == {'points': '/b'}
    found = choose_sparse_topics(topics, ('points',), choice, {'points': '/c'})
    assert found.by_source == {'points': '/c'}
    del topics['/b']
    said = (
        r'one topic of type sensor_msgs/msg/PointCloud2 or sensor_msgs/msg/PointCloud, got /a, /c'
    )
    with pytest.raises(RecordingError, match=said):
        choose_sparse_topics(topics, ('points',), choice, {})


def test_a_source_is_compared_with_the_image_alone(tmp_path: Path, drnet: RunInProcess) -> None:
    bag, out = write(tmp_path / 'bag', with_scans()), tmp_path / 'out.json'
    source = ('--set', 'sparse_depth_sources=[scan]', '--json', out)
    code, said = drnet('bag', bag, *source)
    assert code == 0, said
    with_scan, alone = load(out)['variants']
    assert with_scan['name'] == 'A: embedded sparse_depth_sources=[scan]'
    assert alone['name'] == 'B: image alone'
    assert alone['figures']['full']['rel'] == pytest.approx(1 - 1 / FACTOR, abs=1e-3)
    assert f'{with_scan["sparse_depth"]["scale_error"]["won"]:.0%} of it is won' in said
    # Nothing to compare with: the network runs once.
    assert drnet('bag', bag, *source, '--depth-topic', 'none')[0] == 0
    assert [each['name'] for each in load(out)['variants']] == [
        'embedded sparse_depth_sources=[scan]'
    ]


def test_stated_deviations_are_counted(tmp_path: Path, drnet: RunInProcess) -> None:
    bag, out = write(tmp_path / 'bag', with_scans()), tmp_path / 'out.json'
    assert drnet('bag', bag, '--json', out)[0] == 0
    # All pixels are wrong by the same factor, and all deviations stated are about its size.
    within = load(out)['variants'][0]['within']
    assert within['two_stddev'] == 1.0
    assert 0.0 <= within['one_stddev'] <= 1.0


@pytest.mark.parametrize('first', ['never', 'at the start'])
def test_static_transforms_hold_as_latched_ones_do(
    tmp_path: Path, drnet: RunInProcess, first: str
) -> None:
    scene = with_scans(is_mounted=False)
    before = list(scene.before)
    place_m = 0.0 if first == 'never' else -50.0
    if first == 'at the start':
        before[0] = (('/tf_static', transform(scene.stamps[0])), *before[0])
    # Recorded late, or published anew; in the second case the points are behind the camera.
    before[3] = (('/tf_static', transform(scene.stamps[3], place_m)), *before[3])
    bag, report = write(tmp_path / 'bag', replace(scene, before=tuple(before))), tmp_path / 'r'
    source = ('--set', 'sparse_depth_sources=[scan]', '--depth-topic', 'none')
    code, said = drnet('bag', bag, *source, '--report', report)
    assert code == 0, said
    rows = [line.split(',') for line in (report / 'frames.csv').read_text().splitlines()]
    used = [int(row[-3]) > 0 for row in rows[1:]]
    assert used == [True] * 3 + [first == 'never'] * 3


# One point is believed by and by; the image alone is wrong by 0.29.
@pytest.mark.parametrize(('source', 'limit'), [('range', 0.07), ('points', 0.01), ('depth', 0.01)])
def test_other_sources_set_the_scale(
    tmp_path: Path, drnet: RunInProcess, source: str, limit: float
) -> None:
    scene = slanted_wall()
    made: dict[str, Callable[[int], tuple[tuple[str, Any], ...]]] = {
        'range': lambda stamp: (('/sonar', range_finder(stamp)),),
        'points': lambda stamp: (('/landmarks', cloud(stamp)),),
        'depth': lambda stamp: tuple(
            zip(('/tof/depth', '/tof/camera_info'), tof(stamp), strict=True)
        ),
    }
    scene = replace(scene, before=tuple(made[source](stamp) for stamp in scene.stamps))
    bag = write(tmp_path / 'bag', scene)
    words: list[object] = ['--set', f'sparse_depth_sources=[{source}]', '--set', EXTRINSICS]
    # A depth image could be what errors are measured against.
    words += ['--depth-topic', '/cam/depth/image_rect', '--write', tmp_path / 'out.mcap']
    code, said = drnet('bag', bag, *words)
    assert code == 0, said
    depths = depths_of(tmp_path / 'out.mcap')
    # The first CameraInfo of the sensor comes after its depth image, and serves that already.
    assert max(map(error_of, depths)) < limit


def test_recorded_odometry_reaches_its_source(tmp_path: Path, drnet: RunInProcess) -> None:
    scene = slanted_wall()
    before = tuple((('/odom', odometry(stamp)),) for stamp in scene.stamps)
    bag, out = write(tmp_path / 'bag', replace(scene, before=before)), tmp_path / 'out.json'
    code, said = drnet('bag', bag, '--set', 'sparse_depth_sources=[odometry]', '--json', out)
    assert code == 0, said
    variant = load(out)['variants'][0]
    # The robot stands: its poses are there, and no depth comes of them.
    problem = variant['sparse_depth']['source_problems']['odometry']
    assert problem['frames'] == COUNT
    assert 'no depth from the motion so far' in problem['kinds'][0]['example']
    assert variant['figures']['full']['rel'] == pytest.approx(1 - 1 / FACTOR, abs=1e-3)


def test_odometry_that_only_tf_records_is_used_as_the_node_does(
    tmp_path: Path, drnet: RunInProcess
) -> None:
    scene, before = slanted_wall(), []
    for stamp in scene.stamps:
        message = transform(stamp)
        message.transforms[0].header.frame_id = 'odom'
        message.transforms[0].child_frame_id = 'optical'
        before.append((('/tf', message),))
    source = ('--set', 'sparse_depth_sources=[odometry]')
    bag, out = write(tmp_path / 'bag', replace(scene, before=tuple(before))), tmp_path / 'out.json'
    code, said = drnet('bag', bag, '--json', out, *source)
    assert code == 0, said
    problem = load(out)['variants'][0]['sparse_depth']['source_problems']['odometry']
    assert problem['frames'] == COUNT
    assert 'no depth from the motion so far' in problem['kinds'][0]['example']
    code, said = drnet('bag', write(tmp_path / 'plain', scene), *source)
    assert code == 1
    assert 'the source odometry must have one topic of type' in said


def test_without_the_setting_sensors_in_the_recording_change_nothing(
    tmp_path: Path, drnet: RunInProcess
) -> None:
    plain = write(tmp_path / 'plain', slanted_wall())
    bag = write(tmp_path / 'bag', with_scans())
    for path, out in ((plain, 'plain.mcap'), (bag, 'bag.mcap')):
        assert drnet('bag', path, '--write', tmp_path / out)[0] == 0
    expected = known_depth(slanted_wall().images[0])
    for one, other in zip(
        depths_of(tmp_path / 'plain.mcap'), depths_of(tmp_path / 'bag.mcap'), strict=True
    ):
        np.testing.assert_array_equal(one, expected)
        np.testing.assert_array_equal(other, expected)


def test_what_keeps_a_source_from_being_used_is_said(tmp_path: Path, drnet: RunInProcess) -> None:
    out, source = tmp_path / 'out.json', ('--set', 'sparse_depth_sources=[scan]')
    wrong = write(tmp_path / 'wrong', with_scans(share=10.0))
    code, said = drnet('bag', wrong, '--json', out, *source)
    assert code == 0, said
    about = load(out)['variants'][0]['sparse_depth']
    assert (about['frames_with_points'], about['refused']['frames']) == (0, COUNT)
    assert about['refused']['kinds'][0]['example'] in said
    unmounted = write(tmp_path / 'unmounted', with_scans(is_mounted=False))
    code, said = drnet('bag', unmounted, '--json', out, *source)
    assert code == 0, said
    about = load(out)['variants'][0]['sparse_depth']
    problem = about['source_problems']['scan']
    assert [kind['frames'] for kind in problem['kinds']] == [COUNT]
    assert 'laser must be connected to optical by tf' in problem['kinds'][0]['example']
    assert f'scan in {COUNT} frames: laser must be connected' in said
    high = '[optical laser 0 -50 0 0.5 -0.5 0.5 0.5]'  # 50 m above the camera
    mounted = ('--set', f'sparse_depth_extrinsics={high}')
    code, said = drnet('bag', unmounted, '--json', out, *source, *mounted)
    assert code == 0, said
    about = load(out)['variants'][0]['sparse_depth']
    assert (about['frames_with_points'], about['unseen']['frames']) == (0, COUNT)
    assert 'are beside the image' in about['unseen']['kinds'][0]['example']
    assert f'no point seen in {COUNT} frames: of the points ' in said


def test_each_reason_of_a_source_is_said_and_the_most_frequent_first(
    tmp_path: Path, drnet: RunInProcess
) -> None:
    scene = with_scans(is_mounted=False)
    late = replace(scene, before=((), *scene.before[1:]))  # none before the first image
    code, said = drnet(
        'bag', write(tmp_path / 'bag', late), '--set', 'sparse_depth_sources=[scan]'
    )
    assert code == 0, said
    most, rest = said.partition(f'warning: scan in {COUNT - 1} frames: laser must be')[1:]
    assert most
    assert 'warning: scan in 1 frames: no message has come' in rest
    assert rest.count('scan in ') == 1


def test_an_interrupted_run_with_a_source_goes_on_to_the_same_result(
    tmp_path: Path, drnet: RunInProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    bag = write(tmp_path / 'bag', with_scans())
    source = ('--set', 'sparse_depth_sources=[scan]')
    assert drnet('bag', bag, '--json', tmp_path / 'whole.json', *source)[0] == 0
    monkeypatch.setattr(journal, 'SAVE_EVERY_S', 0.0)
    # Each frame is estimated twice: with the source, and from the image alone.
    KnownEngine.count, KnownEngine.fails_at = 0, 8
    resumed = tmp_path / 'resumed.json'
    assert drnet('bag', bag, '--json', resumed, *source)[0] == 1
    KnownEngine.count, KnownEngine.fails_at = 0, -1
    code, said = drnet('bag', bag, '--json', resumed, *source)
    assert (code, 'going on after 3 frames' in said) == (0, True), said
    whole, again = load(tmp_path / 'whole.json'), load(resumed)
    assert whole['variants'] == again['variants']


@pytest.mark.parametrize(
    ('words', 'expected'),
    [
        (('sparse_depth_sources=[range]',), 'the source range must have one topic of type'),
        (('sparse_depth_sources=scan',), "must be a list such as '[scan, odometry]', got 'scan'"),
        (('sparse_depth_sources=[lidar]',), 'sparse_depth_sources must'),
        (('sparse_depth_sources=[scan]', 'scan=/nope'), 'no such topic for /nope; known are /'),
        (('sparse_depth_sources=[scan]', 'scan=/front/scn'), 'did you mean /front/scan?'),
        (('sparse_depth_sources=[scan]', 'scan=/cam/image_raw'), 'got sensor_msgs/msg/Image'),
        (('sparse_depth_sources=[scan]', 'laser=/scan'), 'must be SOURCE=TOPIC'),
        (
            ('sparse_depth_sources=[depth]', 'depth=/cam/depth/image_rect'),
            'must be another topic than the depth that errors are measured against',
        ),
    ],
)
def test_a_source_that_cannot_be_used_is_one_line(
    tmp_path: Path, drnet: RunInProcess, words: tuple[str, ...], expected: str
) -> None:
    bag = write(tmp_path / 'bag', with_scans())
    named = [word for topic in words[1:] for word in ('--source-topic', topic)]
    code, said = drnet('bag', bag, '--set', words[0], *named)
    assert (code, expected in said) == (1, True), said
    assert 'Traceback' not in said


def test_of_several_scans_one_must_be_named(tmp_path: Path, drnet: RunInProcess) -> None:
    scene = with_scans()
    rear = tuple((('/rear/laser', scan(stamp, 2.0)),) for stamp in scene.stamps)
    both = replace(
        scene, before=tuple((*one, *other) for one, other in zip(scene.before, rear, strict=True))
    )
    bag, out = write(tmp_path / 'bag', both), tmp_path / 'out.json'
    source = ('--set', 'sparse_depth_sources=[scan]', '--json', out)
    # The one whose name ends as the topic of the node is taken.
    assert drnet('bag', bag, *source)[0] == 0
    assert load(out)['variants'][0]['figures']['full']['rel'] < 0.01
    assert drnet('bag', bag, *source, '--source-topic', 'scan=/rear/laser')[0] == 0
    scale = load(out)['variants'][0]['sparse_depth']['factor']['median']
    assert scale == pytest.approx(2 * FACTOR, rel=0.01)


@pytest.mark.parametrize('topic', ['/front/scan', '/tf_static'])
def test_what_of_a_sensor_cannot_be_read_costs_itself_alone(
    tmp_path: Path, drnet: RunInProcess, topic: str
) -> None:
    """It was found at the end of the last pass, and all figures were lost."""
    bag, out = write(tmp_path / 'bag', with_scans()), tmp_path / 'out.json'
    about = bag / 'metadata.yaml'
    listed = yaml.safe_load(about.read_text())
    for each in listed['rosbag2_bagfile_information']['topics_with_message_count']:
        if each['topic_metadata']['name'] == topic:
            each['message_count'] += 9
    about.write_text(yaml.safe_dump(listed))
    code, said = drnet('bag', bag, '--set', 'sparse_depth_sources=[scan]', '--json', out)
    assert code == 1
    assert f'messages of {topic}' in said
    assert 'Traceback' not in said
    first = load(out)['variants'][0]
    assert first['sparse_depth']['frames_with_points'] == COUNT
    assert first['figures']['full']['rel'] < 0.01
    code, said = drnet('vo', bag, '--set', 'sparse_depth_sources=[scan]', '--method', 'dense')
    assert (code, f'messages of {topic}' in said) == (1, True)
    assert 'points in 6 of 6 frames' in said


def test_problems_that_differ_in_numbers_only_are_one_line(
    tmp_path: Path, drnet: RunInProcess
) -> None:
    """Of a tf whose quaternions are zero, hundreds of lines were printed."""
    scene = with_scans()
    before = []
    for place, (messages, stamp) in enumerate(zip(scene.before, scene.stamps, strict=True)):
        moved = transform(stamp, 0.25 * place)
        moved.transforms[0].transform.rotation.w = 0.25
        before.append((*messages, ('/tf', moved)))
    bag = write(tmp_path / 'bag', replace(scene, before=tuple(before)))
    _, said = drnet('bag', bag, '--set', 'sparse_depth_sources=[scan]', '--json', tmp_path / 'o')
    assert said.count('a unit quaternion') == 1
    assert f"warning: {COUNT} frames: transform 'optical' to 'laser': " in said
