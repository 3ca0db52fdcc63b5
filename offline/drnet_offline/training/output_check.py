"""Whether a folder may hold a new training, or has one to go on with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drnet_offline.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ['check_training_folder']


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
