"""Presets from YAML files and overrides into checked records, and back into plain values."""

from __future__ import annotations

import math
from dataclasses import asdict, fields, is_dataclass
from typing import TYPE_CHECKING, Any, get_args, get_origin, get_type_hints

import yaml

from drnet_offline.errors import ConfigError
from drnet_offline.training.preset import TrainConfig
from drnet_offline.training.preset_files import read_presets
from drnet_offline.training.preset_rules import check
from drnet_ros.errors import WeightsError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ['load_config', 'parse_override', 'to_plain']


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
