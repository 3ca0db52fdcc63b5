"""Masks: read from pictures, scaled so that no part of the robot is lost, refused by name."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from drnet_ros.errors import ImageError, SettingsError
from drnet_ros.inference import DepthFrame, Settings
from drnet_ros.inference.postprocess.mask import Masks, drop_masked, read_mask


def body() -> NDArray[np.bool_]:
    """A block in a corner, and a cable one pixel wide."""
    mask = np.zeros((48, 64), np.bool_)
    mask[40:, 10:30] = True
    mask[:, 51] = True
    return mask


def picture(path: Path, mask: NDArray[np.bool_]) -> str:
    assert cv2.imwrite(str(path), np.where(mask, 0, 255).astype(np.uint8))
    return str(path)


def test_black_is_the_robot(tmp_path: Path) -> None:
    np.testing.assert_array_equal(read_mask(picture(tmp_path / 'm.png', body())), body())
    gray = np.full((48, 64, 3), 128, np.uint8)
    gray[3, 4] = 127
    assert cv2.imwrite(str(tmp_path / 'gray.png'), gray)
    assert np.argwhere(read_mask(str(tmp_path / 'gray.png'))).tolist() == [[3, 4]]


@pytest.mark.parametrize('size', [(24, 32), (48, 64), (96, 128), (33, 44)])
def test_a_pixel_is_masked_if_it_covers_any_masked_pixel(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    masks = Masks(Settings(mask=(picture(tmp_path / 'm.png', body()),)))
    scaled = masks.at('', size)
    assert scaled is not None
    expected = np.zeros(size, np.bool_)
    tall, wide = 48 / size[0], 64 / size[1]
    if size[0] <= 48:
        for row, column in np.argwhere(body()):
            first_row, last_row = int(row / tall), int(np.ceil((row + 1) / tall))
            first, last = int(column / wide), int(np.ceil((column + 1) / wide))
            expected[first_row:last_row, first:last] = True
    else:
        expected = body().repeat(2, axis=0).repeat(2, axis=1)
    np.testing.assert_array_equal(scaled, expected)


def test_each_camera_has_its_own_mask(tmp_path: Path) -> None:
    path = picture(tmp_path / 'm.png', body())
    masks = Masks(Settings(cameras=('front', 'left/wide', 'rear'), mask=('', path, '')))
    assert masks.of('front/') is None
    np.testing.assert_array_equal(masks.of('left/wide/'), body())
    assert masks.of('rear') is None
    assert not Masks(Settings(cameras=('front', 'rear')))


@pytest.mark.parametrize('stride', [1, 2, 3])
def test_the_body_leaves_depth_and_cloud(stride: int) -> None:
    depth = np.full((48, 64), 2.0, np.float32)
    points = np.full((*depth[::stride, ::stride].shape, 4), 3.0, np.float32)
    drop_masked(DepthFrame(depth, points=points), body(), stride)
    np.testing.assert_array_equal(np.isnan(depth), body())
    is_gone = body()[::stride, ::stride]
    np.testing.assert_array_equal(np.isnan(points[..., :3]).all(axis=2), is_gone)
    np.testing.assert_array_equal(np.isnan(points[..., :3]).any(axis=2), is_gone)
    assert (points[..., 3] == 3).all()


def test_a_mask_of_another_shape_than_the_image_is_refused(tmp_path: Path) -> None:
    masks = Masks(Settings(mask=(picture(tmp_path / 'm.png', body()),)))
    masks.check('', (480, 640))
    with pytest.raises(ImageError, match=r'got a mask of 64 x 48 for an image of 640 x 360') as e:
        masks.check('', (360, 640))
    assert e.value.kind == 'mask_shape'


def test_files_that_are_no_masks_are_refused(tmp_path: Path) -> None:
    (tmp_path / 'text.png').write_text('no picture')
    picture(tmp_path / 'white.png', np.zeros((48, 64), np.bool_))
    picture(tmp_path / 'black.png', np.ones((48, 64), np.bool_))
    picture(tmp_path / 'strip.png', body()[:2])
    for name, said in (
        ('missing.png', 'where there is none'),
        ('text.png', 'cannot be read as one'),
        ('white.png', 'of which nothing is black'),
        ('black.png', 'of which all is black'),
        ('strip.png', 'got 64:2'),
        ('', 'where there is none'),  # a folder
    ):
        with pytest.raises(SettingsError, match=said):
            read_mask(str(tmp_path / name))
    with pytest.raises(SettingsError, match='for each of the 2 cameras'):
        Settings(cameras=('front', 'rear'), mask=('a.png',))


def test_a_mask_of_floating_point_is_refused_in_one_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    cv2.imwrite(str(tmp_path / 'mask.tif'), np.ones((48, 64), np.float32))
    with pytest.raises(SettingsError, match='cannot be read as one'):
        read_mask(str(tmp_path / 'mask.tif'))
    assert capfd.readouterr() == ('', '')  # OpenCV says nothing besides
