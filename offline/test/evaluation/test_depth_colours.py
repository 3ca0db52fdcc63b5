"""Depth has the colours of the node's preview in every picture, and bars say what they mean."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

from drnet_offline.evaluation.depth_colours import (
    add_depth_bar,
    add_error_bar,
    draw_depth,
    draw_error,
)
from drnet_ros.inference.depth import colourise

NEAREST_M, FARTHEST_M = 0.5, 4.5


def test_depth_has_the_colours_of_the_preview_and_invalid_depth_is_black() -> None:
    depth_hw = np.linspace(0.2, 5.0, 2000, dtype=np.float32).reshape(40, 50)
    depth_hw[3, 7] = np.nan
    drawn = draw_depth(Figure().subplots(), depth_hw, NEAREST_M, FARTHEST_M)
    rgb = drawn.to_rgba(depth_hw, bytes=True)[..., :3].astype(int)
    expected = colourise(depth_hw, NEAREST_M, FARTHEST_M).astype(int)
    # Both have 255 levels, whose borders differ by half a level: no step of turbo is above 7.
    assert np.abs(rgb - expected).max() <= 7
    assert np.abs(rgb - expected).mean() < 1
    assert rgb[3, 7].tolist() == [0, 0, 0]


def test_near_is_red_and_far_is_blue() -> None:
    drawn = draw_depth(Figure().subplots(), np.zeros((2, 2), np.float32), NEAREST_M, FARTHEST_M)
    near, far = drawn.to_rgba(np.array([NEAREST_M, FARTHEST_M]))[:, :3]
    assert near[0] > 0.4
    assert near[2] < 0.1
    assert far[2] > far[0]


@pytest.mark.parametrize(
    ('error', 'rgb'),
    [(0.0, (0.97, 0.97, 0.97)), (0.5, (0.40, 0.0, 0.12)), (-2.0, (0.02, 0.19, 0.38))],
)
def test_errors_are_red_where_too_far_and_blue_where_too_near(
    error: float, rgb: tuple[float, ...]
) -> None:
    drawn = draw_error(Figure().subplots(), np.zeros((2, 2), np.float32))
    assert drawn.to_rgba(np.array([error]))[0, :3] == pytest.approx(rgb, abs=0.01)


def test_bars_say_metres_and_percent() -> None:
    figure = Figure()
    axes = figure.subplots(1, 2)
    depth_hw = np.ones((4, 4), np.float32)
    add_depth_bar(figure, draw_depth(axes[0], depth_hw, NEAREST_M, FARTHEST_M), axes[0])
    add_error_bar(figure, draw_error(axes[1], depth_hw), axes[1])
    depth_bar, error_bar = figure.axes[2:]
    assert depth_bar.get_ylabel() == 'depth [m]'
    assert depth_bar.get_ylim() == pytest.approx((NEAREST_M, FARTHEST_M))
    assert error_bar.get_ylabel() == 'relative error (red: too far)'
    assert error_bar.yaxis.get_major_formatter()(0.2, None) == '+20%'
