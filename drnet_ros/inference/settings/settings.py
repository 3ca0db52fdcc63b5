"""The parameters as one immutable object that is always valid.

Values are checked whenever an instance is made; NaN is refused.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar

from drnet_ros.errors import SettingsError, known_names
from drnet_ros.inference.settings.output_fields import OutputFields
from drnet_ros.inference.settings.parameter_spec import Value, specs_of
from drnet_ros.inference.settings.rules import check_together
from drnet_ros.inference.settings.sparse_depth_fields import SPARSE_DEPTH_SOURCES

__all__ = ['PARAMETERS', 'Settings']

Class = TypeVar('Class', bound=type)


def _check_mapping(values: object) -> None:
    if not isinstance(values, Mapping):
        msg = (
            f'values must be a dict of parameters by name, got {values!r:.80}; write '
            "Settings.from_mapping({'max_depth': 6.0})"
        )
        raise SettingsError(msg)


def _check_names(given: Iterable[str], known: Iterable[str]) -> None:
    """Refuse a parameter that there is not.

    Raises:
        SettingsError: There is one.
    """
    names = sorted(known)
    for name in sorted(set(given).difference(names), key=str):
        msg = f'parameter {name!r} is unknown; {known_names(str(name), names)}'
        raise SettingsError(msg)


def _refuses_unknown_names(settings: Class) -> Class:
    """Let a class of settings refuse misspelled keywords in our words, not in Python's."""
    known = [field.name for field in dataclasses.fields(settings)]
    plain = settings.__init__  # type: ignore[misc]

    @wraps(plain)
    def init(self: Any, *values: Any, **named: Any) -> None:
        if values:
            msg = (
                f'settings must be given by name, got {values[0]!r}; write Settings(max_depth=6.0)'
            )
            raise SettingsError(msg)
        _check_names(named, known)
        plain(self, **named)

    settings.__init__ = init  # type: ignore[misc]
    return settings


@_refuses_unknown_names
@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(OutputFields):
    """All parameters of the node and the estimator; immutable and always valid.

    Lists are tuples here; any sequence is accepted. `SettingsFields`, `SparseDepthFields` and
    `OutputFields` have the fields, and `PARAMETERS` lists them in a form that other code can walk
    through.

    Raises:
        SettingsError: If a name is unknown, or a value has the wrong type, is outside its limits
            or contradicts another.
    """

    def __post_init__(self) -> None:
        """Bring values into canonical types and check them, alone and together."""
        for spec in PARAMETERS:
            object.__setattr__(self, spec.name, spec.check(getattr(self, spec.name)))
        check_together(self)

    @classmethod
    def from_mapping(cls, values: Mapping[str, object]) -> Settings:
        """Build settings from names and values; what is not named keeps its default.

        Args:
            values: Parameter values by name.

        Returns:
            The checked settings.

        Raises:
            SettingsError: If `values` is no mapping, a name is unknown or a value is not allowed.
        """
        _check_mapping(values)
        _check_names(values, (spec.name for spec in PARAMETERS))
        return cls(**dict[str, Any](values))

    def changed(self, **values: object) -> Settings:
        """Return a copy with some values replaced, all checked together.

        Args:
            **values: New values by parameter name.

        Returns:
            The checked copy; this instance stays as it is.

        Raises:
            SettingsError: If a name is unknown or a value is not allowed.
        """
        _check_names(values, (spec.name for spec in PARAMETERS))
        accepted: dict[str, Any] = dict(values)
        return dataclasses.replace(self, **accepted)

    @property
    def sparse_depth_names(self) -> tuple[str, ...]:
        """The sources of sparse depth that are set, each once, in the order of their listing."""
        return tuple(name for name in SPARSE_DEPTH_SOURCES if name in self.sparse_depth_sources)

    @property
    def needs_transforms(self) -> bool:
        """Whether anything that is set needs to know where frames are."""
        return bool(
            self.sparse_depth_names or self.scan_frame or self.ground_frame or self.merged_frame
        )

    def to_mapping(self) -> dict[str, Value]:
        """Return all values by name, in the order of `PARAMETERS`."""
        return {spec.name: getattr(self, spec.name) for spec in PARAMETERS}


PARAMETERS = specs_of(Settings)
"""All parameters, in the order in which documentation lists them."""
