"""Augmentation keeps geometry true: a rendered plane stays the same plane, seen by the camera."""

from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from drnet_offline.datasets.sample import DepthSample
from drnet_offline.errors import DatasetError
from drnet_offline.training.augment import (
    Augmentation,
    augment,
    paste_region,
    resize_sample,
    resized_focal_px,
)

Array = NDArray[np.float64]
STILL = Augmentation(
    border_px=0,
    flip=False,
    max_zoom=1.0,
    max_rotation_deg=0.0,
    brightness=0.0,
    contrast=0.0,
    saturation=0.0,
    colour_cast=0.0,
    max_gamma=1.0,
)
PLANE = np.array([0.35, -0.5, 0.9])  # n . X = OFFSET for the points X of the scene, metres
OFFSET = 2.4


class Draws(np.random.Generator):
    """Draws the given numbers in order, so that a test knows the warp; colour draws are 0."""

    def __init__(
        self,
        *,
        zoom: float = 1.0,
        turn: float = 0.0,
        x: float = 0.0,
        y: float = 0.0,
        tilt: tuple[float, float] = (0.0, 0.0),
        flip: bool = False,
    ) -> None:
        super().__init__(np.random.PCG64(0))
        self._uniform = [math.log(zoom), turn, x, y, *tilt]
        self._flip = flip

    def uniform(self, *_args: object) -> float:  # type: ignore[override]
        return self._uniform.pop(0) if self._uniform else 0.0

    def random(self, *_args: object) -> float:  # type: ignore[override]
        return 0.0 if self._flip else 1.0


def render(height: int = 240, width: int = 320, focal_px: float = 260.0) -> DepthSample:
    """A plane of analytic depth; red and green tell the column and the row of each pixel."""
    rows, columns = np.mgrid[:height, :width].astype(float)
    x = (columns - (width - 1) / 2) / focal_px
    y = (rows - (height - 1) / 2) / focal_px
    depth = OFFSET / (PLANE[0] * x + PLANE[1] * y + PLANE[2])
    rgb = np.stack([columns * 255 / width, rows * 255 / height, np.full_like(rows, 90.0)], -1)
    return DepthSample('plane', rgb.astype(np.uint8), depth.astype(np.float32), focal_px)


def fit_plane(depth: Array, focal_px: float, centre: tuple[float, float]) -> tuple[Array, Array]:
    """Least squares of 1 / z = (n . ray) / offset; returns n / offset and the residuals."""
    rows, columns = np.nonzero(np.isfinite(depth))
    x, y = (columns - centre[0]) / focal_px, (rows - centre[1]) / focal_px
    rays = np.stack([x, y, np.ones_like(x)], -1)
    inverse = 1 / depth[rows, columns]
    solution = np.linalg.lstsq(rays, inverse, rcond=None)[0]
    return solution, rays @ solution - inverse


def test_nothing_drawn_changes_nothing() -> None:
    sample = render(64, 96)
    rgb, depth, focal_px = augment(sample, (64, 96), STILL, np.random.default_rng(0))
    np.testing.assert_array_equal(rgb, sample.rgb_hwc)
    np.testing.assert_array_equal(depth, sample.depth_hw)
    assert focal_px == sample.focal_px


def test_a_flip_mirrors_image_and_depth() -> None:
    sample = render(64, 96)
    draws = Draws(zoom=1, turn=0, x=0, y=0, flip=True)
    rgb, depth, _ = augment(sample, (64, 96), Augmentation(border_px=0), draws)
    np.testing.assert_array_equal(depth, sample.depth_hw[:, ::-1])
    np.testing.assert_array_equal(rgb, sample.rgb_hwc[:, ::-1])


@pytest.mark.parametrize('size', [(64, 96), (120, 160), (240, 320)])
def test_a_resized_plane_has_the_resized_focal_length(size: tuple[int, int]) -> None:
    _, depth, focal_px = resize_sample(render(), size, 0)
    # At (64, 96) x and y scale apart, and one focal length cannot be right for both: by 12 %.
    scale_y, scale_x = size[0] / 240, size[1] / 320
    assert focal_px == pytest.approx(260 * math.sqrt(scale_x * scale_y))
    if scale_x == scale_y:
        centre = ((size[1] - 1) / 2, (size[0] - 1) / 2)
        plane, residuals = fit_plane(depth.astype(float), focal_px, centre)
        np.testing.assert_allclose(plane, PLANE / OFFSET, atol=3e-3)
        assert np.abs(residuals).max() < 2e-3


@pytest.mark.parametrize('size', [(120, 160), (100, 150), (240, 320)])
@pytest.mark.parametrize('flip', [False, True])
@pytest.mark.parametrize('turn', [0.0, 1.0, -0.6])
def test_image_and_depth_are_warped_alike(size: tuple[int, int], flip: bool, turn: float) -> None:
    sample = render()
    draws = Draws(zoom=1.3, turn=turn, x=0.4, y=-0.7, flip=flip)
    limits = Augmentation(border_px=0, max_zoom=1.4, max_rotation_deg=8)
    rgb, depth, _ = augment(sample, size, limits, draws)
    inside = np.isfinite(depth)
    inside[:2] = inside[-2:] = inside[:, :2] = inside[:, -2:] = False
    # The colours tell where each pixel came from; the depth there, over the zoom, must be its own.
    columns = (rgb[..., 0] + 0.5) * 320 / 255
    rows = (rgb[..., 1] + 0.5) * 240 / 255
    x, y = (columns - 159.5) / 260, (rows - 119.5) / 260
    expected = OFFSET / (PLANE[0] * x + PLANE[1] * y + PLANE[2]) / 1.3
    np.testing.assert_allclose(depth[inside], expected[inside], rtol=0.012)
    assert inside.mean() > 0.8


@pytest.mark.parametrize('zoom', [1.0, 1.2, 1.4])
def test_a_zoomed_plane_is_a_nearer_plane_of_the_same_camera(zoom: float) -> None:
    draws = Draws(zoom=zoom, turn=0.0, x=0.0, y=0.0, flip=False)
    limits = Augmentation(border_px=0, max_zoom=1.5)
    _, depth, focal_px = augment(render(), (240, 320), limits, draws)
    assert focal_px == 260
    # z / zoom at x * zoom: the inverse depth grows by the zoom and its slopes stay.
    plane, residuals = fit_plane(depth.astype(float), 260, (159.5, 119.5))
    expected = PLANE / OFFSET * [1, 1, zoom]
    np.testing.assert_allclose(plane, expected, atol=1e-3)
    assert np.abs(residuals).max() < 2e-3


def test_a_rotated_plane_is_the_plane_rotated() -> None:
    draws = Draws(zoom=1.0, turn=1.0, x=0.0, y=0.0, flip=False)
    limits = Augmentation(border_px=0, max_rotation_deg=10.0)
    _, depth, _ = augment(render(), (240, 320), limits, draws)
    plane, _ = fit_plane(depth.astype(float), 260, (159.5, 119.5))
    angle = math.radians(10)
    cos, sin = math.cos(angle), math.sin(angle)
    turned = np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]]) @ PLANE / OFFSET
    np.testing.assert_allclose(plane, turned, atol=1e-3)


@pytest.mark.parametrize('zoom', [1.0, 1.3])
@pytest.mark.parametrize('tilt', [(1.0, 0.0), (0.0, -1.0), (-0.6, 0.8)])
def test_a_plane_is_the_same_plane_to_a_tilted_camera(
    tilt: tuple[float, float], zoom: float
) -> None:
    limits = Augmentation(border_px=0, max_zoom=1.4, max_tilt_deg=12.0)
    rgb, depth, focal_px = augment(render(), (240, 320), limits, Draws(zoom=zoom, tilt=tilt))
    assert focal_px == 260
    plane, residuals = fit_plane(depth.astype(float), 260, (159.5, 119.5))
    # X = R Y for a point that the tilted camera sees at Y, so n . X = (R^T n) . Y.
    angles = np.radians(12.0) * np.array([*tilt, 0.0])
    length = float(np.linalg.norm(angles))
    axis = angles / length
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    turned = np.eye(3) + math.sin(length) * cross + (1 - math.cos(length)) * cross @ cross
    np.testing.assert_allclose(plane, turned.T @ PLANE / OFFSET * [1, 1, zoom], atol=1.5e-3)
    assert np.abs(residuals).max() < 3e-3
    # And the picture is of the same points: its colours say from where in the image they come.
    rows, columns = np.nonzero(np.isfinite(depth))
    rays = np.stack([(columns - 159.5) / 260 / zoom, (rows - 119.5) / 260 / zoom, 0 * rows + 1.0])
    seen = turned @ rays
    expected = [seen[0] / seen[2] * 260 + 159.5, seen[1] / seen[2] * 260 + 119.5]
    got = [rgb[rows, columns, 0] * (320 / 255), rgb[rows, columns, 1] * (240 / 255)]
    # Away from the image's edge, beyond which the picture is mirrored.
    inside = (expected[0] > 3) & (expected[0] < 316) & (expected[1] > 3) & (expected[1] < 236)
    assert np.abs(got[0] - expected[0])[inside].max() < 3
    assert np.abs(got[1] - expected[1])[inside].max() < 3
    assert inside.sum() > 0.6 * depth.size


def test_what_a_tilted_camera_sees_beyond_the_image_has_no_depth() -> None:
    limits = Augmentation(border_px=0, max_tilt_deg=12.0)
    _, depth, _ = augment(render(), (240, 320), limits, Draws(tilt=(1.0, 0.0)))
    # Pitched up by 12 degrees: the image's first row was 119.5 px above the centre of f = 260 px.
    first = 119.5 - 260 * math.tan(math.atan(119.5 / 260) - math.radians(12))
    assert np.isfinite(depth[int(first) + 2 :, 160]).all()
    assert np.isnan(depth[: int(first) - 1, 160]).all()


def test_rotated_corners_have_no_depth_and_the_centre_has() -> None:
    draws = Draws(zoom=1.0, turn=1.0, x=0.0, y=0.0, flip=False)
    limits = Augmentation(border_px=0, max_rotation_deg=10.0)
    _, depth, _ = augment(render(), (120, 160), limits, draws)
    assert np.isnan(depth[[0, 0, -1, -1], [0, -1, 0, -1]]).all()
    assert np.isfinite(depth[30:90, 40:120]).all()
    # What part of a turned rectangle lies outside of the upright one, by its polygon.
    turned = cv2.boxPoints(((80, 60), (160, 120), 10.0))
    upright = cv2.boxPoints(((80, 60), (160, 120), 0.0))
    overlap = cv2.intersectConvexConvex(turned, upright)[0] / (160 * 120)
    assert np.isfinite(depth).mean() == pytest.approx(overlap, abs=0.01)


@pytest.mark.parametrize('turn', [-1.0, 0.0, 0.37])
@pytest.mark.parametrize('flip', [False, True])
def test_depth_is_never_interpolated(turn: float, flip: bool) -> None:
    levels = np.array([1.0, 2.0, 4.0, 8.0, np.nan], np.float32)
    source = np.random.default_rng(0).choice(levels, (61, 83))
    sample = DepthSample('steps', np.zeros((61, 83, 3), np.uint8), source, 80.0)
    draws = Draws(zoom=1.25, turn=turn, x=0.3, y=-0.9, flip=flip)
    _, depth, _ = augment(sample, (64, 96), Augmentation(border_px=3, max_rotation_deg=10), draws)
    seen = np.unique(depth[np.isfinite(depth)] * np.float32(1.25))
    np.testing.assert_allclose(seen, levels[:4], rtol=1e-6)
    _, resized, _ = resize_sample(sample, (32, 48), 3)
    np.testing.assert_array_equal(np.unique(resized[np.isfinite(resized)]), levels[:4])


def test_the_border_is_cut_off() -> None:
    depth = np.full((64, 96), 2.0, np.float32)
    depth[:8] = depth[-8:] = depth[:, :8] = depth[:, -8:] = 99.0
    rgb = np.where(depth[..., None] > 50, 255, 40).repeat(3, -1).astype(np.uint8)
    sample = DepthSample('bordered', rgb, depth, 100.0)
    image, resized, focal_px = resize_sample(sample, (96, 160), 8)
    assert (resized == 2).all()
    assert (image == 40).all()
    assert focal_px == pytest.approx(100 * math.sqrt(96 * 160 / (48 * 80)))
    for seed in range(4):
        _, warped, _ = augment(sample, (96, 160), Augmentation(), np.random.default_rng(seed))
        assert np.nanmax(warped) <= 2


def test_an_uncut_image_keeps_its_border_and_the_focal_length() -> None:
    """Depth grows as if the wider view were that of a camera with the cut image's focal length."""
    sample = render(64, 96)
    changes = replace(STILL, border_px=8, keep_border=1.0)
    rgb, depth, focal_px = augment(sample, (64, 96), changes, np.random.default_rng(0))
    np.testing.assert_array_equal(rgb, sample.rgb_hwc)
    grown = math.sqrt((64 * 96) / (48 * 80))
    np.testing.assert_allclose(depth, sample.depth_hw * grown, rtol=1e-6)
    assert focal_px == pytest.approx(sample.focal_px * grown)


def test_a_border_wider_than_the_image_is_named() -> None:
    with pytest.raises(DatasetError, match=r'plane.*border_px 32'):
        resize_sample(render(64, 96), (64, 96), 32)


def test_the_same_seed_draws_the_same() -> None:
    sample = render()
    draws = [
        augment(sample, (64, 96), Augmentation(), np.random.default_rng(s)) for s in (7, 7, 8)
    ]
    np.testing.assert_array_equal(draws[0][0], draws[1][0])
    np.testing.assert_array_equal(draws[0][1], draws[1][1])
    assert (draws[0][0] != draws[2][0]).any()


def test_colour_keeps_depth_and_stays_within_its_limits() -> None:
    grey = np.full((64, 96, 3), 128, np.uint8)
    sample = DepthSample('grey', grey, np.full((64, 96), 3.0, np.float32), 80.0)
    colour = replace(STILL, brightness=0.2)
    means = []
    for seed in range(40):
        rgb, depth, _ = augment(sample, (64, 96), colour, np.random.default_rng(seed))
        assert (depth == 3).all()
        assert (rgb == rgb[0, 0]).all()
        means.append(float(rgb.mean()))
    assert 128 * 0.8 - 1 <= min(means) < 112
    assert 144 < max(means) <= 128 * 1.2 + 1


def test_focal_length_of_a_resize() -> None:
    assert resized_focal_px(500.0, (480, 640), (240, 320)) == 250
    assert resized_focal_px(500.0, (480, 640), (480, 160)) == 250


def test_a_pasted_region_is_a_rectangle_of_the_other_image_at_its_own_place() -> None:
    height, width = 48, 64
    other_rgb = np.random.default_rng(0).integers(1, 256, (height, width, 3)).astype(np.uint8)
    other_depth = np.arange(1, height * width + 1, dtype=np.float32).reshape(height, width)
    shares = []
    for seed in range(50):
        rgb = np.zeros((height, width, 3), np.uint8)
        depth = np.zeros((height, width), np.float32)
        paste_region(rgb, depth, other_rgb, other_depth, np.random.default_rng(seed))
        pasted = depth > 0
        rows, columns = np.flatnonzero(pasted.any(1)), np.flatnonzero(pasted.any(0))
        assert pasted[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
        np.testing.assert_array_equal(depth[pasted], other_depth[pasted])
        np.testing.assert_array_equal(rgb[pasted], other_rgb[pasted])
        assert not rgb[~pasted].any()
        shares.append((len(rows) / height, len(columns) / width))
    least, most = np.min(shares, axis=0), np.max(shares, axis=0)
    assert (least > 0.2).all()
    assert (least < 0.35).all()
    assert (most > 0.55).all()
    assert (most < 0.7).all()
