"""What a pass over a recording tells of its frames: problems, and what sparse depth did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from drnet_offline.replay.sparse_records import count_kinds, count_sparse, sparse_fields

if TYPE_CHECKING:
    from drnet_offline.replay.playback import Estimated
    from drnet_offline.replay.variants import Variant

__all__ = ['FrameNotes']


class FrameNotes:
    """Notes of one pass.

    Attributes:
        problems: In how many frames what was wrong.
    """

    def __init__(self, variants: Sequence[Variant], problems: Mapping[str, int]) -> None:
        """Begin with what is known of the recording.

        Args:
            variants: What estimates depth.
            problems: How often what is wrong, of before the pass.
        """
        self.problems = Counter(problems)
        self._names = [variant.name for variant in variants]
        self._records: list[dict[str, Any]] = []

    def add(self, estimated: Estimated) -> None:
        """Take note of a frame."""
        own = [estimated.problem] if estimated.problem else []
        count_kinds(self.problems, dict.fromkeys((*estimated.frame.problems, *own)))
        each = zip(estimated.results, estimated.sources, strict=True)
        fields = [sparse_fields(result.scale, sources) for result, sources in each]
        self._records.append({'variants': fields})

    def summary(self) -> dict[str, Any]:
        """Return 'problems', and what `count_sparse` does as 'sparse', by names of variants."""
        counted = (count_sparse(self._records, place) for place in range(len(self._names)))
        named = zip(self._names, counted, strict=True)
        return {
            'problems': dict(self.problems),
            'sparse': {name: about for name, about in named if about},
        }
