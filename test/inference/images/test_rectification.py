"""Rectified images: the maps of OpenCV, and pixels that no camera saw."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from drnet_ros.errors import CameraError, SettingsError
from drnet_ros.inference import CameraModel, Frame, Settings
from drnet_ros.inference.images.rectification import (
    is_rectified,
    rectified,
    rectified_mask,
    source_pixels,
)

K = (90.0, 0.0, 78.0, 0.0, 92.0, 61.0, 0.0, 0.0, 1.0)
P = (80.0, 0.0, 81.0, -8.0, 0.0, 82.0, 57.0, 0.0, 0.0, 0.0, 1.0, 0.0)
TURN = cv2.Rodrigues(np.array([0.03, -0.05, 0.02]))[0]
MODELS = {
    'plumb_bob': (-0.25, 0.07, 0.001, -0.002, 0.01),
    'rational_polynomial': (0.2, -0.05, 0.001, -0.001, 0.01, 0.5, -0.02, 0.005),
    'equidistant': (-0.02, 0.005, -0.001, 0.0002),
}


def camera(model: str, *, turned: bool = True) -> CameraModel:
    return CameraModel.from_fields(
        width=160,
        height=120,
        k=K,
        d=MODELS[model],
        distortion_model=model,
        r=TURN if turned else (),
        p=P,
    )


def maps_of_opencv(seen: CameraModel) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    matrix = np.array([[seen.fx, 0, seen.cx], [0, seen.fy, seen.cy], [0, 0, 1]])
    ideal = np.array(seen.p).reshape(3, 4)[:, :3]
    turn, size = np.array(seen.r).reshape(3, 3), (seen.width, seen.height)
    d = np.array(seen.d)
    if seen.distortion_model == 'equidistant':
        maps = cv2.fisheye.initUndistortRectifyMap(matrix, d, turn, ideal, size, cv2.CV_32FC1)
    else:
        maps = cv2.initUndistortRectifyMap(matrix, d, turn, ideal, size, cv2.CV_32FC1)
    return np.asarray(maps[0], np.float32), np.asarray(maps[1], np.float32)


@pytest.mark.parametrize('turned', [False, True])
@pytest.mark.parametrize('model', MODELS)
def test_maps_are_those_of_opencv(model: str, *, turned: bool) -> None:
    seen = camera(model, turned=turned)
    for ours, theirs in zip(source_pixels(seen), maps_of_opencv(seen), strict=True):
        known = np.isfinite(ours)
        assert known.mean() > 0.99
        np.testing.assert_allclose(ours[known], theirs[known], atol=2e-3)


def test_region_of_interest_and_binning_are_those_of_the_image() -> None:
    seen = CameraModel.from_fields(
        width=360,
        height=280,
        k=(180.0, 0.0, 176.0, 0.0, 184.0, 142.0, 0.0, 0.0, 1.0),
        d=MODELS['plumb_bob'],
        distortion_model='plumb_bob',
        p=(160.0, 0.0, 180.0, 0.0, 0.0, 164.0, 136.0, 0.0, 0.0, 0.0, 1.0, 0.0),
        binning=(2, 2),
        roi=(20, 20, 320, 240),
    )
    assert (seen.width, seen.height) == (160, 120)
    for ours, theirs in zip(source_pixels(seen), maps_of_opencv(seen), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-3)


@pytest.mark.parametrize('model', MODELS)
def test_image_and_camera_are_rectified_together(model: str) -> None:
    seen = camera(model)
    image = np.random.default_rng(0).integers(0, 255, (15, 20, 3), np.uint8)
    image = cv2.resize(image, (160, 120), interpolation=cv2.INTER_CUBIC).astype(np.uint8)
    frame = rectified(Frame(image, seen))
    assert frame.camera == seen.rectified()
    assert frame.raw_camera == seen
    columns, rows = maps_of_opencv(seen)
    expected = cv2.remap(image, columns, rows, cv2.INTER_LINEAR)
    inside = (columns > 0) & (columns < 159) & (rows > 0) & (rows < 119)
    difference = np.abs(frame.rgb_hwc.astype(int) - expected)[inside]
    assert difference.max() <= 4  # maps of fixed point: 1/32 of a pixel
    assert rectified(frame) is frame


def test_pixels_that_no_camera_saw_are_masked_and_masks_move_along() -> None:
    seen = camera('plumb_bob')
    columns, rows = maps_of_opencv(seen)
    outside = (columns < -0.5) | (columns > 159.5) | (rows < -0.5) | (rows > 119.5)
    assert outside.any()
    found = rectified_mask(None, seen)
    assert (found != outside).mean() < 0.001
    body = np.zeros((120, 160), np.bool_)
    body[80:, 40:90] = True
    masked = rectified_mask(body, seen)
    nearest = cv2.remap(body.astype(np.uint8), columns, rows, cv2.INTER_NEAREST) > 0
    assert masked[nearest].all()
    assert (masked & ~nearest & ~outside).mean() < 0.01


def test_a_ray_that_the_lens_folds_back_has_no_pixel() -> None:
    folding = replace(camera('plumb_bob', turned=False), d=(-0.9, 0.0, 0.0, 0.0, 0.0))
    columns, _ = source_pixels(folding)
    ray = np.hypot((np.arange(160) - 81) / 80, (57 - 57) / 82)
    assert np.isnan(columns[57, ray > 0.63]).all()  # r (1 - 0.9 r^2) turns back at 0.609
    assert np.isfinite(columns[57, ray < 0.59]).all()


def test_a_camera_without_distortion_stays_as_it_is() -> None:
    ideal = CameraModel(160, 120, 90.0, 92.0, 78.0, 61.0)
    assert is_rectified(ideal)
    assert not is_rectified(replace(ideal, p=P))
    frame = Frame(np.zeros((120, 160, 3), np.uint8), ideal)
    assert rectified(frame) is frame


def test_without_a_camera_nothing_can_be_rectified() -> None:
    with pytest.raises(CameraError, match='rectify must have camera_info'):
        rectified(Frame(np.zeros((120, 160, 3), np.uint8)))
    with pytest.raises(SettingsError, match='got both'):
        Settings(rectify=True, image_is_rectified=True)
