"""Scoring weights on a data set, through the same estimator that the node runs."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

import numpy as np

from drnet_offline.errors import DatasetError
from drnet_offline.evaluation.metrics import DepthMetrics
from drnet_ros.inference.camera import CameraModel

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from numpy.typing import NDArray

    from drnet_offline.datasets.sample import DepthDataset, DepthSample
    from drnet_offline.evaluation.protocols import Protocol
    from drnet_ros.inference import DepthEstimator

__all__ = ['evaluate', 'evaluate_mean_depth', 'pinhole']


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


def _figures(metrics: DepthMetrics) -> dict[str, float]:
    if not int(metrics.images):
        msg = f'no image has a valid depth inside the protocol {metrics.protocol.describe()}'
        raise DatasetError(msg)
    return metrics.compute()
