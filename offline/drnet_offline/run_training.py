"""A training from a preset to a weights file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lightning
import torch
from lightning.pytorch import callbacks, loggers

from drnet_offline.augment import resize_sample
from drnet_offline.datasets.opening import open_dataset
from drnet_offline.errors import ConfigError
from drnet_offline.run_folder import ResumedCSVLogger, check_preset, read_step, write_preset
from drnet_offline.training import DepthData, DepthModule
from drnet_ros.network.checkpoint import save_network
from drnet_ros.network.metadata import WeightsMetadata

if TYPE_CHECKING:
    from drnet_offline.config import DataConfig, TrainConfig
    from drnet_offline.datasets.sample import DepthDataset

__all__ = ['train']

LICENCE = (
    'Trained on NYU Depth v2 (Silberman et al., ECCV 2012), which is for research use; ask its '
    'authors before you build a product on these weights.'
)


class WeightsWriter(callbacks.Callback):
    """Writes best.safetensors whenever validation improves, and last.safetensors always.

    What is written is what was validated: the averaged weights where the preset averages.
    """

    def __init__(self, folder: Path, metadata: WeightsMetadata) -> None:
        self._folder = folder
        self._metadata = metadata
        self._best = float('inf')

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed training must know."""
        return {'best': self._best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up what an interrupted training knew."""
        self._best = float(state_dict['best'])

    def on_validation_epoch_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """Write the weights that were just validated.

        Callbacks come before the module's own hook and in their order, so this one stands before
        the callback that puts the weights being trained back in place of the averaged ones.
        """
        metrics = pl_module.metrics.compute()
        if trainer.sanity_checking or not trainer.is_global_zero:
            return
        figures = {**metrics, 'protocol': 'eigen', 'epoch': trainer.current_epoch}
        metadata = replace(self._metadata, metrics=figures)
        names = ['last']
        if metrics['rmse'] < self._best:
            self._best = metrics['rmse']
            names.append('best')
        for name in names:
            path = self._folder / f'{name}.safetensors'
            save_network(path, pl_module.network, metadata, dtype=torch.float16)


def train(config: TrainConfig, output: Path, *, resume: bool = False, devices: int = 1) -> Path:
    """Train.

    Args:
        config: The preset; `data.root` must name the data.
        output: Folder for checkpoints, logs and weights; made where absent.
        resume: Go on from output/last.ckpt.
        devices: Processes, each on its own GPU where there are any.

    Returns:
        The best weights' file.

    Raises:
        ConfigError: There is nothing to resume, the folder holds another training, or there are
            fewer images or GPUs than the preset and `devices` ask for.
        DatasetError: The data cannot be read.
    """
    checkpoint = output / 'last.ckpt'
    _check_run(config, checkpoint, resume=resume, devices=devices)
    train_set, val_set = _open_parts(config.data, devices)
    if not resume:
        output.mkdir(parents=True, exist_ok=True)
        write_preset(output, config)
    step = read_step(checkpoint) if resume else 0
    lightning.seed_everything(config.seed, workers=True, verbose=False)
    border = config.augmentation.border_px
    _, _, focal_px = resize_sample(train_set[0], config.data.size, border)
    metadata = WeightsMetadata(
        network=config.network,
        input_height=config.data.size[0],
        input_width=config.data.size[1],
        f_training=focal_px,
        min_depth=0.1,
        max_depth=10.0,
        licence=LICENCE,
    )
    trainer = _build_trainer(config, output, metadata, devices=devices, step=step)
    trainer.fit(
        DepthModule(config, focal_px),
        DepthData(train_set, val_set, config),
        ckpt_path=checkpoint if resume else None,
        weights_only=False if resume else None,
    )
    return output / 'best.safetensors'


def _check_run(config: TrainConfig, checkpoint: Path, *, resume: bool, devices: int) -> None:
    if resume != checkpoint.is_file():
        msg = (
            f'there is no {checkpoint} to resume'
            if resume
            else f'{checkpoint.parent} already holds a training: resume it, or name another folder'
        )
        raise ConfigError(msg)
    if resume:
        check_preset(checkpoint.parent, config)
    if torch.cuda.is_available() and devices > torch.cuda.device_count():
        msg = f'devices must be at most {torch.cuda.device_count()} (the GPUs here), got {devices}'
        raise ConfigError(msg)


def _open_parts(data: DataConfig, devices: int) -> tuple[DepthDataset, DepthDataset]:
    train_set, val_set = (
        open_dataset(
            Path(data.root), data.layout, part=part, validation_blocks=data.validation_blocks
        )
        for part in ('train', 'val')
    )
    if len(train_set) < data.batch_size * devices:
        msg = (
            f'{data.root} has {len(train_set)} images for training, a step needs data.batch_size '
            f'x devices = {data.batch_size * devices}: lower data.batch_size'
        )
        raise ConfigError(msg)
    return train_set, val_set


def _build_trainer(
    config: TrainConfig, output: Path, metadata: WeightsMetadata, *, devices: int, step: int
) -> lightning.Trainer:
    """Build the trainer; step is how many steps an interrupted training has behind it."""
    return lightning.Trainer(
        max_epochs=config.epochs,
        precision=config.precision,  # type: ignore[arg-type]
        devices=devices,
        accelerator='auto',
        strategy='ddp' if devices > 1 else 'auto',
        gradient_clip_val=config.optimizer.clip_norm or None,
        check_val_every_n_epoch=config.validate_every,
        logger=[ResumedCSVLogger(output, step), loggers.TensorBoardLogger(output, 'tb', '')],
        callbacks=_build_callbacks(config, output, metadata),
        log_every_n_steps=20,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
    )


def _build_callbacks(
    config: TrainConfig, output: Path, metadata: WeightsMetadata
) -> list[callbacks.Callback]:
    built: list[callbacks.Callback] = [
        WeightsWriter(output, metadata),
        # Not save_last: with save_top_k=0 Lightning writes that at the very end only. And no
        # counter: a folder that was moved would go on in last-v1.ckpt, and resume from last.ckpt.
        callbacks.ModelCheckpoint(output, 'last', save_top_k=1, every_n_epochs=1,
                                  save_on_train_epoch_end=True, enable_version_counter=False),
        callbacks.LearningRateMonitor('step'),
        callbacks.RichProgressBar(),
    ]  # fmt: skip
    if config.optimizer.ema_decay:
        built.append(callbacks.EMAWeightAveraging(decay=config.optimizer.ema_decay))
    return built
