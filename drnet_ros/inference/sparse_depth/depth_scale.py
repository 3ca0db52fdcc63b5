"""What a frame's depth was scaled by, in a few figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ['DepthScale']

# Why points cannot be compared with the image.
_UNSEEN = {
    'outside': 'are beside the image',
    'invalid': 'are behind the camera or no numbers',
    'no_estimate': 'have no estimated depth',
}


@dataclass(frozen=True, slots=True)
class DepthScale:
    """By what, and on what grounds, the depth of a frame was scaled.

    Attributes:
        factor: The global factor; single pixels have their own where points are near.
        relative_stddev: Standard deviation of the factor, as a share of it.
        points: Number of points that the depth rests on; 0 if only the filter or nothing is known.
        dropped: Points left out, by reason; see `observations.Selection.dropped`, and 'outlier'
            for those that the others contradict, 'refused' for all where none is believed.
        source: `SparseDepth.source` of the frame.
        age_s: Seconds since points were last used for this camera; 0 if in this frame, None if
            never.
        refusal: Why none of the points is used, in words; '' otherwise.
        contradiction: Which sources are left out as they contradict others, in words; or ''.
        residual: By how much the points of this frame differ from its depth after one factor for
            all, as a share: a root mean square, in which no point counts more than 0.41. None if
            no point could be compared.
    """

    factor: float
    relative_stddev: float
    points: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)
    source: str = ''
    age_s: float | None = None
    refusal: str = ''
    residual: float | None = None
    contradiction: str = ''

    @property
    def unseen(self) -> str:
        """Where the points of this frame are if none of them is in the image, in words; or ''."""
        counts = {words: self.dropped.get(reason, 0) for reason, words in _UNSEEN.items()}
        if self.points or self.refusal or not sum(counts.values()):
            return ''
        where = ', '.join(f'{count} {words}' for words, count in counts.items() if count)
        return (
            f'of the points {where}; check the transform, and that header.frame_id of the images '
            'is the optical frame (z forward)'
        )
