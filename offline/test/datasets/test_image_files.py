"""Single images and depths: what is read, and what is refused."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from written_datasets import SIZE, write_rgb

from drnet_offline.datasets.image_files import read_depth, read_rgb
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


def test_exif_does_not_turn_an_image_away_from_its_depth(tmp_path: Path) -> None:
    write_rgb(tmp_path / 'a.jpg', 0)
    data = (tmp_path / 'a.jpg').read_bytes()
    # An APP1 segment with one TIFF entry: orientation (0x0112) = 6, a quarter turn.
    tiff = b'II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0'
    exif = b'Exif\0\0' + tiff
    segment = b'\xff\xe1' + (len(exif) + 2).to_bytes(2, 'big') + exif
    (tmp_path / 'a.jpg').write_bytes(data[:2] + segment + data[2:])
    turned = cv2.imread(str(tmp_path / 'a.jpg'))
    assert turned is not None
    assert turned.shape[:2] == SIZE[::-1]
    assert read_rgb(tmp_path / 'a.jpg').shape[:2] == SIZE
