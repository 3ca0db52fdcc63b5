"""Videos: their frames, times and orientation, and what is said of those that cannot be read."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from drnet_ros.errors import RecordingError
from drnet_ros.opencv_log import log_control
from drnet_ros.recordings.frame_count import lists_frames
from drnet_ros.recordings.video import Video, is_camera_or_url, is_video

GREYS = (20, 60, 100, 140, 180, 220)


def write_video(path: Path, rate_hz: float = 10.0) -> Path:
    """Writes a frame for each of `GREYS`, its left half without blue."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'mp4v'), rate_hz, (64, 48))
    assert writer.isOpened()
    for grey in GREYS:
        bgr = np.full((48, 64, 3), grey, np.uint8)
        bgr[:, :32, 0] = 0
        writer.write(bgr)
    writer.release()
    return path


def test_frames_come_in_order_as_rgb_with_their_times(tmp_path: Path) -> None:
    with Video(write_video(tmp_path / 'a.mp4')) as video:
        assert (video.height, video.width, video.rate_hz) == (48, 64, 10.0)
        assert video.frame_count == len(GREYS)
        frames = list(video)
    assert [frame.position for frame in frames] == list(range(6))
    np.testing.assert_allclose([f.stamp_ns for f in frames], np.arange(6) * 1e8, atol=2e6)
    for frame, grey in zip(frames, GREYS, strict=True):
        assert frame.rgb_hwc.shape == (48, 64, 3)
        np.testing.assert_allclose(frame.rgb_hwc[24, 48], grey, atol=12)
        np.testing.assert_allclose(frame.rgb_hwc[24, 8], [grey, grey, 0], atol=25)


def test_what_is_too_early_is_left_out(tmp_path: Path) -> None:
    with Video(write_video(tmp_path / 'a.mp4')) as video:
        frame = video.read(not_before_ns=250_000_000)
        assert frame is not None
        assert frame.position == 3
        np.testing.assert_allclose(frame.rgb_hwc[24, 48], GREYS[3], atol=12)
        assert video.read(not_before_ns=10_000_000_000) is None


def test_a_colon_in_the_name_is_no_protocol(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_video(tmp_path / 'b.mp4').rename(tmp_path / 'b:1.mp4')
    monkeypatch.chdir(tmp_path)
    with Video('b:1.mp4') as video:
        assert len(list(video)) == len(GREYS)


@pytest.mark.parametrize('name', [b'no \xff utf-8.mp4', b'no/\xff/folder.mp4', b'a.\xfe'])
def test_names_may_hold_any_bytes(tmp_path: Path, name: bytes) -> None:
    path = tmp_path / os.fsdecode(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(tmp_path / 'a.mp4').rename(path)
    with Video(path) as video:
        assert len(list(video)) == len(GREYS)


def test_what_is_no_video_is_refused_by_name(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / 'broken.mp4'
    broken.write_bytes(bytes(1000))
    with pytest.raises(RecordingError, match=r'broken.mp4 must be a video'):
        Video(broken)
    with pytest.raises(RecordingError, match=r'there is no video .*gone.mp4'):
        Video(tmp_path / 'gone.mp4')
    with pytest.raises(RecordingError, match='webcam 93 cannot be opened'):
        Video('93')
    with pytest.raises(RecordingError, match='must be a video stream that can be reached'):
        Video('http://127.0.0.1:9/nothing.mp4')
    assert capfd.readouterr() == ('', '')  # OpenCV says nothing besides


def test_the_log_level_is_found_in_opencv_of_apt_and_of_pip(tmp_path: Path) -> None:
    """OpenCV 4.6, of Jazzy and Kilted, has no `cv2.utils.logging`: no video could be opened."""
    of_apt = SimpleNamespace(utils=SimpleNamespace(), getLogLevel=None, setLogLevel=None)
    assert log_control(of_apt) is of_apt
    installed = log_control(cv2)
    before = installed.getLogLevel()
    Video(write_video(tmp_path / 'a.mp4')).close()
    with pytest.raises(RecordingError):
        Video('93')
    assert installed.getLogLevel() == before


@pytest.mark.parametrize(
    ('source', 'expected'),
    [
        ('0', True),
        ('rtsp://a/b', True),
        ('https://a/b.mp4', True),
        ('a.mp4', False),
        ('http', False),
    ],
)
def test_sources_that_are_no_paths(source: str, expected: bool) -> None:
    assert is_camera_or_url(source) == expected


def test_names_of_videos() -> None:
    assert is_video(Path('a/B.MP4'))
    assert not is_video(Path('a/mp4'))


def write_noise(path: Path, codec: str, count: int = 40) -> bytes:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), 10, (64, 48))
    generator = np.random.default_rng(0)
    for _ in range(count):
        writer.write(generator.integers(0, 255, (48, 64, 3), np.uint8))
    writer.release()
    return path.read_bytes()


def frames_and_what_is_missing(path: Path) -> tuple[int, str]:
    with Video(path) as video:
        count = len(list(video))
        return count, video.missing(count)


@pytest.mark.parametrize(('name', 'codec'), [('a.mp4', 'mp4v'), ('a.avi', 'MJPG')])
def test_a_single_frame_that_is_listed_and_not_there_is_said(
    tmp_path: Path, name: str, codec: str
) -> None:
    path = tmp_path / name
    data = write_noise(path, codec)
    assert frames_and_what_is_missing(path) == (40, '')
    with Video(path) as video:
        assert video.missing(39) == (
            f'{path} says that it has 40 frames, but only 39 can be read: it is cut or damaged'
        )
    if codec == 'MJPG':  # the last frame of 'movi' and all that follows
        last = data.rindex(b'00dc', 0, data.rindex(b'idx1'))
        path.write_bytes(data[:last])
        count, said = frames_and_what_is_missing(path)
        assert count == 39
        assert '40 frames, but only 39' in said


def test_a_gif_whose_frames_have_no_times_is_not_said_to_be_cut(tmp_path: Path) -> None:
    pillow = pytest.importorskip('PIL.Image')
    noise = np.random.default_rng(0).integers(0, 255, (2, 48, 64, 3), np.uint8)
    first, second = map(pillow.fromarray, noise)
    path = tmp_path / 'a.gif'
    first.save(path, save_all=True, append_images=[second])
    count, said = frames_and_what_is_missing(path)
    assert count == 1
    assert 'says that it has 2 frames, but only 1 can be read: FFmpeg does not find' in said
    assert 'duration=100' in said
    first.save(path, save_all=True, append_images=[second], duration=100)
    assert frames_and_what_is_missing(path) == (2, '')
    with Video(path) as video:
        path.write_bytes(path.read_bytes()[:-400])
        assert video.missing(1).endswith('it is cut or damaged')


def test_a_count_from_the_length_may_be_off_by_a_tenth(tmp_path: Path) -> None:
    path = tmp_path / 'a.mkv'
    write_noise(path, 'mp4v')
    with Video(path) as video:
        assert (video.missing(37), video.missing(36)) == ('', '')
        assert 'only 35 can be read' in video.missing(35)


def box(kind: bytes, *content: bytes) -> bytes:
    data = b''.join(content)
    return struct.pack('>I4s', 8 + len(data), kind) + data


def edits(*starts: int, version: int = 0) -> bytes:
    layout = '>IiI' if version == 0 else '>QqI'
    packed = (struct.pack(layout, 4000, start, 0x10000) for start in starts)
    return box(b'elst', struct.pack('>B3xI', version, len(starts)), *packed)


@pytest.mark.parametrize(
    ('content', 'expected'),
    [
        (box(b'moov', box(b'edts', edits(0))), True),
        (box(b'moov', box(b'edts', edits(0, version=1))), True),
        (box(b'mdat', bytes(99)) + box(b'moov'), True),
        # 64 bits of size; mdat to the end of the file without an index
        (struct.pack('>I4sQ', 1, b'mdat', 46) + bytes(30) + box(b'moov', edits(0)), True),
        (struct.pack('>I4s', 0, b'mdat') + bytes(30), False),
        (box(b'moov', edits(512)), False),  # trimmed without encoding
        (box(b'moov', edits(512, version=1)), False),
        (box(b'moov', edits(-1, 0)), False),  # begins late, and then from the start
        (box(b'moov', edits(0), edits(1024)), False),
        (box(b'moov', edits(0)[:-4]), False),
        (box(b'moov') + box(b'moof'), False),  # fragments
        (b'', False),
    ],
)
def test_frames_are_listed_where_nothing_hides_them(
    tmp_path: Path, content: bytes, expected: bool
) -> None:
    (tmp_path / 'a.mp4').write_bytes(box(b'ftyp', b'isom', bytes(4)) + content)
    assert lists_frames(tmp_path / 'a.mp4') is expected
    assert not lists_frames(tmp_path / 'gone.mp4')
