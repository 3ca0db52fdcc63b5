"""A training from a preset to a weights file."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import lightning
import torch
from lightning.pytorch import callbacks

from drnet_offline.datasets.mixture import Mixture, open_mixture
from drnet_offline.datasets.opening import is_nyu
from drnet_offline.errors import ConfigError, DatasetError
from drnet_offline.training.augment import resize_sample
from drnet_offline.training.callbacks import AveragedWeights, EarlyStop, SharedBatchNorm
from drnet_offline.training.data import DepthData, message_of_loader
from drnet_offline.training.depth_check import check_counted, check_depth, validation_protocols
from drnet_offline.training.distributed import ProcessLayout, find_processes
from drnet_offline.training.empty_images import EmptyImages
from drnet_offline.training.logs import KeptTensorBoardLogger, ResumedCSVLogger
from drnet_offline.training.module import DepthModule
from drnet_offline.training.output_check import check_training_folder
from drnet_offline.training.preset import list_sources
from drnet_offline.training.progress import TrainingProgress
from drnet_offline.training.run_folder import (
    WholeCheckpoints,
    check_checkpoint,
    check_preset,
    read_step,
    write_preset,
)
from drnet_offline.training.validation_pictures import ValidationPictures
from drnet_offline.training.weights_writer import WeightsWriter
from drnet_ros.network.metadata import WeightsMetadata

if TYPE_CHECKING:
    from drnet_offline.training.preset import TrainConfig

__all__ = ['train']

_NYU = (
    'NYU Depth v2 (Silberman et al., ECCV 2012) is for research use: ask its authors before you '
    'build a product on these weights.'
)


def _licence(config: TrainConfig) -> str:
    """Return what the weights file says of the data it learned from."""
    root = Path(config.data.root)
    learned = [root / source.path for source in list_sources(config) if not source.held_out]
    names = ', '.join(path.name for path in learned)
    said = [f'Trained on {names}; the licence of the data holds for these weights.']
    if config.initial_weights:
        said.append(f'They began as {Path(config.initial_weights).name}, whose licence holds too.')
    if any(is_nyu(path) for path in learned):
        said.append(_NYU)
    return ' '.join(said)


# What libraries warn of though it is meant so.
_MEANT = (
    'Checkpoint directory .* exists and is not empty',  # preset.yaml is in it
    r'Found \d+ module\(s\) in eval mode',  # the frozen ones
    r'It is recommended to use `self\.log\(.*sync_dist=True',  # metrics are of all processes
    'Grad strides do not match bucket view strides',  # of 1x1 convolutions, channels last
    r'`isinstance\(treespec, LeafSpec\)` is deprecated',  # in Lightning itself
)


def train(
    config: TrainConfig, output: Path, *, resume: bool = False, devices: int = 1, nodes: int = 1
) -> Path | None:
    """Train.

    Args:
        config: The preset; `data.root` must name the data.
        output: Folder for checkpoints, logs and weights; made where absent. Several machines
            share it.
        resume: Go on from output/last.ckpt.
        devices: Processes on each machine, each on its own GPU where there are any.
        nodes: Machines. Under torchrun both are told by it.

    Returns:
        The best weights' file; None in the processes that do not write it.

    Raises:
        ConfigError: There is nothing to resume, the folder holds another training, or there are
            fewer images, GPUs or machines than asked for.
        DatasetError: The data cannot be read, have no depth, depth that cannot be metres, or none
            that counts in validation.
        DivergedError: The network estimates depth that is no number.
        OfflineError: The best weights were deleted meanwhile.
    """
    checkpoint = output / 'last.ckpt'
    layout = find_processes(devices, nodes)
    _check_run(config, checkpoint, layout, resume=resume)
    train_set, val_set = _open_parts(config, layout)
    _check_depth(train_set, val_set)
    # Advertisements, and what this package says itself.
    logging.getLogger('lightning.pytorch.utilities.rank_zero').setLevel(logging.WARNING)
    lightning.seed_everything(config.seed, workers=True, verbose=False)
    border_px = train_set.sources[0].config.border_px
    _, _, focal_px = resize_sample(train_set[0], config.data.size, border_px)
    data = DepthData(train_set, val_set, config, focal_px)
    module = DepthModule(config, focal_px, [source.name for source in val_set.sources])
    module.images = f'{_name_images(train_set)} and, for validation, {_name_images(val_set)}'
    step = 0
    if resume:
        check_checkpoint(checkpoint, module, layout.processes)
        step = read_step(checkpoint)
    else:
        # Last of all, so that a training that is refused leaves nothing.
        output.mkdir(parents=True, exist_ok=True)
        write_preset(output, config)
    writer = WeightsWriter(output, _describe(module))
    used = [writer, *_build_callbacks(config, output, data)]
    trainer = _build_trainer(config, output, used, layout, step)
    with warnings.catch_warnings():
        for text in _MEANT:
            warnings.filterwarnings('ignore', text)
        _fit(trainer, module, data, checkpoint if resume else None)
    if not trainer.is_global_zero:
        return None
    writer.check_kept()
    return output / 'best.safetensors'


def _name_images(mixture: Mixture) -> str:
    """Return how many images each source has, and the names of its first and last one."""
    return ', '.join(
        f'{len(source.samples)} images {Path(source.samples[0].name).name} to '
        f'{Path(source.samples[len(source.samples) - 1].name).name}'
        for source in mixture.sources
    )


def _fit(
    trainer: lightning.Trainer, module: DepthModule, data: DepthData, checkpoint: Path | None
) -> None:
    """Train, from a checkpoint if there is one."""
    try:
        trainer.fit(
            module, data, ckpt_path=checkpoint, weights_only=None if checkpoint is None else False
        )
    except DatasetError as error:
        raise DatasetError(message_of_loader(error)) from error


def _check_run(
    config: TrainConfig, checkpoint: Path, layout: ProcessLayout, *, resume: bool
) -> None:
    check_training_folder(checkpoint.parent, resume=resume)
    if resume:
        check_preset(checkpoint.parent, config)
    if config.sync_batchnorm and layout.processes > 1 and not torch.cuda.is_available():
        msg = 'sync_batchnorm must be false without GPUs: only they can share batch statistics'
        raise ConfigError(msg)


def _check_depth(train_set: Mixture, val_set: Mixture) -> None:
    for part, mixture in (('training', train_set), ('validation', val_set)):
        for source in mixture.sources:
            check_depth(f'{source.name} ({part})', source.samples)
    protocols = validation_protocols(len(val_set.sources))
    for source, protocol in zip(val_set.sources, protocols, strict=True):
        check_counted(source.name, source.samples, protocol)


def _open_parts(config: TrainConfig, layout: ProcessLayout) -> tuple[Mixture, Mixture]:
    data = config.data
    train_set, val_set = (
        open_mixture(Path(data.root), list_sources(config), part) for part in ('train', 'val')
    )
    if len(val_set) < layout.processes:
        msg = (
            f'{data.root} has {len(val_set)} images for validation, each of {layout.processes} '
            f'processes needs one: enlarge data.validation_blocks or start fewer'
        )
        raise ConfigError(msg)
    needed = data.batch_size * layout.processes
    if len(train_set) < needed:
        msg = (
            f'{data.root} has {len(train_set)} images for training, a step needs data.batch_size '
            f'x processes = {needed}: lower data.batch_size'
        )
        raise ConfigError(msg)
    return train_set, val_set


def _describe(module: DepthModule) -> WeightsMetadata:
    mean, std = module.normalisation
    height, width = module.config.data.size
    return WeightsMetadata(
        network=module.config.network,
        input_height=height,
        input_width=width,
        f_training=module.focal_px,
        mean=mean,
        std=std,
        min_depth=0.1,
        max_depth=10.0,
        licence=_licence(module.config),
    )


def _build_trainer(
    config: TrainConfig,
    output: Path,
    used: list[callbacks.Callback],
    layout: ProcessLayout,
    step: int,
) -> lightning.Trainer:
    """Build the trainer; step is how many steps an interrupted training has behind it."""
    return lightning.Trainer(
        max_epochs=config.epochs,
        precision=config.precision,  # type: ignore[arg-type]
        devices=layout.devices,
        num_nodes=layout.nodes,
        accelerator='auto',
        strategy='ddp' if layout.processes > 1 else 'auto',
        plugins=[WholeCheckpoints(), *([SharedBatchNorm()] if config.sync_batchnorm else [])],
        gradient_clip_val=config.optimizer.clip_norm or None,
        check_val_every_n_epoch=config.validate_every,
        logger=[ResumedCSVLogger(output, step), KeptTensorBoardLogger(output, 'tb', '')],
        callbacks=used,
        log_every_n_steps=20,
        num_sanity_val_steps=0,
        enable_model_summary=False,
        benchmark=True,  # cuDNN tries its kernels: every batch has one shape
        use_distributed_sampler=False,
    )


def _build_callbacks(
    config: TrainConfig, output: Path, data: DepthData
) -> list[callbacks.Callback]:
    progress = TrainingProgress()
    built: list[callbacks.Callback] = []
    if config.pictures:
        built.append(ValidationPictures(output, data.val, config.pictures))
    built += [
        # Not save_last: with save_top_k=0 Lightning writes that at the very end only. And no
        # counter: a folder that was moved would go on in last-v1.ckpt, and resume from last.ckpt.
        callbacks.ModelCheckpoint(output, 'last', save_top_k=1, every_n_epochs=1,
                                  save_on_train_epoch_end=True, enable_version_counter=False),
        callbacks.LearningRateMonitor('step'),
        progress,
        EmptyImages(data.sets, data.empty, progress),
    ]  # fmt: skip
    if config.patience:
        built.append(EarlyStop(config.patience))
    if config.optimizer.ema_decay:
        built.append(AveragedWeights(config.optimizer.ema_decay, config.initial_share))
    return built
