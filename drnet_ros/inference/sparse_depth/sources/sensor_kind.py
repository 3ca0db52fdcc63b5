"""By what two sensors that share a topic and a frame can be told apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ['SensorKind', 'mixed_kinds']

# Numbers of one sensor differ by less from message to message, those of two by more.
_SAME_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class SensorKind:
    """What does not change from one message of a sensor to the next.

    Attributes:
        words: It in words.
        numbers: Numbers of the sensor.
        angles: Least and greatest angle of a scan, radians; a sensor may send its view in parts,
            which do not overlap. None for others.
    """

    words: str
    numbers: tuple[float, ...]
    angles: tuple[float, float] | None = None

    def is_same(self, other: SensorKind) -> bool:
        """Return whether both may be of one sensor.

        Args:
            other: Of a message of the same type.
        """
        pairs = zip(self.numbers, other.numbers, strict=True)
        if not all(_is_near(*pair) for pair in pairs):
            return False
        if self.angles is None or other.angles is None:
            return True
        ends = zip(self.angles, other.angles, strict=True)
        if all(_is_near(*pair) for pair in ends):
            return True
        shared = min(self.angles[1], other.angles[1]) - max(self.angles[0], other.angles[0])
        shorter = min(high - low for low, high in (self.angles, other.angles))
        return shared < _SAME_SHARE * shorter


def mixed_kinds(kinds: Sequence[SensorKind]) -> str:
    """Say that messages of two sensors alternate, '' if they do not.

    Args:
        kinds: Of the last messages, in order. One that changes once was set anew.
    """
    for last in range(2, len(kinds)):
        for middle in range(1, last):
            other = kinds[middle]
            if other.is_same(kinds[last]):
                continue
            if any(first.is_same(kinds[last]) for first in kinds[:middle]):
                return (
                    f'messages of two sensors alternate ({kinds[last].words}; {other.words}), '
                    'whose points are all taken for those of one frame: give each sensor a '
                    'frame_id of its own'
                )
    return ''


def _is_near(first: float, second: float) -> bool:
    if math.isinf(first) or math.isinf(second):
        return first == second
    # NaN is near to all: it says nothing.
    return not abs(first - second) > _SAME_SHARE * max(abs(first), abs(second))
