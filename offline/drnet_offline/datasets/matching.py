"""Which depth image belongs to which image: by stamps, within a tolerance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ['match_stamps']


def match_stamps(
    images_ns: Sequence[int], depths_ns: Sequence[int], tolerance_ns: int
) -> dict[int, int]:
    """Pair stamps, the closest pair first, each at most once.

    Args:
        images_ns: Stamps of images, in any order, repeated ones too.
        depths_ns: Stamps of depth images.
        tolerance_ns: Largest distance of a pair.

    Returns:
        Position of the depth image by position of the image, for those that have one. Of equally
        close pairs the earlier positions count first, so that the result is always the same.
    """
    depths = np.asarray(depths_ns, np.int64)
    order = np.argsort(depths, kind='stable')
    in_order = depths[order]
    candidates: list[tuple[int, int, int]] = []
    for image, stamp in enumerate(images_ns):
        first = np.searchsorted(in_order, stamp - tolerance_ns, 'left')
        last = np.searchsorted(in_order, stamp + tolerance_ns, 'right')
        candidates += [
            (abs(int(depths[depth]) - stamp), image, int(depth)) for depth in order[first:last]
        ]
    pairs: dict[int, int] = {}
    taken: set[int] = set()
    for _, image, depth in sorted(candidates):
        if image not in pairs and depth not in taken:
            pairs[image] = depth
            taken.add(depth)
    return dict(sorted(pairs.items()))
