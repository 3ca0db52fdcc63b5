"""How far a whole image's depth is off in scale, and how that wanders over time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from drnet_offline.evaluation.metrics import DepthMetrics

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from drnet_offline.evaluation.protocols import Protocol

__all__ = ['ScaleMetrics']


class ScaleMetrics:
    """The scale of each image, median(truth / estimate), and the figures with it set right.

    Args:
        protocol: Which pixels count.
    """

    def __init__(self, protocol: Protocol) -> None:
        self._protocol = protocol
        self._aligned = DepthMetrics(protocol)
        self._scales: list[float] = []

    def update(self, estimate_hw: NDArray[np.float32], truth_hw: NDArray[np.float32]) -> None:
        """Add one image, in order of time; one without a single valid pixel is not counted.

        Args:
            estimate_hw: Float32 (H, W), metres, dense.
            truth_hw: Float32 (H, W), metres, NaN or 0 where invalid.
        """
        estimate, truth = self._protocol.select(estimate_hw, truth_hw)
        if truth.size == 0:
            return
        scale = float(np.median(truth / estimate))
        self._scales.append(scale)
        self._aligned.update(estimate_hw * np.float32(scale), truth_hw)

    def summarise(self) -> dict[str, float]:
        """Return the spread over all images, and from each to the next.

        Returns:
            p5, p50 and p95 of the scale; std of its natural logarithm (0.1 is about 10 %);
            step_p50 and step_p95 of |s_t / s_{t-1} - 1|, which says something where images follow
            each other in time. NaN without images, the steps' without two.
        """
        scales = np.array(self._scales)
        steps = np.abs(scales[1:] / scales[:-1] - 1)
        p5, p50, p95 = np.percentile(scales, [5, 50, 95]) if scales.size else [np.nan] * 3
        step_p50, step_p95 = np.percentile(steps, [50, 95]) if steps.size else [np.nan] * 2
        names = ('p5', 'p50', 'p95', 'log_std', 'step_p50', 'step_p95')
        log_std = np.log(scales).std() if scales.size else np.nan
        values = (p5, p50, p95, log_std, step_p50, step_p95)
        return {name: float(value) for name, value in zip(names, values, strict=True)}

    def align(self) -> dict[str, float]:
        """Return the figures of `DepthMetrics` with every image's scale set from its truth."""
        return self._aligned.compute()
