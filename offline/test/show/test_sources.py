"""What is shown: videos at their pace, images, recordings, and a camera that is lost."""

from __future__ import annotations

import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from http_files import Files, serve
from known_scenes import FOCAL, HW, KnownEngine, Scene, write
from PIL import Image
from PIL.ExifTags import IFD, Base

from drnet_offline.datasets import image_files
from drnet_offline.errors import DatasetError, OfflineError
from drnet_offline.show.live_source import LiveSource
from drnet_offline.show.opening import open_source
from drnet_offline.show.session import Session
from drnet_offline.show.source import Source, SourceImage
from drnet_ros.errors import RecordingError
from drnet_ros.inference import CameraModel, DepthEstimator, Settings

GREYS = (20, 60, 100, 140, 180, 220)


def write_video(path: Path, rate_hz: float = 10.0) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'mp4v'), rate_hz, (64, 48))
    for grey in GREYS:
        writer.write(np.full((48, 64, 3), grey, np.uint8))
    writer.release()
    return path


def take(source: Source, count: int) -> list[SourceImage]:
    images: list[SourceImage] = []
    for _ in range(600):
        image = source.next(0.1)
        images += [] if image is None else [image]
        if len(images) == count:
            return images
    raise AssertionError(images)


def grey_of(image: SourceImage) -> int:
    return int(np.abs(np.array(GREYS) - image.rgb_hwc.mean()).argmin())


def test_a_video_is_played_at_its_pace_again_and_again(tmp_path: Path) -> None:
    with open_source(str(write_video(tmp_path / 'a.mp4'))) as source:
        images = take(source, 14)
    stamps = np.array([image.stamp_ns for image in images])
    assert (np.diff(stamps) > 0).all(), 'also where it begins again'
    # By the clock a frame is never early; how late it is depends on the machine.
    shown_s = np.array([image.taken_s for image in images])
    for earlier, later in zip(range(13), range(1, 14), strict=True):
        assert shown_s[later] - shown_s[earlier] >= -1e-3
    greys = [grey_of(image) for image in images]
    assert len(set(greys)) >= 3
    restarts = np.flatnonzero(np.diff(greys) < 0)
    assert len(restarts) >= 2, 'it began again twice'


def test_images_last_two_seconds_and_one_alone_stays(tmp_path: Path) -> None:
    for index, grey in enumerate(GREYS[:2]):
        cv2.imwrite(str(tmp_path / f'{index}.png'), np.full((48, 64, 3), grey, np.uint8))
    with open_source(str(tmp_path)) as source:
        images = take(source, 3)
    assert [image.stamp_ns for image in images] == [0, 2_000_000_000, 4_000_000_000]
    assert [grey_of(image) for image in images] == [0, 1, 0]
    with open_source(str(tmp_path / '1.png')) as source:
        assert grey_of(take(source, 1)[0]) == 1
        assert source.next(0.05) is None


def test_an_image_that_cannot_be_read_is_left_out_and_said(tmp_path: Path) -> None:
    for index, grey in enumerate(GREYS[:2]):
        cv2.imwrite(str(tmp_path / f'{index}.png'), np.full((48, 64, 3), grey, np.uint8))
    (tmp_path / '00.png').write_bytes(b'no image')
    (tmp_path / '._0.png').write_bytes(b'of a Mac')
    with open_source(str(tmp_path)) as source:
        assert [grey_of(image) for image in take(source, 3)] == [0, 1, 0]
        assert source.problem.startswith('1 of 3 images cannot be read: ')
    with open_source(str(tmp_path / '00.png')) as source, pytest.raises(DatasetError):
        source.next(0.1)


def write_photo(path: Path, focal_mm: int) -> Path:
    exif = Image.Exif()
    exif.get_ifd(IFD.Exif)[Base.FocalLengthIn35mmFilm] = focal_mm
    Image.fromarray(np.full((480, 640, 3), 90, np.uint8)).save(path, exif=exif)
    return path


def test_a_photo_brings_the_camera_of_its_exif(tmp_path: Path) -> None:
    with open_source(str(write_photo(tmp_path / 'a.jpg', 26))) as source:
        camera = take(source, 1)[0].camera
    assert camera is not None
    # The diagonal of 35 mm film is 43.27 mm, that of the photo 800 pixels.
    assert camera.fx == camera.fy == pytest.approx(26 * 800 / 43.2666, rel=1e-5)
    assert (camera.width, camera.height, camera.cx, camera.cy) == (640, 480, 319.5, 239.5)


def test_a_camera_that_is_given_takes_the_place_of_all_others(tmp_path: Path) -> None:
    with open_source(str(write(tmp_path / 'bag', Scene.make(1)))) as source:
        image = take(source, 1)[0]
    given = CameraModel(64, 48, 50.0, 50.0, 31.5, 23.5)
    engine = KnownEngine()
    with Session(DepthEstimator(Settings(), engine=engine), lambda _h, _w: given) as session:
        assert session.estimate(image).camera == given
        assert not session.is_assumed(image)


def test_the_camera_given_is_that_of_a_photo_before_it_is_reduced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_files, 'MAX_PIXELS', 100_000)
    with open_source(str(write_photo(tmp_path / 'a.jpg', 26))) as source:
        image = take(source, 1)[0]
    assert image.rgb_hwc.shape == (240, 320, 3)
    given = CameraModel(640, 480, 500.0, 500.0, 319.5, 239.5)
    asked = []

    def camera_of(height: int, width: int) -> CameraModel:
        asked.append((height, width))
        return given

    with Session(DepthEstimator(Settings(), engine=KnownEngine()), camera_of) as session:
        camera = session.estimate(image).camera
    assert asked == [(480, 640)]
    assert camera == CameraModel(320, 240, 250.0, 250.0, 159.5, 119.5)


def test_a_recording_brings_its_camera(tmp_path: Path) -> None:
    with open_source(str(write(tmp_path / 'bag', Scene.make(3)))) as source:
        image = take(source, 1)[0]
    assert image.rgb_hwc.shape == (*HW, 3)
    assert image.camera is not None
    assert image.camera.fx == FOCAL


def test_a_recording_without_metadata_is_shown_unless_it_lies_beside_images(
    tmp_path: Path,
) -> None:
    bag = write(tmp_path / 'bag', Scene.make(3))
    (bag / 'metadata.yaml').unlink()
    with open_source(str(bag)) as source:
        assert take(source, 1)[0].rgb_hwc.shape == (*HW, 3)
    cv2.imwrite(str(bag / 'photo.png'), np.zeros((48, 64, 3), np.uint8))
    with open_source(str(bag)) as source:
        assert take(source, 1)[0].rgb_hwc.shape == (48, 64, 3)


def test_what_cannot_be_shown_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(OfflineError, match=r'there is no .*nothing'):
        open_source(str(tmp_path / 'nothing'))
    (tmp_path / 'empty').mkdir()
    with pytest.raises(OfflineError, match='must be, or hold, images, a video or a recording'):
        open_source(str(tmp_path / 'empty'))
    (tmp_path / 'a.mp4').write_bytes(b'no video')
    with pytest.raises(RecordingError, match='must be a video'):
        open_source(str(tmp_path / 'a.mp4'))


def test_a_lost_camera_is_said_and_found_again(tmp_path: Path) -> None:
    write_video(tmp_path / 'camera.avi')
    server = serve(tmp_path)
    port = server.server_address[1]
    with LiveSource(f'http://127.0.0.1:{port}/camera.avi') as source:
        take(source, 1)
        server.shutdown()
        server.server_close()
        deadline = time.monotonic() + 60
        while 'can be reached' not in source.problem and time.monotonic() < deadline:
            source.next(0.1)
        assert 'must be a video stream that can be reached' in source.problem
        server = serve(tmp_path, port)
        take(source, 1)
        assert source.problem == ''
    server.shutdown()
    server.server_close()


def test_a_video_at_a_url_is_played_at_its_pace_again_and_again(tmp_path: Path) -> None:
    write_video(tmp_path / 'a.avi')
    server = serve(tmp_path)
    began_s = time.monotonic()
    with open_source(f'http://127.0.0.1:{server.server_address[1]}/a.avi') as source:
        images = take(source, len(GREYS) + 1)
        assert source.problem == '', 'its end is no loss'
    server.shutdown()
    server.server_close()
    greys = [grey_of(image) for image in images]
    again = int(np.flatnonzero(np.diff(greys) < 0)[0]) + 1
    assert len(set(greys[:again])) >= 3, 'a busy machine leaves out some'
    for grey, image in zip(greys[:again], images[:again], strict=True):
        assert image.taken_s - began_s >= 0.1 * grey, 'none is early'


def test_a_server_without_range_requests_is_named(tmp_path: Path) -> None:
    path = str(tmp_path / 'a.mp4')  # the list of its frames is at its end
    writer = cv2.VideoWriter(path, cv2.VideoWriter.fourcc(*'mp4v'), 10, (320, 240))
    for number in range(40):  # more than FFmpeg keeps of what it has read
        writer.write(np.random.default_rng(number).integers(0, 255, (240, 320, 3), np.uint8))
    writer.release()
    server = serve(tmp_path)
    with open_source(f'http://127.0.0.1:{server.server_address[1]}/a.mp4') as source:
        deadline = time.monotonic() + 60
        while not source.problem and time.monotonic() < deadline:
            assert source.next(0.1) is None
        assert 'can only be read if its server answers range requests' in source.problem
    server.shutdown()
    server.server_close()


def test_a_camera_is_given_back_while_nobody_looks(tmp_path: Path) -> None:
    write_video(tmp_path / 'camera.avi')
    server = serve(tmp_path)
    with LiveSource(f'http://127.0.0.1:{server.server_address[1]}/camera.avi') as source:
        take(source, 1)
        source.rest()
        time.sleep(2.0)  # longer than it waits to open the camera anew
        Files.requests.clear()
        time.sleep(1.5)
        assert not Files.requests
        take(source, 1)
        assert Files.requests
    server.shutdown()
    server.server_close()
