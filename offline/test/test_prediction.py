"""drnet predict: what it writes, against the estimator itself."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from plyfile import PlyData

from drnet_offline.errors import DatasetError, OfflineError
from drnet_offline.outputs.prediction import find_images, parse_camera, predict_file
from drnet_offline.report.ply import write_ply
from drnet_ros.inference import DepthEstimator
from drnet_ros.inference.camera import CameraModel


@pytest.mark.parametrize('size_hw', [(64, 96), (90, 70)])
def test_predict_writes_what_the_estimator_says(
    estimator: DepthEstimator, tmp_path: Path, size_hw: tuple[int, int]
) -> None:
    rgb = np.random.default_rng(1).integers(0, 255, (*size_hw, 3), np.uint8)
    output = tmp_path / 'output'
    output.mkdir()
    image = tmp_path / 'picture.png'
    cv2.imwrite(str(image), cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
    camera = (110.0, 112.0, size_hw[1] / 2, size_hw[0] / 2)
    predict_file(estimator, image, output, camera, ply=True)
    k = (110.0, 0.0, camera[2], 0.0, 112.0, camera[3], 0.0, 0.0, 1.0)
    model = CameraModel.from_fields(width=size_hw[1], height=size_hw[0], k=k)
    depth = estimator.estimate(rgb, model).depth_hw
    written = cv2.imread(str(output / 'picture.png'), cv2.IMREAD_UNCHANGED)
    assert written is not None
    assert written.dtype == np.uint16
    assert written.shape == size_hw
    valid = np.isfinite(depth)
    np.testing.assert_allclose(written[valid] / 1000, depth[valid], atol=6e-4)
    assert (written[~valid] == 0).all()
    preview = cv2.imread(str(output / 'picture.preview.jpg'))
    assert preview is not None
    assert preview.shape == (*size_hw, 3)
    vertices = PlyData.read(str(output / 'picture.ply'))['vertex']
    assert len(vertices) == int(valid.sum())
    np.testing.assert_allclose(np.sort(vertices['z']), np.sort(depth[valid]), rtol=1e-6)


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
    with pytest.raises(DatasetError, match=r'broken\.jpg must be a JPEG or PNG file'):
        predict_file(estimator, broken, tmp_path, None, ply=False)


def test_predict_does_not_overwrite_its_input(estimator: DepthEstimator, tmp_path: Path) -> None:
    image = tmp_path / 'picture.png'
    cv2.imwrite(str(image), np.zeros((64, 96, 3), np.uint8))
    before = image.read_bytes()
    with pytest.raises(OfflineError, match=r'would overwrite .*picture\.png'):
        predict_file(estimator, image, tmp_path, None, ply=False)
    assert image.read_bytes() == before


def test_find_images(tmp_path: Path) -> None:
    folder = tmp_path / 'folder'
    folder.mkdir()
    for name in ('b.png', 'a.JPG', 'notes.txt'):
        (folder / name).touch()
    (tmp_path / 'c.png').touch()
    assert [p.name for p in find_images([folder, tmp_path / 'c.png'])] == [
        'a.JPG',
        'b.png',
        'c.png',
    ]
    with pytest.raises(DatasetError, match='no image or folder'):
        find_images([tmp_path / 'missing'])
    (tmp_path / 'b.jpg').touch()
    with pytest.raises(DatasetError, match=r'would both write b\.png'):
        find_images([folder, tmp_path / 'b.jpg'])
    (tmp_path / 'empty').mkdir()
    with pytest.raises(DatasetError, match='holds no'):
        find_images([tmp_path / 'empty'])


@pytest.mark.parametrize('text', ['', '1,2,3', '1,2,3,x', '1,2,3,4,5'])
def test_camera_that_is_not_four_numbers_is_refused(text: str) -> None:
    with pytest.raises(OfflineError, match='four numbers'):
        parse_camera(text)
