"""A training preset: the typed record of all that a training is told."""

from __future__ import annotations

from dataclasses import dataclass, field

from drnet_offline.datasets.mixture import SourceConfig
from drnet_offline.training.augment import Augmentation
from drnet_ros.network.config import NetworkConfig

__all__ = ['DataConfig', 'OptimizerConfig', 'TrainConfig', 'list_sources']


@dataclass(frozen=True, slots=True)
class DataConfig:
    """Where the images are and how they are fed.

    Attributes:
        root: The data set, or the folder of all sources; the command line's --data stands above
            it.
        layout: Of a single data set: a key of `datasets.opening.LAYOUTS`, or 'auto'.
        validation_blocks: Of a single data set: first and last index of the ranges training never
            sees.
        sources: Several data sets, each with its camera; () is the single one at root. The first
            one's camera is the training camera, to which the depth of the others is scaled.
        epoch_images: Images of an epoch, drawn by the weights of the sources; 0 for as many as
            there are.
        size: Height and width of the network's input in training.
        batch_size: Images a step and process.
        workers: Loader processes.
    """

    root: str = ''
    layout: str = 'auto'
    validation_blocks: tuple[tuple[int, int], ...] = ()
    sources: tuple[SourceConfig, ...] = ()
    epoch_images: int = 0
    size: tuple[int, int] = (192, 256)
    batch_size: int = 8
    workers: int = 1


@dataclass(frozen=True, slots=True)
class OptimizerConfig:
    """How the parameters move.

    Attributes:
        name: 'adam' (amsgrad, as the paper) or 'adamw'.
        lr: Learning rate of the decoder.
        backbone_lr: Learning rate of the backbone.
        weight_decay: As the optimizer understands it.
        schedule: 'constant', 'one_cycle' (with warm-up) or 'step'.
        step_epochs: Epochs after which schedule 'step' multiplies the rate by step_factor.
        step_factor: Of schedule 'step'.
        clip_norm: Largest norm of the gradient, 0 for no limit.
        ema_decay: Of the averaged weights, which are what is validated and kept; 0 for none.
    """

    name: str = 'adam'
    lr: float = 1e-4
    backbone_lr: float = 1e-4
    weight_decay: float = 1e-4
    schedule: str = 'constant'
    step_epochs: int = 5
    step_factor: float = 0.1
    clip_norm: float = 0.0
    ema_decay: float = 0.0


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """A whole preset.

    Attributes:
        network: The network to train.
        data: The images.
        augmentation: The changes made to them.
        optimizer: How parameters move.
        loss: 'paper' (eq. 1-6) or 'metric' (L1, relative and gradient).
        far_m: Where absolute errors of loss 'metric' go over into relative ones, metres; 0 is
            never.
        auxiliary_weight: Weight of the levels above the finest; the paper has 1.
        pretrained: '' for random weights, 'imagenet', or a file of backbone weights.
        initial_weights: A weights file of the same network to start from, or ''; a guided filter
            may be added or left out.
        initial_share: Share of `initial_weights` in the weights that are validated and kept, below
            1. The rest is the averaged weights (Wortsman et al., CVPR 2022: WiSE-FT).
        freeze_backbone: Leave the backbone as it is.
        frozen_stages: How many of its stages, down1 first, are left as they are.
        frozen_statistics: Leave the means and variances of its batch norms as they are.
        epochs: How often each image is seen.
        precision: Lightning's, for instance '32-true' or 'bf16-mixed'.
        compile: Pass the network through torch.compile.
        seed: Of everything random.
        validate_every: Epochs between validations; epochs is a multiple of it.
        patience: Validations without a better `val/criterion` after which training ends early; 0
            for never.
        pictures: How many validation images are drawn after each validation; 0 for none.
        sync_batchnorm: Batch statistics over the GPUs of all processes.
    """

    network: NetworkConfig = field(default_factory=NetworkConfig)
    data: DataConfig = field(default_factory=DataConfig)
    augmentation: Augmentation = field(default_factory=Augmentation)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    loss: str = 'paper'
    far_m: float = 0.0
    auxiliary_weight: float = 1.0
    pretrained: str = 'imagenet'
    initial_weights: str = ''
    initial_share: float = 0.0
    freeze_backbone: bool = False
    frozen_stages: int = 0
    frozen_statistics: bool = False
    epochs: int = 20
    precision: str = '32-true'
    compile: bool = False
    seed: int = 0
    validate_every: int = 1
    patience: int = 0
    pictures: int = 6
    sync_batchnorm: bool = False


def list_sources(config: TrainConfig) -> tuple[SourceConfig, ...]:
    """Return the data sets that a training learns from: the sources, or the single one."""
    data = config.data
    return data.sources or (
        SourceConfig(
            layout=data.layout,
            border_px=config.augmentation.border_px,
            validation_blocks=data.validation_blocks,
        ),
    )
