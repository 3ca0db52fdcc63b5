"""Whether new weights are better beyond chance, and which mixture of old and new is best."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from drnet_offline.report.verdict import percent

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from drnet_offline.training.adaptation.scoring import FrameScore

__all__ = ['MIXTURES', 'Verdict', 'block_errors', 'judge']

MIXTURES = tuple(tenths / 10 for tenths in range(1, 11))
"""Shares of the new weights that are tried; the rest is the old ones."""

_CONFIDENCE = 0.95
_LEAST_REL = 1e-6


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the held-out blocks and the replay set say.

    Attributes:
        mixture: Share of the new weights: the best mixture of those that do not forget too much; 0
            if there is none.
        shown: The mixture that figures are of: the chosen one, or, if there is none, the one with
            the least error on held-out blocks, however much it forgets.
        gain: By what share of itself REL falls on held-out blocks, geometric mean over blocks.
            Each block is judged by the mixture that the other blocks prefer, so that choosing
            makes no gain by itself. If no mixture is chosen, it is that of `shown`.
        gain_low: Lower end of the one-sided 95 % interval of the gain, by Student's t over blocks.
        blocks: Number of blocks.
        blocks_better: In how many of them REL falls.
        forgotten: What `shown` forgets: by what share of itself REL rises on the replay set, below
            0 if it falls, or by how much depth changes there; None without a replay set.
        most_forgotten: How much that may be.
        is_change: Whether it is a change of depth.
    """

    mixture: float
    shown: float
    gain: float
    gain_low: float
    blocks: int
    blocks_better: int
    forgotten: float | None
    most_forgotten: float
    is_change: bool = False

    @property
    def is_accepted(self) -> bool:
        """Whether the weights are written."""
        return self.mixture > 0 and self.gain_low > 0

    def sentence(self) -> str:
        """Return the verdict in a sentence."""
        if self.mixture == 0 and self.gain <= 0:
            return (
                'The old weights stay: every mixture with the new ones is worse on the held-out '
                f'blocks; with {percent(self.shown)} of them, REL rises by '
                f'{percent(-self.gain, 1)} of itself.'
            )
        if self.mixture == 0:
            return (
                f'The old weights stay: with {percent(self.shown)} of the new ones, REL on '
                f'held-out blocks falls by {percent(self.gain)} of itself, but {self.cost()}.'
            )
        words = f'REL on held-out blocks falls by {percent(self.gain)} of itself'
        better = f'{self.blocks_better} of {self.blocks} blocks are better'
        if self.is_accepted:
            return (
                f'The new weights are better: {words} (95 % sure of at least '
                f'{percent(self.gain_low)}; {better}).'
            )
        return (
            f'The old weights stay, since the gain may be chance: {words}, but that it falls at '
            f'all is less than 95 % sure ({better}).'
        )

    def cost(self) -> str:
        """Return in words what is forgotten; '' if that is not known."""
        if self.forgotten is None:
            return ''
        most = f'at most {100 * self.most_forgotten:g} % is allowed'
        if self.is_change:
            return f'depth of the replay set changes by {percent(self.forgotten, 1)}, where {most}'
        change = f'{100 * self.forgotten:+.1f} %'
        return f'REL on the replay set changes by {change} of itself, where {most}'


def block_errors(scores: Sequence[FrameScore]) -> NDArray[np.float64]:
    """Return the mean REL of each block, in the order of the blocks."""
    blocks = sorted({score.block for score in scores})
    return np.array(
        [np.mean([s.figures['rel'] for s in scores if s.block == block]) for block in blocks]
    )


def judge(
    old: NDArray[np.float64],
    mixtures: Mapping[float, NDArray[np.float64]],
    forgotten: Mapping[float, float],
    *,
    most_forgotten: float,
    is_change: bool = False,
) -> Verdict:
    """Choose the mixture, and tell whether it is better beyond chance.

    Args:
        old: REL of the old weights in each block, (B,).
        mixtures: The same for each mixture, by its share of the new weights.
        forgotten: What each mixture forgets, as in `Verdict`; empty without a replay set.
        most_forgotten: How much that may be.
        is_change: Whether it is a change of depth.
    """
    allowed = [share for share in mixtures if not forgotten or forgotten[share] <= most_forgotten]
    errors = np.array([old, *(mixtures[share] for share in allowed)])
    mixture = (0.0, *allowed)[_chosen(errors)]
    shown, fitted = mixture, _cross_fitted(errors)
    if mixture == 0:
        shown = min(mixtures, key=lambda share: float(mixtures[share].mean()))
        fitted = mixtures[shown]
    # As logarithms, a block of large errors counts no more than the others.
    gains = np.log(np.maximum(old, _LEAST_REL) / np.maximum(fitted, _LEAST_REL))
    mean = float(gains.mean())
    return Verdict(
        mixture=mixture,
        shown=shown,
        gain=1 - math.exp(-mean),
        gain_low=1 - math.exp(_margin(gains) - mean),
        blocks=len(old),
        blocks_better=int((gains > 0).sum()),
        forgotten=forgotten[shown] if forgotten else None,
        most_forgotten=most_forgotten,
        is_change=is_change,
    )


def _cross_fitted(errors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the error of each block by the mixture that the other blocks prefer, (B,).

    Args:
        errors: Of each mixture in each block, (M, B).
    """
    count = errors.shape[1]
    chosen = [_chosen(np.delete(errors, block, axis=1)) for block in range(count)]
    fitted: NDArray[np.float64] = errors[chosen, np.arange(count)]
    return fitted


def _chosen(errors: NDArray[np.float64]) -> int:
    """Return the mixture with the least error, geometric mean over blocks.

    Args:
        errors: Of each mixture in each block, (M, B).
    """
    return int(np.log(np.maximum(errors, _LEAST_REL)).mean(axis=1).argmin())


def _margin(gains: NDArray[np.float64]) -> float:
    """Return how far the mean gain may be off by chance."""
    error = float(gains.std(ddof=1)) / math.sqrt(len(gains))
    return float(stats.t.ppf(_CONFIDENCE, len(gains) - 1)) * error
