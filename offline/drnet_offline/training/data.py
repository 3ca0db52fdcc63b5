"""What a training is fed: images of the training size, drawn anew in every epoch."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import lightning
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from drnet_offline.training.augment import augment, paste_region, resize_sample, resized_focal_px
from drnet_ros.inference.preprocess import network_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from drnet_offline.datasets.mixture import Mixture
    from drnet_offline.datasets.sample import DepthSample
    from drnet_offline.training.preset import TrainConfig

__all__ = ['AugmentedDataset', 'Batch', 'DepthData', 'ValidationDataset', 'message_of_loader']

Batch = dict[str, Tensor]


class EpochSampler(Sampler[int]):
    """Draws the images of an epoch by their weights, each as often as its weight says.

    A key is draw * n + position of the image, and no two draws have the same number: each draw of
    an augmentation is a function of seed and step, so a training that is resumed sees exactly what
    it would have seen.

    Args:
        weights: Float64 (n,), sum 1: the share of each image.
        draws: Images of an epoch; with equal weights and n draws each image comes once.
        seed: Of the order.
        world: Processes that share the epoch.
        rank: Which of them this is.
    """

    def __init__(
        self, weights: NDArray[np.float64], draws: int, seed: int, *, world: int = 1, rank: int = 0
    ) -> None:
        self._ends = np.cumsum(weights)
        self._draws = draws
        self._seed = seed
        self._world = world
        self._rank = rank
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Take up another epoch; Lightning says which."""
        self._epoch = epoch

    def __len__(self) -> int:
        """Return the number of images of this process."""
        return self._draws // self._world

    def __iter__(self) -> Iterator[int]:
        """Return this process's share of the epoch."""
        rng = np.random.default_rng((self._seed, self._epoch))
        # Systematic sampling: an image of expectation 1.3 comes once or twice.
        places = (np.arange(self._draws) + rng.random()) / self._draws * self._ends[-1]
        positions = np.minimum(np.searchsorted(self._ends, places, 'right'), len(self._ends) - 1)
        rng.shuffle(positions)
        draws = self._epoch * self._draws + np.arange(self._draws)
        keys = (draws * len(self._ends) + positions).tolist()
        share = slice(self._rank, len(self) * self._world, self._world)
        return iter(keys[share])


class AugmentedDataset(Dataset[Batch]):
    """Samples as tensors of the training size, changed at random.

    Args:
        samples: The images.
        config: The preset.
        focal_px: f_training: focal length at the network's size that depth is scaled to.
    """

    def __init__(self, samples: Mixture, config: TrainConfig, focal_px: float) -> None:
        self._samples = samples
        self._config = config
        self._focal_px = focal_px

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self._samples)

    def __getitem__(self, key: int) -> Batch:
        """Return one draw of a sample; key is as `EpochSampler` has it."""
        config = self._config
        rng = np.random.default_rng((config.seed, key))
        index = key % len(self._samples)
        sample = self.draw_sample(index, rng)
        rgb, depth = self._augmented(sample, index, rng)
        if rng.random() < config.augmentation.cutmix:
            siblings = self._samples.range_of(index)
            place = siblings[int(rng.integers(len(siblings)))]
            other = self._augmented(self.draw_sample(place, rng), place, rng)
            paste_region(rgb, depth, *other, rng)
        source = self._samples.source_of(index).config
        return {
            'rgb': torch.from_numpy(rgb).permute(2, 0, 1),
            'depth': torch.from_numpy(depth[None]),
            'scale_trust': torch.tensor(source.scale_trust, dtype=torch.float32),
            'edge_weight': torch.tensor(source.edge_weight, dtype=torch.float32),
            'empty': torch.tensor(_place_if_empty(sample, index)),
        }

    def draw_sample(self, index: int, rng: np.random.Generator) -> DepthSample:  # noqa: ARG002
        """Return what is to be augmented; a subclass may draw what of it counts."""
        return self._samples[index]

    def _augmented(
        self, sample: DepthSample, index: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        config = self._config
        border_px = self._samples.source_of(index).config.border_px
        augmentation = replace(config.augmentation, border_px=border_px)
        rgb, depth, focal_px = augment(sample, config.data.size, augmentation, rng)
        return rgb, depth * np.float32(self._focal_px / focal_px)


class ValidationDataset(Dataset[Batch]):
    """Samples at the size at which the node would see them, with the truth at its own.

    Args:
        samples: The images.
        config: The preset.
    """

    def __init__(self, samples: Mixture, config: TrainConfig) -> None:
        self._samples = samples
        self._config = config

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self._samples)

    def __getitem__(self, index: int) -> Batch:
        """Return one sample."""
        sample = self._samples[index]
        size_hw = network_size(sample.depth_hw.shape, self._config.data.size)
        rgb, _, _ = resize_sample(sample, size_hw, 0)
        source = self._samples.sources.index(self._samples.source_of(index))
        return {
            'rgb': torch.from_numpy(rgb).permute(2, 0, 1),
            'truth': torch.from_numpy(sample.depth_hw),
            'focal_px': torch.tensor(
                resized_focal_px(sample.focal_px, sample.depth_hw.shape, size_hw)
            ),
            'source': torch.tensor(source),
            'empty': torch.tensor(_place_if_empty(sample, index)),
        }


class DepthData(lightning.LightningDataModule):
    """Loaders for training and validation."""

    def __init__(self, train: Mixture, val: Mixture, config: TrainConfig, focal_px: float) -> None:
        super().__init__()
        self._train = AugmentedDataset(train, config, focal_px)
        self._weights = train.weights()
        self.val = ValidationDataset(val, config)
        self._config = config
        self.sets = {'training': train, 'validation': val}
        self.empty: dict[str, set[int]] = {part: set() for part in self.sets}

    def on_before_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:  # noqa: ARG002
        """Take out of a batch which of its images have no depth.

        On a GPU, reading them there would make each step wait for the device.
        """
        is_training = self.trainer is not None and self.trainer.training
        found = self.empty['training' if is_training else 'validation']
        found.update(place for place in batch.pop('empty').tolist() if place >= 0)
        return batch

    def train_dataloader(self) -> DataLoader[Batch]:
        """Return the loader of augmented batches; the last, incomplete one is left out."""
        trainer, data = self.trainer, self._config.data
        world, rank = (trainer.world_size, trainer.global_rank) if trainer else (1, 0)
        sampler = EpochSampler(
            self._weights,
            data.epoch_images or len(self._train),
            self._config.seed,
            world=world,
            rank=rank,
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


def _place_if_empty(sample: DepthSample, index: int) -> int:
    """Return the place of a sample without any depth; -1 for others."""
    return -1 if (sample.depth_hw > 0).any() else index


def message_of_loader(error: Exception) -> str:
    """Return the message of an error, without the traceback that PyTorch puts into it.

    Args:
        error: What was raised where samples are loaded, in a process of its own or not.
    """
    said = str(error).strip()
    if 'Original Traceback' not in said:
        return said
    return said.splitlines()[-1].partition(': ')[2]
