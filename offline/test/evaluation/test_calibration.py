"""Calibration over several data sets: which images it takes, and what it says of unseen ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from known_scenes import KnownEngine, known_depth

from drnet_offline.datasets.sample import DepthSample
from drnet_offline.evaluation.calibration import calibrate, chosen_images
from drnet_ros.inference import DepthEstimator, Settings

HW, FOCAL = (96, 128), 110.0
WIDE = Settings(min_depth=0.001, max_depth=80.0, edge_threshold=0.0)


@dataclass(frozen=True)
class Walls:
    """Images whose true depth is that of the known network times factors of a given spread."""

    spread: float

    def __len__(self) -> int:
        return 40

    def __getitem__(self, index: int) -> DepthSample:
        rgb = np.zeros((*HW, 3), np.uint8)
        rgb[..., 0] = np.linspace(0, 250, HW[1]).astype(np.uint8)
        factor = np.exp(self.spread * np.random.default_rng(index).normal())
        return DepthSample(f'{index}', rgb, known_depth(rgb) * np.float32(factor), FOCAL)


def test_images_are_spread_over_the_data_set() -> None:
    assert chosen_images(3, 40) == [0, 1, 2]
    assert chosen_images(100, 4) == [12, 37, 62, 87]
    assert chosen_images(0, 4) == []


def test_each_data_set_is_held_against_the_numbers_of_the_others() -> None:
    with DepthEstimator(WIDE, engine=KnownEngine()) as estimator:
        narrow = calibrate(estimator, [Walls(0.1)])
        wide = calibrate(estimator, [Walls(0.4)])
        both = calibrate(estimator, [Walls(0.1), Walls(0.4)])
        few = calibrate(estimator, [Walls(0.1)], images=8)
    assert narrow.held_out == wide.held_out == ()
    assert (narrow.images, few.images) == (40, 8)
    # Held against the deviations of the wide set, nearly all of the narrow one is within one.
    assert wide.model.stddev_factor > 3 * narrow.model.stddev_factor
    (of_narrow, _), (of_wide, _) = both.held_out
    assert of_narrow[0] > 0.95
    assert of_wide[0] < 0.35
    assert both.without_sparse[0] == pytest.approx(0.7, abs=0.1)
