"""Rows of raw images that speak for another encoding."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from drnet_ros.inference.images.doubts import rows_doubt


@pytest.mark.parametrize(
    ('encoding', 'width', 'step', 'got'),
    [
        ('mono8', 640, 3 * 640, 3),  # rgb8, of which mono8 shows the left third
        ('mono8', 640, 4 * 640, 4),
        ('bgr8', 640, 4 * 640, 4),  # bgra8
        ('rgb8', 640, 3 * 640, 0),
        ('rgb8', 640, 6 * 640, 0),  # the left half of a picture of two
        ('bgra8', 640, 4 * 640, 0),
        ('rgb8', 500, 1536, 0),  # padded to 512 bytes
        ('rgb8', 128, 512, 0),
        ('mono8', 100, 128, 0),
        ('xyz', 640, 7 * 640, 0),
    ],
)
def test_rows_of_another_number_of_bytes_for_each_pixel_are_doubtful(
    encoding: str, width: int, step: int, got: int
) -> None:
    message = SimpleNamespace(encoding=encoding, width=width, step=step)
    said = rows_doubt(message)
    assert bool(said) == bool(got)
    assert not got or f'have {got} bytes for each pixel, and {encoding} has ' in said


def test_compressed_images_have_no_rows() -> None:
    assert rows_doubt(SimpleNamespace(format='jpeg', data=b'')) == ''
