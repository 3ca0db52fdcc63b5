"""What happens before and after the network, by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from drnet_ros.inference import CameraModel, DepthFrame, Frame, Settings
from drnet_ros.inference.postprocess import PostProcessor, rescale
from drnet_ros.inference.preprocess import network_size, nominal_input_hw, resize_to_network
from drnet_ros.network.config import NetworkConfig
from drnet_ros.network.metadata import WeightsMetadata

METADATA = WeightsMetadata(
    network=NetworkConfig(),
    input_height=480,
    input_width=640,
    f_training=500.0,
    min_depth=0.1,
    max_depth=10.0,
)
POST = PostProcessor(METADATA)
CAMERA = CameraModel(8, 6, 6.25, 6.25, 3.5, 2.5)
BILINEAR = Settings(refine_edges=False, scale_by_focal_length=False)
RGB = np.arange(6 * 8 * 3, dtype=np.uint8).reshape(6, 8, 3)


@pytest.mark.parametrize(
    ('image_hw', 'input_hw', 'expected'),
    [
        ((480, 640), (480, 640), (480, 640)),
        ((960, 1280), (480, 640), (480, 640)),
        ((240, 320), (480, 640), (480, 640)),
        ((1080, 1920), (480, 640), (416, 736)),
        ((640, 480), (480, 640), (640, 480)),
        ((480, 640), (240, 320), (256, 320)),
        ((10, 10000), (480, 640), (32, 17536)),
        ((1, 1), (32, 32), (32, 32)),
        ((60000, 1), (480, 640), (19200, 32)),
        ((1, 8), (32, 32), (32, 64)),
    ],
)
def test_network_size(
    image_hw: tuple[int, int], input_hw: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert network_size(image_hw, input_hw) == expected


@given(
    image_hw=st.tuples(st.integers(1, 60000), st.integers(1, 60000)),
    input_hw=st.tuples(st.integers(32, 2048), st.integers(32, 2048)),
)
def test_the_network_never_has_more_than_twice_the_area_asked_for(
    image_hw: tuple[int, int], input_hw: tuple[int, int]
) -> None:
    height, width = network_size(image_hw, input_hw)
    assert height % 32 == width % 32 == 0
    assert 0 < height * width <= 2 * input_hw[0] * input_hw[1]


def test_input_size_comes_from_the_settings_else_from_the_weights() -> None:
    assert nominal_input_hw(Settings(), METADATA) == (480, 640)
    assert nominal_input_hw(Settings(input_size=(64, 96)), METADATA) == (64, 96)


def test_resizing_averages_and_keeps_what_fits() -> None:
    assert resize_to_network(RGB, (6, 8)) is RGB
    halved = resize_to_network(RGB, (3, 4))
    blocks = RGB.reshape(3, 2, 4, 2, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(halved, blocks, atol=0.51)
    cut = resize_to_network(RGB[:, :4], (6, 4))
    assert cut.flags.c_contiguous


def _network_depth(shape: tuple[int, int] = (6, 8)) -> NDArray[np.float32]:
    return np.linspace(1, 4, shape[0] * shape[1], dtype=np.float32).reshape(shape)


def test_depth_scales_with_the_focal_length_at_network_size() -> None:
    # 6.25 px on 8 x 6 is 500 px on 640 x 480, where the training camera had 500 px.
    at_training_size = POST.focal_scale(CAMERA, (480, 640), Settings())
    assert at_training_size == pytest.approx(1.0)
    assert POST.focal_scale(CAMERA, (240, 320), Settings()) == pytest.approx(0.5)
    off = Settings(scale_by_focal_length=False)
    assert POST.focal_scale(CAMERA, (240, 320), off) == 1.0
    assert POST.focal_scale(None, (480, 640), Settings()) == pytest.approx(1.0)
    assert POST.focal_scale(None, (240, 320), Settings()) == pytest.approx(0.5)


def test_a_rectified_image_scales_with_p() -> None:
    p = (12.5, 0.0, 3.5, 0.0, 0.0, 12.5, 2.5, 0.0, 0.0, 0.0, 1.0, 0.0)
    camera = CameraModel(8, 6, 6.25, 6.25, 3.5, 2.5, 'plumb_bob', (0.1, 0, 0, 0, 0), p=p)
    settings = Settings(image_is_rectified=True)
    assert POST.focal_scale(camera, (480, 640), settings) == pytest.approx(2.0)
    done = POST.finish(_network_depth(), Frame(RGB, camera, points=True), settings)
    assert done.points is not None
    z = done.points[0, 0, 2]
    np.testing.assert_allclose(done.points[0, 0, :2], [-3.5 / 12.5 * z, -2.5 / 12.5 * z])
    assert done.camera == camera  # what is published stays as it came


def test_depth_has_the_size_of_the_image_and_owns_its_memory() -> None:
    network = _network_depth()
    settings = BILINEAR.changed(min_depth=1.5, max_depth=3.5)
    done = POST.finish(network, Frame(RGB), settings)
    assert not np.shares_memory(done.depth_hw, network)
    assert done.depth_hw.dtype == np.float32
    inside = (network >= 1.5) & (network <= 3.5)
    np.testing.assert_array_equal(done.depth_hw, np.where(inside, network, np.nan))
    assert done.camera is None
    assert done.points is None


def test_output_size_scales_depth_camera_and_cloud() -> None:
    settings = BILINEAR.changed(output_size=(12, 16))
    done = POST.finish(_network_depth(), Frame(RGB, CAMERA, points=True), settings)
    assert done.depth_hw.shape == (12, 16)
    assert done.camera == CAMERA.scaled_to(12, 16)
    assert done.points is not None
    assert done.points.shape == (12, 16, 4)
    # Bilinear with half-pixel centers: a quarter of the way between neighbours.
    network = _network_depth()
    expected = 0.75 * network[0, 0] + 0.25 * network[0, 1]
    assert done.depth_hw[0, 1] == pytest.approx(expected, rel=1e-6)


def test_points_only_where_asked_for_and_colored_only_if_set() -> None:
    bare = POST.finish(_network_depth(), Frame(RGB, CAMERA), Settings())
    assert bare.points is None
    settings = Settings(point_color=False, point_stride=3)
    done = POST.finish(_network_depth(), Frame(RGB, CAMERA, points=True), settings)
    assert done.points is not None
    assert done.points.shape == (2, 3, 3)


@pytest.mark.parametrize('enlarged', [1, 2, 3, 5])
def test_edges_leave_no_flying_pixels_in_depth_of_any_size(enlarged: int) -> None:
    network = np.full((24, 32), 1.0, np.float32)
    network[:, 16:] = 2.0
    network[:, 14:16] = 4 / 3, 5 / 3  # as a network draws an edge
    slope = 1.04 ** np.arange(24, dtype=np.float32)[:, None]
    settings = Settings(
        refine_edges=False,
        edge_threshold=0.1,
        scale_by_focal_length=False,
        output_size=(24 * enlarged, 32 * enlarged),
    )
    done = POST.finish(network * slope, Frame(np.zeros((24, 32, 3), np.uint8)), settings)
    rows = np.arange(24 * enlarged) / enlarged
    across = done.depth_hw / 1.04 ** (rows + (1 / enlarged - 1) / 2)[:, None]
    valid = np.isfinite(across)
    is_flying = valid & (across > 1.1) & (across < 1.9)
    assert not is_flying.any()
    # A slope of 4 % a pixel is no edge, and beside the edge depth stays.
    assert valid[:, : 12 * enlarged].all()
    assert valid[:, 18 * enlarged :].all()


def test_edges_are_dropped_after_scaling() -> None:
    network = np.full((6, 8), 2.0, np.float32)
    network[:, 4:] = 3.0
    settings = BILINEAR.changed(edge_threshold=0.2)
    done = POST.finish(network, Frame(RGB), settings)
    assert np.isnan(done.depth_hw[:, 3:5]).all()
    assert np.isfinite(done.depth_hw[:, [0, 1, 2, 5, 6, 7]]).all()


@pytest.mark.parametrize('stride', [1, 3, 7, 50])
@pytest.mark.parametrize('is_uniform', [False, True])
def test_rescaling_by_rows_is_that_of_each_pixel(stride: int, is_uniform: bool) -> None:
    """Rows come 32 at a time, which no stride but 1 divides."""
    generator = np.random.default_rng(stride)
    depth = generator.uniform(0.5, 4.0, (75, 20)).astype(np.float32)
    depth[generator.random(depth.shape) < 0.2] = np.nan
    factors = generator.uniform(0.5, 2.0, depth.shape).astype(np.float32)
    if is_uniform:
        factors[:] = 1.25
    points = generator.uniform(1, 2, (-(-75 // stride), -(-20 // stride), 4)).astype(np.float32)
    settings = Settings(min_depth=0.6, max_depth=5.0, point_stride=stride)
    result = DepthFrame(depth.copy(), None, points.copy())
    rows = [slice(0, 32), slice(32, 64), slice(64, 75)]
    rescale(result, 1.25 if is_uniform else [(part, factors[part]) for part in rows], settings)
    for row, column in np.ndindex(depth.shape):
        product = depth[row, column] * factors[row, column]
        expected = product if 0.6 <= product <= 5.0 else np.float32(np.nan)
        np.testing.assert_array_equal(result.depth_hw[row, column], expected)
        if row % stride == column % stride == 0:
            at = row // stride, column // stride
            factor = np.nan if np.isnan(expected) else factors[row, column]
            assert result.points is not None
            np.testing.assert_array_equal(result.points[at][:3], points[at][:3] * factor)
            assert result.points[at][3] == points[at][3]
