"""Training presets: one YAML file, one typed record."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from drnet_offline.augment import Augmentation
from drnet_offline.errors import ConfigError
from drnet_ros.errors import WeightsError
from drnet_ros.network.config import NetworkConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ['DataConfig', 'OptimizerConfig', 'TrainConfig', 'load_config']


@dataclass(frozen=True, slots=True)
class DataConfig:
    """Where the images are and how they are fed.

    Attributes:
        root: Folder in the layout `folder`; the command line's --data stands above it.
        validation_blocks: First and last index of the ranges training never sees.
        size: Height and width of the network's input in training.
        batch_size: Images a step and process.
        workers: Loader processes.
    """

    root: str = ''
    validation_blocks: tuple[tuple[int, int], ...] = ()
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
        schedule: 'constant' or 'one_cycle' (with warm-up).
        clip_norm: Largest norm of the gradient, 0 for no limit.
        ema_decay: Of the averaged weights, which are what is validated and kept; 0 for none.
    """

    name: str = 'adam'
    lr: float = 1e-4
    backbone_lr: float = 1e-4
    weight_decay: float = 1e-4
    schedule: str = 'constant'
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
        auxiliary_weight: Weight of the levels above the finest; the paper has 1.
        pretrained: '' for random weights, 'imagenet', or a file of backbone weights.
        freeze_backbone: Leave the backbone as it is.
        epochs: How often each image is seen.
        precision: Lightning's, for instance '32-true' or 'bf16-mixed'.
        compile: Pass the network through torch.compile.
        seed: Of everything random.
        validate_every: Epochs between validations.
    """

    network: NetworkConfig = field(default_factory=NetworkConfig)
    data: DataConfig = field(default_factory=DataConfig)
    augmentation: Augmentation = field(default_factory=Augmentation)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    loss: str = 'paper'
    auxiliary_weight: float = 1.0
    pretrained: str = 'imagenet'
    freeze_backbone: bool = False
    epochs: int = 20
    precision: str = '32-true'
    compile: bool = False
    seed: int = 0
    validate_every: int = 1


_CHOICES = {
    'loss': ('paper', 'metric'),
    'optimizer.name': ('adam', 'adamw'),
    'optimizer.schedule': ('constant', 'one_cycle'),
}
_POSITIVE = ('epochs', 'validate_every', 'data.batch_size', 'optimizer.lr')


def load_config(preset: str, overrides: Mapping[str, Any] | None = None) -> TrainConfig:
    """Read a preset.

    Args:
        preset: Path of a YAML file, or the name of one that comes with the package.
        overrides: Dotted names and values that stand above the file, as {'data.size': [96, 128]}.

    Raises:
        ConfigError: There is no such preset, or an entry is unknown or impossible.
    """
    path = Path(preset)
    if not path.is_file():
        shipped = resources.files('drnet_offline') / 'presets' / f'{preset}.yaml'
        path = Path(str(shipped))
    if not path.is_file():
        names = sorted(p.stem for p in path.parent.glob('*.yaml'))
        msg = f'no preset {preset!r}: give a YAML file or one of {", ".join(names)}'
        raise ConfigError(msg)
    try:
        values = yaml.safe_load(path.read_text()) or {}
    except yaml.YAMLError as error:
        msg = f'{path} is no YAML file: {error}'
        raise ConfigError(msg) from error
    for dotted, value in (overrides or {}).items():
        *parents, name = dotted.split('.')
        section = values
        for parent in parents:
            section = section.setdefault(parent, {})
        section[name] = value
    try:
        config = _build(TrainConfig, values, '')
    except (WeightsError, TypeError) as error:
        msg = f'{path}: {error}'
        raise ConfigError(msg) from error
    _check(config)
    return config


def _build(cls: Any, values: Any, prefix: str) -> Any:
    """Build a record from plain values, refusing unknown names and wrong types."""
    if not isinstance(values, dict):
        msg = f'{prefix or "a preset"} must hold names and values, got {values!r}'
        raise ConfigError(msg)
    defaults = cls()
    known = {f.name: getattr(defaults, f.name) for f in fields(cls)}
    built = {}
    for name, value in values.items():
        dotted = f'{prefix}{name}'
        if name not in known:
            msg = f'unknown entry {dotted!r}; known here: {", ".join(known)}'
            raise ConfigError(msg)
        built[name] = _convert(known[name], value, dotted)
    return cls(**built)


def _convert(default: Any, value: Any, dotted: str) -> Any:
    if hasattr(default, '__dataclass_fields__'):
        return _build(type(default), value, f'{dotted}.')
    if isinstance(default, tuple):
        if not isinstance(value, (list, tuple)):
            msg = f'{dotted} must be a list, got {value!r}'
            raise ConfigError(msg)
        return tuple(tuple(v) if isinstance(v, (list, tuple)) else v for v in value)
    if isinstance(default, float) and type(value) is int:
        return float(value)
    if type(value) is not type(default):
        msg = f'{dotted} must be {type(default).__name__}, got {value!r}'
        raise ConfigError(msg)
    return value


def _check(config: TrainConfig) -> None:
    def look_up(dotted: str) -> Any:
        value: Any = config
        for name in dotted.split('.'):
            value = getattr(value, name)
        return value

    for dotted, choices in _CHOICES.items():
        if look_up(dotted) not in choices:
            msg = f'{dotted} must be one of {", ".join(choices)}, got {look_up(dotted)!r}'
            raise ConfigError(msg)
    for dotted in _POSITIVE:
        if not look_up(dotted) > 0:
            msg = f'{dotted} must be above 0, got {look_up(dotted)!r}'
            raise ConfigError(msg)
    size = config.data.size
    if len(size) != 2 or min(size) < 64:  # noqa: PLR2004 - two coarsest pixels a side
        msg = f'data.size must be height and width, at least 64 each, got {size!r}'
        raise ConfigError(msg)
