"""Several data sets as one: each image knows the source that it comes from."""

from __future__ import annotations

import bisect
import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from drnet_offline.datasets.opening import open_dataset
from drnet_offline.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from drnet_offline.datasets.sample import DepthDataset, DepthSample

__all__ = ['Mixture', 'Source', 'SourceConfig', 'open_mixture']


@dataclass(frozen=True, slots=True)
class SourceConfig:
    """One of the data sets that a training learns from.

    Attributes:
        path: Its place below data.root; '' is data.root itself.
        layout: A key of `datasets.opening.LAYOUTS`, or 'auto'.
        weight: Its share of the images of an epoch, relative to the weights of the others.
        border_px: Rows and columns cut off on every side first (NYU images have a white border).
        validation_blocks: First and last index of the ranges training never sees.
        held_out: Training sees nothing of it; all of it is for validation.
        scale_trust: How far its scale is believed, 1 for a known camera, 0 for none. Of the
            difference between its scale and the prediction's only this part is learned, in the
            logarithm; shape is always learned.
        edge_weight: Weight of the gradient term. Above 1 where depth edges are exact (rendered),
            below 1 where they are pixels off (Kinect).
    """

    path: str = ''
    layout: str = 'auto'
    weight: float = 1.0
    border_px: int = 0
    validation_blocks: tuple[tuple[int, int], ...] = ()
    held_out: bool = False
    scale_trust: float = 1.0
    edge_weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Source:
    """A data set of a mixture.

    Attributes:
        name: For logs and reports; 'nyu_v2_train795' for '.../nyu_v2_train795'.
        samples: Its images of the part that was asked for.
        config: How it is used.
    """

    name: str
    samples: DepthDataset
    config: SourceConfig


class Mixture:
    """The images of several sources, one after the other.

    Args:
        sources: At least one.
    """

    def __init__(self, sources: Sequence[Source]) -> None:
        self.sources = tuple(sources)
        lengths = [len(source.samples) for source in self.sources]
        self._ends = list(itertools.accumulate(lengths))

    def __len__(self) -> int:
        """Return the number of images of all sources."""
        return self._ends[-1]

    def __getitem__(self, index: int) -> DepthSample:
        """Read one image from disk."""
        source, first = self._find(index)
        return self.sources[source].samples[index - first]

    def source_of(self, index: int) -> Source:
        """Return the source of an image."""
        return self.sources[self._find(index)[0]]

    def range_of(self, index: int) -> range:
        """Return the indices of all images of the same source."""
        source, first = self._find(index)
        return range(first, self._ends[source])

    def weights(self) -> NDArray[np.float64]:
        """Return the probability of each image: float64 (N,) with sum 1, by sources' weights."""
        each = [
            np.full(len(source.samples), source.config.weight / len(source.samples))
            for source in self.sources
        ]
        joined: NDArray[np.float64] = np.concatenate(each)
        joined /= joined.sum()
        return joined

    def _find(self, index: int) -> tuple[int, int]:
        """Return the position of an image's source and the index of its first image."""
        if not 0 <= index < len(self):
            msg = f'index must be within 0..{len(self) - 1}, got {index}'
            raise IndexError(msg)
        source = bisect.bisect_right(self._ends, index)
        return source, self._ends[source - 1] if source else 0


def open_mixture(root: Path, sources: Sequence[SourceConfig], part: str) -> Mixture:
    """Open the sources that have images of a part.

    Args:
        root: What the sources' paths start from.
        sources: What the preset lists.
        part: 'train' or 'val'.

    Raises:
        DatasetError: A source cannot be read, or none has images of the part.
    """
    opened = []
    for config in sources:
        is_val = part == 'val'
        if is_val != config.held_out and not (is_val and config.validation_blocks):
            continue
        path = root / config.path
        samples = open_dataset(
            path,
            config.layout,
            part='all' if config.held_out else part,
            validation_blocks=() if config.held_out else config.validation_blocks,
        )
        opened.append(Source(path.name, samples, config))
    if not opened:
        msg = (
            f'{root} has no images for part {part!r}: give validation_blocks to a source, or hold '
            f'one out'
        )
        raise DatasetError(msg)
    return Mixture(opened)
