"""Training on Lightning: the module that learns and the data it is fed."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import lightning
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from drnet_offline.augment import augment, paste_region, resize_sample, resized_focal_px
from drnet_offline.depthwise import run_depthwise_in_float32
from drnet_offline.errors import ConfigError
from drnet_offline.losses import metric_loss, multilevel_loss, paper_loss, trust_scale
from drnet_offline.metrics import DepthMetrics
from drnet_offline.pretrained import load_backbone
from drnet_offline.protocols import PROTOCOLS
from drnet_ros.inference.preprocess import network_size
from drnet_ros.network.backbones import BACKBONES
from drnet_ros.network.checkpoint import load_network
from drnet_ros.network.drnet import DRNet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from drnet_offline.config import TrainConfig
    from drnet_offline.datasets.mixture import Mixture

__all__ = ['Batch', 'DepthData', 'DepthModule', 'ValidationDataset']

Batch = dict[str, Tensor]
Normalisation = tuple[tuple[float, ...], tuple[float, ...]]


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
        rgb, depth = self._draw(index, rng)
        if rng.random() < config.augmentation.mix:
            siblings = self._samples.range_of(index)
            other = self._draw(siblings[int(rng.integers(len(siblings)))], rng)
            paste_region(rgb, depth, *other, rng)
        source = self._samples.source_of(index).config
        return {
            'rgb': torch.from_numpy(rgb).permute(2, 0, 1),
            'depth': torch.from_numpy(depth[None]),
            'scale_trust': torch.tensor(source.scale_trust, dtype=torch.float32),
            'edge_weight': torch.tensor(source.edge_weight, dtype=torch.float32),
        }

    def _draw(
        self, index: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        config = self._config
        border_px = self._samples.source_of(index).config.border_px
        augmentation = replace(config.augmentation, border_px=border_px)
        rgb, depth, focal_px = augment(self._samples[index], config.data.size, augmentation, rng)
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
        }


class DepthData(lightning.LightningDataModule):
    """Loaders for training and validation."""

    def __init__(self, train: Mixture, val: Mixture, config: TrainConfig, focal_px: float) -> None:
        super().__init__()
        self._train = AugmentedDataset(train, config, focal_px)
        self._weights = train.weights()
        self.val = ValidationDataset(val, config)
        self._config = config

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


def _build_network(config: TrainConfig) -> tuple[DRNet, Normalisation]:
    """Return the network a training begins with, and the normalisation its weights expect."""
    if not config.initial_weights:
        spec = BACKBONES[config.network.backbone]
        backbone = load_backbone(config.network.backbone, config.pretrained)
        return DRNet(config.network, backbone), (spec.mean, spec.std)
    begun, metadata = load_network(Path(config.initial_weights))
    asked = config.network
    if replace(metadata.network, guided_filter=asked.guided_filter) != asked:
        msg = f'initial_weights must be of {asked}, got {metadata.network}'
        raise ConfigError(msg)
    network = DRNet(asked)
    given, state = begun.state_dict(), network.state_dict()
    # A guided filter that the file does not have starts afresh; one too many is left out.
    state.update({name: given[name] for name in given.keys() & state.keys()})
    network.load_state_dict(state)
    return network, (metadata.mean, metadata.std)


class DepthModule(lightning.LightningModule):
    """DRNet with its loss, optimizer and validation metrics.

    Args:
        config: The preset.
        focal_px: f_training: focal length of the training images at the network's size.
        source_names: Of the sources of the validation images; the first is scored by protocol
            eigen, the others by full.

    Attributes:
        metrics: The metrics of each source's validation images.
        normalisation: Mean and standard deviation of RGB in 0..1 that the network is fed with.
    """

    def __init__(
        self, config: TrainConfig, focal_px: float, source_names: Sequence[str] = ('',)
    ) -> None:
        super().__init__()
        self.config = config
        self.focal_px = focal_px
        self.network, self.normalisation = _build_network(config)
        self._frozen = [
            stage
            for i, stage in enumerate(self.network.backbone.stages)
            if config.freeze_backbone or i < config.frozen_stages
        ]
        for stage in self._frozen:
            stage.requires_grad_(requires_grad=False)
        self.network.to(memory_format=torch.channels_last)
        if not torch.cuda.is_available():
            run_depthwise_in_float32(self.network)
        self.source_names = tuple(source_names)
        protocols = ['eigen', *['full'] * (len(self.source_names) - 1)]
        self.metrics = torch.nn.ModuleList(DepthMetrics(PROTOCOLS[name]) for name in protocols)
        # In a list, so that the compiled view adds no second copy of the parameters.
        self._forward = [torch.compile(self.network) if config.compile else self.network]
        # Lightning takes the module in the mode it comes in, and does not call train() itself.
        self.train()

    def train(self, mode: bool = True) -> DepthModule:  # noqa: FBT001, FBT002 - PyTorch's name
        """Switch mode; what is frozen keeps its batch statistics."""
        super().train(mode)
        for stage in self._frozen:
            stage.eval()
        if self.config.frozen_statistics:
            for module in self.network.backbone.modules():
                if isinstance(module, (torch.nn.BatchNorm2d, torch.nn.SyncBatchNorm)):
                    module.eval()
        return self

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what a resumed training must have too."""
        checkpoint['processes'] = self.trainer.world_size
        checkpoint['normalisation'] = self.normalisation

    def _normalise(self, rgb_bchw: Tensor) -> Tensor:
        """Turn uint8 (B, 3, H, W) RGB into the network's float input."""
        mean, std = (
            torch.tensor(v, device=rgb_bchw.device).view(1, 3, 1, 1) * 255
            for v in self.normalisation
        )
        return (rgb_bchw.float() - mean) / std

    def training_step(self, batch: Batch, _index: int) -> Tensor:
        """Return the loss over all levels of a batch."""
        rgb = self._normalise(batch['rgb']).contiguous(memory_format=torch.channels_last)
        depths = self._forward[0](rgb)
        weight = self.config.auxiliary_weight
        with torch.autocast(rgb.device.type, enabled=False):
            target = trust_scale(depths[0], batch['depth'], batch['scale_trust'])
            loss = multilevel_loss(
                depths,
                target,
                self._loss_of(batch['edge_weight']),
                strides=self.network.strides,
                auxiliary_weight=weight,
            )
        self.log('train/loss', loss, prog_bar=True)
        return loss

    def estimate(self, sample: Batch) -> NDArray[np.float32]:
        """Return the depth of one validation image at its truth's size, scaled for its camera.

        Args:
            sample: Of `ValidationDataset`, without a batch dimension.

        Returns:
            float32 (H, W), metres, as the node would give it: dense and above 0.
        """
        rgb, size = sample['rgb'][None].to(self.device), sample['truth'].shape
        with torch.no_grad(), torch.autocast(rgb.device.type, enabled=False):
            depth = self.network(self._normalise(rgb))[0].float()
        depth = torch.nn.functional.interpolate(
            depth, size=size, mode='bilinear', align_corners=False
        )
        scale = float(sample['focal_px']) / self.focal_px
        scaled: NDArray[np.float32] = (depth * scale).clamp(min=1e-3)[0, 0].cpu().numpy()
        return scaled

    def validation_step(self, batch: Batch, _index: int) -> None:
        """Score one image at its own size."""
        sample = {name: tensor[0] for name, tensor in batch.items()}
        metrics = cast('DepthMetrics', self.metrics[int(sample['source'])])
        metrics.update(self.estimate(sample), sample['truth'].cpu().numpy())

    def validation_figures(self) -> dict[str, float]:
        """Return the figures of the first source, those of the others, and the criterion.

        Returns:
            `rmse` and so on of the first source; `SOURCE/rel_per_image` and so on of each other
            one; `criterion`, the smaller the better: the RMSE of a single source, and of several
            the mean of the first one's REL and the mean REL of the others, each per image.
        """
        first, *others = (cast('DepthMetrics', metrics).compute() for metrics in self.metrics)
        figures = dict(first)
        for name, other in zip(self.source_names[1:], others, strict=True):
            figures |= {
                f'{name}/{key}': other[key] for key in ('rel_per_image', 'delta1_per_image')
            }
        rest = [other['rel_per_image'] for other in others]
        figures['criterion'] = (
            (first['rel_per_image'] + sum(rest) / len(rest)) / 2 if rest else first['rmse']
        )
        return figures

    def on_validation_epoch_end(self) -> None:
        """Log the metrics of the validation images."""
        for name, value in self.validation_figures().items():
            self.log(
                f'val/{name}',
                torch.tensor(value, dtype=torch.float32),
                prog_bar=name in {'rmse', 'delta1'},
                sync_dist=False,
            )
        for metrics in self.metrics:
            cast('DepthMetrics', metrics).reset()

    def _loss_of(self, edge_weight: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
        if self.config.loss == 'paper':
            return paper_loss
        return partial(metric_loss, edge_weight=edge_weight.view(-1, 1, 1, 1))

    def configure_optimizers(self) -> Any:
        """Return optimizer and schedule of the preset."""
        o = self.config.optimizer
        backbone = [p for p in self.network.backbone.parameters() if p.requires_grad]
        inside = {id(p) for p in self.network.backbone.parameters()}
        decoder = [p for p in self.network.parameters() if id(p) not in inside]
        groups: list[dict[str, Any]] = [{'params': decoder, 'lr': o.lr}]
        if backbone:
            groups.append({'params': backbone, 'lr': o.backbone_lr})
        optimizer: torch.optim.Optimizer
        if o.name == 'adam':
            optimizer = torch.optim.Adam(groups, weight_decay=o.weight_decay, amsgrad=True)
        else:
            optimizer = torch.optim.AdamW(groups, weight_decay=o.weight_decay)
        if o.schedule == 'constant':
            return optimizer
        # Up, down, and the step after the last: PyTorch divides by the length of each part.
        steps = max(int(self.trainer.estimated_stepping_batches), 3)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer,
            max_lr=[group['lr'] for group in groups],
            total_steps=steps,
            pct_start=max(0.1, 2 / steps),
        )
        stepwise = {'scheduler': schedule, 'interval': 'step'}
        return {'optimizer': optimizer, 'lr_scheduler': stepwise}
