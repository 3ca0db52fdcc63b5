"""`image_conversion`: parity with the real cv_bridge, and one line where it is missing.

`make test-cv-bridge` runs those that need it.
"""

from __future__ import annotations

import importlib.util
import sys
from array import array

import numpy as np
import pytest
from known_depth import depth_of
from node_graph import Graph, NodeFactory, header, ramp, rgb_image
from numpy.typing import NDArray
from sensor_msgs.msg import Image
from test_encodings import encoded

from drnet_ros.errors import ImageError, SettingsError
from drnet_ros.inference.arrays import UInt8Array
from drnet_ros.node.image_conversion import ImageConverter

needs_cv_bridge = pytest.mark.skipif(
    importlib.util.find_spec('cv_bridge') is None, reason='cv_bridge is not installed'
)
# What PyPI's cv_bridge converts to rgb8 itself.
BOTH_KNOW = ('rgb8', 'bgr8', 'rgba8', 'bgra8', 'mono8')
BAYER = ('bayer_rggb8', 'bayer_bggr8', 'bayer_gbrg8')


def message(encoding: str, pixels: NDArray[np.generic]) -> Image:
    rows = np.ascontiguousarray(pixels)
    height, width = rows.shape[:2]
    image = Image(
        header=header(), height=height, width=width, encoding=encoding, step=rows[0].nbytes
    )
    image.data.frombytes(rows.tobytes())
    return image


def colours(channels: int, dtype: type[np.generic] = np.uint8) -> NDArray[np.generic]:
    """Blocks of random colours, so that nothing is interpolated away."""
    random = np.random.default_rng(channels).integers(0, 256, (6, 8, channels))
    return random.repeat(8, 0).repeat(8, 1).astype(dtype)


def convert(mode: str, image: Image) -> UInt8Array:
    return ImageConverter(mode).convert(image)


@needs_cv_bridge
@pytest.mark.parametrize('encoding', BOTH_KNOW)
def test_codec_and_cv_bridge_agree(encoding: str) -> None:
    channels = {'rgba8': 4, 'bgra8': 4, 'mono8': 1}.get(encoding, 3)
    pixels = colours(channels)
    image = message(encoding, pixels[..., 0] if channels == 1 else pixels)
    np.testing.assert_array_equal(convert('native', image), convert('cv_bridge', image))


@needs_cv_bridge
@pytest.mark.parametrize('encoding', BAYER)
def test_bayer_mosaics_have_the_same_colours(encoding: str) -> None:
    """Both interpolate in their own way, so that only the inside of blocks is compared."""
    order = encoding[6:10]
    rgb = colours(3)
    mosaic = np.zeros(rgb.shape[:2], np.uint8)
    for index, colour in enumerate(order):
        top, left = divmod(index, 2)
        mosaic[top::2, left::2] = rgb[top::2, left::2, 'rgb'.index(colour)]
    image = message(encoding, mosaic)
    inside = np.ix_(np.arange(48) % 8 // 2 == 1, np.arange(64) % 8 // 2 == 1)
    ours, theirs = (convert(mode, image)[inside].astype(int) for mode in ('native', 'cv_bridge'))
    np.testing.assert_array_equal(ours, rgb[inside])
    np.testing.assert_array_equal(theirs, rgb[inside])


@needs_cv_bridge
@pytest.mark.parametrize(
    ('encoding', 'dtype', 'largest'),
    [('8SC3', np.int8, 127), ('16SC3', np.int16, 32767), ('32FC3', np.float32, 1.0)],
)
def test_what_the_codec_does_not_know_goes_through_cv_bridge(
    encoding: str, dtype: type[np.generic], largest: float
) -> None:
    share = np.linspace(-0.5, 1.5, 48 * 64 * 3).reshape(48, 64, 3)
    pixels = np.clip(share, -1, 1) * largest
    if np.issubdtype(dtype, np.integer):
        pixels = np.rint(pixels)
    found = convert('auto', message(encoding, pixels.astype(dtype)))
    expected = np.rint(np.clip(pixels / largest, 0, 1) * 255)[..., ::-1]
    np.testing.assert_allclose(found, expected, atol=1)
    with pytest.raises(ImageError, match='encoding'):
        convert('native', message(encoding, pixels.astype(dtype)))


@needs_cv_bridge
def test_what_neither_knows_is_one_line() -> None:
    for encoding, channels in (('no_such', 3), ('8SC2', 2)):
        with pytest.raises(ImageError, match=r'must be one that cv_bridge|1, 3 or 4 channels'):
            convert('auto', message(encoding, colours(channels)))
    short = message('32FC3', colours(3))
    with pytest.raises(ImageError, match='cv_bridge can convert') as caught:
        convert('auto', short)
    assert caught.value.kind == 'cv_bridge'


@needs_cv_bridge
@pytest.mark.parametrize('padding', [1, 12, 36])
def test_padded_rows_are_not_skewed(padding: int) -> None:
    pixels = (colours(3).astype(np.float32) / 255).astype(np.float32)
    padded = message('32FC3', pixels)
    rows = pixels.reshape(len(pixels), -1).view(np.uint8)
    padded.step += padding
    padded.data = array('B', np.pad(rows, ((0, 0), (0, padding)), constant_values=99).tobytes())
    np.testing.assert_array_equal(convert('auto', padded), colours(3)[..., ::-1])


@needs_cv_bridge
def test_numbers_of_the_wrong_width_are_no_image() -> None:
    """cv_bridge of PyPI takes 16UC3 for 8UC3, and returns half of the rows, twice as dense."""
    with pytest.raises(ImageError, match='give uint16 for encoding 16UC3, got uint8') as caught:
        convert('auto', message('16UC3', colours(3, np.uint16)))
    assert caught.value.kind == 'cv_bridge'


@needs_cv_bridge
def test_a_node_with_cv_bridge(graph: Graph, start_node: NodeFactory) -> None:
    start_node(image_conversion='cv_bridge')
    depths = graph.collect(Image, 'depth/image_rect')
    graph.publisher(Image, 'image').publish(rgb_image(ramp()))
    depth = np.frombuffer(depths.wait_for(1)[0].data, np.float32).reshape(48, 64)
    np.testing.assert_array_equal(depth, depth_of(ramp()))


def test_without_cv_bridge_the_error_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, 'cv_bridge', None)
    install = r'sudo apt install ros-\$ROS_DISTRO-cv-bridge'
    with pytest.raises(SettingsError, match=f"image_conversion 'cv_bridge' needs .*{install}"):
        ImageConverter('cv_bridge')
    with pytest.raises(ImageError, match=f"got '32FC3'; cv_bridge may .*{install}") as caught:
        convert('auto', message('32FC3', colours(3, np.float32)))
    assert caught.value.kind == 'unknown_encoding'
    np.testing.assert_array_equal(convert('auto', rgb_image(ramp())), ramp())


def test_the_codec_is_taken_for_what_it_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, 'cv_bridge', None)
    for encoding in ('yuv422', 'bayer_rggb8', 'rgb16'):
        image = encoded(encoding)
        np.testing.assert_array_equal(convert('auto', image), convert('native', image))


def test_a_node_that_must_have_it_stops_without(
    start_node: NodeFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, 'cv_bridge', None)
    assert not start_node(is_up=False, image_conversion='cv_bridge').bring_up()
