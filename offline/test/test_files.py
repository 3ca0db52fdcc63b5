"""Files are written whole or not at all, under any name, by one run at a time."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from full_disk import LIMIT_BYTES, full_disk

from drnet_offline.datasets.image_files import read_photo
from drnet_offline.errors import OfflineError
from drnet_offline.outputs.files import (
    check_file,
    check_json,
    check_space,
    encode_image,
    is_stream,
    make_folder,
    named_disk,
    write_image,
    write_text,
)
from drnet_offline.outputs.lock import OutputLock, locked_outputs
from drnet_offline.outputs.video_file import VideoFile
from drnet_offline.show.recorder import FORMATS, start_recording
from drnet_ros.inference import DepthFrame
from drnet_ros.recordings.video import Video

RGB = np.full((40, 60, 3), (200, 100, 50), np.uint8)


def test_what_does_not_fit_leaves_the_file_as_it_was_and_is_named(tmp_path: Path) -> None:
    path = tmp_path / 'figures.json'
    write_text(path, 'before')
    message = rf'cannot write {path}: File too large; free'
    with pytest.raises(OfflineError, match=message), full_disk():
        write_text(path, 'x' * (LIMIT_BYTES + 1))
    assert path.read_text() == 'before'
    assert [each.name for each in tmp_path.iterdir()] == ['figures.json']
    with (
        pytest.raises(OfflineError, match=rf'cannot write {tmp_path}: File too large'),
        full_disk(),
        named_disk(tmp_path),
    ):
        (tmp_path / 'part').write_bytes(bytes(LIMIT_BYTES + 1))


def test_a_video_is_whole_or_not_there(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (3, 240, 320, 3), np.uint8)
    path = tmp_path / 'a.mp4'
    # OpenCV only warns of a full disk, and what it leaves cannot be played.
    with full_disk():
        video = VideoFile(path, 20.0)
        for picture in noise:
            video.write(picture)
        with pytest.raises(OfflineError, match=rf'cannot write {path}: its disk may be full'):
            video.close()
    with suppress(KeyboardInterrupt), VideoFile(path, 20.0) as video:
        video.write(noise[0])
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
    with VideoFile(path, 20.0) as video:
        video.write(noise[0])
    assert [each.name for each in tmp_path.iterdir()] == ['a.mp4']


def test_a_video_may_lie_in_a_folder_of_any_name(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b'no \xff utf-8')
    folder.mkdir()
    with VideoFile(folder / 'a.mp4', 10.0) as video:
        for _ in range(5):
            video.write(np.zeros((48, 64, 3), np.uint8))
    with Video(folder / 'a.mp4') as written:
        assert len(list(written)) == 5
    assert [path.name for path in folder.iterdir()] == ['a.mp4']


@pytest.mark.parametrize('kind', FORMATS)
def test_a_recording_that_a_full_disk_cuts_says_so(tmp_path: Path, kind: str) -> None:
    rgb, depth = frame()
    recorder = start_recording(kind, tmp_path)

    def record() -> None:
        for _ in range(40):
            recorder.add(rgb, depth, (1.0, 6.0))

    with full_disk():
        with suppress(OfflineError):
            record()
        with pytest.raises(OfflineError, match=rf'cannot write {recorder.path}'):
            recorder.close()
    assert [path.suffix for path in tmp_path.iterdir()] == ([] if kind == 'mp4' else ['.mcap'])


def frame() -> tuple[Any, DepthFrame]:
    rgb = np.random.default_rng(0).integers(0, 255, (240, 320, 3), np.uint8)
    return rgb, DepthFrame(rgb[..., 0].astype(np.float32) / np.float32(50) + np.float32(1))


def test_a_video_ends_whole_before_its_disk_is_full(tmp_path: Path) -> None:
    recorder = start_recording('mp4', tmp_path, least_free_bytes=2**62)
    rgb, depth = frame()
    for _ in range(19):
        recorder.add(rgb, depth, (1.0, 6.0))
    with pytest.raises(
        OfflineError, match=r'ended after 20 frames, since its disk has only \d+ M'
    ):
        recorder.add(rgb, depth, (1.0, 6.0))
    recorder.close()
    with Video(recorder.path) as video:
        assert len(list(video)) == video.frame_count > 0


@pytest.mark.parametrize('kind', ['mp4', 'mcap'])
def test_a_recording_whose_folder_is_gone_says_so(tmp_path: Path, kind: str) -> None:
    (tmp_path / 'output').mkdir()
    recorder = start_recording(kind, tmp_path / 'output')
    rgb, depth = frame()
    recorder.add(rgb, depth, (1.0, 6.0))
    shutil.rmtree(tmp_path / 'output')
    with pytest.raises(OfflineError, match=rf'cannot write {recorder.path}'):
        recorder.close()


def test_a_folder_on_a_full_disk_is_refused_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(OfflineError, match=r'cannot write .*File too large'), full_disk():
        make_folder(tmp_path / 'output')


def test_a_folder_that_cannot_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / 'file').touch()
    with pytest.raises(OfflineError, match=r'cannot write .*file/folder: Not a directory'):
        make_folder(tmp_path / 'file' / 'folder')
    make_folder(tmp_path / 'new' / 'folder')
    assert list((tmp_path / 'new' / 'folder').iterdir()) == []


def test_a_file_that_cannot_be_is_refused_before_the_work(tmp_path: Path) -> None:
    (tmp_path / 'folder').mkdir()
    with pytest.raises(OfflineError, match=r'folder must be a file, got a folder: name a file in'):
        check_file(tmp_path / 'folder')
    with pytest.raises(OfflineError, match=rf'there is no folder {tmp_path}/absent'):
        check_file(tmp_path / 'absent' / 'figures.json')
    (tmp_path / 'link.json').symlink_to('/proc/figures.json')
    with pytest.raises(OfflineError, match=r'cannot write /proc/\.drnet_probe'):
        check_file(tmp_path / 'link.json')
    check_file(tmp_path / 'figures.json')
    check_json(tmp_path / 'figures.json')
    assert {path.name for path in tmp_path.iterdir()} == {'folder', 'link.json'}


def test_figures_take_the_place_of_figures_only(tmp_path: Path) -> None:
    path = tmp_path / 'drive.mcap'
    path.write_bytes(b'\x89MCAP0\r\n')
    with pytest.raises(OfflineError, match=r'drive\.mcap must be free or hold figures'):
        check_json(path)
    assert path.read_bytes() == b'\x89MCAP0\r\n'
    for text in ('', '\n', '{"rel": 0.2}', ' [1]'):
        path.write_text(text)
        check_json(path)


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / 'elsewhere').mkdir()
    link = tmp_path / 'figures.json'
    link.symlink_to('elsewhere/real.json')
    write_text(link, 'first')
    write_text(link, 'second')
    assert link.is_symlink()
    assert (tmp_path / 'elsewhere' / 'real.json').read_text() == 'second'
    assert [path.name for path in (tmp_path / 'elsewhere').iterdir()] == ['real.json']


def test_a_folder_that_was_deleted_during_the_work_is_made_again(tmp_path: Path) -> None:
    write_text(tmp_path / 'deleted' / 'folder' / 'figures.json', 'all of it')
    assert (tmp_path / 'deleted' / 'folder' / 'figures.json').read_text() == 'all of it'


def test_a_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / 'pipe'
    os.mkfifo(pipe)
    with subprocess.Popen(['cat', pipe], stdout=subprocess.PIPE, text=True) as reader:
        check_file(pipe)
        with locked_outputs(pipe):
            write_text(pipe, 'figures')
        assert reader.communicate()[0] == 'figures'
    assert pipe.is_fifo()
    assert [path.name for path in tmp_path.iterdir()] == ['pipe']
    assert all(is_stream(Path(name)) for name in ('/dev/stdout', '/dev/null', '/dev/fd/1'))
    assert not is_stream(Path('/dev/shm/figures.json'))  # noqa: S108 - a folder as others


def test_space_is_checked_before(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    check_space(tmp_path / 'out.mcap', free // 2)
    with pytest.raises(OfflineError, match=r'out\.mcap needs up to .* GB, but its disk has only'):
        check_space(tmp_path / 'out.mcap', 2 * free)


@pytest.mark.parametrize(
    'name', [b'a b', b'q\'u"o', b'line\nbreak', b'\xff\xfe', b'[red]', b'$x$']
)
def test_names_may_hold_any_bytes(tmp_path: Path, name: bytes) -> None:
    folder = tmp_path / os.fsdecode(name)
    make_folder(folder)
    path = folder / (os.fsdecode(name) + '.png')
    write_image(path, RGB)
    np.testing.assert_array_equal(read_photo(path).rgb_hwc, RGB)


def test_images_come_back_as_they_were() -> None:
    depth = np.arange(2400, dtype=np.uint16).reshape(40, 60) * 20
    png = np.frombuffer(encode_image('.png', depth), np.uint8)
    np.testing.assert_array_equal(cv2.imdecode(png, cv2.IMREAD_UNCHANGED), depth)
    jpeg = np.frombuffer(encode_image('.jpg', RGB), np.uint8)
    decoded = cv2.imdecode(jpeg, cv2.IMREAD_COLOR)
    assert decoded is not None
    assert abs(decoded[..., ::-1].astype(int) - RGB).max() <= 3


def test_odd_bytes_in_a_text_are_escaped(tmp_path: Path) -> None:
    write_text(tmp_path / 'page.html', f'written {os.fsdecode(bytes([0xFF]))}')
    assert (tmp_path / 'page.html').read_text(encoding='utf-8') == r'written \udcff'


@pytest.mark.parametrize('is_folder', [True, False])
def test_the_second_run_on_one_output_learns_who_is_at_work(
    tmp_path: Path, is_folder: bool
) -> None:
    output = tmp_path if is_folder else tmp_path / 'figures.json'
    with OutputLock(output):
        with pytest.raises(OfflineError) as caught:
            OutputLock(output)
        said = f'{output} is being written by process {os.getpid()} on '
        assert str(caught.value).startswith(said)
        other = OutputLock(tmp_path / 'other.json')
        other.close()
    assert list(tmp_path.iterdir()) == []
    with OutputLock(output):  # it is free again
        pass


def test_an_output_is_free_again_after_its_process_was_killed(tmp_path: Path) -> None:
    program = (
        'import sys; from pathlib import Path; from drnet_offline.outputs.lock import OutputLock; '
        'lock = OutputLock(Path(sys.argv[1])); print("held", flush=True); input()'
    )
    words = [sys.executable, '-c', program, str(tmp_path)]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == 'held\n'
        with pytest.raises(OfflineError, match=re.escape(f'process {holder.pid} on')):
            OutputLock(tmp_path)
        holder.kill()
        holder.wait()
    with OutputLock(tmp_path):
        pass
