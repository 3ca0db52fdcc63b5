"""One bad item costs itself alone: `predict`, `eval` and `bag` go on, list it, and exit 1."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from known_scenes import RunInProcess, Scene, load, write, write_with_odd_records

from drnet_offline.outputs.lock import OutputLock
from drnet_offline.replay.index import index_recording
from drnet_offline.replay.space import needed_bytes
from drnet_ros.inference import Settings
from drnet_ros.recordings.recording import Recording
from drnet_ros.recordings.topics import choose_topics

WriteFolder = Callable[..., Path]


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Two good images, one of a name that is no UTF-8, a damaged one, and a file of a Mac."""
    folder = tmp_path / 'images'
    folder.mkdir()
    rgb = np.random.default_rng(1).integers(0, 255, (64, 96, 3), np.uint8)
    png = cv2.imencode('.png', rgb)[1].tobytes()
    for name in (b'a.png', b'z \xff.png'):
        (folder / os.fsdecode(name)).write_bytes(png)
    (folder / 'broken.png').write_bytes(png[:300])
    (folder / '._a.png').write_bytes(b'of a Mac')
    return folder


def test_predict_goes_on_after_a_damaged_image(
    images: Path, weights: Path, tmp_path: Path, drnet: RunInProcess
) -> None:
    output = tmp_path / 'output'
    words = ('--output', output, '--weights', weights, '--engine', 'torch')
    code, said = drnet('predict', images, *words)
    assert code == 1
    assert 'broken.png is cut short' in said
    assert '1 of 3 inputs have no depth' in said
    stems = (b'a', b'z \xff')
    expected = {os.fsdecode(s + end) for s in stems for end in (b'.png', b'.preview.jpg')}
    assert {path.name for path in output.iterdir()} == expected


def test_predict_refuses_an_output_before_the_work(
    images: Path, tmp_path: Path, drnet: RunInProcess
) -> None:
    (tmp_path / 'file').touch()
    code, said = drnet('predict', images, '--output', tmp_path / 'file' / 'output')
    assert (code, 'Not a directory' in said) == (1, True)
    with OutputLock(tmp_path):
        code, said = drnet('predict', images, '--output', tmp_path)
    assert code == 1
    assert f'{tmp_path} is being written by process {os.getpid()}' in said


def test_eval_scores_the_others_and_lists_what_it_could_not_read(
    weights: Path, write_folder: WriteFolder, tmp_path: Path, drnet: RunInProcess
) -> None:
    data = write_folder(tmp_path / 'data', 3)
    broken = data / 'depth' / '00001.png'
    broken.write_bytes(broken.read_bytes()[:99])
    words: list[Any] = ['eval', '--data', data, '--weights', weights, '--engine', 'torch']
    figures = tmp_path / 'figures.json'
    code, said = drnet(*words, '--protocol', 'full', '--json', figures)
    assert code == 1
    assert '1 images could not be read and are in no figure' in said
    record = json.loads(figures.read_text())
    assert record['n_images'] == 2
    assert len(record['unreadable']) == 1
    assert '00001.png is cut short' in record['unreadable'][0]
    assert 'RSIDE' not in said  # the paper's rows are of other data
    assert 'no camera.txt or cameras.csv: the field of view of NYU Depth v2 is assumed' in said
    # A list of test images makes the folder one of NYU Depth v2.
    (data / 'official_test_indices.txt').write_text('2\n')
    code, said = drnet(*words, '--protocol', 'full', '--part', 'test')
    assert (code, 'RSIDE' in said) == (0, True)


def test_eval_without_an_image_that_can_be_read_says_why(
    weights: Path, write_folder: WriteFolder, tmp_path: Path, drnet: RunInProcess
) -> None:
    data = write_folder(tmp_path / 'data', 2)
    for path in (data / 'depth').iterdir():
        cv2.imwrite(str(path), np.full((48, 64), 9, np.uint8))
    words = ('--data', data, '--weights', weights, '--engine', 'torch', '--protocol', 'full')
    code, said = drnet('eval', *words)
    assert (code, said.count('must be a single-channel 16-bit PNG, got uint8')) == (1, 2), said
    assert 'no image has a valid depth inside the protocol full' in said


def test_eval_says_what_cannot_be_right(
    weights: Path, write_folder: WriteFolder, tmp_path: Path, drnet: RunInProcess
) -> None:
    data = write_folder(tmp_path / 'data', 3)
    for number, factor in enumerate((0, 20, 20)):
        path = data / 'depth' / f'0000{number}.png'
        depth = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert depth is not None
        cv2.imwrite(str(path), (depth.astype(np.float64) * factor).clip(0, 65535).astype('u2'))
    code, said = drnet(
        *('eval', '--data', data, '--weights', weights, '--engine', 'torch'),
        *('--protocol', 'full', '--json', tmp_path / 'figures.json'),
    )
    assert code == 0
    assert 'warning: 1 images have no depth where the protocol looks: in no figure' in said
    record = json.loads((tmp_path / 'figures.json').read_text())
    assert record['n_images'] == 2
    assert record['scale']['p50'] > 3
    assert f'true depth is {record["scale"]["p50"]:.2g} times the estimate: check its unit' in said


def test_calibrate_measures_the_others(
    weights: Path, write_folder: WriteFolder, tmp_path: Path, drnet: RunInProcess
) -> None:
    data = write_folder(tmp_path / 'data', 6)
    broken = data / 'rgb' / '00001.png'
    broken.write_bytes(broken.read_bytes()[:99])
    copy = tmp_path / 'copy.safetensors'
    copy.write_bytes(weights.read_bytes())
    code, said = drnet('calibrate', copy, '--data', data, '--engine', 'torch')
    assert code == 1
    assert '(5 images)' in said
    assert '00001.png is cut short' in said
    assert '1 images could not be read; the others were measured' in said
    assert copy.read_bytes() != weights.read_bytes()


def test_calibrate_without_an_image_that_can_be_read_says_why(
    weights: Path, write_folder: WriteFolder, tmp_path: Path, drnet: RunInProcess
) -> None:
    data = write_folder(tmp_path / 'data', 4)
    for broken in (data / 'rgb').iterdir():
        broken.write_bytes(broken.read_bytes()[:99])
    copy = tmp_path / 'copy.safetensors'
    copy.write_bytes(weights.read_bytes())
    code, said = drnet('calibrate', copy, '--data', data, '--engine', 'torch')
    assert (code, '00001.png is cut short' in said) == (1, True), said
    assert 'images with valid depth, got too few' in said
    assert copy.read_bytes() == weights.read_bytes()


def test_calibrate_refuses_depth_in_another_unit(
    weights: Path, write_folder: WriteFolder, tmp_path: Path, drnet: RunInProcess
) -> None:
    """Its deviation would be that of the unit, in the weights, without a word."""
    data = write_folder(tmp_path / 'data', 4)
    for path in (data / 'depth').iterdir():
        depth = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert depth is not None
        cv2.imwrite(str(path), np.full_like(depth, 50_000))
    copy = tmp_path / 'copy.safetensors'
    copy.write_bytes(weights.read_bytes())
    code, said = drnet('calibrate', copy, '--data', data, '--engine', 'torch')
    assert (code, 'times the estimate: check its unit' in said) == (1, True), said
    assert copy.read_bytes() == weights.read_bytes()


def test_eval_refuses_a_folder_for_pictures_before_the_work(
    write_folder: WriteFolder, tmp_path: Path, drnet: RunInProcess
) -> None:
    data = write_folder(tmp_path / 'data', 1)
    (tmp_path / 'file').touch()
    code, said = drnet('eval', '--data', data, '--pictures', tmp_path / 'file' / 'worst')
    assert code == 1
    assert 'cannot write' in said
    assert 'RMSE' not in said


@pytest.mark.usefixtures('known_network')
def test_bag_goes_on_after_an_odd_record(tmp_path: Path, drnet: RunInProcess) -> None:
    bag = write_with_odd_records(tmp_path / 'bag', Scene.make(6))
    out = tmp_path / 'out.json'
    code, said = drnet('bag', bag, '--json', out)
    assert code == 1
    assert '2 messages could not be used' in said
    summary = load(out)
    assert summary['frames'] == 6
    assert summary['frames_scored'] == 5
    assert summary['problems'] == {
        'camera_info: unreadable message': 1,
        'image: unreadable message': 1,
    }
    assert any('a camera_info cannot be read' in text for text in summary['warnings'])


@pytest.mark.usefixtures('known_network')
@pytest.mark.parametrize('data', [b'', b'\0\1\0\0' + bytes(20)])
def test_camera_info_that_cannot_be_read_is_an_error_after_the_others(
    tmp_path: Path, drnet: RunInProcess, data: bytes
) -> None:
    scene = Scene.make(4)
    bag = write_with_odd_records(tmp_path / 'bag', scene, {('/cam/camera_info', 2): data})
    out = tmp_path / 'out.json'
    code, said = drnet('bag', bag, '--json', out)
    assert (code, load(out)['frames_scored']) == (1, 4)
    assert '1 frames: camera_info: unreadable message' in said
    assert '1 messages could not be used' in said
    assert 'is of the frame' not in said


@pytest.mark.usefixtures('known_network')
def test_bag_tells_why_nothing_is_compared(tmp_path: Path, drnet: RunInProcess) -> None:
    bag = write(tmp_path / 'bag', Scene.make(3), encoding='jpeg')
    code, said = drnet('bag', bag)
    assert code == 1
    assert '3 with recorded depth' in said
    assert 'none of 3 depth images could be compared' in said
    assert "3 frames: depth: unknown_encoding '16UC1; jpeg compressed '" in said
    assert 'RMSE' not in said


@pytest.mark.usefixtures('known_network')
def test_bag_refuses_an_output_that_another_run_writes(
    tmp_path: Path, drnet: RunInProcess
) -> None:
    bag = write(tmp_path / 'bag', Scene.make(2))
    out = tmp_path / 'out.json'
    with OutputLock(out):
        code, said = drnet('bag', bag, '--json', out)
    assert code == 1
    assert f'{out} is being written by process {os.getpid()}' in said
    assert not out.exists()
    assert drnet('bag', bag, '--json', out)[0] == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ['bag', 'out.json']


def test_room_for_a_written_recording_is_estimated(tmp_path: Path) -> None:
    bag = write(tmp_path / 'bag', Scene.make(4, (48, 64)))
    source = sum(file.stat().st_size for file in bag.iterdir())
    with Recording(bag) as recording:
        index = index_recording(recording, choose_topics(recording.topics), 0.02)
        plain = Settings(points=False, depth_encoding='16UC1')
        assert needed_bytes(index, plain, 3) == source + 2 * 3 * 48 * 64 * 2
        clouds = Settings(points=True, point_stride=2)
        cloud_bytes = 24 * 32 * 16
        assert needed_bytes(index, clouds, 1) == source + 2 * (48 * 64 * 4 + cloud_bytes)


@pytest.mark.slow
def test_ctrl_c_ends_in_one_line_with_what_is_saved(weights: Path, tmp_path: Path) -> None:
    folder, output = tmp_path / 'images', tmp_path / 'output'
    folder.mkdir()
    png = cv2.imencode('.png', np.full((64, 96, 3), 90, np.uint8))[1].tobytes()
    for number in range(3000):
        (folder / f'{number:04d}.png').write_bytes(png)
    program = Path(sys.executable).parent / 'drnet'
    process = subprocess.Popen(
        [
            program,
            'predict',
            folder,
            '--output',
            output,
            '--weights',
            weights,
            '--engine',
            'torch',
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    while process.poll() is None and not (output / '0003.png').exists():
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    said = process.communicate()[0]
    assert process.returncode == 130, said
    assert 'Traceback' not in said
    last = said.strip().splitlines()[-1]
    done = int(last.removeprefix('stopped: after ').partition(' of 3000;')[0])
    assert last.endswith('the same command does the others')
    # The one that was being written may be there, but is not counted.
    assert 0 <= len(list(output.glob('[0-9]*.png'))) - done <= 1


@pytest.mark.slow
@pytest.mark.parametrize('stream', ['stdout', 'stderr'])
def test_output_that_nobody_reads_ends_a_command_quietly(
    images: Path, weights: Path, tmp_path: Path, stream: str
) -> None:
    """As `drnet predict ... 2>&1 | head -0` does."""
    program = Path(sys.executable).parent / 'drnet'
    words: list[str | Path] = ['--version']
    if stream == 'stderr':  # where it says each image
        words = ['predict', images, '--output', tmp_path, '--weights', weights]
    reading, writing = os.pipe()
    os.close(reading)
    pipes = {'stdout': subprocess.PIPE, 'stderr': subprocess.PIPE, stream: writing}
    process = subprocess.run([program, *words], **pipes, check=False)  # type: ignore[call-overload]
    os.close(writing)
    assert process.returncode == 141
    assert not process.stdout
    assert not process.stderr
    assert not list(tmp_path.glob('*.part*'))


@pytest.mark.slow
@pytest.mark.parametrize('words', [['--version'], ['doctor']])
@pytest.mark.parametrize('unbuffered', ['', '1'])
def test_output_that_cannot_be_written_is_named(words: list[str], unbuffered: str) -> None:
    program = Path(sys.executable).parent / 'drnet'
    with Path('/dev/full').open('wb') as full:
        process = subprocess.run(
            [program, *words],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, 'PYTHONUNBUFFERED': unbuffered},
            check=False,
        )
    said = 'error: what this command prints cannot be written: No space left on device'
    assert (process.returncode, process.stderr.strip()) == (1, said)


@pytest.mark.slow
def test_a_command_may_be_started_without_an_output(
    images: Path, weights: Path, tmp_path: Path
) -> None:
    program, output = Path(sys.executable).parent / 'drnet', tmp_path / 'out'
    words: list[str | Path] = ['predict', images / 'a.png', '--output', output]
    process = subprocess.run(
        ['bash', '-c', 'exec "$@" >&-', 'bash', program, *words, '--weights', weights],
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    assert 'Traceback' not in process.stderr
    assert (output / 'a.png').is_file()
