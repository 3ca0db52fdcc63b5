"""How far depth is off, measured on validation data and stored with the weights.

Deviations that the network states are worth something only if they are as large as its errors.
Two numbers of the scale model are measured here: by what its standard deviations must be
multiplied, without sparse depth and with it, so that as many pixels as a normal distribution has
lie within one and within two of them.
"""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from safetensors.numpy import load_file, save

from drnet_offline.errors import DatasetError
from drnet_offline.evaluation.figures import scale_warning
from drnet_offline.evaluation.scoring import pinhole
from drnet_offline.evaluation.sparse_draws import draw_sparse_depth
from drnet_offline.outputs.files import write_bytes
from drnet_ros.inference.sparse_depth.scale_model import ScaleModel
from drnet_ros.inference.sparse_depth.scaling import SparseScaler
from drnet_ros.network.metadata import read_metadata, to_header
from drnet_ros.network.tensor_sum import with_tensor_sum

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from drnet_offline.datasets.sample import DepthDataset, DepthSample
    from drnet_ros.inference import DepthEstimator

__all__ = ['CALIBRATION_DRAWS', 'Calibration', 'calibrate', 'chosen_images', 'store_scale_model']

CALIBRATION_DRAWS = ('scan', 'points:20', 'points:100', 'tof:8x8')
"""The sparse depth that deviations are calibrated for, each image with one of them in turn."""

_PIXELS = 1000  # of each image
# Errors have longer tails than a normal distribution: a factor between that for one deviation and
# that for two.
_ONE_SIGMA, _TWO_SIGMA = 0.68, 0.94


@dataclass(frozen=True, slots=True)
class Calibration:
    """The numbers, and how they fit the data they come from.

    Attributes:
        model: The scale model.
        without_sparse: Share of pixels within one and within two deviations, without sparse depth.
        with_sparse: The same with it.
        images: Number of images.
        held_out: The same two pairs for each data set, with the numbers that the others give;
            NaN where it has no pixels to compare; empty if there is only one.
    """

    model: ScaleModel
    without_sparse: tuple[float, float]
    with_sparse: tuple[float, float]
    images: int
    held_out: tuple[tuple[tuple[float, float], tuple[float, float]], ...] = ()


def calibrate(
    estimator: DepthEstimator,
    datasets: Sequence[DepthDataset],
    *,
    images: int = 40,
    seed: int = 0,
    on_image: Callable[[], None] = lambda: None,
    collected: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Calibration:
    """Measure how far depth is off; every data set has the same weight.

    Args:
        estimator: Its depth range should be wide, and drop no edges.
        datasets: Images that the network was not trained on.
        images: At most so many of each data set are taken, evenly spread over it.
        seed: Of the draws.
        on_image: Called after each image.
        collected: Makes what is entered for each image, and may keep its error to itself.

    Raises:
        DatasetError: If a file cannot be read, or a data set has no valid depth, or in another
            unit.
    """
    model = replace(ScaleModel(), stddev_factor=1.0, sparse_stddev_factor=1.0)
    generator = np.random.default_rng(seed)
    without: list[NDArray[np.float64]] = []
    given: list[NDArray[np.float64]] = []
    measured = 0
    for dataset in datasets:
        errors: tuple[list[NDArray[np.float64]], ...] = ([], [])
        ratios: list[float] = []
        for number, index in enumerate(chosen_images(len(dataset), images)):
            kind = CALIBRATION_DRAWS[number % len(CALIBRATION_DRAWS)]
            with collected():
                sample = dataset[index]
                ratios.append(_measure(estimator, model, sample, kind, generator, errors))
                measured += 1
            on_image()
        _check_scale(ratios)
        without.append(np.concatenate([np.empty(0), *errors[0]]))
        given.append(np.concatenate([np.empty(0), *errors[1]]))
    if not all(any(map(len, kept)) for kept in (without, given)):
        msg = 'a data set to calibrate with must have images with valid depth, got too few'
        raise DatasetError(msg)
    factors = [_factor(kept) for kept in (without, given)]
    calibrated = replace(model, stddev_factor=factors[0], sparse_stddev_factor=factors[1])
    covered = [_coverage(k, f) for k, f in zip((without, given), factors, strict=True)]
    held_out = tuple(zip(_held_out(without), _held_out(given), strict=True))
    return Calibration(calibrated, covered[0], covered[1], measured, held_out)


def chosen_images(count: int, most: int) -> list[int]:
    """Return the indices of at most so many of the images of a data set, evenly spread."""
    taken = min(count, most)
    return [(2 * number + 1) * count // (2 * taken) for number in range(taken)]


def store_scale_model(path: Path, model: ScaleModel) -> None:
    """Write a scale model into the metadata of a weights file; its tensors stay as they are.

    Raises:
        OfflineError: It cannot be written.
        WeightsError: It is not ours.
    """
    metadata = replace(read_metadata(path), scale_model=model.to_dict())
    write_bytes(path, with_tensor_sum(save(load_file(path), metadata=to_header(metadata))))


def _measure(
    estimator: DepthEstimator,
    model: ScaleModel,
    sample: DepthSample,
    drawn_kind: str,
    generator: np.random.Generator,
    errors: tuple[list[NDArray[np.float64]], ...],
) -> float:
    """Append the errors of one image in stated deviations: without sparse depth, and with it.

    Returns:
        The median of truth / estimate; NaN if it has no pixel of both.
    """
    camera = pinhole(sample.focal_px, *sample.depth_hw.shape)
    depth = estimator.estimate(sample.rgb_hwc, camera, stddev=False).depth_hw
    is_known = np.isfinite(sample.depth_hw) & (sample.depth_hw > 0) & np.isfinite(depth)
    if not is_known.any():
        return math.nan
    scaler = SparseScaler(model)
    for kind in (None, drawn_kind):
        sparse, is_scored = None, is_known
        if kind is not None:
            sparse, is_drawn = draw_sparse_depth(kind, sample.depth_hw, camera, generator)
            is_scored = is_known & ~is_drawn
        scaling = scaler.scale(depth, camera, sparse)
        if scaling is None or (sparse is not None and not scaling.scale.points):
            continue
        scaled = depth * scaling.field.factors(depth) if sparse is not None else depth
        stddev = scaling.field.stddev(scaled, scaling.coarse, model)
        pixels = generator.choice(np.flatnonzero(is_scored), _PIXELS)
        error = np.abs(scaled.ravel()[pixels] - sample.depth_hw.ravel()[pixels])
        errors[kind is not None].append((error / stddev.ravel()[pixels]).astype(np.float64))
    return float(np.median(sample.depth_hw[is_known] / depth[is_known]))


def _check_scale(ratios: Sequence[float]) -> None:
    """Refuse true depth whose unit cannot be right: the deviation would be that of the unit.

    Raises:
        DatasetError: It is a multiple of the estimate.
    """
    known = [ratio for ratio in ratios if not math.isnan(ratio)]
    if known and (text := scale_warning(float(np.median(known)))):
        raise DatasetError(text)


def _factor(errors: Sequence[NDArray[np.float64]]) -> float:
    return (_quantile(errors, _ONE_SIGMA) + _quantile(errors, _TWO_SIGMA) / 2) / 2


def _quantile(errors: Sequence[NDArray[np.float64]], share: float) -> float:
    values = np.concatenate(errors)
    weights = np.concatenate([np.full(len(found), 1 / max(1, len(found))) for found in errors])
    order = np.argsort(values)
    summed = np.cumsum(weights[order])
    return float(values[order[np.searchsorted(summed, share * summed[-1])]])


def _coverage(errors: Sequence[NDArray[np.float64]], factor: float) -> tuple[float, float]:
    known = [found for found in errors if len(found)]
    if not known:
        return math.nan, math.nan
    one = np.mean([np.mean(found <= factor) for found in known])
    two = np.mean([np.mean(found <= 2 * factor) for found in known])
    return float(one), float(two)


def _held_out(errors: Sequence[NDArray[np.float64]]) -> list[tuple[float, float]]:
    """Return the coverage of each data set with the factor of all others, NaN if it has none."""
    if len(errors) == 1:
        return []
    covered = []
    for number, found in enumerate(errors):
        others = [*errors[:number], *errors[number + 1 :]]
        is_known = any(map(len, others))
        covered.append(_coverage([found], _factor(others)) if is_known else (math.nan, math.nan))
    return covered
