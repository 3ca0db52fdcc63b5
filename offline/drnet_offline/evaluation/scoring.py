"""Scoring weights on a data set, through the same estimator that the node runs."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

import numpy as np
from rich import box
from rich.table import Table

from drnet_offline.errors import DatasetError
from drnet_offline.evaluation.metrics import NAMES, DepthMetrics
from drnet_ros.inference.camera import CameraModel

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    from numpy.typing import NDArray

    from drnet_offline.datasets.sample import DepthDataset, DepthSample
    from drnet_offline.evaluation.protocols import Protocol
    from drnet_ros.inference import DepthEstimator

__all__ = ['PAPER_ROWS', 'evaluate', 'evaluate_mean_depth', 'pinhole', 'tabulate']

PAPER_ROWS = {
    'Laina et al.': (0.573, None, 0.055, 0.811, 0.953, 0.988),
    'Fu et al.': (0.509, None, 0.051, 0.828, 0.965, 0.992),
    'Spek et al.': (0.687, None, 0.161, 0.704, 0.917, 0.977),
    'Nekrasov et al.': (0.565, None, None, 0.790, 0.955, 0.990),
    'RSIDE ResNet-50': (0.555, None, 0.054, 0.843, 0.968, 0.991),
    'RSIDE DenseNet-161': (0.544, None, 0.053, 0.855, 0.972, 0.993),
    'RSIDE SENet-154': (0.530, None, 0.050, 0.866, 0.975, 0.993),
    'RSIDE SENet-154, reproduced': (0.574, None, 0.052, 0.845, 0.967, 0.991),
    'DRNet ResNet-50': (0.587, None, 0.061, 0.810, 0.961, 0.990),
    'DRNet ResNet-50 guided (IV)': (0.564, None, None, 0.836, 0.967, 0.992),
    'DRNet ResNet-152': (0.528, None, 0.050, 0.866, 0.973, 0.993),
    'DRNet DenseNet-161': (0.534, None, 0.052, 0.865, 0.974, 0.994),
    'DRNet SENet-154': (0.527, None, 0.050, 0.868, 0.975, 0.993),
}
"""Paper Table II, and one row of IV: RMSE, REL (not given), log10, delta1, delta2, delta3."""


def pinhole(focal_px: float, height: int, width: int) -> CameraModel:
    """Return an undistorted camera with its centre in the middle of the image."""
    cx, cy = (width - 1) / 2, (height - 1) / 2
    return CameraModel.from_fields(
        width=width, height=height, k=(focal_px, 0.0, cx, 0.0, focal_px, cy, 0.0, 0.0, 1.0)
    )


def evaluate(
    estimator: DepthEstimator,
    dataset: DepthDataset,
    protocol: Protocol,
    on_image: Callable[[DepthSample, NDArray[np.float32]], None] = lambda *_: None,
    collected: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> dict[str, float]:
    """Score an estimator.

    Args:
        estimator: Its depth range should be wide: where it gives no depth (the network said less
            than `min_depth`, even 0), that end of the range is compared with the truth.
        dataset: Images with depth; the camera's focal length is passed on with each.
        protocol: Which pixels count.
        on_image: Called after each image with its dense depth, float32 (H, W) in metres.
        collected: Makes what is entered for each image, and may keep its error to itself.

    Returns:
        All figures of `DepthMetrics.compute`.

    Raises:
        DatasetError: A file cannot be read, or no image has a valid depth.
    """
    metrics = DepthMetrics(protocol)
    settings = estimator.settings
    for index in range(len(dataset)):
        with collected():
            sample = dataset[index]
            height, width = sample.depth_hw.shape
            camera = pinhole(sample.focal_px, height, width)
            depth = estimator.estimate(sample.rgb_hwc, camera).depth_hw
            dense = np.nan_to_num(depth, nan=settings.min_depth)
            metrics.update(dense, sample.depth_hw)
            on_image(sample, dense)
    return _figures(metrics)


def evaluate_mean_depth(
    train: DepthDataset,
    dataset: DepthDataset,
    protocol: Protocol,
    collected: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> dict[str, float]:
    """Score the mean depth map of the training images: what any network must clearly beat.

    Args:
        train: Images with depth whose mean is taken.
        dataset: Those that it is scored on.
        protocol: Which pixels count.
        collected: As in `evaluate`.

    Raises:
        DatasetError: A file cannot be read, or images differ in size.
    """
    total: NDArray[np.float64] | None = None
    count: NDArray[np.int64] | None = None
    for index in range(len(train)):
        with collected():
            depth = train[index].depth_hw
            if total is None or count is None:
                total, count = np.zeros(depth.shape), np.zeros(depth.shape, np.int64)
            if depth.shape != total.shape:
                msg = (
                    f'{train[index].name} must have the size of those before it, {total.shape}, '
                    f'got {depth.shape}'
                )
                raise DatasetError(msg)
            valid = np.isfinite(depth)
            total += np.where(valid, depth, 0.0)
            count += valid
    if total is None or count is None:
        msg = 'the mean depth map needs training images, got none'
        raise DatasetError(msg)
    mean_hw = (total / np.maximum(count, 1)).astype(np.float32)
    mean_hw[count == 0] = mean_hw[count > 0].mean()
    metrics = DepthMetrics(protocol)
    for index in range(len(dataset)):
        with collected():
            metrics.update(mean_hw, dataset[index].depth_hw)
    return _figures(metrics)


def tabulate(
    rows: Mapping[str, Mapping[str, float]], protocol: Protocol, *, is_nyu: bool
) -> Table:
    """Return the columns of the paper's Table II for our rows and its own; RMSE in metres.

    Args:
        rows: Our figures by label. They are given as the mean over all pixels pooled and as the
            mean of per-image figures.
        protocol: Which pixels counted.
        is_nyu: Whether they are of NYU Depth v2: the paper's rows, which are left out otherwise,
            are on its 654 test images after training on the full data. What protocol it used is
            not stated beyond its baseline's, `rside`.
    """
    n_images = next(iter(rows.values()))['n_images']
    table = Table(
        title=f'protocol {protocol.describe()}, n = {n_images:.0f} images',
        box=box.SIMPLE_HEAD,
        collapse_padding=True,
        pad_edge=False,
    )
    for column in ('', 'over', 'RMSE', 'REL', 'log10', 'd1', 'd2', 'd3'):
        table.add_column(column, no_wrap=True)
    for label, figures in rows.items():
        for averaged, suffix in (('pixels', ''), ('images', '_per_image')):
            values = [f'{figures[name + suffix]:.3f}' for name in NAMES]
            table.add_row(label, averaged, *values)
    if not is_nyu:
        return table
    table.add_section()
    table.add_row("[i]the paper's Table II, 654 test images[/]")
    for label, paper in PAPER_ROWS.items():
        table.add_row(label, '', *('-' if value is None else f'{value:.3f}' for value in paper))
    return table


def _figures(metrics: DepthMetrics) -> dict[str, float]:
    if not int(metrics.images):
        msg = f'no image has a valid depth inside the protocol {metrics.protocol.describe()}'
        raise DatasetError(msg)
    return metrics.compute()
