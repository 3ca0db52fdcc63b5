"""drnet predict: what it writes, against the estimator itself."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from PIL.ExifTags import IFD, Base
from plyfile import PlyData

from drnet_offline.commands.camera_options import camera_for
from drnet_offline.errors import DatasetError, OfflineError
from drnet_offline.outputs.inputs import find_inputs
from drnet_offline.outputs.prediction import CameraOf, Prediction
from drnet_offline.report.ply import write_ply
from drnet_ros.inference import DepthEstimator
from drnet_ros.inference.camera import CameraModel
from drnet_ros.recordings.video import Video


def predict_file(
    estimator: DepthEstimator,
    path: Path,
    output: Path,
    camera_of: CameraOf | None = None,
    *,
    ply: bool = False,
) -> str:
    """Predicts one file, and returns what is said of it."""
    (item,) = find_inputs([path]).inputs
    return Prediction(estimator, output, camera_of, ply).predict(item, lambda _done, _all: None)


@pytest.mark.parametrize('size_hw', [(64, 96), (90, 70)])
def test_predict_writes_what_the_estimator_says(
    estimator: DepthEstimator, tmp_path: Path, size_hw: tuple[int, int]
) -> None:
    rgb = np.random.default_rng(1).integers(0, 255, (*size_hw, 3), np.uint8)
    output = tmp_path / 'output'
    output.mkdir()
    image = tmp_path / 'picture.png'
    cv2.imwrite(str(image), cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
    k = (110.0, 0.0, size_hw[1] / 2, 0.0, 112.0, size_hw[0] / 2, 0.0, 0.0, 1.0)
    model = CameraModel.from_fields(width=size_hw[1], height=size_hw[0], k=k)
    line = predict_file(estimator, image, output, lambda _height, _width: model, ply=True)
    depth = estimator.estimate(rgb, model).depth_hw
    written = cv2.imread(str(output / 'picture.png'), cv2.IMREAD_UNCHANGED)
    assert written is not None
    assert written.dtype == np.uint16
    assert written.shape == size_hw
    valid = np.isfinite(depth)
    np.testing.assert_allclose(written[valid] / 1000, depth[valid], atol=6e-4)
    assert (written[~valid] == 0).all()
    assert f'{depth[valid].min():.2f} to {depth[valid].max():.2f} m' in line
    preview = cv2.imread(str(output / 'picture.preview.jpg'))
    assert preview is not None
    assert preview.shape[0] == size_hw[0]
    assert preview.shape[1] > 2 * size_hw[1], 'image, depth and bar'
    np.testing.assert_allclose(preview[:, : size_hw[1]].mean(), rgb.mean(), atol=6)
    vertices = PlyData.read(str(output / 'picture.ply'))['vertex']
    assert len(vertices) == int(valid.sum())
    np.testing.assert_allclose(np.sort(vertices['z']), np.sort(depth[valid]), rtol=1e-6)


def test_the_focal_length_of_exif_scales_depth(estimator: DepthEstimator, tmp_path: Path) -> None:
    pixels = np.random.default_rng(2).integers(0, 255, (64, 96, 3), np.uint8)
    exif = Image.Exif()
    exif.get_ifd(IFD.Exif)[Base.FocalLengthIn35mmFilm] = 26
    exif[Base.Orientation] = 6
    path = tmp_path / 'phone.png'
    Image.fromarray(pixels).save(path, exif=exif)
    line = predict_file(estimator, path, make(tmp_path / 'out'))
    assert 'EXIF says 26 mm' in line
    written = cv2.imread(str(tmp_path / 'out' / 'phone.png'), cv2.IMREAD_UNCHANGED)
    assert written is not None
    assert written.shape == (96, 64), 'turned upright'
    upright = np.ascontiguousarray(np.rot90(pixels, -1))
    focal = 26 * np.hypot(64, 96) / np.hypot(36, 24)
    camera = CameraModel(64, 96, focal, focal, 31.5, 47.5)
    expected = estimator.estimate(upright, camera).depth_hw
    valid = np.isfinite(expected) & (written > 0)
    assert valid.any()
    np.testing.assert_allclose(written[valid] / 1000, expected[valid], atol=6e-4)


def test_a_video_becomes_frames_and_a_video(estimator: DepthEstimator, tmp_path: Path) -> None:
    path = tmp_path / 'clip.mp4'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'mp4v'), 10, (96, 64))
    for shade in (40, 120, 200):
        writer.write(np.full((64, 96, 3), shade, np.uint8))
    writer.release()
    output = make(tmp_path / 'out')
    line = predict_file(estimator, path, output)
    assert '3 frames' in line
    names = sorted(file.name for file in (output / 'clip').iterdir())
    assert names == ['000000.png', '000001.png', '000002.png']
    with Video(path) as video:
        for frame, name in zip(video, names, strict=True):
            expected = estimator.estimate(frame.rgb_hwc).depth_hw
            written = cv2.imread(str(output / 'clip' / name), cv2.IMREAD_UNCHANGED)
            assert written is not None
            np.testing.assert_allclose(written / 1000, np.nan_to_num(expected), atol=6e-4)
    with Video(output / 'clip.preview.mp4') as preview:
        assert preview.height == 64
        assert preview.width > 2 * 96
        assert len(list(preview)) == 3
    (item,) = find_inputs([path]).inputs
    prediction = Prediction(estimator, output, None, wants_ply=False)
    assert prediction.is_done(item)
    path.touch()
    assert not prediction.is_done(item)


def make(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_ply_keeps_points_and_colours(tmp_path: Path) -> None:
    points = np.zeros((1, 3, 4), np.float32)
    points[0, :, :3] = np.array([[1, 2, 3], [np.nan] * 3, [4, 5, 6]])
    points[0, :, 3] = np.array([0x00102030, 0, 0x00FF0001], np.uint32).view(np.float32)
    assert write_ply(tmp_path / 'cloud.ply', points) == 2
    vertices = PlyData.read(str(tmp_path / 'cloud.ply'))['vertex']
    assert [tuple(v) for v in vertices] == [
        (1.0, 2.0, 3.0, 0x10, 0x20, 0x30),
        (4.0, 5.0, 6.0, 0xFF, 0x00, 0x01),
    ]


def test_damaged_image_is_named(estimator: DepthEstimator, tmp_path: Path) -> None:
    broken = tmp_path / 'broken.jpg'
    broken.write_bytes(b'no image')
    with pytest.raises(DatasetError, match=r'broken\.jpg is cut short, damaged or no image'):
        predict_file(estimator, broken, tmp_path)


def test_predict_does_not_overwrite_its_input(estimator: DepthEstimator, tmp_path: Path) -> None:
    image = tmp_path / 'picture.png'
    cv2.imwrite(str(image), np.zeros((64, 96, 3), np.uint8))
    before = image.read_bytes()
    with pytest.raises(OfflineError, match=r'would overwrite .*picture\.png'):
        predict_file(estimator, image, tmp_path)
    assert image.read_bytes() == before


def test_find_inputs(tmp_path: Path) -> None:
    folder = tmp_path / 'folder'
    (folder / 'sub').mkdir(parents=True)
    for name in ('b.png', 'a.JPG', 'notes.txt', '.hidden.png', 'sub/b.webp', 'sub/c.MP4'):
        (folder / name).touch()
    (tmp_path / 'c.png').touch()
    found = find_inputs([folder, tmp_path / 'c.png']).inputs
    assert [(each.path.name, str(each.name)) for each in found] == [
        ('a.JPG', 'a'),
        ('b.png', 'b'),
        ('b.webp', 'sub/b'),
        ('c.MP4', 'sub/c'),
        ('c.png', 'c'),
    ]
    with pytest.raises(DatasetError, match='no image, video or folder'):
        find_inputs([tmp_path / 'missing'])
    (tmp_path / 'b.jpg').touch()
    with pytest.raises(DatasetError, match=r'would both write b\.png'):
        find_inputs([folder, tmp_path / 'b.jpg'])
    (tmp_path / 'empty').mkdir()
    with pytest.raises(DatasetError, match='must hold images or videos'):
        find_inputs([tmp_path / 'empty'])


def test_a_recording_is_named_with_the_commands_that_read_it(tmp_path: Path) -> None:
    bag = tmp_path / 'drive'
    bag.mkdir()
    for recording in (bag / 'drive_0.mcap', tmp_path / 'old.bag'):
        recording.touch()
        with pytest.raises(DatasetError, match=rf'{recording.name} .* drnet show .* drnet bag'):
            find_inputs([recording])
    with pytest.raises(DatasetError, match=r'got a recording: drnet show .* drnet bag'):
        find_inputs([bag])
    (bag / 'a.jpg').touch()
    assert [each.path.name for each in find_inputs([bag]).inputs] == ['a.jpg']


@pytest.mark.parametrize('text', ['', '1,2,3', '1,2,3,x', '1,2,3,4,5'])
def test_camera_that_is_not_four_numbers_is_refused(text: str) -> None:
    with pytest.raises(OfflineError, match='four numbers'):
        camera_for(text, None)


def test_a_field_of_view_becomes_a_focal_length() -> None:
    camera_of = camera_for(None, 90.0)
    assert camera_of is not None
    camera = camera_of(48, 64)
    assert (camera.width, camera.height) == (64, 48)
    assert camera.fx == pytest.approx(32.0)
    assert (camera.cx, camera.cy) == (31.5, 23.5)
