"""What differs between the versions of rclpy, from Humble on; no other file asks for a version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import rclpy.subscription
from rclpy.clock import Clock

try:
    from rclpy.clock_type import ClockType
    from rclpy.event_handler import SubscriptionEventCallbacks
except ImportError:  # Humble
    from rclpy.clock import ClockType  # type: ignore[attr-defined]  # mypy reads Jazzy
    from rclpy.qos_event import SubscriptionEventCallbacks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rcl_interfaces.msg import SetParametersResult
    from rclpy.node import Node
    from rclpy.parameter import Parameter

    Parameters = list[Parameter[Any]]

__all__ = ['SubscriptionEventCallbacks', 'on_set_parameters', 'steady_clock', 'with_information']


def steady_clock() -> Clock:
    """Return a clock that goes on whatever use_sim_time says."""
    return Clock(clock_type=ClockType.STEADY_TIME)


def with_information(callback: Callable[[Any, Mapping[str, Any]], None]) -> Callable[..., None]:
    """Return the callback of a subscription.

    Args:
        callback: Called with each message and what rclpy knows of it: in Humble nothing.
    """
    if hasattr(rclpy.subscription, 'MessageInfo'):
        return callback
    return lambda message: callback(message, {})


def on_set_parameters(
    node: Node,
    convert: Callable[[Parameters], Parameters],
    check: Callable[[Parameters], SetParametersResult],
    apply: Callable[[Parameters], None],
) -> None:
    """Register what happens when parameters are set.

    Args:
        node: The node whose parameters they are.
        convert: Brings values into the declared types. Humble refuses other types itself.
        check: Refuses values.
        apply: Called with values that are set. In Humble it is called when `check` is passed.
    """
    if hasattr(node, 'add_post_set_parameters_callback'):
        node.add_pre_set_parameters_callback(convert)
        node.add_on_set_parameters_callback(check)
        node.add_post_set_parameters_callback(apply)
        return

    def check_and_apply(changes: Parameters) -> SetParametersResult:
        result = check(changes)
        if result.successful:
            apply(changes)
        return result

    node.add_on_set_parameters_callback(check_and_apply)
