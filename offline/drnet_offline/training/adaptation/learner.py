"""The network that learns: its steps, its averaged weights, and its state on disk."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch.optim.swa_utils import get_ema_multi_avg_fn

from drnet_offline.outputs.files import whole_file
from drnet_offline.training.depthwise import run_depthwise_in_float32
from drnet_offline.training.losses import metric_loss, multilevel_loss, trust_scale

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor, nn

    from drnet_offline.training.data import Batch
    from drnet_ros.network.drnet import DRNet
    from drnet_ros.network.metadata import WeightsMetadata

__all__ = ['Learner', 'LearningRates', 'normalise']

# Low-level features and batch statistics stay: few images of one place move them away from what
# many images taught.
_FROZEN_STAGES = 2


@dataclass(frozen=True, slots=True)
class LearningRates:
    """How parameters move.

    Attributes:
        decoder: Largest learning rate of the decoder.
        backbone: That of the backbone.
        weight_decay: As AdamW has it.
        warm_up: Share of the steps in which the rates rise; they fall as a cosine after it.
        clip_norm: Largest norm of the gradient.
        average_decay: Of the averaged weights.
        auxiliary_weight: Weight of the levels above the finest.
        far_m: Where absolute errors of the loss go over into relative ones, metres.
    """

    decoder: float = 5e-4
    backbone: float = 1.5e-4
    weight_decay: float = 2e-2
    warm_up: float = 0.1
    clip_norm: float = 5.0
    average_decay: float = 0.99
    auxiliary_weight: float = 0.5
    far_m: float = 5.0


class Learner:
    """Trains a copy of a network for a known number of steps.

    Attributes:
        network: The network being trained.
        average: Its weights averaged over the last steps, which is what is kept.
        step: Steps done.
    """

    def __init__(
        self,
        network: DRNet,
        metadata: WeightsMetadata,
        steps: int,
        rates: LearningRates = LearningRates(),
    ) -> None:
        """Begin where the weights are.

        Args:
            network: It is copied.
            metadata: What its input is normalised by.
            steps: How many there will be; the learning rates depend on it.
            rates: How parameters move.
        """
        self.device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')
        self.network = _trainable(network).to(self.device)
        if self.device.type == 'cpu':
            run_depthwise_in_float32(self.network)
        self.average = copy.deepcopy(self.network).requires_grad_(requires_grad=False)
        self.step = 0
        self._metadata = metadata
        self._steps = steps
        self._rates = rates
        self._optimizer = _optimizer(self.network, rates)
        self._dtype = _fast_dtype(self.device)

    def learn(self, batch: Batch) -> float:
        """Take one step.

        Args:
            batch: Of `draws.Draws`.

        Returns:
            The loss.
        """
        with torch.autocast(self.device.type, self._dtype or torch.bfloat16, enabled=self._fast):
            depths = self.network(normalise(batch['rgb'].to(self.device), self._metadata))
        loss = self._loss([depth.float() for depth in depths], batch)
        self.descend(loss)
        return float(loss.detach())

    def descend(self, loss: Tensor) -> None:
        """Move all parameters down a loss, and the averaged weights after them."""
        for group in self._optimizer.param_groups:
            group['lr'] = group['peak'] * _rate_at(self.step, self._steps, self._rates.warm_up)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self._rates.clip_norm)
        self._optimizer.step()
        self.step += 1
        decay = min(self._rates.average_decay, (1 + self.step) / (10 + self.step))
        update = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
        with torch.no_grad():
            update(list(self.average.parameters()), list(self.network.parameters()), None)

    def save(self, path: Path) -> None:
        """Write the whole state, whole or not at all."""
        state = {
            'step': self.step,
            'network': self.network.state_dict(),
            'average': self.average.state_dict(),
            'optimizer': self._optimizer.state_dict(),
        }
        with whole_file(path) as part:
            torch.save(state, part)

    def load(self, path: Path) -> None:
        """Go on from a saved state."""
        state: dict[str, Any] = torch.load(path, map_location=self.device, weights_only=True)
        self.step = int(state['step'])
        self.network.load_state_dict(state['network'])
        self.average.load_state_dict(state['average'])
        self._optimizer.load_state_dict(state['optimizer'])

    @property
    def _fast(self) -> bool:
        return self._dtype is not None

    def _loss(self, depths: list[Tensor], batch: Batch) -> Tensor:
        target, trust, edges = (
            batch[name].to(self.device) for name in ('depth', 'scale_trust', 'edge_weight')
        )
        loss = partial(metric_loss, edge_weight=edges.view(-1, 1, 1, 1), far_m=self._rates.far_m)
        return multilevel_loss(
            depths,
            trust_scale(depths[0], target, trust),
            loss,
            strides=self.network.strides,
            auxiliary_weight=self._rates.auxiliary_weight,
        )


def normalise(rgb_bchw: Tensor, metadata: WeightsMetadata) -> Tensor:
    """Turn uint8 (B, 3, H, W) RGB into the network's float input, channels last."""
    mean, std = (
        torch.tensor(values, device=rgb_bchw.device).view(1, 3, 1, 1) * 255
        for values in (metadata.mean, metadata.std)
    )
    normalised: Tensor = (rgb_bchw.float() - mean) / std
    return normalised.contiguous(memory_format=torch.channels_last)


def _trainable(network: DRNet) -> DRNet:
    """Return a copy whose later stages and decoder learn, all with frozen batch statistics."""
    copied = copy.deepcopy(network).eval().to(memory_format=torch.channels_last)
    copied.requires_grad_(requires_grad=True)
    for stage in list(copied.backbone.stages)[:_FROZEN_STAGES]:
        stage.requires_grad_(requires_grad=False)
    return copied


def _optimizer(network: DRNet, rates: LearningRates) -> torch.optim.AdamW:
    inside = {id(p) for p in network.backbone.parameters()}
    parts: list[tuple[list[nn.Parameter], float]] = [
        ([p for p in network.parameters() if id(p) not in inside], rates.decoder),
        ([p for p in network.backbone.parameters() if p.requires_grad], rates.backbone),
    ]
    groups = [{'params': params, 'peak': peak, 'lr': peak} for params, peak in parts if params]
    return torch.optim.AdamW(groups, weight_decay=rates.weight_decay)


def _rate_at(step: int, steps: int, warm_up: float) -> float:
    """Return the share of the largest rate: up in a line, down as a cosine to 1 %."""
    rising = max(1.0, warm_up * steps)
    if step < rising:
        return (step + 1) / (rising + 1)
    done = (step - rising) / max(1.0, steps - rising)
    return 0.01 + 0.99 * (1 + math.cos(math.pi * min(1.0, done))) / 2


def _fast_dtype(device: torch.device) -> torch.dtype | None:
    """Return the type of autocast; None where half precision is not fast."""
    if device.type == 'cuda':
        return torch.bfloat16
    has_bf16 = torch.ops.mkldnn._is_mkldnn_bf16_supported()  # noqa: SLF001 - no public name
    return torch.bfloat16 if has_bf16 else None
