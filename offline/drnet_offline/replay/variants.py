"""What is compared on one recording: weights and settings, each under a name."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from drnet_offline.errors import OfflineError
from drnet_ros.inference.settings import PARAMETERS, Settings
from drnet_ros.weights import resolve_weights

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    'Variant',
    'image_alone_of',
    'merge_settings',
    'parse_settings',
    'parse_variants',
    'with_image_alone',
]

_LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ'
_SPECS = {spec.name: spec for spec in PARAMETERS}
# Parameters of the node's life and topics, which a recording has none of, and of its rates: every
# frame of a recording is estimated.
_OF_THE_NODE = (
    *('cameras', 'image_transport', 'image_conversion', 'input_reliability'),
    *('lazy', 'autostart', 'save_folder', 'max_rate', 'points_max_rate'),
)
_GROUPS_OF_THE_NODE = ('Scan', 'Ground', 'Several cameras')
# They change the messages that `drnet bag --write` adds, and no figure.
_OF_MESSAGES = ('points', 'point_stride', 'point_color', 'point_voxel', 'depth_encoding')
# What has an effect only beside another one.
_SWITCHED_ON_BY = {
    'outlier_min_neighbors': 'outlier_radius',
    'sparse_depth_extrinsics': 'sparse_depth_sources',
    'sparse_depth_fixed_frame': 'sparse_depth_sources',
}
_SWITCHES = {'true': True, 'false': False}
_KINDS = {
    'bool': 'true or false',
    'int': 'a whole number',
    'float': 'a number',
    'int_list': 'a size such as 480x640',
    'str_list': "a list such as '[scan, odometry]'",
}
# Spaces and commas separate words, but not within the brackets of a list.
_WORD = re.compile(r'(?:\[[^\]]*\]|[^\s,\[])+')


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to estimate depth.

    Attributes:
        name: What reports call it.
        settings: Its settings.
    """

    name: str
    settings: Settings

    def fingerprint(self) -> dict[str, Any]:
        """Return what its depth depends on: settings, and the weights by content."""
        weights = resolve_weights(self.settings.weights)
        return {
            'settings': {
                name: list(value) if isinstance(value, tuple) else value
                for name, value in self.settings.to_mapping().items()
            },
            'weights_sha256': hashlib.sha256(weights.read_bytes()).hexdigest(),
        }


def parse_settings(words: Sequence[str], *, writes: bool = False) -> dict[str, object]:
    """Read settings from words such as 'input_size=480x640', 'edge_threshold=0.05'.

    Args:
        words: The words.
        writes: Whether depth and clouds are written as messages.

    Raises:
        OfflineError: A word is no NAME=VALUE, the name is unknown, has no effect on a recording or
            comes twice with different values, or the value is of another type.
    """
    values: dict[str, object] = {}
    for word in words:
        name, equals, text = word.partition('=')
        spec = _SPECS.get(name)
        if not equals or spec is None:
            near = get_close_matches(name, _SPECS, n=1)
            hint = f'did you mean {near[0]}?' if near and not spec else 'a size is HEIGHTxWIDTH'
            msg = (
                f'a setting must be NAME=VALUE with a parameter of docs/parameters.md, got '
                f'{word!r}; {hint}'
            )
            raise OfflineError(msg)
        if name in _OF_THE_NODE or spec.group in _GROUPS_OF_THE_NODE:
            msg = f'{name} must be left out: it is for the running node, a recording ignores it'
            raise OfflineError(msg)
        try:
            value = _value(spec.kind, text)
        except (ValueError, KeyError, YAMLError) as error:
            msg = f'{name} must be {_KINDS[spec.kind]}, got {text!r}'
            raise OfflineError(msg) from error
        if name in _OF_MESSAGES and value != spec.default and not writes:
            msg = f'{name} must be left out: only the messages of `drnet bag --write` have it'
            raise OfflineError(msg)
        merge_settings(values, {name: value})
    return values


def merge_settings(values: dict[str, object], others: Mapping[str, object]) -> None:
    """Add settings to others, of which none says something else.

    Args:
        values: Values by name; changed.
        others: Values by name.

    Raises:
        OfflineError: A name has two values.
    """
    for name, value in others.items():
        if name in values and values[name] != value:
            msg = f'{name} must be given once, got {_shown(values[name])} and {_shown(value)}'
            raise OfflineError(msg)
        values[name] = value


def parse_variants(base: Settings, others: Sequence[str]) -> tuple[Variant, ...]:
    """Build the variants of a run.

    Args:
        base: The settings of the first one.
        others: Each of the others: a weights file, or what differs from the first one, as
            'NAME=VALUE NAME=VALUE'.

    Returns:
        The variants; names are unique.

    Raises:
        OfflineError: A text is not understood.
        SettingsError: A value is not allowed.
        WeightsError: A weights file is not there.
    """
    if len(others) >= len(_LETTERS):
        msg = f'at most {len(_LETTERS) - 1} others can be compared, got {len(others)}'
        raise OfflineError(msg)
    named = [Variant(_plain_name(base, ''), base)]
    for text in others:
        words = _WORD.findall(text) or [text]
        is_weights = len(words) == 1 and '=' not in words[0]
        changes = {'weights': words[0]} if is_weights else parse_settings(words)
        named.append(Variant(_plain_name(base, text), base.changed(**changes)))
    _check_effects([variant.settings for variant in named])
    for variant in named:  # before a long recording is read
        resolve_weights(variant.settings.weights)
    return _lettered(named) if len(named) > 1 else tuple(named)


def _check_effects(settings: Sequence[Settings]) -> None:
    """Refuse what is set for something that no variant has switched on."""
    for name, switch in _SWITCHED_ON_BY.items():
        is_set = any(getattr(each, name) != _SPECS[name].default for each in settings)
        is_on = any(getattr(each, switch) != _SPECS[switch].default for each in settings)
        if is_set and not is_on:
            msg = f'{name} must be left out: it has no effect without {switch}'
            raise OfflineError(msg)


def with_image_alone(variants: tuple[Variant, ...]) -> tuple[Variant, ...]:
    """Add the image alone, if all variants have sources of sparse depth."""
    if not all(variant.settings.sparse_depth_names for variant in variants):
        return variants
    plain = [
        replace(variant, name=variant.name.partition(': ')[2]) if len(variants) > 1 else variant
        for variant in variants
    ]
    return _lettered([*plain, Variant('image alone', _alone(variants[0].settings))])


def image_alone_of(variants: Sequence[Variant], number: int) -> int | None:
    """Return which variant has the settings of another one, and no source; None if none has."""
    wanted = _alone(variants[number].settings)
    for other, each in enumerate(variants):
        if not each.settings.sparse_depth_names and _alone(each.settings) == wanted:
            return other
    return None


def _alone(settings: Settings) -> Settings:
    return settings.changed(sparse_depth_sources=_SPECS['sparse_depth_sources'].default)


def _lettered(variants: Sequence[Variant]) -> tuple[Variant, ...]:
    return tuple(
        replace(variant, name=f'{letter}: {variant.name}')
        for letter, variant in zip(_LETTERS, variants, strict=False)
    )


def _plain_name(base: Settings, text: str) -> str:
    if text:
        return text.strip()
    changed = [
        f'{spec.name}={_shown(getattr(base, spec.name))}'
        for spec in PARAMETERS
        if getattr(base, spec.name) != spec.default and spec.name != 'weights'
    ]
    return ' '.join([base.weights, *changed])


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        has_texts = any(isinstance(each, str) for each in value)
        return f'[{",".join(value)}]' if has_texts else 'x'.join(map(str, value))
    return str(value)


def _value(kind: str, text: str) -> object:
    if kind == 'bool':
        return _SWITCHES[text.lower()]
    if kind == 'int':
        return int(text)
    if kind == 'float':
        return float(text)
    if kind == 'int_list':
        return tuple(int(word) for word in text.lower().split('x'))
    return _texts(text) if kind == 'str_list' else text


def _texts(text: str) -> tuple[str, ...]:
    """Read a list as parameters of a node are given: '[scan, odometry]', '[]' for none."""
    items = YAML(typ='safe', pure=True).load(text)
    if not isinstance(items, list):
        msg = f'a list must be in brackets, got {text!r}'
        raise ValueError(msg)  # noqa: TRY004 - as for the values of other types
    return tuple(map(str, items))
