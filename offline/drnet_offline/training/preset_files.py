"""Preset files: by name or path, one standing on another by `extends`, or several by '+'."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from drnet_offline.errors import ConfigError

__all__ = ['find_preset', 'read_presets']

_EXTENDS = 'extends'


def find_preset(preset: str, *, beside: Path | None = None) -> Path:
    """Return the file of a preset.

    Args:
        preset: Path of a YAML file, or the name of one that comes with the package.
        beside: Folder that a relative path may start from.

    Raises:
        ConfigError: There is no such file.
    """
    shipped = Path(str(resources.files('drnet_offline.training') / 'presets'))
    relative = [beside / preset] if beside else []
    for path in (*relative, Path(preset), shipped / f'{preset}.yaml'):
        if path.is_file():
            return path
    names = ', '.join(sorted(p.stem for p in shipped.glob('*.yaml')))
    msg = f'no preset {preset!r}: give a YAML file or one of {names}'
    raise ConfigError(msg)


def read_presets(names: str) -> Any:
    """Read the values of one preset, or of several joined by '+', the later above the earlier.

    Each is laid over the preset that its own entry `extends` names.

    Args:
        names: Paths or names.

    Returns:
        Names and values, nested, without `extends`; whatever else the file holds as it is, if it
        does not hold names and values.

    Raises:
        ConfigError: A file is no YAML, extends one that is not there, or extends itself; or one
            of several holds something else than names and values.
    """
    parts = [names] if Path(names).is_file() else names.split('+')
    first, *others = [_read(find_preset(name), ()) for name in parts]
    for name, values in zip(parts[1:], others, strict=True):
        if not isinstance(values, dict):
            msg = f'{name} must hold names and values, to stand above {parts[0]}'
            raise ConfigError(msg)
        first = _lay_over(first, values)
    return first


def _read(path: Path, above: tuple[Path, ...]) -> Any:
    path = path.resolve()
    if path in above:
        chain = ' -> '.join(p.stem for p in (*above, path))
        msg = f'a preset must not extend itself, got {chain}'
        raise ConfigError(msg)
    try:
        values = yaml.safe_load(path.read_text(encoding='utf-8'))
    except (yaml.YAMLError, OSError, UnicodeDecodeError) as error:
        msg = f'{path} is no YAML file: {error}'
        raise ConfigError(msg) from error
    if not isinstance(values, dict) or _EXTENDS not in values:
        return values
    base = values.pop(_EXTENDS)
    if not isinstance(base, str):
        msg = f'{path}: {_EXTENDS} must be the name or path of a preset, got {base!r}'
        raise ConfigError(msg)
    return _lay_over(_read(find_preset(base, beside=path.parent), (*above, path)), values)


def _lay_over(base: Any, values: Any) -> Any:
    """Return base with the values put in.

    Only mappings are merged. A list replaces that of the base; one whose name ends in '+' is added
    to its end.
    """
    if not isinstance(base, dict) or not isinstance(values, dict):
        return values
    merged = dict(base)
    for name, value in values.items():
        stem = name[:-1] if str(name).endswith('+') else name
        before = base.get(stem)
        if stem != name and isinstance(before, list) and isinstance(value, list):
            merged[stem] = [*before, *value]
        else:
            merged[name] = _lay_over(base.get(name), value)
    return merged
