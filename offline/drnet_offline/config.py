"""Training presets: one YAML file, one typed record."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from typing import TYPE_CHECKING, Any, get_args, get_origin, get_type_hints

import yaml

from drnet_offline.augment import Augmentation
from drnet_offline.config_rules import check
from drnet_offline.datasets.mixture import SourceConfig
from drnet_offline.errors import ConfigError
from drnet_offline.preset_files import read_presets
from drnet_ros.errors import WeightsError
from drnet_ros.network.config import NetworkConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    'DataConfig',
    'OptimizerConfig',
    'TrainConfig',
    'load_config',
    'parse_override',
    'to_plain',
]


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
        initial_weights: A weights file of the same network to start from, or ''; a guided filter
            may be added or left out.
        freeze_backbone: Leave the backbone as it is.
        frozen_stages: How many of its stages, down1 first, are left as they are.
        frozen_statistics: Leave the means and variances of its batch norms as they are.
        epochs: How often each image is seen.
        precision: Lightning's, for instance '32-true' or 'bf16-mixed'.
        compile: Pass the network through torch.compile.
        seed: Of everything random.
        validate_every: Epochs between validations; epochs is a multiple of it.
        patience: Validations without a better RMSE after which training ends early; 0 for never.
        pictures: How many validation images are drawn after each validation; 0 for none.
        sync_batchnorm: Batch statistics over the GPUs of all processes.
    """

    network: NetworkConfig = field(default_factory=NetworkConfig)
    data: DataConfig = field(default_factory=DataConfig)
    augmentation: Augmentation = field(default_factory=Augmentation)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    loss: str = 'paper'
    auxiliary_weight: float = 1.0
    pretrained: str = 'imagenet'
    initial_weights: str = ''
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


def load_config(preset: str, overrides: Mapping[str, Any] | None = None) -> TrainConfig:
    """Read a preset.

    Args:
        preset: Path of a YAML file, or the name of one that comes with the package; its entry
            `extends` may name another, which it then stands above. Or several, joined by '+',
            each of which stands above those before it.
        overrides: Dotted names and values that stand above the file, as {'data.size': [96, 128]}.

    Raises:
        ConfigError: There is no such preset, or an entry is unknown or impossible.
    """
    values = read_presets(preset)
    try:
        values = {} if values is None else values
        for dotted, value in (overrides or {}).items():
            values = _put(values, dotted.split('.'), value, dotted)
        config: TrainConfig = _build(TrainConfig, values, '')
        check(config)
    except (ConfigError, WeightsError) as error:
        msg = f'{preset}: {error}'
        raise ConfigError(msg) from error
    return config


def parse_override(entry: str) -> tuple[str, Any]:
    """Take NAME=VALUE apart; the value is YAML.

    Raises:
        ConfigError: The entry has another form.
    """
    name, separator, text = entry.partition('=')
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        separator, value = '', None
    if not separator or not name:
        msg = f'an override must be NAME=VALUE with a YAML value, got {entry!r}'
        raise ConfigError(msg)
    return name, value


def to_plain(config: TrainConfig) -> dict[str, Any]:
    """Return the preset as it stands in a YAML file."""

    def unfold(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: unfold(entry) for name, entry in value.items()}
        return [unfold(entry) for entry in value] if isinstance(value, tuple) else value

    plain: dict[str, Any] = unfold(asdict(config))
    return plain


def _put(values: Any, names: list[str], new: Any, dotted: str) -> dict[str, Any]:
    """Return the values with one, deep inside, replaced."""
    values = {} if values is None else values
    if not isinstance(values, dict):
        msg = f'cannot set {dotted}: there is {values!r} where names and values must be'
        raise ConfigError(msg)
    first, *rest = names
    return {**values, first: _put(values.get(first), rest, new, dotted) if rest else new}


def _build(cls: Any, values: Any, prefix: str) -> Any:
    """Build a record from plain values, refusing unknown names and wrong types."""
    if not isinstance(values, dict):
        msg = f'{prefix.rstrip(".") or "a preset"} must hold names and values, got {values!r}'
        raise ConfigError(msg)
    types = get_type_hints(cls)
    known = [f.name for f in fields(cls)]
    built = {}
    for name, value in values.items():
        dotted = f'{prefix}{name}'
        if name not in known:
            msg = f'unknown entry {dotted!r}; known here: {", ".join(known)}'
            raise ConfigError(msg)
        built[name] = _convert(types[name], value, dotted)
    return cls(**built)


def _convert(expected: Any, value: Any, dotted: str) -> Any:
    if is_dataclass(expected):
        return _build(expected, value, f'{dotted}.')
    if get_origin(expected) is tuple:
        return _convert_list(get_args(expected), value, dotted)
    if expected is float:
        return _convert_number(value, dotted)
    if type(value) is not expected:
        msg = f'{dotted} must be {expected.__name__}, got {value!r}'
        raise ConfigError(msg)
    return value


def _convert_list(expected: tuple[Any, ...], value: Any, dotted: str) -> tuple[Any, ...]:
    is_open = expected[-1] is Ellipsis
    is_list = isinstance(value, (list, tuple))
    if not is_list or not (is_open or len(value) == len(expected)):
        length = '' if is_open else f' of {len(expected)}'
        msg = f'{dotted} must be a list{length}, got {value!r}'
        raise ConfigError(msg)
    types = expected[:1] * len(value) if is_open else expected
    entries = zip(types, value, strict=True)
    return tuple(_convert(t, v, f'{dotted}[{i}]') for i, (t, v) in enumerate(entries))


def _convert_number(value: Any, dotted: str) -> float:
    try:
        # YAML reads 1e-4, without a point, as text.
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        msg = f'{dotted} must be a finite number, got {value!r}'
        raise ConfigError(msg)
    return number
