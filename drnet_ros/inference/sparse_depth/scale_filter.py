"""The global factor of one camera's estimates over time."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

__all__ = ['FactorPrior', 'SparseScaleFilter']

_NS_PER_S = 1e9
# The factor of single frames scatters by so much, and their common part drifts by so much in one
# second: of the embedded weights on recordings of a walking camera.
_JITTER_VARIANCE = 0.05**2
_DRIFT_VARIANCE_PER_S = 0.1**2
_GATE_SIGMAS = 3.0
# So many frames in a row that contradict the filter and agree with one another are a new room.
_REOPEN_FRAMES = 3
_AGREEMENT = 0.25


@dataclass(frozen=True, slots=True)
class FactorPrior:
    """What is known of a frame's global factor before its own points are looked at.

    Attributes:
        log_factor: Mean of the factor's logarithm.
        variance: Its variance for this frame.
        age_s: Seconds since points were last used, or None if none ever were.
    """

    log_factor: float
    variance: float
    age_s: float | None = None


class SparseScaleFilter:
    """A Kalman filter of ln(factor), a random walk; for one camera and one thread at a time.

    Points that contradict it are refused until several frames in a row agree on another factor:
    then the camera came into another room, or was carried there, and the filter starts anew.
    Without points the mean stays, and its variance grows up to that of the calibration.
    """

    def __init__(self, factor_variance: float) -> None:
        """Know nothing but the calibration.

        Args:
            factor_variance: Variance of ln(factor) where nothing else is known.
        """
        self._unknown_variance = factor_variance
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._log_factor = 0.0
        self._variance = self._unknown_variance
        self._stamp_ns: int | None = None
        self._used_ns: int | None = None
        self._contradictions: deque[float] = deque(maxlen=_REOPEN_FRAMES)

    def predict(self, stamp_ns: int) -> FactorPrior:
        """Go on to the time of a frame.

        Args:
            stamp_ns: When it was taken. If time goes back, the filter starts anew.
        """
        if self._stamp_ns is not None and stamp_ns < self._stamp_ns:
            self.reset()
        gap_s = 0.0 if self._stamp_ns is None else (stamp_ns - self._stamp_ns) / _NS_PER_S
        grown = self._variance + _DRIFT_VARIANCE_PER_S * gap_s
        self._variance = min(self._unknown_variance, grown)
        self._stamp_ns = stamp_ns
        age_s = None if self._used_ns is None else (stamp_ns - self._used_ns) / _NS_PER_S
        return FactorPrior(self._log_factor, self._frame_variance(), age_s)

    def accepts(self, log_ratio: float, slack_variance: float) -> bool:
        """Return whether what a frame's points agree on is believable; start anew if it must be.

        Args:
            log_ratio: ln(true depth / estimated depth) that most points agree on.
            slack_variance: Variance of the difference between this and the global factor.
        """
        allowed = _GATE_SIGMAS * math.sqrt(self._frame_variance() + slack_variance)
        if abs(log_ratio - self._log_factor) <= allowed:
            self._contradictions.clear()
            return True
        self._contradictions.append(log_ratio)
        last = self._contradictions
        if len(last) < _REOPEN_FRAMES or max(last) - min(last) > _AGREEMENT:
            return False
        stamp_ns = self._stamp_ns
        self.reset()
        self._stamp_ns = stamp_ns
        return True

    def update(
        self, log_factor: float, variance: float, local_variance: float, prior: FactorPrior
    ) -> None:
        """Take over what a frame's points said.

        Args:
            log_factor: Mean log ratio at the points, given the prior and the points.
            variance: Its variance.
            local_variance: Variance of its difference from the global factor.
            prior: The prior that it was given.
        """
        self._used_ns = self._stamp_ns
        share = 1 - variance / (prior.variance + local_variance)  # of the points, not the prior
        if share <= 0:
            return
        said = prior.log_factor + (log_factor - prior.log_factor) / share
        said_variance = variance / share + local_variance + self._jitter_variance()
        gain = self._variance / (self._variance + said_variance)
        self._log_factor += gain * (said - self._log_factor)
        self._variance *= 1 - gain

    def _frame_variance(self) -> float:
        return min(self._unknown_variance, self._variance + self._jitter_variance())

    def _jitter_variance(self) -> float:
        return min(_JITTER_VARIANCE, self._unknown_variance / 2)
