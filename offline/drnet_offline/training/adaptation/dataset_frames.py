"""Frames of data sets with depth."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from drnet_offline.errors import DatasetError
from drnet_offline.training.adaptation.frame_store import LabelledFrame

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from drnet_offline.datasets.sample import DepthDataset, DepthSample
    from drnet_ros.inference.arrays import UInt8Array

__all__ = ['DatasetFrames']

# Of more images every n-th is looked at.
_MOST_SURVEYED = 6000
# Data sets have no stamps.
_FRAMES_PER_S = 30.0


class DatasetFrames:
    """A data set with depth, whose images follow each other in time."""

    damage = ''
    warnings = ()
    kind = 'depth'
    labels = 'depth of the data set'
    follows_network = False

    def __init__(self, name: str, samples: DepthDataset) -> None:
        """Keep what is read later."""
        self.name = name
        self.problems: Counter[str] = Counter()
        self._samples = samples

    def images(self) -> Iterator[tuple[int, float, UInt8Array | None]]:
        """Yield position, time at 30 images a second, and image."""
        for position in self._surveyed():
            sample = self._read(position)
            rgb_hwc = None if sample is None else sample.rgb_hwc
            yield position, position / _FRAMES_PER_S, rgb_hwc

    def may_have_label(self, positions: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return that all have one."""
        return np.ones(len(positions), np.bool_)

    def frames(self, blocks: Mapping[int, int]) -> Iterator[LabelledFrame]:
        """Yield the samples at some positions."""
        for position, block in sorted(blocks.items()):
            sample = self._read(position)
            if sample is None:
                continue
            yield LabelledFrame(
                sample.name,
                position,
                position / _FRAMES_PER_S,
                block,
                sample.rgb_hwc,
                sample.focal_px,
                sample.depth_hw,
            )

    def _read(self, position: int) -> DepthSample | None:
        """Return a sample, None if it cannot be read: the others can."""
        try:
            return self._samples[position]
        except DatasetError:
            return None

    def _surveyed(self) -> range:
        return range(0, len(self._samples), -(-len(self._samples) // _MOST_SURVEYED) or 1)
