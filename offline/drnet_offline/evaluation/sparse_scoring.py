"""Depth with sparse depth that is drawn from the truth, scored on the rest of the pixels."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from rich import box
from rich.table import Table

from drnet_offline.evaluation.metrics import DepthMetrics
from drnet_offline.evaluation.scoring import pinhole
from drnet_offline.evaluation.sparse_draws import draw_sparse_depth
from drnet_ros.inference.depth import limit_range
from drnet_ros.inference.sparse_depth.scale_model import ScaleModel
from drnet_ros.inference.sparse_depth.scaling import SparseScaler

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from drnet_offline.datasets.sample import DepthDataset, DepthSample
    from drnet_offline.evaluation.protocols import Protocol
    from drnet_ros.inference import DepthEstimator
    from drnet_ros.inference.arrays import FloatArray

__all__ = ['IMAGE_ALONE', 'evaluate_sparse', 'tabulate_sparse']

IMAGE_ALONE = 'image alone'
"""The row without sparse depth."""


@dataclass(slots=True)
class _Row:
    metrics: DepthMetrics
    generator: np.random.Generator
    covered: list[tuple[float, float]] = field(default_factory=list)
    points: list[int] = field(default_factory=list)


def evaluate_sparse(
    estimator: DepthEstimator,
    dataset: DepthDataset,
    protocol: Protocol,
    kinds: Sequence[str],
    on_image: Callable[[], None] = lambda: None,
    collected: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> dict[str, dict[str, float]]:
    """Score depth without sparse depth and with each kind of it; every image stands alone.

    Args:
        estimator: Its depth range should be wide, and drop no edges.
        dataset: Images with depth.
        protocol: Which pixels count.
        kinds: What to draw; see `sparse_draws.draw_sparse_depth`.
        on_image: Called after each image.
        collected: Makes what is entered for each image, and may keep its error to itself.

    Returns:
        For `IMAGE_ALONE` and each kind all figures of `DepthMetrics.compute`, and `covered_1` and
        `covered_2`, the share of pixels within one and two stated standard deviations, and
        `points`, the mean number of points used.

    Raises:
        DatasetError: If a file cannot be read.
        OfflineError: If a kind is unknown.
    """
    model = ScaleModel.from_dict(estimator.metadata.scale_model)
    rows = {
        kind: _Row(DepthMetrics(protocol), np.random.default_rng(0))
        for kind in (IMAGE_ALONE, *kinds)
    }
    for index in range(len(dataset)):
        with collected():
            sample = dataset[index]
            camera = pinhole(sample.focal_px, *sample.depth_hw.shape)
            depth = estimator.estimate(sample.rgb_hwc, camera, stddev=False).depth_hw
            for kind, row in rows.items():
                _score(depth, sample, kind, row, model, estimator.settings.min_depth)
        on_image()
    return {
        kind: row.metrics.compute()
        | {
            'covered_1': float(np.mean([one for one, _ in row.covered])),
            'covered_2': float(np.mean([two for _, two in row.covered])),
            'points': float(np.mean(row.points)),
        }
        for kind, row in rows.items()
    }


def tabulate_sparse(rows: Mapping[str, Mapping[str, float]], protocol: Protocol) -> Table:
    """Return the figures of `evaluate_sparse` as a table; means over images."""
    n_images = next(iter(rows.values()))['n_images']
    table = Table(
        title=f'sparse depth, protocol {protocol.describe()}, n = {n_images:.0f} images',
        box=box.SIMPLE_HEAD,
    )
    for column in ('', 'points', 'RMSE', 'REL', 'd1', 'd2', 'within 1 stddev', 'within 2'):
        table.add_column(column, no_wrap=True)
    for kind, figures in rows.items():
        names = ('rmse_per_image', 'rel_per_image', 'delta1_per_image', 'delta2_per_image')
        shares = [f'{figures[name]:.1%}' for name in ('covered_1', 'covered_2')]
        values = [f'{figures[name]:.3f}' for name in names]
        table.add_row(kind, f'{figures["points"]:.1f}', *values, *shares)
    return table


def _score(
    depth: FloatArray,
    sample: DepthSample,
    kind: str,
    row: _Row,
    model: ScaleModel,
    min_depth: float,
) -> None:
    camera = pinhole(sample.focal_px, *sample.depth_hw.shape)
    truth, sparse = sample.depth_hw, None
    if kind != IMAGE_ALONE:
        sparse, is_drawn = draw_sparse_depth(kind, truth, camera, row.generator)
        truth = np.where(is_drawn, np.float32(np.nan), truth)
    scaling = SparseScaler(model).scale(depth, camera, sparse)
    if scaling is None:
        return
    scaled = depth if sparse is None else depth * scaling.field.factors(depth)
    limit_range(scaled, min_depth, np.inf)
    stddev = scaling.field.stddev(scaled, scaling.coarse, model)
    row.metrics.update(np.nan_to_num(scaled, nan=min_depth), truth)
    row.points.append(scaling.scale.points)
    is_known = np.isfinite(truth) & (truth > 0) & np.isfinite(scaled)
    if is_known.any():
        deviations = np.abs(scaled[is_known] - truth[is_known]) / stddev[is_known]
        row.covered.append((float(np.mean(deviations <= 1)), float(np.mean(deviations <= 2))))
