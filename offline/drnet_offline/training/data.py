"""What a training is fed: images of the training size, drawn anew in every epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import lightning
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, DistributedSampler

from drnet_offline.training.augment import augment, paste_region, resize_sample, resized_focal_px

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from drnet_offline.datasets.sample import DepthDataset
    from drnet_offline.training.preset import TrainConfig

__all__ = ['AugmentedDataset', 'Batch', 'DepthData', 'ValidationDataset']

Batch = dict[str, Tensor]


class EpochSampler(DistributedSampler[int]):
    """Yields epoch * n + position: each draw of an augmentation is a function of seed and step.

    So a training that is resumed sees exactly what it would have seen.
    """

    def __iter__(self) -> Iterator[int]:
        """Return this process's share of the epoch."""
        n = len(cast('Any', self.dataset))
        return (self.epoch * n + position for position in super().__iter__())


class AugmentedDataset(Dataset[Batch]):
    """Samples as tensors of the training size, changed at random."""

    def __init__(self, samples: DepthDataset, config: TrainConfig) -> None:
        self._samples = samples
        self._config = config

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self._samples)

    def __getitem__(self, key: int) -> Batch:
        """Return one draw of a sample; key is epoch * n + position."""
        config = self._config
        rng = np.random.default_rng((config.seed, key))
        rgb, depth = self._draw(key % len(self._samples), rng)
        if rng.random() < config.augmentation.cutmix:
            other = self._draw(int(rng.integers(len(self._samples))), rng)
            paste_region(rgb, depth, *other, rng)
        return {
            'rgb': torch.from_numpy(rgb).permute(2, 0, 1),
            'depth': torch.from_numpy(depth[None]),
        }

    def _draw(
        self, index: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        config = self._config
        rgb, depth, _ = augment(self._samples[index], config.data.size, config.augmentation, rng)
        return rgb, depth


class ValidationDataset(Dataset[Batch]):
    """Samples at the training size, with the truth at its own."""

    def __init__(self, samples: DepthDataset, config: TrainConfig) -> None:
        self._samples = samples
        self._config = config

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self._samples)

    def __getitem__(self, index: int) -> Batch:
        """Return one sample."""
        sample = self._samples[index]
        rgb, _, _ = resize_sample(sample, self._config.data.size, 0)
        return {
            'rgb': torch.from_numpy(rgb).permute(2, 0, 1),
            'truth': torch.from_numpy(sample.depth_hw),
            'focal_px': torch.tensor(
                resized_focal_px(sample.focal_px, sample.depth_hw.shape, self._config.data.size)
            ),
        }


class DepthData(lightning.LightningDataModule):
    """Loaders for training and validation."""

    def __init__(self, train: DepthDataset, val: DepthDataset, config: TrainConfig) -> None:
        super().__init__()
        self._train = AugmentedDataset(train, config)
        self.val = ValidationDataset(val, config)
        self._config = config

    def train_dataloader(self) -> DataLoader[Batch]:
        """Return the loader of augmented batches; the last, incomplete one is left out."""
        trainer, data = self.trainer, self._config.data
        world, rank = (trainer.world_size, trainer.global_rank) if trainer else (1, 0)
        sampler = EpochSampler(
            self._train, world, rank, shuffle=True, seed=self._config.seed, drop_last=True
        )
        return DataLoader(
            self._train,
            data.batch_size,
            sampler=sampler,
            num_workers=data.workers,
            persistent_workers=data.workers > 0,
            pin_memory=torch.cuda.is_available(),
            drop_last=True,
        )

    def val_dataloader(self) -> DataLoader[Batch]:
        """Return the loader of validation images, one at a time."""
        trainer = self.trainer
        world, rank = (trainer.world_size, trainer.global_rank) if trainer else (1, 0)
        share = torch.utils.data.Subset(self.val, range(rank, len(self.val), world))
        return DataLoader(share, 1, num_workers=self._config.data.workers)
