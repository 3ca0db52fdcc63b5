"""What the depth of a recording must fulfil: `drnet bag --require 'rel<=0.15'`."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from drnet_offline.errors import OfflineError
from drnet_offline.evaluation.figures import NAMES
from drnet_ros.errors import known_names

__all__ = ['Requirement', 'RequirementError', 'check_requirements', 'parse_requirements']

_COMPARISONS: dict[str, tuple[Callable[[float, float], bool], str]] = {
    '<=': (operator.le, 'at most'),
    '>=': (operator.ge, 'at least'),
    '<': (operator.lt, 'less than'),
    '>': (operator.gt, 'more than'),
}
_FIGURES = (*NAMES, 'coverage')
_FORM = re.compile(r'\s*(\w+)\s*(<=|>=|<|>)\s*([-+.\deE]+)\s*')


class RequirementError(OfflineError):
    """Depth is not as good as was asked for."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """A limit of one figure.

    Attributes:
        figure: Its name: one of `evaluation.figures.NAMES`, over all pixels, or 'coverage'.
        comparison: '<=', '>=', '<' or '>'.
        limit: What it is compared with.
    """

    figure: str
    comparison: str
    limit: float

    def failure(self, variant: dict[str, Any], protocol: str) -> str:
        """Return how the figures miss it, '' if they do not.

        Args:
            variant: One of the variants of `summary.summarise`.
            protocol: Which pixels count.
        """
        figures = {**variant['figures'][protocol], 'coverage': variant['coverage']}
        compare, words = _COMPARISONS[self.comparison]
        if compare(figures[self.figure], self.limit):
            return ''
        return f'{self.figure} must be {words} {self.limit:g}, got {figures[self.figure]:.4g}'


def parse_requirements(words: Sequence[str]) -> list[Requirement]:
    """Read requirements, such as 'rel<=0.15'.

    Args:
        words: Name of a figure, comparison and number, for each.

    Raises:
        OfflineError: One is not of that form, or names no figure.
    """
    found = []
    for word in words:
        match = _FORM.fullmatch(word)
        try:
            limit = float(match[3]) if match else float('nan')
        except ValueError:
            match = None
        if match is None:
            msg = f"--require must be such as 'rel<=0.15' or 'delta1>=0.8', got {word!r}"
            raise OfflineError(msg)
        if match[1] not in _FIGURES:
            msg = f'--require names no figure in {word!r}; {known_names(match[1], _FIGURES)}'
            raise OfflineError(msg)
        found.append(Requirement(match[1], match[2], limit))
    return found


def check_requirements(requirements: Sequence[Requirement], summary: dict[str, Any]) -> None:
    """Compare the figures of the first variant, in the first protocol, with what they must be.

    Args:
        requirements: What is asked for.
        summary: What `summary.summarise` returned.

    Raises:
        RequirementError: One is missed, or nothing could be scored.
    """
    if not requirements:
        return
    if not summary['frames_scored']:
        msg = '--require needs recorded depth to compare with, got no frame with any'
        raise RequirementError(msg)
    variant = summary['variants'][0]
    protocol = next(iter(variant['figures']))
    failures = [each.failure(variant, protocol) for each in requirements]
    if any(failures):
        over = f'{protocol}, {summary["frames_scored"]} frames'
        msg = f'required but not reached ({over}): {"; ".join(filter(None, failures))}'
        raise RequirementError(msg)
