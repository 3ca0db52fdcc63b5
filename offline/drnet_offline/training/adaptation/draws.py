"""The training images of an adaptation: each draw a function of the seed and its number."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from drnet_offline.training.adaptation.frame_store import StoredFrames
from drnet_offline.training.augment import Augmentation
from drnet_offline.training.data import AugmentedDataset, EpochSampler
from drnet_offline.training.preset import DataConfig, TrainConfig

if TYPE_CHECKING:
    from drnet_offline.datasets.mixture import Mixture
    from drnet_offline.datasets.sample import DepthSample

__all__ = ['AUGMENTATION', 'Draws', 'draw_keys', 'training_config']

AUGMENTATION = Augmentation(
    border_px=0,
    max_zoom=1.3,
    max_rotation_deg=3.0,
    max_tilt_deg=3.0,
    brightness=0.25,
    contrast=0.25,
    saturation=0.4,
    colour_cast=0.08,
    max_gamma=1.3,
    cutmix=0.25,
)
"""Of the camera's height and view as they are, under other light."""


def training_config(size_hw: tuple[int, int], batch_size: int, seed: int) -> TrainConfig:
    """Return what `AugmentedDataset` reads of a preset.

    Args:
        size_hw: Size of the network's input.
        batch_size: Images of a step.
        seed: Of the draws.
    """
    data = DataConfig(size=size_hw, batch_size=batch_size)
    return TrainConfig(data=data, augmentation=AUGMENTATION, seed=seed)


class Draws(AugmentedDataset):
    """Augmented frames; a pixel with half the weight of the surest counts in half of the draws."""

    def draw_sample(self, index: int, rng: np.random.Generator) -> DepthSample:
        """Return a frame, its label where it is at least as sure as a random number."""
        frames = self._samples.source_of(index).samples
        if not isinstance(frames, StoredFrames):
            return self._samples[index]
        first = self._samples.range_of(index).start
        # One number for the whole frame: what is left of the label is connected.
        return frames.sure_part(index - first, float(rng.random()), of_surest=True)


def draw_keys(mixture: Mixture, count: int, seed: int) -> list[int]:
    """Return the keys of all draws of a training, for `Draws`.

    Args:
        mixture: The sources with their shares.
        count: How many draws.
        seed: Of the order.
    """
    weights = mixture.weights()
    epoch = max(1, min(count, len(mixture)))
    keys: list[int] = []
    sampler = EpochSampler(weights, epoch, seed)
    for number in range(-(-count // epoch)):
        sampler.set_epoch(number)
        keys += list(sampler)
    return keys[:count]
