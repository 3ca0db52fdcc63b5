"""Scales the estimates of each camera by its sparse depth, and says how sure they are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from drnet_ros.inference.sparse_depth.coarse import CoarseDepth
from drnet_ros.inference.sparse_depth.cones import aimed
from drnet_ros.inference.sparse_depth.depth_scale import DepthScale
from drnet_ros.inference.sparse_depth.observations import Selection, observe
from drnet_ros.inference.sparse_depth.projection import project
from drnet_ros.inference.sparse_depth.scale_field import (
    ScaleField,
    estimate_scale_field,
    uniform_scale_field,
)
from drnet_ros.inference.sparse_depth.scale_filter import FactorPrior, SparseScaleFilter

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from drnet_ros.inference.camera import CameraModel
    from drnet_ros.inference.sparse_depth.points import SparseDepth
    from drnet_ros.inference.sparse_depth.scale_model import ScaleModel

__all__ = ['Scaling', 'SparseScaler']


@dataclass(frozen=True, slots=True, eq=False)
class Scaling:
    """What to do to an estimate.

    Attributes:
        field: Its factors.
        coarse: Its cells.
        scale: A summary.
    """

    field: ScaleField
    coarse: CoarseDepth
    scale: DepthScale


class SparseScaler:
    """Remembers the factor of each camera; for one thread at a time."""

    def __init__(self, model: ScaleModel) -> None:
        """Know no camera as yet.

        Args:
            model: The calibrated numbers of the weights.
        """
        self.model = model
        self._filters: dict[str, SparseScaleFilter] = {}

    def reset(self, stream: str | None = None) -> None:
        """Forget the factor of a camera.

        Args:
            stream: Which one; None for all.
        """
        if stream is None:
            self._filters.clear()
        else:
            self._filters.pop(stream, None)

    def scale(
        self,
        depth_hw: NDArray[np.float32],
        camera: CameraModel | None,
        sparse_depth: SparseDepth | None,
        *,
        stream: str = '',
        stamp_ns: int | None = None,
    ) -> Scaling | None:
        """Compare an estimate with sparse depth.

        Args:
            depth_hw: The estimate in metres, float32 (H, W), NaN where invalid; not changed.
            camera: The camera whose rays its pixels look along, at the size of the estimate.
            sparse_depth: What is known, empty if there is a source but no data for this frame;
                None if there is no source, and the estimate is left as it is.
            stream: Which camera's estimates it is one of.
            stamp_ns: When it was taken; None if unknown, and each frame stands alone.

        Returns:
            What to do to the estimate; None if no pixel of it is valid.
        """
        coarse = CoarseDepth.of(depth_hw)
        if coarse is None:
            return None
        if sparse_depth is None or camera is None:
            variance = self.model.factor_stddev**2
            scale = DepthScale(1.0, self.model.factor_stddev)
            return Scaling(uniform_scale_field(coarse, self.model, 0.0, variance), coarse, scale)
        memory = self._memory(stream, stamp_ns)
        prior = memory.predict(stamp_ns or 0)
        points = project(aimed(sparse_depth, depth_hw, camera, coarse.step), camera)
        selection = observe(points, depth_hw, coarse, self.model, prior.log_factor)
        refusal = selection.refusal
        if len(selection.points) and not refusal:
            refusal, prior = self._gate(memory, selection, prior, stamp_ns or 0)
        if refusal or not len(selection.points):
            return self._without_points(coarse, prior, selection, sparse_depth.source, refusal)
        found = estimate_scale_field(
            selection, coarse, self.model, prior.log_factor, prior.variance
        )
        memory.update(found.log_factor, found.log_factor_variance, found.local_variance, prior)
        scale = DepthScale(
            math.exp(found.log_factor),
            math.sqrt(found.log_factor_variance),
            found.used,
            {**selection.dropped, 'outlier': found.outliers},
            sparse_depth.source,
            0.0,
            residual=selection.residual,
            contradiction=selection.contradiction,
        )
        return Scaling(found, coarse, scale)

    def _memory(self, stream: str, stamp_ns: int | None) -> SparseScaleFilter:
        if stamp_ns is None:
            return SparseScaleFilter(self.model.factor_stddev**2)
        if stream not in self._filters:
            self._filters[stream] = SparseScaleFilter(self.model.factor_stddev**2)
        return self._filters[stream]

    def _gate(
        self, memory: SparseScaleFilter, selection: Selection, prior: FactorPrior, stamp_ns: int
    ) -> tuple[str, FactorPrior]:
        """Return why the points are not believed, and the prior to go on with."""
        if memory.accepts(selection.centre, self.model.local_stddev**2):
            return '', memory.predict(stamp_ns)
        refusal = (
            f'the points ask for a factor of {math.exp(selection.centre):.3g}, frames before for '
            f'{math.exp(prior.log_factor):.3g}; more frames must agree before that is believed'
        )
        return refusal, prior

    def _without_points(
        self,
        coarse: CoarseDepth,
        prior: FactorPrior,
        selection: Selection,
        source: str,
        refusal: str,
    ) -> Scaling:
        dropped = dict(selection.dropped)
        if len(selection.points):
            dropped['refused'] = len(selection.points)
        scale = DepthScale(
            math.exp(prior.log_factor),
            math.sqrt(prior.variance),
            0,
            dropped,
            source,
            prior.age_s,
            refusal,
            selection.residual,
            selection.contradiction,
        )
        uniform = uniform_scale_field(coarse, self.model, prior.log_factor, prior.variance)
        return Scaling(uniform, coarse, scale)
