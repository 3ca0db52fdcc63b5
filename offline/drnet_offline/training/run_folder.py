"""What the folder of a training holds beside the weights: preset and checkpoint."""

from __future__ import annotations

import io
import zipfile
import zlib
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

import torch
import yaml
from lightning.pytorch.plugins.io import TorchCheckpointIO

from drnet_offline.errors import ConfigError
from drnet_offline.outputs.files import write_bytes, write_text
from drnet_offline.training.kept_folder import write_kept
from drnet_offline.training.preset_reader import load_config, to_plain
from drnet_ros.errors import one_line

if TYPE_CHECKING:
    from drnet_offline.training.module import DepthModule
    from drnet_offline.training.preset import TrainConfig

__all__ = ['WholeCheckpoints', 'check_checkpoint', 'check_preset', 'read_step', 'write_preset']

_PRESET = 'preset.yaml'

# What may differ on another machine without another result.
_FREE = ('data.root', 'data.workers', 'compile', 'pictures')

# What a damaged checkpoint, or one of another program, ends in.
_UNREADABLE = (
    OSError,
    RuntimeError,
    EOFError,
    ValueError,
    UnpicklingError,
    zipfile.BadZipFile,
    zlib.error,
    ImportError,
    AttributeError,
)


def write_preset(folder: Path, config: TrainConfig) -> None:
    """Write every entry of the preset, defaults and overrides included, to folder/preset.yaml."""
    text = yaml.safe_dump(to_plain(config), sort_keys=False)
    write_text(folder / _PRESET, text)


def check_preset(folder: Path, config: TrainConfig) -> None:
    """Refuse to go on with another preset than the training began with.

    Raises:
        ConfigError: An entry differs.
    """
    path = folder / _PRESET
    if not path.is_file():  # removed: the checkpoint has it as well
        return
    # Read as a preset: one written before an entry came to be has that entry's default.
    _refuse_other(folder, to_plain(load_config(str(path))), to_plain(config))


def _refuse_other(path: Path, begun: dict[str, Any], resumed: dict[str, Any]) -> None:
    before, now = _flatten(begun), _flatten(resumed)
    for name in sorted((now.keys() & before.keys()) - set(_FREE)):
        if before[name] != now[name]:
            msg = (
                f'{path} was trained with {name} = {before[name]!r}, now it is '
                f'{now[name]!r}: resume with the same preset, or begin in a new folder'
            )
            raise ConfigError(msg)


def _flatten(values: dict[str, Any], prefix: str = '') -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= _flatten(value, f'{prefix}{name}.')
        else:
            flat[f'{prefix}{name}'] = value
    return flat


def check_checkpoint(checkpoint: Path, module: DepthModule, processes: int) -> None:
    """Refuse to go on from a checkpoint otherwise than it was come to.

    Args:
        checkpoint: last.ckpt.
        module: What is to go on from it.
        processes: Of the training, on all machines.

    Raises:
        ConfigError: It had another number of processes, another preset or other images, was fed
            otherwise, or does not say; or its best weights are gone.
    """
    state = _read(checkpoint)
    if not {'processes', 'normalisation'} <= state.keys():
        msg = (
            f'{checkpoint} must say how it was fed and averaged, got one of an older drnet train, '
            'which did it otherwise: begin in a new folder'
        )
        raise ConfigError(msg)
    if state['processes'] != processes:
        msg = (
            f'{checkpoint} was trained with {state["processes"]} processes, now there are '
            f'{processes}: resume with as many, since steps and learning rate follow from it'
        )
        raise ConfigError(msg)
    if state['normalisation'] != module.normalisation:
        msg = (
            f'{checkpoint} was fed with mean and deviation {state["normalisation"]}, now they are '
            f'{module.normalisation}: resume with the same initial_weights and drnet_ros'
        )
        raise ConfigError(msg)
    _refuse_other(checkpoint, state.get('preset', {}), to_plain(module.config))
    before = state.get('images', module.images)
    if before != module.images:
        msg = (
            f'{checkpoint} was trained on {before}, now there are {module.images}: resume with '
            'the same data, or begin in a new folder'
        )
        raise ConfigError(msg)
    best = checkpoint.with_name('best.safetensors')
    if state.get('has_best') and not best.is_file():
        msg = (
            f'{best} must be there, since later weights take its place only when they are better: '
            'put it back, or begin in a new folder'
        )
        raise ConfigError(msg)


def read_step(checkpoint: Path) -> int:
    """Return how many steps a checkpoint of ours has behind it."""
    return int(_read(checkpoint)['global_step'])


def _read(checkpoint: Path) -> dict[str, Any]:
    # Lightning's checkpoints hold more than tensors; this one was written here.
    try:
        with zipfile.ZipFile(checkpoint) as parts:  # PyTorch does not look at the checksums
            altered = parts.testzip()
        if altered is not None:
            msg = f'other bytes in {altered} than were written'
            raise ValueError(msg)
        state = torch.load(checkpoint, map_location='cpu', mmap=True, weights_only=False)
        if not isinstance(state, dict) or 'global_step' not in state:
            msg = 'a file of another program'
            raise ValueError(msg)
    except _UNREADABLE as error:
        msg = (
            f'{checkpoint} must be a whole checkpoint of drnet train, got: {one_line(error)}; '
            'put back a copy of it, or begin in a new folder'
        )
        raise ConfigError(msg) from error
    return state


class WholeCheckpoints(TorchCheckpointIO):
    """Writes a checkpoint whole or not at all, where Lightning copies it over the last one.

    Lightning writes into the system's temporary folder. From there it is copied where that is on
    another disk: a full disk or a kill would leave part of the new checkpoint and nothing of the
    old.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None
    ) -> None:
        """Write a checkpoint.

        Args:
            checkpoint: What is to be written.
            path: The file.
            storage_options: Those of a cloud, which this does not write to.

        Raises:
            OfflineError: It cannot be written; the last checkpoint is then as it was.
        """
        del storage_options
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        target = Path(path)
        write_kept(target.parent, lambda: write_bytes(target, buffer.getvalue()))
