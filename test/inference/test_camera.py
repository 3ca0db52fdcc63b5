"""Camera geometry against OpenCV, forward distortion and hand-computed numbers."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from drnet_ros.errors import CameraError
from drnet_ros.inference.camera import CameraModel, rays
from drnet_ros.inference.settings import PARAMETERS

K = [517.3, 0.0, 318.6, 0.0, 516.5, 255.3, 0.0, 0.0, 1.0]
TUM_D = [0.2624, -0.9531, -0.0054, 0.0026, 1.1633]
P = [500.0, 0.0, 310.0, -50.0, 0.0, 505.0, 250.0, 3.0, 0.0, 0.0, 1.0, 0.0]


def _camera(**fields: Any) -> CameraModel:
    return CameraModel.from_fields(**{'width': 640, 'height': 480, 'k': K, **fields})


def test_rays_without_distortion_by_hand() -> None:
    camera = CameraModel(4, 3, fx=2.0, fy=4.0, cx=1.5, cy=1.0)
    got = rays(camera)
    assert got.shape == (3, 4, 2)
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got[2, 3], [0.75, 0.25])
    np.testing.assert_array_equal(got[0, 0], [-0.75, -0.25])
    with pytest.raises(ValueError, match='read-only'):
        got[0, 0] = 0
    assert rays(CameraModel(4, 3, fx=2.0, fy=4.0, cx=1.5, cy=1.0)) is got


@pytest.mark.parametrize(
    ('model', 'd'),
    [
        ('plumb_bob', TUM_D),
        ('plumb_bob', [-0.3, 0.1, 0.001, -0.001, -0.02]),
        ('plumb_bob', [-0.3, 0.1, 0.001, -0.001]),
        ('rational_polynomial', [8.3, 2.1, 1e-4, -1e-4, 0.03, 8.6, 5.2, 0.5]),
        ('rational_polynomial', [0.4, -2.5, 1e-3, -4e-4, 1.5, 0.28, -2.3, 1.42, 0.0, 0.0]),
        ('equidistant', [-0.01, 0.02, -0.01, 0.002]),
    ],
)
def test_rays_project_back_onto_their_pixels(model: str, d: list[float]) -> None:
    """Forward projection is OpenCV's, so inverse and coefficient order are both checked."""
    k = K if model != 'equidistant' else [280, 0, 320, 0, 281, 240, 0, 0, 1]
    got = rays(_camera(k=k, d=d, distortion_model=model))
    assert np.isfinite(got).all()
    xyz = np.dstack([got, np.ones(got.shape[:2], np.float32)]).reshape(-1, 1, 3).astype(float)
    matrix = np.array(k, float).reshape(3, 3)
    zero = np.zeros(3)
    if model == 'equidistant':
        pixels, _ = cv2.fisheye.projectPoints(xyz, zero, zero, matrix, np.array(d))
    else:
        count = 8 if model == 'rational_polynomial' else len(d)
        pixels, _ = cv2.projectPoints(xyz, zero, zero, matrix, np.array(d[:count]))
    grid = np.stack(np.meshgrid(np.arange(640), np.arange(480)), -1)
    error = np.abs(np.asarray(pixels).reshape(480, 640, 2) - grid)
    assert error.max() < 2e-3


@given(
    k1=st.floats(-0.2, 0.2), k2=st.floats(-0.05, 0.05), k3=st.floats(-0.01, 0.01),
    p1=st.floats(-0.01, 0.01), p2=st.floats(-0.01, 0.01),
)  # fmt: skip
def test_rays_invert_the_textbook_formula(**c: float) -> None:
    camera = CameraModel(
        33, 25, 30.0, 30.0, 16.0, 12.0, 'plumb_bob', (c['k1'], c['k2'], c['p1'], c['p2'], c['k3'])
    )
    x, y = np.moveaxis(rays(camera).astype(float), -1, 0)
    r2 = x * x + y * y
    q = 1 + c['k1'] * r2 + c['k2'] * r2**2 + c['k3'] * r2**3
    distorted_x = x * q + 2 * c['p1'] * x * y + c['p2'] * (r2 + 2 * x * x)
    distorted_y = y * q + c['p1'] * (r2 + 2 * y * y) + 2 * c['p2'] * x * y
    columns, rows = np.meshgrid(np.arange(33), np.arange(25))
    np.testing.assert_allclose(30 * distorted_x + 16, columns, atol=1e-3)
    np.testing.assert_allclose(30 * distorted_y + 12, rows, atol=1e-3)


def test_rays_are_nan_where_distortion_has_no_inverse() -> None:
    # x' = x - x^3 / 3 turns back at x = 1, x' = 2/3: nothing lies beyond.
    camera = CameraModel(201, 1, 100.0, 100.0, 100.0, 0.0, 'plumb_bob', (-1 / 3, 0, 0, 0, 0))
    got = rays(camera)[0, :, 0]
    assert np.isnan(got[:33]).all()
    assert np.isnan(got[168:]).all()
    assert np.isfinite(got[40:161]).all()


def test_equidistant_rays_by_hand_and_behind_the_camera() -> None:
    camera = CameraModel(401, 1, 100.0, 100.0, 200.0, 0.0, 'equidistant', (0, 0, 0, 0))
    got = rays(camera)[0]
    np.testing.assert_allclose(got[300], [math.tan(1.0), 0.0], rtol=1e-6)
    np.testing.assert_allclose(got[200], [0.0, 0.0], atol=1e-9)
    assert np.isnan(got[360:]).all()  # 1.6 rad is past 90 degrees


def test_scaling_keeps_pixel_centers_and_scales_p() -> None:
    half = _camera(p=P, d=TUM_D, distortion_model='plumb_bob').scaled_to(240, 320)
    assert (half.height, half.width) == (240, 320)
    assert half.fx == pytest.approx(258.65)
    assert half.cx == pytest.approx((318.6 + 0.5) / 2 - 0.5)
    assert half.cy == pytest.approx((255.3 + 0.5) / 2 - 0.5)
    assert half.p == pytest.approx((250, 0, 154.75, -25, 0, 252.5, 124.75, 1.5, 0, 0, 1, 0))
    assert half.d == tuple(TUM_D)


@pytest.mark.parametrize('size', [(240, 320), (960, 1280), (100, 333)])
def test_the_corners_of_the_image_see_the_same_at_any_size(size: tuple[int, int]) -> None:
    camera = _camera()
    scaled = camera.scaled_to(*size)
    for corner in (0.0, 1.0):  # the outer border of the image lies half a pixel out
        before = (corner * camera.width - 0.5 - camera.cx) / camera.fx
        after = (corner * scaled.width - 0.5 - scaled.cx) / scaled.fx
        assert after == pytest.approx(before)


def test_focal_length_at_another_size() -> None:
    camera = CameraModel(640, 480, 400.0, 900.0, 0.0, 0.0)
    assert camera.focal_at(480, 640) == pytest.approx(600.0)
    assert camera.focal_at(240, 320) == pytest.approx(300.0)
    assert camera.focal_at(480, 160) == pytest.approx(300.0)


def test_roi_then_binning() -> None:
    camera = _camera(p=P, roi=(100, 50, 400, 300), binning=(2, 2))
    assert (camera.width, camera.height) == (200, 150)
    assert camera.fx == pytest.approx(517.3 / 2)
    assert camera.cx == pytest.approx((318.6 - 100 + 0.5) / 2 - 0.5)
    assert camera.cy == pytest.approx((255.3 - 50 + 0.5) / 2 - 0.5)
    assert camera.p[2] == pytest.approx((310.0 - 100 + 0.5) / 2 - 0.5)
    assert camera.p[3] == pytest.approx(-25.0)


@pytest.mark.parametrize(
    'k', [np.array(K).reshape(3, 3), np.array(K), np.array(K).reshape(3, 3).tolist(), tuple(K)]
)
def test_matrices_are_taken_flat_nested_or_as_arrays(k: Any) -> None:
    p, r = np.array(P).reshape(3, 4), np.eye(3)
    assert _camera(k=k, p=p, r=r) == _camera(k=K, p=P, r=[1, 0, 0, 0, 1, 0, 0, 0, 1])


@pytest.mark.parametrize(
    ('fields', 'message'),
    [
        ({'k': np.eye(4)}, r'K must be 3 rows of 3 or 9 values by rows, got shape \(4, 4\)'),
        ({'k': [517.3, 516.5, 318.6, 255.3]}, r'K must be 3 rows of 3 .* got shape \(4,\)'),
        ({'k': 'fx'}, "K must be numbers, 3 rows of 3, got 'fx'"),
        ({'k': [500, 0, 0, 0, 500, 0, 0, 0, 1]}, 'K must have a principal point, got cx 0 and'),
        ({'k': [500, 0, 0, 0, 500, 240, 0, 0, 1]}, 'K must have a principal point, got cx 0 and'),
        ({'k': [500, 0, 320, 0, 500, 0, 0, 0, 1]}, 'principal point, got cx 320 and cy 0 with'),
        ({'r': [1, 0, 0, 0, 1, 0, 0, 0, 0]}, 'R must be a rotation or zeros'),
        ({'r': [2, 0, 0, 0, 2, 0, 0, 0, 2]}, 'R must be a rotation or zeros'),
        ({'r': [-1, 0, 0, 0, 1, 0, 0, 0, 1]}, 'R must be a rotation or zeros'),
        ({'width': 640.5}, r'width and height must be 2 whole numbers, got \(640.5, 480\)'),
        ({'height': '480'}, r"width and height must be 2 whole numbers, got \(640, '480'\)"),
        ({'roi': (1, 2, 3)}, r'ROI must be 4 whole numbers, got \(1, 2, 3\)'),
        ({'binning': 2}, 'binning must be 2 whole numbers, got 2'),
        ({'binning': (math.nan, 1)}, 'binning must be 2 whole numbers'),
        ({'d': [0.1], 'distortion_model': None}, "must be one of .* got 'None' with D"),
        ({'p': [-500.0, *P[1:]]}, 'P must have positive focal lengths or be zeros'),
        ({'p': [*P[:5], 0.0, *P[6:]]}, 'P must have positive focal lengths or be zeros'),
        ({'p': [*P[:3], math.nan, *P[4:]]}, 'P must have finite values'),
        ({'d': [math.nan]}, 'D must have finite values'),
        ({'d': 'k1'}, "D must be a list of numbers, got 'k1'"),
        ({'roi': (100, 50, 0, 0)}, 'the ROI must be all zeros for the whole image or have a size'),
        ({'roi': (0, 0, 0, 300)}, 'the ROI must be all zeros for the whole image or have a size'),
    ],
)
def test_fields_that_are_half_set_or_of_a_wrong_type_are_refused_by_name(
    fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(CameraError, match=message):
        _camera(**fields)


@pytest.mark.parametrize('p', [[0.0] * 12, [0.0] * 10 + [1.0, 0.0], []])
def test_unset_p_and_r_mean_k_without_rectification(p: list[float]) -> None:
    camera = _camera(p=p, r=[0.0] * 9)
    fx, fy, cx, cy = K[0], K[4], K[2], K[5]
    assert camera.p == (fx, 0.0, cx, 0.0, 0.0, fy, cy, 0.0, 0.0, 0.0, 1.0, 0.0)
    assert camera.r == (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


def test_an_roi_sees_the_rays_of_its_part_of_the_sensor() -> None:
    fields = {'d': TUM_D, 'distortion_model': 'plumb_bob'}
    part = rays(_camera(**fields, roi=(96, 64, 320, 256)))
    np.testing.assert_allclose(part, rays(_camera(**fields))[64:320, 96:416], atol=1e-6)


def test_rectified_camera_is_that_of_p() -> None:
    camera = _camera(p=P, d=TUM_D, distortion_model='plumb_bob').rectified()
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == (500.0, 505.0, 310.0, 250.0)
    assert (camera.d, camera.distortion_model) == ((), 'none')


def test_matching_scales_resized_images_and_refuses_cropped_ones() -> None:
    camera = _camera()
    assert camera.matching(480, 640) is camera
    assert camera.matching(240, 320).fx == pytest.approx(517.3 / 2)
    with pytest.raises(CameraError, match='got 640 x 480 for an image of 640 x 360'):
        camera.matching(360, 640)


@pytest.mark.parametrize('fields', [{'p': [0.0] * 12, 'r': [0.0] * 9}, {}])
def test_missing_p_and_r_follow_from_k(fields: dict[str, Any]) -> None:
    camera = _camera(**fields)
    assert list(camera.p) == [517.3, 0, 318.6, 0, 0, 516.5, 255.3, 0, 0, 0, 1, 0]
    assert list(camera.r) == [1, 0, 0, 0, 1, 0, 0, 0, 1]


@pytest.mark.parametrize('model', ['', 'none', 'plumb_bob', 'rational_polynomial'])
def test_zero_coefficients_are_no_distortion(model: str) -> None:
    assert _camera(distortion_model=model, d=[0.0] * 5) == _camera()


@pytest.mark.parametrize(
    ('fields', 'message'),
    [
        ({'k': [0.0] * 9}, 'K must be calibrated'),
        ({'k': []}, 'K must be calibrated'),
        ({'k': [math.nan, *K[1:]]}, 'focal lengths must be positive'),
        ({'k': [-1.0, *K[1:]]}, 'focal lengths must be positive'),
        ({'k': [*K[:2], math.inf, *K[3:]]}, 'K must have finite values'),
        ({'width': 0}, 'positive size'),
        ({'p': [math.nan] * 12}, 'P must have finite values'),
        ({'r': [1.0]}, 'R must be 3 rows of 3 or 9 values'),
        ({'d': [math.nan], 'distortion_model': 'plumb_bob'}, 'D must have finite values'),
        ({'d': [0.1], 'distortion_model': 'fov'}, "must be one of .*, got 'fov'"),
        ({'d': [0.1] * 6, 'distortion_model': 'plumb_bob'}, 'D must have 5 coefficients'),
        ({'d': [0.5] * 99, 'distortion_model': 'plumb_bob'}, r'(0\.5, ){13}0\.5\] and 85 more'),
        ({'roi': (600, 0, 100, 100)}, 'have a size within 640 x 480, got 100 x 100 at 600, 0'),
        ({'binning': (-1, 1)}, 'binning must not be negative'),
    ],
)
def test_unusable_cameras_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(CameraError, match=message):
        _camera(**fields)


NUMBERS = st.floats() | st.just(0.0) | st.floats(1, 1000)


@given(
    width=st.integers(-1, 50), height=st.integers(-1, 50),
    k=st.lists(NUMBERS, min_size=9, max_size=9), d=st.lists(NUMBERS, max_size=9),
    p=st.lists(NUMBERS, min_size=12, max_size=12),
    distortion_model=st.sampled_from(['', 'plumb_bob', 'rational_polynomial', 'equidistant', 'x']),
    binning=st.tuples(st.integers(-1, 60), st.integers(-1, 60)),
    roi=st.tuples(*[st.integers(-1, 60)] * 4),
)  # fmt: skip
def test_any_camera_info_gives_rays_or_is_refused(**fields: Any) -> None:
    try:
        camera = CameraModel.from_fields(**fields)
    except CameraError:
        return
    got: NDArray[np.float32] = rays(camera)
    assert got.shape == (camera.height, camera.width, 2)


SIDES = st.integers(1, 64)
FOCALS = st.floats(5, 500)


@st.composite
def _cameras(draw: st.DrawFn) -> CameraModel:
    width, height = draw(SIDES), draw(SIDES)
    return CameraModel(
        width, height, draw(FOCALS), draw(FOCALS),
        draw(st.floats(-10, width + 10.0)), draw(st.floats(-10, height + 10.0)),
    )  # fmt: skip


def _seen(camera: CameraModel, u: float, v: float) -> tuple[float, float]:
    return (u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy


@given(camera=_cameras(), height=SIDES, width=SIDES, across=st.floats(0, 1), down=st.floats(0, 1))
def test_every_place_of_the_image_sees_the_same_at_any_size(
    camera: CameraModel, height: int, width: int, across: float, down: float
) -> None:
    """A place is a share of the way from border to border; pixel centers are half a pixel in."""
    scaled = camera.scaled_to(height, width)
    before = _seen(camera, across * camera.width - 0.5, down * camera.height - 0.5)
    after = _seen(scaled, across * width - 0.5, down * height - 0.5)
    np.testing.assert_allclose(after, before, rtol=1e-9, atol=1e-9)


@given(camera=_cameras(), height=SIDES, width=SIDES, point=st.tuples(*[st.floats(-3, 3)] * 2))
def test_p_scales_as_k_and_keeps_the_baseline(
    camera: CameraModel, height: int, width: int, point: tuple[float, float]
) -> None:
    """Projected by P, baseline and all, a point lies at the same place of the image."""
    stereo = CameraModel(
        camera.width, camera.height, camera.fx, camera.fy, camera.cx, camera.cy,
        p=(camera.fx, 0, camera.cx, -0.1 * camera.fx, 0, camera.fy, camera.cy, 0, 0, 0, 1, 0),
    )  # fmt: skip
    scaled = stereo.scaled_to(height, width)
    places = []
    for model in (stereo, scaled):
        u, v, _ = np.array(model.p).reshape(3, 4) @ (*point, 1.0, 1.0)
        places.append(((u + 0.5) / model.width, (v + 0.5) / model.height))
    np.testing.assert_allclose(places[1], places[0], rtol=1e-9, atol=1e-9)


@given(camera=_cameras(), sizes=st.lists(st.tuples(SIDES, SIDES), max_size=4))
def test_scaling_again_and_again_comes_back(
    camera: CameraModel, sizes: list[tuple[int, int]]
) -> None:
    scaled = camera
    for height, width in [*sizes, (camera.height, camera.width)]:
        scaled = scaled.scaled_to(height, width)
    got = (scaled.fx, scaled.fy, scaled.cx, scaled.cy, *scaled.p)
    expected = (camera.fx, camera.fy, camera.cx, camera.cy, *camera.p)
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-9)


@given(
    left=st.integers(0, 20), top=st.integers(0, 20),
    columns=st.integers(1, 10), rows=st.integers(1, 10),
    by_x=st.integers(1, 4), by_y=st.integers(1, 4),
)  # fmt: skip
def test_a_binned_pixel_looks_at_the_middle_of_the_sensor_pixels_that_it_sums(
    left: int, top: int, columns: int, rows: int, by_x: int, by_y: int
) -> None:
    sensor = CameraModel(64, 64, 40.0, 45.0, 30.0, 33.0)
    camera = CameraModel.from_fields(
        width=64, height=64, k=[40.0, 0, 30, 0, 45, 33, 0, 0, 1],
        roi=(left, top, columns * by_x, rows * by_y), binning=(by_x, by_y),
    )  # fmt: skip
    assert (camera.width, camera.height) == (columns, rows)
    all_rays = rays(sensor)
    region = all_rays[top : top + rows * by_y, left : left + columns * by_x]
    summed = region.reshape(rows, by_y, columns, by_x, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(rays(camera), summed, atol=1e-5)


@given(
    t=st.tuples(*[st.floats(-1.2, 1.2)] * 2),
    k=st.tuples(st.floats(-0.02, 0.02), st.floats(-0.01, 0.01)),
)
def test_equidistant_rays_invert_the_textbook_formula(
    t: tuple[float, float], k: tuple[float, float]
) -> None:
    """The ray of a pixel, distorted by r -> theta (1 + k1 theta^2 + k2 theta^4), is that pixel."""
    column, row = (round(50 + 40 * value) for value in t)
    camera = CameraModel(101, 101, 40.0, 40.0, 50.0, 50.0, 'equidistant', (*k, 0.0, 0.0))
    x, y = rays(camera)[row, column].astype(float)
    if math.isnan(x):
        assert math.hypot(column - 50, row - 50) / 40 > 1.3
        return
    r = math.hypot(x, y)
    theta = math.atan(r)
    distorted = theta * (1 + k[0] * theta**2 + k[1] * theta**4)
    stretch = distorted / r if r else 1.0
    np.testing.assert_allclose(
        (40 * x * stretch + 50, 40 * y * stretch + 50), (column, row), atol=1e-3
    )


def test_rays_of_all_cameras_that_a_node_may_have_are_kept() -> None:
    (most,) = (spec.length[1] for spec in PARAMETERS if spec.name == 'cameras' and spec.length)
    cameras = [CameraModel(4, 3, 2.0 + index, 4.0, 1.5, 1.0) for index in range(most)]
    first = [rays(camera) for camera in cameras]
    assert all(rays(camera) is made for camera, made in zip(cameras, first, strict=True))


@pytest.mark.parametrize(
    ('fields', 'message'),
    [
        ({'width': '320'}, "width and height must be 2 whole numbers, got ('320', 240)"),
        ({'height': None}, 'width and height must be 2 whole numbers, got (320, None)'),
        ({'fx': '300'}, "fx must be a number, got '300'"),
        ({'cy': None}, 'cy must be a number, got None'),
        ({'d': None}, 'D must be a list of numbers, got None'),
        ({'d': '12345'}, "D must be a list of numbers, got '12345'"),
        ({'r': None}, 'R must be numbers, 3 rows of 3, got None'),
        ({'p': [['1'] * 4] * 3}, f'P must be numbers, 3 rows of 4, got {[["1"] * 4] * 3}'),
        ({'p': [[1.0], [1.0, 2.0]]}, 'P must be numbers, 3 rows of 4, got [[1.0], [1.0, 2.0]]'),
        (
            {'distortion_model': ['plumb_bob'], 'd': (0.1,)},
            (
                'distortion_model must be one of equidistant, plumb_bob, rational_polynomial, got '
                '"[\'plumb_bob\']" with D [0.1]'
            ),
        ),
    ],
)
def test_a_camera_of_wrong_types_is_refused_by_name(fields: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {'width': 320, 'height': 240, 'fx': 300.0, 'fy': 300.0}
    with pytest.raises(CameraError) as refusal:
        CameraModel(**{**given, 'cx': 159.5, 'cy': 119.5, **fields})
    assert str(refusal.value) == message


def test_a_camera_takes_numbers_of_any_type() -> None:
    plain = CameraModel(320, 240, 300.0, 300.0, 159.5, 119.5, 'plumb_bob', (0.1,) * 5)
    others: Any = (np.int64(320), 240.0, np.float32(300), 300, 159.5, 119.5, 'plumb_bob')
    matrices: Any = (np.full(5, 0.1), np.eye(3), np.reshape(plain.p, (3, 4)))
    camera = CameraModel(*others, *matrices)
    assert camera == plain
    assert hash(camera) == hash(plain)
    assert (type(camera.width), type(camera.fx)) == (int, float)


@pytest.mark.parametrize('size', [('240', 320), (0, 320), (240, None)])
def test_a_size_that_is_none_is_refused(size: Any) -> None:
    camera = CameraModel(320, 240, 300.0, 300.0, 159.5, 119.5)
    for method in (camera.scaled_to, camera.matching):
        with pytest.raises(CameraError, match=r'whole numbers|positive size'):
            method(*size)
