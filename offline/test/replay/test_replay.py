"""`drnet bag`: recordings in, figures out. Only the network is replaced."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from known_scenes import (
    ROS1,
    ROS2,
    Array,
    KnownEngine,
    RunInProcess,
    Scene,
    known_depth,
    load,
    write,
    write_ros1,
)
from rosbags.rosbag1 import Writer as Ros1Writer
from rosbags.rosbag2 import StoragePlugin, Writer

from drnet_offline.errors import OfflineError
from drnet_offline.replay import journal
from drnet_ros.recordings.recording import Recording

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures('known_network')]


def figures(estimates: Sequence[Array], truths: Sequence[Array]) -> dict[str, float]:
    """Metrics by their definitions, pixel by pixel, apart from the package's."""
    images, pixels_d, pixels_g = [], [], []
    for estimate, truth in zip(estimates, truths, strict=True):
        valid = (truth > 0) & np.isfinite(estimate)
        d, g = estimate[valid].astype(np.float64), truth[valid] / 1000.0
        images.append(of_pixels(d, g))
        pixels_d.append(d)
        pixels_g.append(g)
    pooled = of_pixels(np.concatenate(pixels_d), np.concatenate(pixels_g))
    means = {n + '_per_image': float(np.mean([each[n] for each in images])) for n in pooled}
    return {**pooled, **means}


def of_pixels(d: Array, g: Array) -> dict[str, float]:
    worse = np.maximum(d / g, g / d)
    return {
        'rmse': float(np.sqrt(np.mean((d - g) ** 2))),
        'rel': float(np.mean(abs(d - g) / g)),
        'log10': float(np.mean(abs(np.log10(d) - np.log10(g)))),
        'delta1': float(np.mean(worse < 1.25)),
        'delta2': float(np.mean(worse < 1.25**2)),
        'delta3': float(np.mean(worse < 1.25**3)),
    }


@pytest.mark.parametrize(
    ('kind', 'encoding'),
    [
        ('mcap', '16UC1'),
        ('zstd', '32FC1'),
        ('sqlite3', 'compressedDepth'),
        ('ros1', '16UC1'),
        ('ros1', 'compressedDepth'),
        ('mcap', 'png'),
    ],
)
def test_figures_equal_an_independent_computation(
    tmp_path: Path, drnet: RunInProcess, kind: str, encoding: str
) -> None:
    scene = Scene.make()
    bag = write(tmp_path / 'bag', scene, kind, encoding)
    out = tmp_path / 'out.json'
    code, said = drnet('bag', bag, '--json', out, '--set', 'max_depth=3.0')
    assert code == 0, said
    estimates = [np.where(known_depth(i) <= 3, known_depth(i), np.nan) for i in scene.images]
    expected = figures(estimates, scene.truths)
    variant = load(out)['variants'][0]
    for name, value in expected.items():
        assert variant['figures']['full'][name] == pytest.approx(value, rel=1e-5), name
    recorded = [truth > 0 for truth in scene.truths]
    both = sum(np.sum(r & np.isfinite(e)) for r, e in zip(recorded, estimates, strict=True))
    assert variant['coverage'] == pytest.approx(both / sum(np.sum(r) for r in recorded))
    scales = [
        np.median((t / 1000.0 / e)[(t > 0) & np.isfinite(e)])
        for t, e in zip(scene.truths, estimates, strict=True)
    ]
    assert variant['scale']['median'] == pytest.approx(np.median(scales), rel=1e-5)
    rescaled = figures([e * s for e, s in zip(estimates, scales, strict=True)], scene.truths)
    found = variant['figures']['full_scaled']
    assert found['rmse'] == pytest.approx(rescaled['rmse'], rel=1e-5)
    assert found['delta1'] == pytest.approx(rescaled['delta1'], abs=1e-3)
    assert load(out)['frames_matched'] == len(scene.images)
    assert load(out)['images']['rate_hz'] == pytest.approx(20.0)
    assert not (tmp_path / 'out.json.unfinished').exists()


def without_command(path: Path) -> Any:
    return {key: value for key, value in load(path).items() if key != 'command'}


def test_an_interrupted_run_goes_on_to_the_same_result(
    tmp_path: Path, drnet: RunInProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    bag = write(tmp_path / 'bag', Scene.make(20))
    arguments = ('--set', 'points=true', '--protocol', 'full', '--protocol', 'eigen')
    assert drnet('bag', bag, '--json', tmp_path / 'whole.json', *arguments)[0] == 0
    assert drnet('bag', bag, '--report', tmp_path / 'whole', *arguments)[0] == 0
    monkeypatch.setattr(journal, 'SAVE_EVERY_S', 0.0)
    KnownEngine.count, KnownEngine.fails_at = 0, 12
    outputs = ['--report', tmp_path / 'r', '--json', tmp_path / 'r.json', *arguments]
    outputs += ['--write', tmp_path / 'r.mcap']
    code, said = drnet('bag', bag, *outputs)
    assert (code, 'got an interruption' in said) == (1, True)
    assert not (tmp_path / 'r.json').exists()
    KnownEngine.count, KnownEngine.fails_at = 0, -1
    code, said = drnet('bag', bag, *outputs)
    assert code == 0, said
    assert 'going on after 11 frames' in said
    # One frame before is estimated again: steps from frame to frame need it.
    assert KnownEngine.count == 20 - 11 + 1
    resumed = without_command(tmp_path / 'r.json')
    assert resumed.pop('topics_left_out') == []
    assert resumed == without_command(tmp_path / 'whole.json')
    whole, again = ((tmp_path / n / 'frames.csv').read_text() for n in ('whole', 'r'))
    assert whole == again
    with Recording(tmp_path / 'r.mcap') as recording:
        assert recording.topics['/drnet/depth/image_rect'].count == 20
    assert not (tmp_path / 'r' / 'unfinished').exists()


@pytest.mark.parametrize(
    ('gone', 'code', 'text'),
    [
        ('r/unfinished', 1, 'r/unfinished was deleted while this run kept in it what is done'),
        ('r', 1, 'r/unfinished was deleted while this run kept in it what is done, which is lost'),
        ('r.mcap.unfinished', 1, 'r.mcap.unfinished was deleted while this run kept in it what'),
        ('r', 0, 'r/report.html'),
    ],
)
def test_an_output_folder_that_is_deleted_meanwhile(
    tmp_path: Path, drnet: RunInProcess, monkeypatch: pytest.MonkeyPatch,
    gone: str, code: int, text: str,
) -> None:  # fmt: skip
    """Only what keeps the results cannot be made again."""
    bag = write(tmp_path / 'bag', Scene.make(12))
    monkeypatch.setattr(journal, 'SAVE_EVERY_S', 0.0)
    submit = KnownEngine.submit

    def delete_at_8(self: KnownEngine, frames: Any, settings: Any) -> Any:
        if KnownEngine.count == 8:
            shutil.rmtree(tmp_path / gone)
        return submit(self, frames, settings)

    monkeypatch.setattr(KnownEngine, 'submit', delete_at_8)
    outputs = ['--report', tmp_path / 'r']
    if code == 0 or 'mcap' in gone:
        outputs += ['--write', tmp_path / 'r.mcap']
    got, said = drnet('bag', bag, *outputs)
    assert (got, text in said, 'Errno' in said) == (code, True, False), said
    assert (tmp_path / 'r' / 'report.html').exists() == (code == 0)


@pytest.mark.parametrize('left', [0, 100, 0.5])
def test_a_saved_state_cut_short_is_none(tmp_path: Path, left: float) -> None:
    folder = tmp_path / 'unfinished'
    first = journal.Journal(folder, {'asked': 1})
    first.add({'position': 0})
    first.save(1, {'sums': np.arange(1000.0)}, {'a': 'note'})
    first.close()
    again = journal.Journal(folder, {'asked': 1})
    assert (again.frames_done, again.notes, len(list(again.records()))) == (1, {'a': 'note'}, 1)
    again.close()
    state = (folder / 'state.npz').read_bytes()
    (folder / 'state.npz').write_bytes(state[: int(left if left > 1 else left * len(state))])
    anew = journal.Journal(folder, {'asked': 1})
    assert (anew.frames_done, anew.arrays, list(anew.records())) == (0, {}, [])
    anew.close()


def test_the_work_of_another_run_is_not_deleted(tmp_path: Path) -> None:
    folder = tmp_path / 'unfinished'
    journal.Journal(folder, {'asked': 1}).close()
    first = journal.Journal(folder, {'asked': 2})  # nothing was done before
    first.add({'position': 0})
    first.save(1, {}, {})
    first.close()
    with pytest.raises(OfflineError, match=r'unfinished has what an interrupted run with other'):
        journal.Journal(folder, {'asked': 1})
    again = journal.Journal(folder, {'asked': 2})
    assert again.frames_done == 1
    again.remove()
    folder.mkdir()
    (folder / 'notes.txt').write_text('mine')
    with pytest.raises(OfflineError, match=r'but has other files: move them'):
        journal.Journal(folder, {'asked': 1})
    assert (folder / 'notes.txt').read_text() == 'mine'


@pytest.mark.parametrize(
    ('words', 'expected'),
    [
        (('--image-topic', '/nope'), '/nope must be in the recording'),
        (('--image-topic', '/cam/camera_info'), 'must be of type'),
        (('--depth-topic', '/cam/camera_info'), 'must be of type'),
        (('--set', 'colour=red'), 'must be NAME=VALUE'),
        (('--set', 'max_dept=3'), 'did you mean max_depth?'),
        (('--set', 'cameras=a'), 'cameras must be left out: it is for the running node'),
        (('--source-topic', 'scan=/scan'), 'scan=/scan is for a source that is not used'),
        (('--namespace', '/mine'), '--namespace /mine is for the topics of --write'),
        (('--set', 'max_rate=5.0'), 'max_rate must be left out: it is for the running node'),
        (('--versus', 'lazy=false'), 'lazy must be left out'),
        (('--set', 'scan_rows=4'), 'scan_rows must be left out: it is for the running node'),
        (('--set', 'point_voxel=0.1'), 'point_voxel must be left out: only the messages of'),
        (('--set', 'outlier_min_neighbors=3'), 'it has no effect without outlier_radius'),
        (('--set', 'sparse_depth_fixed_frame=map'), 'no effect without sparse_depth_sources'),
        (('--versus', 'depth_encoding=16UC1'), 'depth_encoding must be left out'),
        (('--set', 'max_depth=6', '--set', 'max_depth=8'), 'max_depth must be given once'),
        (('--set', 'temporal_filter=1', '--temporal-filter', '2'), 'must be given once, got 1.0'),
        (('--set', 'weights=a.safetensors', '--weights', 'b'), 'weights must be given once'),
        (('--set', 'max_depth=nan'), 'max_depth must be a finite number, got nan'),
        (('--set', 'max_depth=far'), "max_depth must be a number, got 'far'"),
        (('--set', 'points=1'), "points must be true or false, got '1'"),
        (('--set', 'input_size=small'), "input_size must be a size such as 480x640, got 'small'"),
        (('--json', '/nowhere/out.json'), 'there is no folder'),
    ],
)
def test_what_cannot_be_done_is_one_line(
    tmp_path: Path, drnet: RunInProcess, words: tuple[str, ...], expected: str
) -> None:
    bag = write(tmp_path / 'bag', Scene.make(2))
    code, said = drnet('bag', bag, *words)
    assert code == 1
    assert expected in said
    assert 'Traceback' not in said


@pytest.mark.parametrize(
    'words', [('--protocol', 'mine'), ('--tolerance', 'inf'), ('--tolerance', 'nan')]
)
def test_an_option_out_of_its_range_is_wrong_usage(
    tmp_path: Path, drnet: RunInProcess, words: tuple[str, ...]
) -> None:
    bag = write(tmp_path / 'bag', Scene.make(2))
    assert drnet('bag', bag, *words)[0] == 2


def test_empty_and_cut_recordings_are_one_line(tmp_path: Path, drnet: RunInProcess) -> None:
    with Writer(tmp_path / 'empty', version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        writer.add_connection('/image', 'sensor_msgs/msg/Image', typestore=ROS2)
    code, said = drnet('bag', tmp_path / 'empty')
    assert (code, 'must have an image topic' in said) == (1, True)
    bag = write(tmp_path / 'bag', Scene.make())
    file = next(bag.glob('*.mcap'))
    file.write_bytes(file.read_bytes()[:-3000])
    code, said = drnet('bag', file)
    assert (code, 'mcap recover' in said) == (1, True)


def test_what_comes_before_damage_is_kept(tmp_path: Path, drnet: RunInProcess) -> None:
    bag = write(tmp_path / 'bag', Scene.make(10, (240, 320)), 'zstd')
    file = next(bag.glob('*.mcap'))
    content = bytearray(file.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 64] = bytes(64)
    file.write_bytes(content)
    out = tmp_path / 'out.json'
    code, said = drnet('bag', bag, '--json', out, '--write', tmp_path / 'out.mcap')
    assert (code, 'must be a readable' in said) == (1, True)
    summary = load(out)
    assert 0 < summary['frames'] < 10
    assert 'must be a readable' in summary['damage']
    with Recording(tmp_path / 'out.mcap') as recording:
        assert recording.topics['/drnet/depth/image_rect'].count == summary['frames']


def test_damage_in_a_topic_that_is_only_copied_is_in_all_outputs(
    tmp_path: Path, drnet: RunInProcess
) -> None:
    bag, out = tmp_path / 'source.bag', tmp_path / 'out.json'
    with Ros1Writer(bag) as writer:
        note = writer.add_connection('/note', 'std_msgs/msg/String', typestore=ROS1)
        scene = Scene.make(3)
        writer.write(note, scene.stamps[0] - 1, b'\x40\0\0\0cut')
        write_ros1(writer, scene)
    assert drnet('bag', bag, '--json', out)[0] == 0  # without a copy nobody reads that topic
    assert load(out)['damage'] is None
    report = tmp_path / 'report'
    outputs = ('--json', out, '--report', report, '--write', tmp_path / 'out.mcap')
    code, said = drnet('bag', bag, *outputs)
    assert (code, '1 messages of /note, 0 could be read' in said) == (1, True), said
    summary = load(out)
    assert 'is not complete' in summary['damage']
    (warning,) = (text for text in summary['warnings'] if 'damaged' in text)
    assert 'is not complete' in warning
    assert escape(warning) in (report / 'report.html').read_text()
    assert summary['frames'] == 3
    with Recording(tmp_path / 'out.mcap') as recording:
        for topic in ('/drnet/depth/image_rect', '/cam/image_raw'):  # all that came after it
            assert recording.topics[topic].count == 3


def test_a_video_is_replayed_as_a_recording(tmp_path: Path, drnet: RunInProcess) -> None:
    path = tmp_path / 'clip.mp4'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'mp4v'), 10, (64, 48))
    for shade in (30, 90, 150):
        writer.write(np.full((48, 64, 3), shade, np.uint8))
    writer.release()
    code, _ = drnet('bag', path, '--json', tmp_path / 'a.json', '--write', tmp_path / 'a.mcap')
    assert code == 0
    assert json.loads((tmp_path / 'a.json').read_text())['frames'] == 3
    with Recording(tmp_path / 'a.mcap') as recording:
        assert recording.topics['/camera/image_raw'].count == 3
        assert recording.topics['/drnet/depth/image_rect'].count == 3
        assert recording.topics['/drnet/points'].count == 0, 'the camera is unknown'
