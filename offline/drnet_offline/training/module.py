"""What learns: the network with its loss, its optimizer and the metrics of validation."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import lightning
import numpy as np
import torch
from torch import Tensor

from drnet_offline.errors import ConfigError, DivergedError
from drnet_offline.evaluation.metrics import DepthMetrics
from drnet_offline.training.depth_check import validation_protocols
from drnet_offline.training.depthwise import run_depthwise_in_float32
from drnet_offline.training.losses import metric_loss, multilevel_loss, paper_loss, trust_scale
from drnet_offline.training.preset_reader import to_plain
from drnet_offline.training.pretrained import load_backbone
from drnet_ros.network.backbones import BACKBONES
from drnet_ros.network.checkpoint import load_network
from drnet_ros.network.drnet import DRNet

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from drnet_offline.training.data import Batch
    from drnet_offline.training.preset import TrainConfig

__all__ = ['DepthModule']

Normalisation = tuple[tuple[float, ...], tuple[float, ...]]


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
    if config.initial_share and metadata.network != asked:
        msg = 'initial_share needs initial_weights with the same guided_filter as the network'
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
        images: What it learns from, in words, so that a resumed training has the same.
    """

    _mean_1c11: Tensor
    _std_1c11: Tensor

    def __init__(
        self, config: TrainConfig, focal_px: float, source_names: Sequence[str] = ('',)
    ) -> None:
        super().__init__()
        self.config = config
        self.focal_px = focal_px
        self.images = ''
        self.network, self.normalisation = _build_network(config)
        for name, of_channels in zip(('mean', 'std'), self.normalisation, strict=True):
            scaled = torch.tensor(of_channels).view(1, 3, 1, 1) * 255
            self.register_buffer(f'_{name}_1c11', scaled, persistent=False)
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
        protocols = validation_protocols(len(self.source_names))
        self.metrics = torch.nn.ModuleList(DepthMetrics(protocol) for protocol in protocols)
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
        checkpoint['preset'] = to_plain(self.config)
        checkpoint['images'] = self.images

    def _normalise(self, rgb_bchw: Tensor) -> Tensor:
        """Turn uint8 (B, 3, H, W) RGB into the network's float input."""
        return (rgb_bchw.float() - self._mean_1c11) / self._std_1c11

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
        """Score one image at its own size.

        Raises:
            DivergedError: Its depth is no number; no epoch after this one could mend that.
        """
        sample = {name: tensor[0] for name, tensor in batch.items()}
        metrics = cast('DepthMetrics', self.metrics[int(sample['source'])])
        depth_hw = self.estimate(sample)
        if not np.isfinite(depth_hw).all():
            msg = (
                f'the training has diverged: after epoch {self.current_epoch + 1} the network '
                'estimates depth that is no number; best.safetensors, if it is there, is from '
                'before: train again with a lower optimizer.lr'
            )
            raise DivergedError(msg)
        metrics.update(depth_hw, sample['truth'].cpu().numpy())

    def validation_figures(self) -> dict[str, float]:
        """Return the figures of the first source, those of the others, and the criterion.

        Returns:
            `rmse` and so on of the first source; `SOURCE/rel_per_image` and so on of each other
            one; `criterion`, the smaller the better: the RMSE of a single source, and of several
            the mean of the first one's log10 error and the mean log10 error of the others, each
            per image. REL would be that of a single near desk whose depth is four times too large.
        """
        first, *others = (cast('DepthMetrics', metrics).compute() for metrics in self.metrics)
        figures = dict(first)
        for name, other in zip(self.source_names[1:], others, strict=True):
            figures |= {
                f'{name}/{key}': other[key]
                for key in ('rel_per_image', 'log10_per_image', 'delta1_per_image')
            }
        rest = [other['log10_per_image'] for other in others]
        figures['criterion'] = (
            (first['log10_per_image'] + sum(rest) / len(rest)) / 2 if rest else first['rmse']
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
        return partial(
            metric_loss,
            edge_weight=edge_weight.view(-1, 1, 1, 1),
            far_m=self.config.far_m or math.inf,
        )

    def configure_optimizers(self) -> Any:
        """Return optimizer and schedule of the preset."""
        o = self.config.optimizer
        backbone = [p for p in self.network.backbone.parameters() if p.requires_grad]
        inside = {id(p) for p in self.network.backbone.parameters()}
        decoder = [p for p in self.network.parameters() if id(p) not in inside]
        groups: list[dict[str, Any]] = [{'params': decoder, 'lr': o.lr}]
        if backbone:
            groups.append({'params': backbone, 'lr': o.backbone_lr})
        # One kernel for all parameters on a GPU.
        fused = self.device.type == 'cuda'
        optimizer: torch.optim.Optimizer
        if o.name == 'adam':
            optimizer = torch.optim.Adam(
                groups, weight_decay=o.weight_decay, amsgrad=True, fused=fused
            )
        else:
            optimizer = torch.optim.AdamW(groups, weight_decay=o.weight_decay, fused=fused)
        if o.schedule == 'constant':
            return optimizer
        if o.schedule == 'step':
            return [optimizer], [
                torch.optim.lr_scheduler.StepLR(optimizer, o.step_epochs, gamma=o.step_factor)
            ]
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
