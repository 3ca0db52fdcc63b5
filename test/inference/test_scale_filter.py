"""The filter of scale: what is flicker goes, what the picture shows stays, breaks start anew."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from drnet_ros.inference import CameraModel, DepthEstimator, DepthFrame, Engine, Frame, Settings
from drnet_ros.inference.camera import rays
from drnet_ros.inference.engines.engine import Pending
from drnet_ros.inference.image_motion import image_motion, small_gray
from drnet_ros.inference.temporal_filter import LONGEST_GAP_S, ScaleFilter

HEIGHT, WIDTH = 120, 160
FOCAL = 130.0
CAMERA = CameraModel(WIDTH, HEIGHT, FOCAL, FOCAL, (WIDTH - 1) / 2, (HEIGHT - 1) / 2)
PERIOD_NS = 33_000_000
DISTANCE_M = 2.0


def wall() -> NDArray[np.uint8]:
    """A picture with corners everywhere, twice as large as the camera's."""
    noise = np.random.default_rng(5).integers(0, 256, (40, 54, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(noise, (2 * WIDTH, 2 * HEIGHT), interpolation=cv2.INTER_CUBIC))


WALL = wall()


def view(distance_m: float = DISTANCE_M, shift_px: float = 0.0) -> NDArray[np.uint8]:
    """The wall seen head-on from a distance, at `DISTANCE_M` in its own size."""
    zoom = DISTANCE_M / distance_m
    center = np.array([WIDTH, HEIGHT]) - 0.5
    target = np.array([CAMERA.cx + shift_px, CAMERA.cy])
    matrix = np.column_stack([zoom * np.eye(2), target - zoom * center])
    return np.asarray(
        cv2.warpAffine(WALL, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_AREA), np.uint8
    )


def flat(depth_m: float) -> NDArray[np.float32]:
    return np.full((HEIGHT, WIDTH), depth_m, np.float32)


class Player:
    """Feeds frames, a period apart, and returns the median depth that comes out."""

    def __init__(self, time_constant_s: float = 0.5) -> None:
        self.scale_filter = ScaleFilter()
        self.settings = Settings(temporal_filter=time_constant_s, max_depth=80.0)
        self.stamp_ns = 0

    def feed(
        self,
        depth_hw: NDArray[np.float32],
        rgb: NDArray[np.uint8],
        *,
        after_ns: int = PERIOD_NS,
        stream: str = '',
        camera: CameraModel | None = CAMERA,
    ) -> float:
        self.stamp_ns += after_ns
        result = DepthFrame(depth_hw.copy())
        frame = Frame(rgb, camera, stamp_ns=self.stamp_ns, stream=stream)
        self.scale_filter.steady(frame, result, self.settings)
        return float(np.nanmedian(result.depth_hw))


def test_first_frame_stays_and_flicker_of_a_still_scene_decays_as_the_equation_says() -> None:
    player = Player(time_constant_s=0.5)
    picture = view()
    scales = [1.0, 1.1, 0.95, 1.08, 0.9, 1.05, 1.0]
    leak = math.exp(-PERIOD_NS / 1e9 / 0.5)
    correction, last = 0.0, math.log(scales[0])
    for index, scale in enumerate(scales):
        got = player.feed(flat(DISTANCE_M * scale), picture)
        if index:
            correction = leak * (correction + math.log(scale) - last)
        last = math.log(scale)
        assert got == pytest.approx(DISTANCE_M * scale * math.exp(-correction), rel=1e-4)


@pytest.mark.parametrize('time_constant_s', [0.2, 1.0])
def test_a_lasting_change_that_no_picture_explains_comes_through_with_the_time_constant(
    time_constant_s: float,
) -> None:
    player = Player(time_constant_s)
    picture = view()
    player.feed(flat(2.0), picture)
    steps = round(time_constant_s * 1e9 / PERIOD_NS)
    answers = [player.feed(flat(2.4), picture) for _ in range(3 * steps)]
    share = [math.log(answer / 2.0) / math.log(1.2) for answer in answers]
    assert share[0] < 0.2
    assert share[steps - 1] == pytest.approx(1 - math.exp(-1), abs=0.02)
    assert share[-1] > 0.94
    assert share == sorted(share)


def test_driving_at_a_wall_is_no_flicker() -> None:
    """1 m/s from 3 m to 1 m: without the zoom of the picture it would lag by T times the speed."""
    player = Player(time_constant_s=1.0)
    for distance_m in np.arange(3.0, 1.0, -PERIOD_NS / 1e9):
        got = player.feed(flat(distance_m), view(distance_m))
        assert got == pytest.approx(distance_m, rel=0.03)


def test_flicker_goes_while_the_camera_drives() -> None:
    player = Player(time_constant_s=1.0)
    flicker = np.random.default_rng(0).normal(0, 0.05, 60)
    flicker[0] = 0
    errors = []
    for index, log_scale in enumerate(flicker):
        distance_m = 3.0 - index * PERIOD_NS / 1e9
        got = player.feed(flat(distance_m * math.exp(log_scale)), view(distance_m))
        errors.append(math.log(got / distance_m))
    assert np.diff(errors).std() < 0.3 * np.diff(flicker).std()
    assert np.abs(errors).max() < 0.06


def test_moving_pictures_are_compared_where_they_show_the_same() -> None:
    """Half the wall is nearer; the view shifts so that ever more of the near half is seen."""
    player = Player(time_constant_s=1.0)
    columns = np.broadcast_to(np.arange(WIDTH), (HEIGHT, WIDTH))
    for index in range(20):
        border = WIDTH / 2 - 3 * index
        depth = np.where(columns < border, 2.0, 1.0).astype(np.float32)
        player.feed(depth, view(shift_px=-3 * index))
    last = player.scale_filter._seen['']
    assert abs(last.log_correction) < 0.02


@pytest.mark.parametrize(
    'break_off', ['gap', 'back', 'same stamp', 'image size', 'depth size', 'camera', 'scaling']
)
def test_a_break_starts_anew(break_off: str) -> None:
    player = Player(time_constant_s=1.0)
    for scale in (1.0, 1.3):
        assert player.feed(flat(2.0 * scale), view()) < 2.1
    given: dict[str, Any] = {}
    picture, depth = view(), flat(2.6)
    if break_off == 'gap':
        given['after_ns'] = round(LONGEST_GAP_S * 1e9) + 1
    elif break_off == 'back':
        given['after_ns'] = -1
    elif break_off == 'same stamp':
        given['after_ns'] = 0
    elif break_off == 'image size':
        picture = np.ascontiguousarray(picture[:, :100])
    elif break_off == 'depth size':
        depth = np.ascontiguousarray(depth[:60, :80])
    elif break_off == 'scaling':
        player.settings = player.settings.changed(scale_by_focal_length=False)
    else:
        given['camera'] = CAMERA.scaled_to(240, 320)
    assert player.feed(depth, picture, **given) == pytest.approx(2.6)
    given['after_ns'] = PERIOD_NS
    assert player.feed(depth * np.float32(1.2), picture, **given) < 2.7


def test_a_cut_to_another_scene_is_believed() -> None:
    player = Player(time_constant_s=1.0)
    player.feed(flat(2.0), view())
    other = np.ascontiguousarray(WALL[::-1, ::-1][:HEIGHT, :WIDTH])
    assert player.feed(flat(6.0), other) == pytest.approx(6.0)


def test_pictures_without_corners_are_believed() -> None:
    player = Player(time_constant_s=1.0)
    blank = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    for depth_m in (2.0, 3.0, 1.0):
        assert player.feed(flat(depth_m), blank) == pytest.approx(depth_m)


def test_no_more_than_a_factor_of_two_is_divided_out() -> None:
    player = Player(time_constant_s=10.0)
    player.feed(flat(1.0), view())
    assert player.feed(flat(9.0), view()) > 4.4


def test_streams_are_apart_and_frames_without_a_stamp_stay_as_they_are() -> None:
    player = Player(time_constant_s=1.0)
    for stream, depth_m in (('front/', 2.0), ('rear/', 5.0)):
        player.feed(flat(depth_m), view(), stream=stream)
    assert player.feed(flat(2.2), view(), stream='front/') < 2.05
    assert player.feed(flat(5.5), view(), stream='rear/') < 5.15
    result = DepthFrame(flat(9.0))
    player.scale_filter.steady(Frame(view(), CAMERA), result, player.settings)
    np.testing.assert_array_equal(result.depth_hw, flat(9.0))


def test_cloud_and_range_follow_the_depth() -> None:
    scale_filter = ScaleFilter()
    limits = Settings(temporal_filter=1.0, min_depth=0.5, max_depth=2.1, point_stride=2)
    depth = flat(2.0)
    depth[:, :20] = 2.2
    depth[7, 7] = math.nan
    for index, scale in enumerate((1.2, 1.0)):
        scaled = depth * np.float32(scale)
        points = np.dstack([rays(CAMERA) * scaled[..., None], scaled, flat(7.0)])[::2, ::2].copy()
        result = DepthFrame(scaled, CAMERA, points)
        scale_filter.steady(Frame(view(), CAMERA, stamp_ns=index * PERIOD_NS), result, limits)
    # What was divided out of the second frame is a little less than 1 / 1.2.
    grown = 1.2 ** math.exp(-PERIOD_NS / 1e9)
    assert np.isnan(result.depth_hw).all()
    assert 2.0 * grown > 2.1
    loose = limits.changed(max_depth=2.5)
    scale_filter = ScaleFilter()
    for index, scale in enumerate((1.2, 1.0)):
        scaled = depth * np.float32(scale)
        points = np.dstack([rays(CAMERA) * scaled[..., None], scaled, flat(7.0)])[::2, ::2].copy()
        result = DepthFrame(scaled, CAMERA, points)
        scale_filter.steady(Frame(view(), CAMERA, stamp_ns=index * PERIOD_NS), result, loose)
    assert np.isnan(result.depth_hw[:, :20]).all()
    assert np.isnan(result.depth_hw[7, 7])
    seen = np.isfinite(result.depth_hw)
    np.testing.assert_allclose(result.depth_hw[seen], 2.0 * grown, rtol=1e-4)
    assert result.points is not None
    np.testing.assert_array_equal(result.points[..., 2], result.depth_hw[::2, ::2])
    np.testing.assert_allclose(
        result.points[..., 0], (rays(CAMERA)[..., 0] * result.depth_hw)[::2, ::2], rtol=1e-5
    )
    np.testing.assert_array_equal(result.points[..., 3], 7.0)


class Ready(Pending):
    def __init__(self, frames: Any, scale: float) -> None:
        self.count, self.scale = len(frames), scale

    def result(self, timeout_s: float | None = None) -> list[DepthFrame]:
        del timeout_s
        return [DepthFrame(flat(2.0 * self.scale)) for _ in range(self.count)]


class TwoScales(Engine):
    """An engine that sees everything at 2 m, every second frame 20 % farther."""

    name = device = precision = 'none'

    def __init__(self) -> None:
        self.pending = self.scales()

    def scales(self) -> Iterator[float]:
        while True:
            yield 1.0
            yield 1.2

    def submit(self, frames: Sequence[Frame], settings: Settings) -> Pending:  # noqa: ARG002 - the interface's
        return Ready(frames, next(self.pending))

    def prepare(self, image_hw: tuple[int, int], settings: Settings) -> None:
        pass

    def network_size(self, image_hw: tuple[int, int]) -> tuple[int, int]:
        return image_hw

    def close(self) -> None:
        pass


@pytest.mark.parametrize('time_constant_s', [0.0, 1.0])
def test_the_estimator_steadies_when_asked_to(time_constant_s: float) -> None:
    estimator = DepthEstimator(Settings(temporal_filter=time_constant_s), engine=TwoScales())
    got = [
        float(estimator.estimate(view(), CAMERA, stamp_ns=PERIOD_NS * i).depth_hw[0, 0])
        for i in range(4)
    ]
    if time_constant_s:
        np.testing.assert_allclose(got, 2.0, rtol=0.02)
    else:
        np.testing.assert_allclose(got, [2.0, 2.4, 2.0, 2.4], rtol=1e-6)


def test_results_fetched_twice_are_steadied_once() -> None:
    estimator = DepthEstimator(Settings(temporal_filter=1.0), engine=TwoScales())
    estimator.submit([Frame(view(), CAMERA, stamp_ns=1)]).result()
    pending = estimator.submit([Frame(view(), CAMERA, stamp_ns=PERIOD_NS)])
    assert pending.result()[0] is pending.result()[0]
    assert pending.result()[0].depth_hw[0, 0] == pytest.approx(2.0, rel=0.01)


@pytest.mark.parametrize('has_camera', [True, False])
def test_zoom_is_that_of_the_advance_and_a_turn_is_none(has_camera: bool) -> None:
    camera = CAMERA if has_camera else None
    before, nearer = small_gray(view(2.0)), small_gray(view(1.9))
    motion = image_motion(before, nearer, camera)
    assert motion is not None
    assert motion.log_zoom == pytest.approx(math.log(2.0 / 1.9), abs=0.004)
    # A turn by 2 degrees about the vertical axis maps pixels by K R K^-1.
    turn, _ = cv2.Rodrigues(np.array([0.01, math.radians(2.0), 0.02]))
    k = np.array([[FOCAL, 0, CAMERA.cx], [0, FOCAL, CAMERA.cy], [0, 0, 1]])
    large = WALL[60:180, 80:240]
    turned = cv2.warpPerspective(
        large, k @ turn @ np.linalg.inv(k), (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC
    )
    motion = image_motion(small_gray(large), small_gray(np.asarray(turned, np.uint8)), CAMERA)
    assert motion is not None
    assert abs(motion.log_zoom) < 0.003


@settings(max_examples=30, deadline=None)
@given(
    scales=st.lists(st.floats(0.2, 5.0), min_size=1, max_size=8),
    gaps_ns=st.lists(st.integers(-(10**9), 3 * 10**9), min_size=8, max_size=8),
    holes=st.floats(0, 1),
    time_constant_s=st.floats(1e-6, 10.0),
)
def test_whatever_comes_depth_stays_finite_or_invalid_and_within_twice(
    scales: list[float], gaps_ns: list[int], holes: float, time_constant_s: float
) -> None:
    player = Player(time_constant_s)
    is_hole = np.random.default_rng(1).random((HEIGHT, WIDTH)) < holes
    for scale, gap_ns in zip(scales, gaps_ns, strict=False):
        depth = flat(2.0 * scale)
        depth[is_hole] = np.nan
        result = DepthFrame(depth.copy())
        player.stamp_ns += gap_ns
        frame = Frame(view(), CAMERA, stamp_ns=player.stamp_ns)
        player.scale_filter.steady(frame, result, player.settings)
        np.testing.assert_array_equal(np.isnan(result.depth_hw), is_hole)
        ratio = result.depth_hw[~is_hole] / depth[~is_hole]
        assert np.all((ratio > 0.49) & (ratio < 2.01))
