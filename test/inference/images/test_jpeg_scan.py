"""JPEG data that lack a part of their picture are refused; whole ones of all kinds are not."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from drnet_ros.errors import ImageError
from drnet_ros.inference.images.codec import decode_compressed_image
from drnet_ros.inference.images.file_header import read_image_header

NOISE = np.random.default_rng(1).integers(0, 256, (24, 32, 3), dtype=np.uint8)
PICTURE = np.asarray(cv2.resize(NOISE, (320, 240), interpolation=cv2.INTER_CUBIC), np.uint8)
GRAY_BORDER = PICTURE.copy()
GRAY_BORDER[200:] = 128
END = b'\xff\xd9'
KINDS = {
    'plain': [],
    'every unit restarts': [cv2.IMWRITE_JPEG_RST_INTERVAL, 1],
    'rows restart': [cv2.IMWRITE_JPEG_RST_INTERVAL, 20],
    'progressive': [cv2.IMWRITE_JPEG_PROGRESSIVE, 1],
    'color at full size': [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444],
}


def jpeg(pixels: NDArray[np.uint8], kind: str = 'plain') -> bytes:
    is_ok, data = cv2.imencode('.jpg', pixels, [cv2.IMWRITE_JPEG_QUALITY, 90, *KINDS[kind]])
    assert is_ok
    return data.tobytes()


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize(
    'pixels',
    [PICTURE, GRAY_BORDER, PICTURE[:227, :309], PICTURE[..., 0], GRAY_BORDER[..., 0]],
    ids=['picture', 'gray border', 'odd sides', 'one channel', 'one channel, gray border'],
)
def test_whole_jpegs_of_all_kinds_are_decoded(
    kind: str, pixels: NDArray[np.uint8], capfd: pytest.CaptureFixture[str]
) -> None:
    decoded = decode_compressed_image(jpeg(pixels, kind))
    if kind != 'progressive':  # a second look at a gray border is no warning for each frame
        assert capfd.readouterr() == ('', '')
    expected = pixels[..., ::-1] if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, 2)
    assert float(np.abs(decoded.astype(int) - expected).mean()) < 5


def damaged(data: bytes) -> dict[str, bytes]:
    """Return data with an end marker, and without some of what should be before it."""
    middle = len(data) // 2
    return {
        'ends early': data[:middle] + END,
        'lacks its last tenth': data[: len(data) * 9 // 10] + END,
        'lacks a packet': data[:middle] + data[middle + 1024 :],
        'begins again': data[:middle] + data[: middle // 2] + END,
    }


@pytest.mark.parametrize('fault', list(damaged(jpeg(PICTURE))))
@pytest.mark.parametrize('kind', ['plain', 'rows restart', 'color at full size'])
@pytest.mark.parametrize('pixels', [PICTURE, GRAY_BORDER], ids=['picture', 'gray border'])
def test_a_jpeg_that_lacks_a_part_of_its_picture_is_refused(
    fault: str, kind: str, pixels: NDArray[np.uint8]
) -> None:
    data = damaged(jpeg(pixels, kind))[fault]
    assert cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) is not None
    with pytest.raises(ImageError, match=r'must hold all .* that lack a part') as no:
        decode_compressed_image(data)
    assert no.value.kind == 'truncated'


def test_a_jpeg_without_one_of_its_restart_markers_is_refused() -> None:
    """What is missing is made up for at the next marker: the corner below is as it was."""
    data = jpeg(PICTURE, 'rows restart')
    first, second = data.index(b'\xff\xd0'), data.index(b'\xff\xd1')
    for cut in (data[:first] + data[second:], data[:first] + data[first + 2 :]):
        pixels = cv2.imdecode(np.frombuffer(cut, np.uint8), cv2.IMREAD_COLOR)
        assert pixels is not None
        with pytest.raises(ImageError, match='lack a part'):
            decode_compressed_image(cut)


@pytest.mark.parametrize(
    ('pixels', 'kind', 'restarts'),
    [
        (PICTURE, 'plain', 0),
        (PICTURE, 'every unit restarts', 20 * 15 - 1),
        (PICTURE, 'rows restart', 14),
        (PICTURE[:227, :309], 'rows restart', 14),
        (PICTURE[..., 0], 'rows restart', 40 * 30 // 20 - 1),
    ],
)
def test_number_of_restart_markers(pixels: NDArray[np.uint8], kind: str, restarts: int) -> None:
    """Units are of 16x16 pixels where color has half the size, of 8x8 in one channel."""
    data = jpeg(pixels, kind)
    header = read_image_header(memoryview(data))
    assert header.restarts == restarts
    length = 14 if pixels.ndim == 3 else 10  # of the header of a scan, with its marker
    assert data[header.scan - length :][:2] == b'\xff\xda'
