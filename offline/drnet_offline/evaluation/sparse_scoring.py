"""Depth with sparse depth that is drawn from the truth, scored on the rest of the pixels."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
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

    from drnet_offline.datasets.sample import DepthDataset
    from drnet_offline.evaluation.protocols import Protocol
    from drnet_ros.inference import CameraModel, DepthEstimator, SparseDepth
    from drnet_ros.inference.arrays import FloatArray

__all__ = ['IMAGE_ALONE', 'SparseScore', 'evaluate_sparse', 'tabulate_sparse']

IMAGE_ALONE = 'image alone'
"""The row without sparse depth."""

# Whether stated deviations fit is measured at every second pixel of every second row.
_STEP = 2


class SparseScore:
    """Figures of estimates that sparse depth scales, over images."""

    def __init__(self, protocol: Protocol, model: ScaleModel, min_depth_m: float) -> None:
        """Begin without images.

        Args:
            protocol: Which pixels count.
            model: The calibrated numbers of the weights.
            min_depth_m: What is compared with the truth where there is no depth.
        """
        self._metrics = DepthMetrics(protocol)
        self._scaler = SparseScaler(model)
        self._min_depth_m = min_depth_m
        self._covered: list[tuple[float, float]] = []
        self._points: list[int] = []

    def add(
        self,
        depth_hw: FloatArray,
        truth_hw: FloatArray,
        camera: CameraModel,
        sparse_depth: SparseDepth | None,
        stamp_ns: int | None = None,
    ) -> None:
        """Add an image.

        Args:
            depth_hw: The estimate in metres, float32 (H, W); not changed.
            truth_hw: Recorded depth, NaN or 0 where unknown or not to be scored.
            camera: The camera at that size.
            sparse_depth: What is known; None for the image alone.
            stamp_ns: When it was taken, if the images are of one camera, in their order.
        """
        scaling = self._scaler.scale(depth_hw, camera, sparse_depth, stamp_ns=stamp_ns)
        if scaling is None:
            return
        factors = 1.0 if sparse_depth is None else scaling.field.factors(depth_hw)
        scaled = (depth_hw * factors).astype(np.float32, copy=False)
        limit_range(scaled, self._min_depth_m, np.inf)
        stddev = scaling.field.stddev(scaled, scaling.coarse, self._scaler.model)
        self._metrics.update(np.nan_to_num(scaled, nan=self._min_depth_m), truth_hw)
        self._points.append(scaling.scale.points)
        some = np.s_[::_STEP, ::_STEP]
        truth, found = truth_hw[some], scaled[some]
        is_known = np.isfinite(truth) & (truth > 0) & np.isfinite(found)
        if is_known.any():
            deviations = np.abs(found - truth)[is_known] / stddev[some][is_known]
            self._covered.append(
                (float(np.mean(deviations <= 1)), float(np.mean(deviations <= 2)))
            )

    def compute(self) -> dict[str, float]:
        """Return all figures of `DepthMetrics.compute`, and three more, means over images.

        `covered_1` and `covered_2`: the share of pixels within one and two stated standard
        deviations; `points`: the number of points used.
        """
        one, two = np.mean(self._covered, axis=0).tolist() if self._covered else (np.nan, np.nan)
        points = float(np.mean(self._points)) if self._points else np.nan
        return self._metrics.compute() | {'covered_1': one, 'covered_2': two, 'points': points}


@dataclass(frozen=True, slots=True)
class _Drawn:
    """What is drawn from the truth, and its score."""

    kind: str
    score: SparseScore
    generator: np.random.Generator

    def add(self, depth_hw: FloatArray, truth_hw: FloatArray, camera: CameraModel) -> None:
        if self.kind == IMAGE_ALONE:
            self.score.add(depth_hw, truth_hw, camera, None)
            return
        sparse, is_drawn = draw_sparse_depth(self.kind, truth_hw, camera, self.generator)
        rest = np.where(is_drawn, np.float32(np.nan), truth_hw)
        self.score.add(depth_hw, rest, camera, sparse)


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
        For `IMAGE_ALONE` and each kind what `SparseScore.compute` returns.

    Raises:
        DatasetError: If a file cannot be read.
        OfflineError: If a kind is unknown.
    """
    model = ScaleModel.from_dict(estimator.metadata.scale_model)
    min_depth_m = estimator.settings.min_depth
    rows = [
        _Drawn(kind, SparseScore(protocol, model, min_depth_m), np.random.default_rng(0))
        for kind in (IMAGE_ALONE, *kinds)
    ]
    # NumPy computes without Python's lock: kinds are scored at the same time, each on its own.
    with ThreadPoolExecutor() as pool:
        for index in range(len(dataset)):
            with collected():
                sample = dataset[index]
                camera = pinhole(sample.focal_px, *sample.depth_hw.shape)
                depth = estimator.estimate(sample.rgb_hwc, camera, stddev=False).depth_hw
                jobs = [partial(row.add, depth, sample.depth_hw, camera) for row in rows]
                list(pool.map(lambda job: job(), jobs))
            on_image()
    return {row.kind: row.score.compute() for row in rows}


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
