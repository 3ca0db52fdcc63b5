"""Every encoding against hand-made pixels, and every defect against the kind it must be called."""

from __future__ import annotations

import struct
from array import array
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from drnet_ros.errors import ImageError
from drnet_ros.inference.images.codec import (
    DEPTH_ENCODINGS,
    IMAGE_ENCODINGS,
    decode_compressed_depth,
    decode_compressed_gray16,
    decode_compressed_image,
    decode_depth,
    decode_image,
)

RNG = np.random.default_rng(7)
HEIGHT, WIDTH = 18, 24
RGB = RNG.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
ALPHA = np.full((HEIGHT, WIDTH, 1), 77, np.uint8)
GRAY = RGB[..., :1]
GRAY_RGB = np.repeat(GRAY, 3, axis=2)
GRAY16 = RNG.integers(0, 65536, (HEIGHT, WIDTH), dtype=np.uint16)
COLOR16 = RNG.integers(0, 65536, (HEIGHT, WIDTH, 3), dtype=np.uint16)
COLOR16_RGB = np.rint(COLOR16 / 257.0).astype(np.uint8)
ALPHA16 = np.full((HEIGHT, WIDTH, 1), 777, np.uint16)
GRAY16_RGB = np.repeat(np.rint(GRAY16 / 257.0).astype(np.uint8)[..., None], 3, axis=2)


def _decode(encoding: str, pixels: NDArray[Any], padding: int = 0, **fields: int) -> Any:
    rows = pixels.reshape(HEIGHT, -1).view(np.uint8)
    rows = np.pad(rows, ((0, 0), (0, padding)), constant_values=199)
    values: dict[str, Any] = {
        'height': HEIGHT, 'width': WIDTH, 'step': rows.shape[1], 'is_bigendian': 0, **fields
    }  # fmt: skip
    return decode_image(encoding=encoding, data=rows.tobytes(), **values)


@pytest.mark.parametrize('padding', [0, 5, 64])
@pytest.mark.parametrize(
    ('encoding', 'pixels', 'expected'),
    [
        ('rgb8', RGB, RGB),
        ('bgr8', RGB[..., ::-1].copy(), RGB),
        ('8UC3', RGB[..., ::-1].copy(), RGB),
        ('rgba8', np.concatenate([RGB, ALPHA], 2), RGB),
        ('bgra8', np.concatenate([RGB[..., ::-1], ALPHA], 2), RGB),
        ('8UC4', np.concatenate([RGB[..., ::-1], ALPHA], 2), RGB),
        ('mono8', GRAY, GRAY_RGB),
        ('8UC1', GRAY, GRAY_RGB),
        ('mono16', GRAY16, GRAY16_RGB),
        ('rgb16', COLOR16, COLOR16_RGB),
        ('bgr16', COLOR16[..., ::-1].copy(), COLOR16_RGB),
        ('rgba16', np.concatenate([COLOR16, ALPHA16], 2), COLOR16_RGB),
        ('bgra16', np.concatenate([COLOR16[..., ::-1], ALPHA16], 2), COLOR16_RGB),
    ],
)
def test_packed_encodings(
    encoding: str, pixels: NDArray[Any], expected: NDArray[np.uint8], padding: int
) -> None:
    decoded = _decode(encoding, pixels, padding)
    assert decoded.dtype == np.uint8
    np.testing.assert_array_equal(decoded, expected)


def test_big_endian_mono16() -> None:
    swapped = GRAY16.byteswap()
    np.testing.assert_array_equal(_decode('mono16', swapped, is_bigendian=1), GRAY16_RGB)


def test_tight_rgb8_is_not_copied_and_padded_rgb8_is_a_view() -> None:
    data = array('B', RGB.tobytes())
    decoded = decode_image(
        encoding='rgb8', height=HEIGHT, width=WIDTH, step=3 * WIDTH, is_bigendian=0, data=data
    )
    assert np.shares_memory(decoded, np.frombuffer(data, np.uint8))
    assert decoded.flags.c_contiguous
    wide = decode_image(
        encoding='rgb8', height=HEIGHT, width=WIDTH - 1, step=3 * WIDTH, is_bigendian=0, data=data
    )
    assert np.shares_memory(wide, np.frombuffer(data, np.uint8))
    np.testing.assert_array_equal(wide, RGB[:, :-1])


def test_the_last_row_needs_no_padding() -> None:
    data = np.pad(GRAY[..., 0], ((0, 0), (0, 4))).tobytes()[:-4]
    decoded = decode_image(
        encoding='mono8', height=HEIGHT, width=WIDTH, step=WIDTH + 4, is_bigendian=0, data=data
    )
    np.testing.assert_array_equal(decoded, GRAY_RGB)


COLORS = {'r': (250, 10, 20), 'g': (20, 240, 30), 'b': (15, 25, 245), 'w': (200, 200, 200)}


@pytest.mark.parametrize('pattern', ['rggb', 'bggr', 'gbrg', 'grbg'])
@pytest.mark.parametrize('bits', [8, 16])
@pytest.mark.parametrize('color', list(COLORS.values()))
def test_bayer_patterns_give_the_color_they_were_made_from(
    pattern: str, bits: int, color: tuple[int, int, int]
) -> None:
    values = [color['rgb'.index(letter)] for letter in pattern]
    mosaic = np.tile(np.array(values, np.uint8).reshape(2, 2), (HEIGHT // 2, WIDTH // 2))
    pixels = mosaic if bits == 8 else mosaic.astype(np.uint16) * 257
    decoded = _decode(f'bayer_{pattern}{bits}', pixels, padding=2)
    np.testing.assert_array_equal(decoded, np.broadcast_to(color, decoded.shape))


def _to_yuv(rgb: NDArray[np.uint8]) -> NDArray[np.float64]:
    """BT.601, limited range, from the standard's own coefficients."""
    r, g, b = np.moveaxis(rgb.astype(np.float64) / 255, -1, 0)
    luma = 0.299 * r + 0.587 * g + 0.114 * b
    u = 128 + 224 * (b - luma) / 1.772
    v = 128 + 224 * (r - luma) / 1.402
    yuv: NDArray[np.float64] = np.rint(np.stack([16 + 219 * luma, u, v], -1))
    return yuv


@pytest.mark.parametrize('padding', [0, 6])
@pytest.mark.parametrize('encoding', ['yuv422', 'uyvy', 'yuv422_yuy2', 'yuyv', 'nv21', 'nv24'])
def test_yuv_encodings(encoding: str, padding: int) -> None:
    # Blocks of 2 x 2 of one color, so that subsampled chroma loses nothing.
    rgb = np.repeat(np.repeat(RGB[: HEIGHT // 2, : WIDTH // 2], 2, axis=0), 2, axis=1)
    yuv = _to_yuv(rgb).astype(np.uint8)
    luma, u, v = yuv[..., 0], yuv[..., 1], yuv[..., 2]
    if encoding.startswith('nv'):
        step = WIDTH + padding
        if encoding == 'nv21':
            chroma = np.stack([v[::2, ::2], u[::2, ::2]], -1).reshape(HEIGHT // 2, WIDTH)
            chroma = np.pad(chroma, ((0, 0), (0, padding)))
        else:
            chroma = np.pad(
                np.stack([u, v], -1).reshape(HEIGHT, 2 * WIDTH), ((0, 0), (0, 2 * padding))
            )
        data = np.pad(luma, ((0, 0), (0, padding))).tobytes() + chroma.tobytes()
    else:
        chroma = np.where(np.arange(WIDTH) % 2 == 0, u, v)
        pair = [chroma, luma] if encoding in {'yuv422', 'uyvy'} else [luma, chroma]
        rows = np.pad(np.stack(pair, -1).reshape(HEIGHT, 2 * WIDTH), ((0, 0), (0, padding)))
        step, data = rows.shape[1], rows.tobytes()
    decoded = decode_image(
        encoding=encoding, height=HEIGHT, width=WIDTH, step=step, is_bigendian=0, data=data
    )
    # Limited-range YUV has fewer levels than RGB; saturated colors round by up to 3.
    np.testing.assert_allclose(decoded.astype(int), rgb.astype(int), atol=3)


@pytest.mark.parametrize(
    ('fields', 'kind'),
    [
        ({'encoding': 'rgb9'}, 'unknown_encoding'),
        ({'encoding': ''}, 'unknown_encoding'),
        ({'encoding': '32FC1'}, 'unknown_encoding'),
        ({'height': 0}, 'zero_size'),
        ({'width': 0}, 'zero_size'),
        ({'height': -1}, 'zero_size'),
        ({'step': 3 * WIDTH - 1}, 'bad_step'),
        ({'step': 0}, 'bad_step'),
        ({'height': HEIGHT + 1}, 'truncated'),
        ({'step': 2**32 - 1}, 'truncated'),
        ({'data': b''}, 'truncated'),
        ({'height': 2**32 - 1, 'width': 2**32 - 1, 'step': 2**32 - 1}, 'too_large'),
        ({'encoding': 'yuv422', 'width': 7}, 'odd_size'),
        ({'encoding': 'nv21', 'height': 3}, 'odd_size'),
        ({'height': 15}, 'bad_shape'),
        ({'width': 15}, 'bad_shape'),
        ({'height': 1, 'width': 1}, 'bad_shape'),
        ({'encoding': 'mono8', 'height': 1, 'width': 1296, 'step': 1296}, 'bad_shape'),
        (
            {'encoding': 'mono8', 'height': 16, 'width': 129, 'step': 129, 'data': bytes(2064)},
            'bad_shape',
        ),
    ],
)
def test_defects_are_refused_by_kind(fields: dict[str, Any], kind: str) -> None:
    good: dict[str, Any] = {
        'encoding': 'rgb8', 'height': HEIGHT, 'width': WIDTH, 'step': 3 * WIDTH,
        'is_bigendian': 0, 'data': RGB.tobytes(),
    }  # fmt: skip
    with pytest.raises(ImageError) as refusal:
        decode_image(**{**good, **fields})
    assert refusal.value.kind == kind
    assert 'must' in str(refusal.value)
    assert '\n' not in str(refusal.value)


@given(
    encoding=st.sampled_from(IMAGE_ENCODINGS) | st.text(max_size=9),
    height=st.integers(-1, 18) | st.integers(0, 2**32 - 1),
    width=st.integers(-1, 18) | st.integers(0, 2**32 - 1),
    step=st.integers(0, 80) | st.integers(0, 2**32 - 1),
    is_bigendian=st.integers(0, 255),
    data=st.binary(max_size=400) | st.just(bytes(range(256)) * 6),
)
def test_any_message_decodes_or_is_refused(encoding: str, data: bytes, **fields: int) -> None:
    try:
        decoded = decode_image(encoding=encoding, data=data, **fields)
    except ImageError:
        return
    assert decoded.shape == (fields['height'], fields['width'], 3)
    assert decoded.dtype == np.uint8


@given(
    encoding=st.sampled_from(DEPTH_ENCODINGS),
    height=st.integers(0, 6),
    width=st.integers(0, 6),
    step=st.integers(0, 30),
    is_bigendian=st.booleans(),
    data=st.binary(max_size=200),
)
def test_any_depth_message_gives_positive_metres_or_nan(
    encoding: str, data: bytes, **fields: int
) -> None:
    try:
        depth = decode_depth(encoding=encoding, data=data, **fields)
    except ImageError:
        return
    assert depth.shape == (fields['height'], fields['width'])
    assert np.all(np.isnan(depth) | ((depth > 0) & (depth < np.inf)))


@pytest.mark.parametrize(
    ('encoding', 'dtype', 'values', 'expected'),
    [
        ('32FC1', 'f4', [1.5, 0.0, -1.0, np.nan, np.inf], [1.5, np.nan, np.nan, np.nan, np.nan]),
        ('16UC1', 'u2', [1500, 0, 1, 65535, 7], [1.5, np.nan, 0.001, 65.535, 0.007]),
        ('mono16', 'u2', [1500, 0, 1, 65535, 7], [1.5, np.nan, 0.001, 65.535, 0.007]),
    ],
)
@pytest.mark.parametrize('order', ['<', '>'])
def test_depth_by_hand(
    encoding: str, dtype: str, values: list[float], expected: list[float], order: str
) -> None:
    data = np.array([values], order + dtype)
    depth = decode_depth(
        encoding=encoding, height=1, width=5, step=data.nbytes, is_bigendian=order == '>',
        data=data.tobytes(),
    )  # fmt: skip
    assert depth.dtype == np.float32
    np.testing.assert_allclose(depth, [expected], rtol=1e-6)


def _file(suffix: str, pixels: NDArray[Any]) -> bytes:
    is_ok, data = cv2.imencode(suffix, pixels)
    assert is_ok
    return data.tobytes()


def test_compressed_images() -> None:
    np.testing.assert_array_equal(decode_compressed_image(_file('.png', RGB[..., ::-1])), RGB)
    np.testing.assert_array_equal(decode_compressed_image(_file('.png', GRAY)), GRAY_RGB)
    plain = np.full((40, 56, 3), (200, 100, 50), np.uint8)
    jpeg = array('B', _file('.jpg', plain[..., ::-1]))
    np.testing.assert_allclose(decode_compressed_image(jpeg).astype(int), plain, atol=3)


def _png_claiming(height: int, width: int) -> bytes:
    data = bytearray(_file('.png', RGB))
    data[16:24] = struct.pack('>II', width, height)
    return bytes(data)


def _jpeg_claiming(height: int, width: int) -> bytes:
    data = bytearray(_file('.jpg', RGB))
    at = data.index(b'\xff\xc0') + 5
    data[at : at + 4] = struct.pack('>HH', height, width)
    return bytes(data)


@pytest.mark.parametrize(
    ('data', 'kind'),
    [
        (b'', 'unknown_encoding'),
        (b'GIF89a', 'unknown_encoding'),
        (_file('.png', RGB)[:20], 'truncated'),
        (_file('.png', RGB)[:-20], 'truncated'),
        (_file('.jpg', RGB)[:-20], 'truncated'),
        (_file('.jpg', RGB)[:10], 'truncated'),
        (_png_claiming(60000, 60000), 'too_large'),
        (_jpeg_claiming(65535, 65535), 'too_large'),
        (_png_claiming(0, 5), 'zero_size'),
        (_png_claiming(17, 19), 'corrupt'),
        (_png_claiming(15, 19), 'bad_shape'),
        (_jpeg_claiming(1, 60000), 'bad_shape'),
        (_file('.png', RGB[:1]), 'bad_shape'),
        (b'\xff\xd8\x00\x00' + bytes(20) + b'\xff\xd9', 'corrupt'),
    ],
)
def test_compressed_defects_are_refused_by_kind(data: bytes, kind: str) -> None:
    with pytest.raises(ImageError) as refusal:
        decode_compressed_image(data)
    assert refusal.value.kind == kind


@given(
    data=st.binary(max_size=60),
    start=st.sampled_from([b'', b'\xff\xd8', b'\xff\xd8\xff\xe0', b'\x89PNG\r\n\x1a\n']),
)
def test_any_compressed_data_decodes_or_is_refused(data: bytes, start: bytes) -> None:
    with pytest.raises(ImageError):
        decode_compressed_image(start + data + b'\xff\xd9IEND')


PATTERNS = {'rggb': 'RG/GB', 'bggr': 'BG/GR', 'gbrg': 'GB/RG', 'grbg': 'GR/BG'}


def _mosaic(pattern: str, rgb: tuple[int, int, int], dtype: str = 'u1') -> NDArray[Any]:
    """What a Bayer sensor gives of a scene of one color: each pixel one of its channels."""
    rows = PATTERNS[pattern].split('/')
    tile = np.array([[rgb['RGB'.index(letter)] for letter in row] for row in rows], dtype)
    return np.tile(tile, (HEIGHT // 2, WIDTH // 2))[..., np.newaxis]


@pytest.mark.parametrize('pattern', PATTERNS)
@pytest.mark.parametrize('end', ['png compressed ', 'png compressed', 'png'])
def test_compressed_bayer_mosaic_becomes_color(pattern: str, end: str) -> None:
    color = (200, 90, 30)
    data = _file('.png', _mosaic(pattern, color))
    decoded = decode_compressed_image(data, f'bayer_{pattern}8; {end}')
    np.testing.assert_array_equal(
        decoded, np.broadcast_to(np.array(color, np.uint8), decoded.shape)
    )


def test_compressed_bayer_of_16_bits_is_scaled_as_the_raw_one() -> None:
    data = _file('.png', _mosaic('rggb', (200 * 257, 90 * 257, 30 * 257), 'u2'))
    decoded = decode_compressed_image(data, 'bayer_rggb16; png compressed ')
    np.testing.assert_array_equal(decoded[5, 5], (200, 90, 30))


@pytest.mark.parametrize(
    'format_', ['bayer_rggb8; jpeg compressed mono8', 'mono8; png compressed ', 'mono8', 'png', '']
)
def test_gray_made_of_a_mosaic_stays_gray(format_: str) -> None:
    # Newer versions of compressed_image_transport convert a mosaic to gray before JPEG.
    decoded = decode_compressed_image(_file('.png', GRAY), format_)
    np.testing.assert_array_equal(decoded, GRAY_RGB)


@pytest.mark.parametrize(
    ('format_', 'is_swapped'),
    [
        ('rgb8; jpeg compressed bgr8', False),
        ('bgr8; png compressed bgr8', False),
        ('rgba8; png compressed bgr8', False),
        ('rgb16; png compressed bgr16', False),
        ('yuv422; jpeg compressed bgr8', False),
        ('8UC3; png compressed ', False),
        ('jpeg', False),
        ('', False),
        ('rgb8; jpeg compressed rgb8', True),
        ('bgr8; jpeg compressed rgb8', True),
        ('rgb8; png compressed ', True),
        ('bgra8; png compressed ', True),
    ],
)
def test_order_of_channels_is_that_of_the_format(format_: str, is_swapped: bool) -> None:
    decoded = decode_compressed_image(_file('.png', RGB[..., ::-1]), format_)
    np.testing.assert_array_equal(decoded, RGB[..., ::-1] if is_swapped else RGB)


@pytest.mark.parametrize(
    ('format_', 'message'),
    [
        (
            '16UC1; png compressed ',
            "must be a picture, got depth: format '16UC1; png compressed '",
        ),
        ('32FC1; compressedDepth png', 'must be a picture, got depth'),
        ('h264', "must be JPEG or PNG, .* of format 'h264'"),
        ('rgb8; tiff compressed bgr8', "of format 'rgb8; tiff compressed bgr8'"),
        ('bayer_rgbw8; png compressed ', "encoding must be one of .*, got 'bayer_rgbw8'"),
    ],
)
def test_format_that_is_no_picture_is_refused_with_its_name(format_: str, message: str) -> None:
    is_video = 'h264' in format_ or 'tiff' in format_
    data = b'\x00\x00\x00\x01gibberish' if is_video else _file('.png', GRAY)
    with pytest.raises(ImageError, match=message) as refusal:
        decode_compressed_image(data, format_)
    assert refusal.value.kind == 'unknown_encoding'


@pytest.mark.parametrize('encoding', ['16UC1', 'mono16'])
def test_depth_of_compressed_image_transport_is_decoded_without_loss(encoding: str) -> None:
    depth = decode_compressed_depth(
        format=f'{encoding}; png compressed ', data=_file('.png', GRAY16)
    )
    expected = np.where(GRAY16 == 0, np.nan, GRAY16 / 1000)
    np.testing.assert_allclose(depth, expected, rtol=1e-6)


def test_compressed_depth_in_millimetres() -> None:
    data = struct.pack('<iff', 0, 0, 0) + _file('.png', GRAY16)
    depth = decode_compressed_depth(format='16UC1; compressedDepth png', data=data)
    expected = np.where(GRAY16 == 0, np.nan, GRAY16 / 1000)
    np.testing.assert_allclose(depth, expected, rtol=1e-6)


def test_compressed_gray_keeps_its_16_bits_and_must_have_them() -> None:
    np.testing.assert_array_equal(decode_compressed_gray16(_file('.png', GRAY16)), GRAY16)
    for fewer in (_file('.png', GRAY), _file('.jpg', GRAY), _file('.png', RGB)):
        with pytest.raises(ImageError, match='must come as a 16-bit gray PNG') as refusal:
            decode_compressed_gray16(fewer)
        assert refusal.value.kind == 'corrupt'


def test_compressed_depth_as_inverse_depth() -> None:
    # As compressed_depth_image_transport: quantisation q = 100, A = q (q + 1), B = 1 - A / 10 m.
    a = 100.0 * 101.0
    b = 1.0 - a / 10.0
    metres = np.array([[0.5, 1.0], [9.0, np.nan]])
    stored = np.where(np.isnan(metres), 0, np.rint(a / metres + b)).astype(np.uint16)
    data = struct.pack('<iff', 0, a, b) + _file('.png', stored)
    depth = decode_compressed_depth(format='32FC1; compressedDepth', data=data)
    np.testing.assert_allclose(depth, metres, rtol=5e-3)


@pytest.mark.parametrize(
    ('format_', 'data', 'kind'),
    [
        ('8UC1; compressedDepth', b'', 'unknown_encoding'),
        ('16UC1; compressedDepth rvl', b'x' * 40, 'unknown_encoding'),
        ('16UC1; jpeg compressed mono8', _file('.jpg', GRAY), 'unknown_encoding'),
        ('32FC1; png compressed ', _file('.png', GRAY16), 'unknown_encoding'),
        ('16UC1; compressedDepth', b'123', 'truncated'),
        ('16UC1; compressedDepth', bytes(12) + _file('.png', RGB), 'corrupt'),
    ],
)
def test_compressed_depth_defects(format_: str, data: bytes, kind: str) -> None:
    with pytest.raises(ImageError) as refusal:
        decode_compressed_depth(format=format_, data=data)
    assert refusal.value.kind == kind
