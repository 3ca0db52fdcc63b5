"""Depth from images with poses, on a rendered scene whose depth and motion are exact."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from drnet_offline.training.adaptation.fusing import fuse, points_of
from drnet_offline.training.adaptation.sweep import STEPS, SweptDepth, sweep, view_costs
from drnet_offline.training.adaptation.views import PosedImage, Views
from drnet_ros.inference.camera import CameraModel, rays

Array = NDArray[np.float32]
Rendered = tuple[NDArray[np.uint8], Array, NDArray[np.bool_]]

HW = (120, 160)
CAMERA = CameraModel(160, 120, 140.0, 140.0, 79.5, 59.5)
LENS = CameraModel(160, 120, 140.0, 140.0, 79.5, 59.5, 'plumb_bob', (-0.25, 0.06, 0.0, 0.0, 0.0))
BOX_M, BOX_HALF_M = 1.5, 0.25
SECOND_NS = 1_000_000_000


def texture(seed: int, x: NDArray[Any], y: NDArray[Any]) -> Array:
    """Smooth noise on a plane, of 3 cm patches, grey."""
    noise = np.random.default_rng(seed).uniform(0, 255, (400, 400)).astype(np.float32)
    columns, rows = ((200 + each / 0.03).astype(np.float32) for each in (x, y))
    seen = cv2.remap(noise, columns, rows, cv2.INTER_CUBIC, borderMode=cv2.BORDER_WRAP)
    return np.asarray(seen, np.float32)


def render(x_m: float, camera: CameraModel = CAMERA, *, has_box: bool = True) -> Rendered:
    """Returns grey image, depth and mask of the box, seen from `x_m` on the x axis.

    A wall z = 3 + X / 4, and before it a square box that faces the camera.
    """
    ray = rays(camera)
    wall_m = (3 + x_m / 4) / (1 - ray[..., 0] / 4)
    grey = texture(1, x_m + ray[..., 0] * wall_m, ray[..., 1] * wall_m)
    box_x, box_y = x_m + ray[..., 0] * BOX_M, ray[..., 1] * BOX_M
    is_box = (np.abs(box_x) < BOX_HALF_M) & (np.abs(box_y) < BOX_HALF_M) & has_box
    grey = np.where(is_box, texture(2, box_x, box_y), grey)
    depth = np.where(is_box, BOX_M, wall_m).astype(np.float32)
    return np.clip(grey, 0, 255).astype(np.uint8), depth, is_box


def posed(x_m: float, grey_hw: NDArray[np.uint8], camera: CameraModel = CAMERA) -> PosedImage:
    pose = np.eye(4)
    pose[0, 3] = x_m
    number = round(100 * x_m)
    return PosedImage(number, number * SECOND_NS // 10, camera, pose, grey_hw)


def seen_from(x_m: float, camera: CameraModel = CAMERA) -> PosedImage:
    return posed(x_m, render(x_m, camera)[0], camera)


def inner(mask_hw: NDArray[np.bool_], by: int) -> NDArray[np.bool_]:
    """Returns where all pixels around are in a mask too."""
    return cv2.erode(mask_hw.astype(np.uint8), np.ones((2 * by + 1,) * 2, np.uint8)).astype(bool)


def test_images_agree_most_at_the_true_depth() -> None:
    grey, depth, _ = render(0.0, has_box=False)
    view = posed(0.15, render(0.15, has_box=False)[0])
    found = view_costs(posed(0.0, grey), view, depth * np.float32(1.2))
    at_truth = np.log(1 / 1.2)
    inside = (slice(10, -10), slice(25, -10))  # what the view shows
    best = STEPS[found.costs.argmin(axis=0)][inside]
    assert np.abs(best - at_truth).max() <= 0.04  # one step
    truth = view_costs(posed(0.0, grey), view, depth)
    assert truth.costs[len(STEPS) // 2][inside].mean() < 0.05
    # The wall moves by f b / z pixels; a step of the factor changes that by 4 % of it.
    expected = 140 * 0.15 / depth * 0.04
    np.testing.assert_allclose(truth.pixels_hw[inside], expected[inside], rtol=0.01)


@pytest.mark.parametrize('camera', [CAMERA, LENS], ids=['pinhole', 'lens'])
def test_a_wrong_scale_is_found_and_how_sure_that_is(camera: CameraModel) -> None:
    grey, depth, _ = render(0.0, camera)
    swept = sweep(
        posed(0.0, grey, camera),
        [seen_from(-0.12, camera), seen_from(-0.3, camera)],
        [seen_from(0.12, camera), seen_from(0.3, camera)],
        depth * np.float32(1.25),
    )
    assert swept is not None
    known = np.isfinite(swept.log_ratio_hw)
    assert known.mean() > 0.75
    error = swept.log_ratio_hw[known] - np.log(1 / 1.25)
    assert abs(np.median(error)) < 0.005
    assert np.percentile(np.abs(error), 90) < 0.05
    assert np.percentile(np.abs(error) / swept.stddev_hw[known], 68) < 1
    np.testing.assert_array_equal(np.isfinite(swept.stddev_hw), known)


def test_what_a_view_does_not_show_is_found_by_the_other_or_not_known() -> None:
    grey, depth, is_box = render(0.0)
    image = posed(0.0, grey)
    # From 0.3 m to the right the box hides the wall on its left, 140 * 0.3 (1 / 1.5 - 1 / 3) px.
    hidden = np.zeros(HW, np.bool_)
    columns = np.flatnonzero(is_box.any(axis=0))
    hidden[is_box.any(axis=1), columns[0] - 11 : columns[0] - 3] = True
    right, left = [seen_from(0.3)], [seen_from(-0.3)]
    alone = sweep(image, [], right, depth)
    both = sweep(image, left, right, depth)
    assert alone is not None
    assert both is not None
    assert np.isfinite(alone.log_ratio_hw[hidden]).mean() < 0.2
    found = both.log_ratio_hw[hidden]
    assert np.isfinite(found).mean() > 0.4
    assert np.nanmedian(np.abs(found)) < 0.02


def test_what_moves_with_the_camera_or_by_itself_is_not_known() -> None:
    part, walker = (slice(80, 120), slice(0, 50)), (slice(10, 50), slice(100, 140))
    rng = np.random.default_rng(3)
    blob = cv2.resize(rng.uniform(0, 255, (10, 10)), (40, 40), interpolation=cv2.INTER_CUBIC)

    def image(x_m: float, walked_px: int) -> PosedImage:
        grey = render(x_m)[0]
        # A part of the robot stays where it is in the image; somebody walks up.
        grey[part] = texture(4, *np.meshgrid(np.arange(50) / 100, np.arange(40) / 100)).clip(
            0, 255
        )
        grey[10 + walked_px : 50 + walked_px, 100:140] = blob.clip(0, 255)
        return posed(x_m, grey)

    swept = sweep(image(0, 0), [image(-0.2, -8)], [image(0.2, 8)], render(0.0)[1])
    assert swept is not None
    known = np.isfinite(swept.log_ratio_hw)
    for moving in (part, walker):
        mask = np.zeros(HW, np.bool_)
        mask[moving] = True
        assert known[inner(mask, 5)].mean() < 0.05
    assert known[60:75, 20:140].mean() > 0.7


def test_a_plain_wall_shows_nothing() -> None:
    grey = np.full(HW, 127, np.uint8)
    swept = sweep(posed(0, grey), [posed(-0.2, grey)], [posed(0.2, grey)], render(0.0)[1])
    assert swept is not None
    assert not np.isfinite(swept.log_ratio_hw).any()


def test_views_are_those_from_places_apart() -> None:
    grey = np.zeros(HW, np.uint8)
    views = Views([posed(0.01 * i, grey) for i in range(100)])
    assert views.at(50) is not None
    assert views.at(100) is None
    earlier, later = views.around(50, depth_m=2.95)
    # Baselines of 4 and 10 % of the depth: 11.8 and 29.5 cm.
    assert [image.position for image in earlier] == [38, 20]
    assert [image.position for image in later] == [62, 80]
    # Near the start only 6 cm lie before.
    assert [image.position for image in views.around(6, depth_m=3.0)[0]] == [0]
    still = Views([PosedImage(i, i * SECOND_NS, CAMERA, np.eye(4), grey) for i in range(10)])
    assert still.around(5, depth_m=3.0) == ([], [])
    assert sweep(posed(0, grey), [], [], render(0.0)[1]) is None


def test_views_before_a_jump_of_the_odometry_are_left_out() -> None:
    grey = np.zeros(HW, np.uint8)
    images = [posed(0.01 * i, grey) for i in range(60)]
    jumped = [posed(0.01 * i, grey) for i in range(60)]
    for image in jumped:
        assert image.pose is not None
        image.pose[2, 3] = 50.0
    views = Views(images[:45] + jumped[45:])
    earlier, _ = views.around(50, depth_m=3.0)
    # Only those since the jump, which moved by 5 cm: more than 1.5 % of the depth.
    assert [image.position for image in earlier] == [45]


def test_fused_depth_follows_the_surer_and_contradiction_makes_unsure() -> None:
    depth, stddev = np.full(HW, 2.0, np.float32), np.full(HW, 0.2, np.float32)
    swept = SweptDepth(np.full(HW, 0.05, np.float32), np.full(HW, 0.05, np.float32))
    fused, fused_stddev = fuse(depth, stddev, swept, depth)
    # Variances 0.01 and 0.0025: 4/5 of the sweep; 0.05 is 0.2 variances of the difference away.
    np.testing.assert_allclose(fused, 2 * np.exp(0.8 * 0.05), rtol=1e-5)
    expected = np.sqrt(0.01 * 0.2 * (1 + 0.8 * (0.05**2 / 0.0125) / 2))
    np.testing.assert_allclose(fused_stddev / fused, expected, rtol=1e-5)
    far = SweptDepth(np.full(HW, 0.5, np.float32), np.full(HW, 0.05, np.float32))
    _, doubtful = fuse(depth, stddev, far, depth)
    assert (doubtful > 2 * fused_stddev).all()
    nothing = SweptDepth(np.full(HW, np.nan, np.float32), np.full(HW, np.nan, np.float32))
    kept, kept_stddev = fuse(depth, stddev, nothing, depth)
    np.testing.assert_allclose(kept, depth)
    np.testing.assert_allclose(kept_stddev, stddev, rtol=1e-6)
    # The factor is one on the depth that the sweep began with.
    moved, _ = fuse(depth, stddev, swept, depth * np.float32(1.1))
    np.testing.assert_allclose(moved, 2 * np.exp(0.8 * (0.05 + np.log(1.1))), rtol=1e-5)


def test_points_of_a_sweep_are_the_surest_of_each_cell() -> None:
    stddev = np.full(HW, 0.1, np.float32)
    stddev[6, 9] = 0.05
    ratio = np.full(HW, np.nan, np.float32)
    ratio[4:8, 8:12] = np.log(1.5)  # one cell of 160 / 40 pixels
    points = points_of(SweptDepth(ratio, stddev), np.full(HW, 2.0, np.float32), CAMERA)
    assert len(points) == 1
    expected = [(9 - 79.5) / 140 * 3, (6 - 59.5) / 140 * 3, 3]
    np.testing.assert_allclose(points.points_xyz[0], expected, rtol=1e-6)
    np.testing.assert_allclose(points.stddev_n, 0.05)
