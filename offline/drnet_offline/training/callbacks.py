"""What a training adds to Lightning's: its end, averaged weights, shared batch statistics."""

from __future__ import annotations

from typing import Any

import lightning
from lightning.pytorch import callbacks, plugins
from timm.layers.norm_act import convert_sync_batchnorm
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

__all__ = ['AveragedWeights', 'EarlyStop', 'SharedBatchNorm']


class EarlyStop(callbacks.EarlyStopping):
    """Ends a training whose criterion no longer improves; one that is resumed stays ended."""

    def __init__(self, patience: int) -> None:
        super().__init__('val/criterion', patience=patience, check_on_train_epoch_end=False)

    def on_train_start(self, trainer: lightning.Trainer, _module: Any) -> None:
        """Stop at once what had stopped before."""
        trainer.should_stop = trainer.should_stop or self.wait_count >= self.patience


class AveragedWeights(callbacks.WeightAveraging):
    """Exponential moving average of the weights, on the device that trains.

    Its decay is warmed up, min(decay, (1 + step) / (10 + step)), so that random first weights do
    not stay in the average of a short training.

    Args:
        decay: Of the average, at most.
        initial_share: Share of the first weights in what is validated; the rest is the average.
    """

    def __init__(self, decay: float, initial_share: float = 0.0) -> None:
        super().__init__(multi_avg_fn=self._average)
        self._decay = decay
        self._decay_now = 0.0
        self._initial_share = initial_share
        self._initial: list[Tensor] = []
        self._average_alone: list[Tensor] = []

    def setup(self, trainer: lightning.Trainer, pl_module: Any, stage: str) -> None:
        """Move the module first: Lightning copies it before it does so, and the copy stays."""
        module = pl_module.to(trainer.strategy.root_device)
        super().setup(trainer, module, stage)
        if self._initial_share:
            # A resumed training loads its checkpoint later: these are the first weights.
            self._initial = [tensor.clone() for tensor in _tensors(module)]

    def on_validation_epoch_start(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """Put the average into the module, and the share of the first weights."""
        super().on_validation_epoch_start(trainer, pl_module)
        if self._initial_share:
            self._average_alone = [tensor.clone() for tensor in _tensors(pl_module)]
            for tensor, first in zip(_tensors(pl_module), self._initial, strict=True):
                tensor.lerp_(first, self._initial_share)

    def on_validation_epoch_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """Put the weights that are trained back into the module."""
        if self._initial_share:
            for tensor, alone in zip(_tensors(pl_module), self._average_alone, strict=True):
                tensor.copy_(alone)
            self._average_alone = []
        super().on_validation_epoch_end(trainer, pl_module)

    def should_update(self, step_idx: int | None = None, epoch_idx: int | None = None) -> bool:  # noqa: ARG002
        """Average after every step; Lightning asks before it does."""
        if step_idx is None:
            return False
        self._decay_now = min(self._decay, (1 + step_idx) / (10 + step_idx))
        return True

    def _average(self, averaged: Any, current: Any, count: Tensor) -> None:
        average = get_ema_multi_avg_fn(self._decay_now)  # type: ignore[no-untyped-call]
        average(averaged, current, count)


class SharedBatchNorm(plugins.TorchSyncBatchNorm):
    """Batch statistics over all processes, for timm's layers too.

    PyTorch's own conversion drops the activation that timm keeps in its batch norms.
    """

    def apply(self, model: nn.Module) -> nn.Module:
        """Convert all batch norms of a model, in place."""
        converted: nn.Module = convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
        return converted

    def revert(self, model: nn.Module) -> nn.Module:
        """Leave the layers: they are not used after the training."""
        return model


def _tensors(module: nn.Module) -> list[Tensor]:
    """Return the parameters and batch statistics themselves, without gradients."""
    return [tensor for tensor in module.state_dict().values() if tensor.is_floating_point()]
