"""`Settings` as ROS parameters: declared, described, and changed while the node runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.exceptions import (
    InvalidParameterTypeException,
    InvalidParameterValueException,
    ParameterUninitializedException,
)
from rclpy.parameter import Parameter

from drnet_ros.errors import SettingsError, known_names
from drnet_ros.inference.postprocess.mask import Masks
from drnet_ros.inference.settings import PARAMETERS, ParameterSpec, Settings
from drnet_ros.node.ros_versions import on_set_parameters

if TYPE_CHECKING:
    from rclpy.node import Node

__all__ = ['NodeParameters', 'describe']

_SPECS = {spec.name: spec for spec in PARAMETERS}
_QOS_PREFIX = 'qos_overrides.'
# Parameters of rclpy itself, which nobody misspelled.
_FOREIGN = ('use_sim_time', 'start_type_description_service')


class NodeParameters:
    """The parameters of one node, always equal to its `settings`.

    Attributes:
        settings: The settings that hold now; immutable, so that readers never see a mix of old
            and new ones.
    """

    def __init__(self, node: Node) -> None:
        """Declare all parameters and accept live changes from now on.

        Args:
            node: The node to declare them on.

        Raises:
            SettingsError: If a value from a file or the command line is not allowed.
        """
        self._node = node
        self.settings = Settings.from_mapping(
            {spec.name: self._declare(spec) for spec in PARAMETERS}
        )
        self._warn_of_unknown()
        on_set_parameters(node, _integers_to_floats, self._check, self._apply)

    def _declare(self, spec: ParameterSpec) -> object:
        default = list(spec.default) if isinstance(spec.default, tuple) else spec.default
        descriptor = describe(spec)
        try:
            value: object = self._node.declare_parameter(spec.name, default, descriptor).value
            # rclpy takes [] for no value, whose type it does not know.
            return () if value is None and spec.kind.endswith('list') else value
        except (InvalidParameterTypeException, InvalidParameterValueException) as error:
            given = self._given(spec.name, error)
        except (ParameterUninitializedException, ValueError, TypeError) as error:
            msg = f'{spec.name} must have a value, got none: {error}'
            raise SettingsError(msg) from error
        # Our own check explains better. It lets pass what rclpy is stricter about: 10 for 10.0.
        value = spec.check(given)
        canonical = list(value) if isinstance(value, tuple) else value
        return self._node.declare_parameter(
            spec.name, canonical, descriptor, ignore_override=True
        ).value

    def _given(self, name: str, error: Exception) -> object:
        override = self._overrides().get(name)
        if override is None:
            msg = f'{name} has a value that is not allowed: {error}'
            raise SettingsError(msg) from error
        return override.value

    def _overrides(self) -> dict[str, Parameter[Any]]:
        # What files and the command line gave; rclpy offers no public way to it.
        overrides: dict[str, Parameter[Any]] = self._node._parameter_overrides  # noqa: SLF001
        return overrides

    def _warn_of_unknown(self) -> None:
        for name in sorted(self._overrides()):
            if name not in _SPECS and not name.startswith((_QOS_PREFIX, *_FOREIGN)):
                self._node.get_logger().warning(
                    f'parameter {name!r} is unknown and has no effect; '
                    f'{known_names(name, sorted(_SPECS))}'
                )

    def warn_of_unused_qos(self) -> None:
        """Point out QoS overrides that no topic asked for; call it once all topics are there."""
        declared = self._node.get_parameters_by_prefix('qos_overrides')
        known = [_QOS_PREFIX + name for name in declared]
        for name in sorted(self._overrides()):
            if name.startswith(_QOS_PREFIX) and not self._node.has_parameter(name):
                self._node.get_logger().warning(
                    f'parameter {name!r} has no effect; {known_names(name, known)}'
                )

    def _check(self, changes: list[Parameter[Any]]) -> SetParametersResult:
        values = {change.name: change.value for change in changes if change.name in _SPECS}
        try:
            changed = self.settings.changed(**values)
            if 'mask' in values:  # also if it is as before: the files may not be
                Masks(changed)  # refuses files that it cannot read
        except SettingsError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _apply(self, changes: list[Parameter[Any]]) -> None:
        values = {change.name: change.value for change in changes if change.name in _SPECS}
        if values:
            self.settings = self.settings.changed(**values)


def describe(spec: ParameterSpec) -> ParameterDescriptor:
    """Build the descriptor that `ros2 param describe` shows.

    Args:
        spec: The parameter.

    Returns:
        Text, allowed values, range, and read-only unless it may change live.
    """
    descriptor = ParameterDescriptor(
        name=spec.name,
        description=spec.text,
        additional_constraints=spec.range_text,
        read_only=not spec.live,
    )
    if spec.minimum is not None and spec.maximum is not None:
        if spec.kind == 'float':
            descriptor.floating_point_range = [
                FloatingPointRange(
                    from_value=float(spec.minimum), to_value=float(spec.maximum), step=0.0
                )
            ]
        elif spec.kind == 'int':
            descriptor.integer_range = [
                IntegerRange(from_value=int(spec.minimum), to_value=int(spec.maximum), step=1)
            ]
    return descriptor


def _integers_to_floats(changes: list[Parameter[Any]]) -> list[Parameter[Any]]:
    """Take `ros2 param set ... max_depth 8` for 8.0."""
    return [
        Parameter(change.name, Parameter.Type.DOUBLE, float(change.value))
        if change.type_ is Parameter.Type.INTEGER
        and change.name in _SPECS
        and _SPECS[change.name].kind == 'float'
        else change
        for change in changes
    ]
