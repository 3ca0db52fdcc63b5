"""Old and new weights on the same frames: figures, frame by frame, and pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from drnet_offline.evaluation.figures import NAMES
from drnet_offline.evaluation.protocols import PROTOCOLS
from drnet_offline.replay.gallery import Picture
from drnet_offline.replay.scores import Scores, score_frame
from drnet_offline.training.adaptation.scoring import predict, scored_sample

if TYPE_CHECKING:
    from drnet_offline.datasets.sample import DepthDataset
    from drnet_ros.network.drnet import DRNet
    from drnet_ros.network.metadata import WeightsMetadata

__all__ = ['Comparison', 'Weights', 'compare', 'pictures_of']


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """Two networks that differ in their weights.

    Attributes:
        old: The network as it was.
        new: The mixture.
        metadata: Of both.
    """

    old: DRNet
    new: DRNet
    metadata: WeightsMetadata

    @property
    def both(self) -> tuple[DRNet, DRNet]:
        """Old and new."""
        return self.old, self.new


@dataclass(slots=True, eq=False)
class Comparison:
    """Old and new weights on some frames.

    Attributes:
        name: What the frames are.
        samples: The frames.
        scores: Sums of old and new weights.
        frames: For each frame 'index', 'name', 'stamp_s', and 'rel' and 'scale' of old and new.
    """

    name: str
    samples: DepthDataset
    scores: tuple[Scores, Scores] = field(
        default_factory=lambda: (Scores([PROTOCOLS['full']]), Scores([PROTOCOLS['full']]))
    )
    frames: list[dict[str, Any]] = field(default_factory=list)

    def figures(self) -> dict[str, Any]:
        """Return the figures before and after, means over frames; 'scaled' is with true scales."""
        result: dict[str, Any] = {'name': self.name, 'frames': len(self.frames)}
        for when, scores in zip(('before', 'after'), self.scores, strict=True):
            found = scores.figures()
            result[when] = {
                name: {key: found[kind][f'{key}_per_image'] for key in NAMES}
                for name, kind in (('as_is', 'full'), ('scaled', 'full_scaled'))
                if kind in found
            }
        return result


def compare(
    name: str,
    samples: DepthDataset,
    places: Sequence[tuple[int, float]],
    weights: Weights,
    on_frame: Callable[[], None] = lambda: None,
) -> Comparison:
    """Score old and new weights on frames.

    Args:
        name: What the frames are.
        samples: The frames.
        places: Block and stamp of each.
        weights: What is compared.
        on_frame: Called after each frame.
    """
    comparison = Comparison(name, samples)
    for index, (_, stamp_s) in enumerate(places):
        sample = scored_sample(samples, index)
        record: dict[str, Any] = {'index': index, 'name': sample.name, 'stamp_s': stamp_s}
        for when, network, scores in zip(
            ('before', 'after'), weights.both, comparison.scores, strict=True
        ):
            depth = predict(network, weights.metadata, sample)
            scores.add_estimate(depth)
            figures = score_frame(scores, depth, sample.depth_hw)
            record[when] = {'rel': figures['rel'], 'scale': figures['scale']}
        on_frame()
        if record['before']['rel'] is not None:
            comparison.frames.append(record)
    return comparison


def pictures_of(comparison: Comparison, weights: Weights) -> list[tuple[str, Picture]]:
    """Return the frames with the largest, the median and the smallest gain, with labels."""
    gains = [f['before']['rel'] - f['after']['rel'] for f in comparison.frames]
    order = np.argsort(gains)
    if not len(order):
        return []
    places = {'most gained': order[-1], 'median': order[len(order) // 2], 'least': order[0]}
    pictures = []
    for label, place in places.items():
        record = comparison.frames[int(place)]
        sample = comparison.samples[record['index']]
        depths = tuple(predict(n, weights.metadata, sample) for n in weights.both)
        words = f'{label}\nREL {record["before"]["rel"]:.2f} → {record["after"]["rel"]:.2f}'
        picture = Picture(record['index'], sample.rgb_hwc, None, sample.depth_hw, depths)
        pictures.append((words, picture))
    return pictures
