"""What one parameter is: its type, limits and text, and how a value is checked against them."""

from __future__ import annotations

import dataclasses
import math
import numbers
import re
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal, TypeAlias, get_args, get_origin, get_type_hints

import numpy as np

from drnet_ros.errors import SettingsError
from drnet_ros.errors import shown as shortened

__all__ = ['Kind', 'ParameterInfo', 'ParameterSpec', 'Value', 'specs_of']

Kind: TypeAlias = Literal['bool', 'int', 'float', 'str', 'int_list', 'str_list']
_Scalar: TypeAlias = bool | int | float | str
Value: TypeAlias = bool | int | float | str | tuple[int, ...] | tuple[str, ...]

_KIND_WORDS: dict[Kind, str] = {
    'bool': 'true or false',
    'int': 'an integer',
    'float': 'a finite number',
    'str': 'a string',
    'int_list': 'a list of integers',
    'str_list': 'a list of strings',
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterInfo:
    """What stands beside a field of `Settings`: all that its type and default do not say.

    Attributes:
        text: What the parameter does, in one or two sentences.
        group: Heading under which documentation lists it.
        unit: Physical unit, or ''.
        minimum: Least value allowed, inclusive; for lists, of each element.
        maximum: Greatest value allowed, inclusive; for lists, of each element.
        choices: The only values allowed, or () for any.
        pattern: Regular expression that a string, or each string of a list, matches in full.
        pattern_text: What the pattern asks for, in words that follow 'must be'.
        elements: What the elements of a list are, such as '[height, width]'.
        length: Least and greatest number of elements of a list.
        live: Whether it may change while the node runs.
    """

    text: str
    group: str
    unit: str = ''
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str | int, ...] = ()
    pattern: str = ''
    pattern_text: str = ''
    elements: str = ''
    length: tuple[int, int] | None = None
    live: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterSpec(ParameterInfo):
    """One parameter in full, as ROS descriptors, config files and documentation need it.

    Attributes:
        name: Its name, as in `Settings`.
        kind: Its type; lists are kept as tuples.
        default: Its default value.
    """

    name: str
    kind: Kind
    default: Value

    @property
    def range_text(self) -> str:
        """The values allowed, in words, such as '0.001 to 80.0 m'; '' if all of the type are."""
        if self.choices:
            return ', '.join(str(choice) or "''" for choice in self.choices)
        if self.minimum is None and self.maximum is None:
            return ''
        unit = f' {self.unit}' if self.unit else ''
        if self.maximum is None:
            return f'at least {self.minimum}{unit}'
        if self.minimum is None:
            return f'at most {self.maximum}{unit}'
        return f'{self.minimum} to {self.maximum}{unit}'

    def check(self, value: object) -> Value:
        """Return the value in its canonical type, if it is allowed.

        Args:
            value: The value to check; numpy scalars and any sequence for a list are accepted.

        Returns:
            The value as bool, int, float, str or tuple.

        Raises:
            SettingsError: If the type is wrong, or the value is outside the limits.
        """
        canonical = self._canonical(value)
        elements = canonical if isinstance(canonical, tuple) else (canonical,)
        if self.length and not self.length[0] <= len(elements) <= self.length[1]:
            low, high = self.length
            count = f'{low}' if low == high else f'{low} to {high}'
            raise self._refused(value, f'be {self.elements or f"{count} elements"}')
        for element in elements:
            self._check_limits(element, value)
        return canonical

    def _canonical(self, value: object) -> Value:
        if self.kind == 'int_list':
            return tuple(int(self._scalar(element, 'int', value)) for element in self._list(value))
        if self.kind == 'str_list':
            return tuple(str(self._scalar(element, 'str', value)) for element in self._list(value))
        return self._scalar(value, self.kind, value)

    def _list(self, value: object) -> Iterable[object]:
        # ROS hands integer arrays over as array.array, numpy users as ndarray.
        if isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping):
            return value
        raise self._refused(value, f'be {_KIND_WORDS[self.kind]}')

    def _scalar(self, value: object, kind: Kind, shown: object) -> _Scalar:
        # bool is an int in Python; a user who writes `true` for a number made a mistake.
        is_bool = isinstance(value, bool | np.bool_)
        if kind == 'bool' and is_bool:
            return bool(value)
        if kind == 'str' and isinstance(value, str):
            return str(value)
        if kind == 'int' and isinstance(value, numbers.Integral) and not is_bool:
            return int(value)
        if kind == 'float' and isinstance(value, numbers.Real) and not is_bool:
            number = float(value)
            if math.isfinite(number):
                return number
        raise self._refused(shown, f'be {_KIND_WORDS[self.kind]}')

    def _check_limits(self, element: _Scalar, shown: object) -> None:
        unit = f' {self.unit}' if self.unit else ''
        if self.choices and element not in self.choices:
            raise self._refused(shown, f'be one of {self.range_text}', self._meant(element))
        if isinstance(element, str):
            if self.pattern and not re.fullmatch(self.pattern, element):
                raise self._refused(shown, f'be {self.pattern_text}')
            return
        if self.minimum is not None and element < self.minimum:
            raise self._refused(shown, f'be at least {self.minimum}{unit}')
        if self.maximum is not None and element > self.maximum:
            raise self._refused(shown, f'be at most {self.maximum}{unit}')

    def _meant(self, element: _Scalar) -> str:
        near = get_close_matches(str(element), [str(choice) for choice in self.choices], n=1)
        return f'; did you mean {near[0]}?' if near else ''

    def _refused(self, value: object, rule: str, advice: str = '') -> SettingsError:
        got: object = value
        if isinstance(value, tuple | array):
            got = list(value)
        elif isinstance(value, np.ndarray | np.generic):
            got = value.tolist()
        return SettingsError(f'{self.name} must {rule}, got {shortened(repr(got))}{advice}')


def specs_of(settings_class: type) -> tuple[ParameterSpec, ...]:
    """Read the specifications off a dataclass whose fields are annotated with `ParameterInfo`.

    Args:
        settings_class: Its fields are bool, int, float, str, or a tuple of int or str.

    Returns:
        One specification for each field, in their order, but those of a group together.
    """
    hints = get_type_hints(settings_class, include_extras=True)
    specs = []
    for field in dataclasses.fields(settings_class):
        hint, about = get_args(hints[field.name])
        described = {part.name: getattr(about, part.name) for part in dataclasses.fields(about)}
        default: Any = field.default
        specs.append(
            ParameterSpec(name=field.name, kind=_kind_of(hint), default=default, **described)
        )
    groups = list(dict.fromkeys(spec.group for spec in specs))
    return tuple(sorted(specs, key=lambda spec: groups.index(spec.group)))


def _kind_of(hint: object) -> Kind:
    if get_origin(hint) is tuple:
        return 'int_list' if get_args(hint)[0] is int else 'str_list'
    scalars: dict[object, Kind] = {bool: 'bool', int: 'int', float: 'float', str: 'str'}
    return scalars[hint]
