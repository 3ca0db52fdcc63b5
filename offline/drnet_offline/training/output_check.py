"""What of a training can be refused at once: its folder, and files that are not there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from drnet_offline.errors import ConfigError

if TYPE_CHECKING:
    from drnet_offline.training.preset import TrainConfig

__all__ = ['check_begun_from', 'check_training_folder']


def check_begun_from(config: TrainConfig) -> None:
    """Refuse weights to begin with that are not there.

    Args:
        config: The preset.

    Raises:
        ConfigError: There is no such file.
    """
    # Weights of the whole network stand in place of those of the backbone.
    if config.initial_weights:
        name, path, others = 'initial_weights', config.initial_weights, "'' or a file"
    else:
        name, path, others = 'pretrained', config.pretrained, "'', 'imagenet' or a file"
    if path and (name, path) != ('pretrained', 'imagenet') and not Path(path).is_file():
        msg = f'{name} must be {others}, found no file {path}'
        raise ConfigError(msg)


def check_training_folder(folder: Path, *, resume: bool) -> None:
    """Refuse a folder that a training would damage, or that has none to go on with.

    Args:
        folder: Of checkpoint and weights; it need not be there.
        resume: Whether to go on from its checkpoint.

    Raises:
        ConfigError: There is nothing to resume, or a new training would replace another one.
    """
    checkpoint, best = folder / 'last.ckpt', folder / 'best.safetensors'
    if resume != checkpoint.is_file():
        msg = (
            f'there is no {checkpoint} to resume'
            if resume
            else f'{folder} already holds a training: resume it, or name another folder'
        )
        raise ConfigError(msg)
    if best.is_file() and not resume:
        msg = (
            f'{best} would be replaced, and there is no last.ckpt to go on from: move or delete '
            'it, or name another folder'
        )
        raise ConfigError(msg)
