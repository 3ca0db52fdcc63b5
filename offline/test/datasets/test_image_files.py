"""Single images and depths: what is read, and what is refused."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from written_datasets import SIZE, write_rgb

from drnet_offline.datasets.image_files import read_cameras, read_depth, read_photo, read_rgb
from drnet_offline.errors import DatasetError


@pytest.mark.parametrize('pixels', [np.ones((5, 7, 3), np.uint16), np.ones((5, 7), np.uint8)])
def test_depth_of_another_type_is_named(pixels: NDArray[np.uint8], tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / 'depth.png'), pixels)
    with pytest.raises(DatasetError, match=r'depth\.png must be a single-channel 16-bit PNG'):
        read_depth(tmp_path / 'depth.png')


@pytest.mark.parametrize('content', [b'', b'no image', b'\xff\xd8 \xff\xd9'])
def test_what_is_no_image_is_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / 'a.jpg').write_bytes(content)
    with pytest.raises(DatasetError, match=r'a\.jpg is cut short, damaged or no image'):
        read_rgb(tmp_path / 'a.jpg')


@pytest.mark.parametrize('kind', [np.float32, np.float64])
def test_a_picture_of_floating_point_is_not_said_to_be_damaged(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], kind: type
) -> None:
    path = tmp_path / 'a.tif'
    cv2.imwrite(str(path), np.full((5, 7), 1.5, kind))
    for read in (read_rgb, read_photo):
        with pytest.raises(DatasetError) as raised:
            read(path)
        assert f'a.tif must be a picture of 8 or 16 bits, got {kind.__name__}' in str(raised.value)
    assert capfd.readouterr() == ('', '')  # OpenCV says nothing besides


def write_sideways(path: Path) -> None:
    """Write a JPEG whose EXIF says that it must be turned by a quarter."""
    write_rgb(path, 0)
    data = path.read_bytes()
    # An APP1 segment with one TIFF entry: orientation (0x0112) = 6, a quarter turn.
    tiff = b'II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0'
    exif = b'Exif\0\0' + tiff
    segment = b'\xff\xe1' + (len(exif) + 2).to_bytes(2, 'big') + exif
    path.write_bytes(data[:2] + segment + data[2:])


def test_exif_does_not_turn_an_image_away_from_its_depth(tmp_path: Path) -> None:
    write_sideways(tmp_path / 'a.jpg')
    turned = cv2.imread(str(tmp_path / 'a.jpg'))
    assert turned is not None
    assert turned.shape[:2] == SIZE[::-1]
    assert read_rgb(tmp_path / 'a.jpg').shape[:2] == SIZE


def test_exif_turns_a_photo_upright(tmp_path: Path) -> None:
    write_sideways(tmp_path / 'a.jpg')
    stored = read_rgb(tmp_path / 'a.jpg')
    photo = read_photo(tmp_path / 'a.jpg')
    # Orientation 6: the first row of the file is the right-hand column of the scene.
    np.testing.assert_array_equal(photo.rgb_hwc, np.rot90(stored, -1))
    assert photo.reduction == 1


def test_a_photo_of_48_megapixels_is_reduced(tmp_path: Path) -> None:
    pixels = np.full((6000, 8000), 90, np.uint8)
    pixels[:, 4000:] = 200
    (tmp_path / 'a.jpg').write_bytes(cv2.imencode('.jpg', pixels)[1].tobytes())
    photo = read_photo(tmp_path / 'a.jpg')
    assert (photo.rgb_hwc.shape, photo.reduction) == ((3000, 4000, 3), 2)
    assert [photo.rgb_hwc[9, column, 0] for column in (9, 3990)] == [90, 200]


@pytest.mark.parametrize('suffix', ['.jpg', '.png'])
@pytest.mark.parametrize('tail', [b'\0' * 9000, bytes(range(256)) * 400, b'\xff\xd8\xff\xe1film'])
def test_what_follows_the_end_of_a_file_is_not_looked_at(
    tmp_path: Path, suffix: str, tail: bytes
) -> None:
    path = tmp_path / f'a{suffix}'
    write_rgb(path, 0)
    before = read_rgb(path)
    whole = path.read_bytes()
    path.write_bytes(whole + tail)
    np.testing.assert_array_equal(read_rgb(path), before)
    np.testing.assert_array_equal(read_photo(path).rgb_hwc, before)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DatasetError, match='cut short'):
        read_rgb(path)


def test_the_end_of_a_thumbnail_is_not_that_of_the_image(tmp_path: Path) -> None:
    write_rgb(tmp_path / 'a.jpg', 0)
    data = (tmp_path / 'a.jpg').read_bytes()
    segment = b'\xff\xe1' + (len(data) + 2).to_bytes(2, 'big') + data
    whole = data[:2] + segment + data[2:]
    (tmp_path / 'a.jpg').write_bytes(whole)
    assert read_rgb(tmp_path / 'a.jpg').shape[:2] == SIZE
    (tmp_path / 'a.jpg').write_bytes(whole[:-200])
    with pytest.raises(DatasetError, match='cut short'):
        read_rgb(tmp_path / 'a.jpg')


def test_damaged_exif_is_no_reason_for_a_warning(tmp_path: Path) -> None:
    path = tmp_path / 'a.jpg'
    exif = b'Exif\0\0MM\0*\xff\xff\xff\xff' + b'\x01' * 30
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(path, exif=exif)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        photo = read_photo(path)
    assert photo.facts.focal_35mm is None
    assert photo.rgb_hwc.shape == (20, 30, 3)


def write_noise(path: Path) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 255, (96, 128, 3), np.uint8)
    Image.fromarray(pixels).save(path, quality=90)
    return path.read_bytes()


def damaged(data: bytes) -> dict[str, bytes]:
    """Returns a JPEG with its end marker, and without some of what should be before it."""
    middle = len(data) // 2
    return {
        'ends early': data[:middle] + b'\xff\xd9',
        'hole': data[:middle] + data[middle + 400 :],
        'zeros': data[:middle] + bytes(len(data) - 2 - middle) + b'\xff\xd9',
        'another file': data[:middle] + data[: middle // 2] + data[-2:],
    }


@pytest.mark.parametrize('kind', ['ends early', 'hole', 'zeros', 'another file'])
@pytest.mark.parametrize('read', [read_photo, read_rgb])
def test_a_jpeg_without_all_of_its_picture_is_refused(
    tmp_path: Path, kind: str, read: Callable[[Path], object]
) -> None:
    path = tmp_path / 'a.jpg'
    data = damaged(write_noise(path))[kind]
    read(path)
    path.write_bytes(data)
    assert cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) is not None
    with pytest.raises(DatasetError, match=r'a\.jpg is cut short or damaged: \w'):
        read(path)


@pytest.mark.parametrize('mode', ['RGB', 'L', 'CMYK'])
@pytest.mark.parametrize('is_progressive', [False, True])
def test_whole_jpegs_of_all_kinds_are_read(
    tmp_path: Path, mode: str, is_progressive: bool
) -> None:
    path = tmp_path / 'a.jpg'
    write_noise(path)
    with Image.open(path) as image:
        image.convert(mode).save(path, 'JPEG', progressive=is_progressive)
    data = path.read_bytes()
    assert read_rgb(path).shape == (96, 128, 3)
    path.write_bytes(data[:-2] + bytes(9) + data[-2:])  # some cameras fill up
    assert read_rgb(path).shape == (96, 128, 3)
    path.write_bytes(data[: len(data) * 2 // 3] + data[-2:])
    with pytest.raises(DatasetError, match='cut short'):
        read_rgb(path)


@pytest.mark.parametrize('suffix', ['.bmp', '.ppm', '.tif', '.webp', '.png'])
@pytest.mark.parametrize('read', [read_photo, read_rgb])
def test_files_of_all_kinds_that_lack_bytes_are_refused(
    tmp_path: Path, suffix: str, read: Callable[[Path], object]
) -> None:
    path = tmp_path / f'a{suffix}'
    pixels = np.random.default_rng(0).integers(0, 255, (96, 128, 3), np.uint8)
    Image.fromarray(pixels).save(path, lossless=True)  # which only WebP takes notice of
    np.testing.assert_array_equal(read_rgb(path), pixels)
    data = path.read_bytes()
    middle = len(data) // 2
    for lacking in (data[:middle], data[:-100], data[:middle] + data[middle + 300 :]):
        path.write_bytes(lacking)
        with pytest.raises(DatasetError, match='is cut short'):
            read(path)


def test_a_tiff_with_damaged_data_is_refused(tmp_path: Path) -> None:
    path = tmp_path / 'a.tif'
    rows = np.repeat(np.arange(96, dtype=np.uint8)[:, None, None], 128, 1).repeat(3, 2)
    Image.fromarray(rows).save(path, compression='tiff_lzw')
    np.testing.assert_array_equal(read_rgb(path), rows)
    data = path.read_bytes()
    at = len(data) // 2
    path.write_bytes(data[:at] + bytes(300) + data[at + 300 :])
    with pytest.raises(DatasetError, match=r'a\.tif is cut short'):
        read_rgb(path)


@pytest.mark.parametrize('read', [read_photo, read_rgb, read_depth])
def test_a_pipe_is_refused_and_not_waited_for(
    tmp_path: Path, read: Callable[[Path], object]
) -> None:
    pipe = tmp_path / 'a.png'
    os.mkfifo(pipe)
    with pytest.raises(DatasetError, match=r'a\.png must be a file, got a pipe or a device'):
        read(pipe)


def test_a_list_of_cameras_without_a_column_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / 'cameras.csv'
    path.write_text('name,fx,fy\n00001,525,525\n')
    with pytest.raises(DatasetError, match=r"in pixels, got: no column 'index'$"):
        read_cameras(path)
