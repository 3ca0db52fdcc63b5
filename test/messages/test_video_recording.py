"""A video as a recording: its messages, its camera, and what is refused."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
import pytest

from drnet_ros.errors import CameraError, RecordingError
from drnet_ros.messages.reading import decode_image_message
from drnet_ros.messages.video_recording import (
    IMAGE_TOPIC,
    INFO_TOPIC,
    VideoRecording,
    open_recording,
)
from drnet_ros.recordings.topics import choose_topics
from drnet_ros.recordings.video import Video

CALIBRATION = """
image_width: 128
image_height: 96
camera_matrix: {rows: 3, cols: 3, data: [100.0, 0, 63.5, 0, 100.0, 47.5, 0, 0, 1]}
distortion_model: plumb_bob
distortion_coefficients: {rows: 1, cols: 5, data: [0.1, 0, 0, 0, 0]}
"""


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / 'clip.mp4'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'mp4v'), 10, (64, 48))
    for shade in (30, 90, 150):
        writer.write(np.full((48, 64, 3), (shade, shade, 0), np.uint8))
    writer.release()
    return path


@pytest.fixture
def calibration(tmp_path: Path) -> Path:
    path = tmp_path / 'camera.yaml'
    path.write_text(CALIBRATION)
    return path


def test_frames_become_images_with_the_camera_of_their_size(clip: Path, calibration: Path) -> None:
    with open_recording(clip, calibration) as recording, Video(clip) as video:
        choice = choose_topics(recording.topics)
        assert (choice.image, choice.camera_info, choice.depth) == (IMAGE_TOPIC, INFO_TOPIC, None)
        assert recording.topics[IMAGE_TOPIC].count == 3
        assert recording.duration_s == pytest.approx(0.3)
        messages = list(recording.messages())
        assert [each.topic for each in messages] == [INFO_TOPIC, IMAGE_TOPIC] * 3
        for frame, image in zip(video, messages[1::2], strict=True):
            message = recording.deserialize(image)
            np.testing.assert_array_equal(decode_image_message(message), frame.rgb_hwc)
            stamp = message.header.stamp
            assert stamp.sec * 10**9 + stamp.nanosec == image.stamp_ns
            assert image.stamp_ns == recording.start_ns + frame.stamp_ns
        info = recording.deserialize(messages[0])
        assert (info.width, info.height, info.k[0], info.k[2]) == (64, 48, 50.0, 31.5)
        np.testing.assert_array_equal(info.d, [0.1, 0, 0, 0, 0])
        # A second pass begins at the start again.
        assert len(list(recording.messages([IMAGE_TOPIC]))) == 3


def test_without_a_calibration_there_are_only_images(clip: Path) -> None:
    with open_recording(clip) as recording:
        assert list(recording.topics) == [IMAGE_TOPIC]
        with pytest.raises(RecordingError, match=INFO_TOPIC):
            list(recording.messages([INFO_TOPIC]))


@contextmanager
def served(kind: str, data: bytes) -> Iterator[str]:
    """Serves bytes, and gives their URL."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header('Content-Type', kind)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_args: object) -> None:
            pass

    server = ThreadingHTTPServer(('127.0.0.1', 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f'http://127.0.0.1:{server.server_address[1]}/clip'
    finally:
        server.shutdown()
        server.server_close()


def test_a_video_at_a_url_keeps_its_times_and_a_camera_has_those_of_the_clock(
    tmp_path: Path,
) -> None:
    path = tmp_path / 'clip.avi'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'MJPG'), 10, (64, 48))
    for shade in (30, 90, 150):
        writer.write(np.full((48, 64, 3), shade, np.uint8))
    writer.release()
    with served('video/x-msvideo', path.read_bytes()) as url, open_recording(url) as recording:
        stamps_ns = [message.stamp_ns - recording.start_ns for message in recording.messages()]
        assert stamps_ns == [0, 100_000_000, 200_000_000]
        assert recording.duration_s == pytest.approx(0.3)
    jpeg = cv2.imencode('.jpg', np.full((48, 64, 3), 90, np.uint8))[1].tobytes()
    head = f'--b\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n'.encode()
    camera = (head + jpeg + b'\r\n') * 50
    with served('multipart/x-mixed-replace; boundary=b', camera) as url:
        began_ns = time.time_ns()
        with open_recording(url) as recording:
            (stamp_ns, *_) = [message.stamp_ns for message in recording.messages()]
        assert began_ns <= stamp_ns <= time.time_ns()
        with Video(url) as video:
            assert video.is_live


def test_a_calibration_of_another_camera_is_refused(clip: Path, calibration: Path) -> None:
    calibration.write_text(CALIBRATION.replace('image_height: 96', 'image_height: 72'))
    with pytest.raises(CameraError, match=r'the calibration must be that of .*clip\.mp4'):
        open_recording(clip, calibration)


def test_a_calibration_is_not_for_recordings(tmp_path: Path, calibration: Path) -> None:
    with pytest.raises(RecordingError, match='must be for a video or a camera'):
        open_recording(tmp_path / 'bag', calibration)
    with pytest.raises(RecordingError, match='a recording must exist'):
        open_recording(tmp_path / 'gone.mp4')
    with pytest.raises(RecordingError, match='webcam 93 cannot be opened'):
        VideoRecording('93')


def test_a_video_that_is_cut_is_an_error_after_all_that_is_there(tmp_path: Path) -> None:
    path = tmp_path / 'cut.avi'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'MJPG'), 10, (64, 48))
    for number in range(20):
        writer.write(np.random.default_rng(number).integers(0, 255, (48, 64, 3), np.uint8))
    writer.release()
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    seen = []

    def read() -> None:
        with open_recording(path) as recording:
            seen.append(recording.topics[IMAGE_TOPIC].count)
            seen.extend(message.stamp_ns for message in recording.messages())

    said = r'says that it has 20 frames, but only (\d+) can be read: it is cut or damaged'
    with pytest.raises(RecordingError, match=said) as caught:
        read()
    assert seen[0] == 20
    assert f'only {len(seen) - 1} can' in str(caught.value)
    assert 5 <= len(seen) - 1 < 15
