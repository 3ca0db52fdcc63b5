"""Lifecycle callbacks that do not swallow errors."""

from __future__ import annotations

import functools
import traceback
from collections.abc import Callable
from typing import TypeAlias, TypeVar

from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from drnet_ros.errors import DrnetError

__all__ = ['log_exceptions']

NodeT = TypeVar('NodeT', bound=LifecycleNode)
Transition: TypeAlias = 'Callable[[NodeT, LifecycleState], TransitionCallbackReturn]'


def log_exceptions(transition: Transition[NodeT]) -> Transition[NodeT]:
    """Log an unforeseen exception of a transition before it becomes its result ERROR.

    rclpy turns exceptions into that result without a word.

    Args:
        transition: A method such as `on_configure`.

    Returns:
        The method with the same result, that never raises.
    """

    @functools.wraps(transition)
    def run(node: NodeT, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            return transition(node, state)
        except DrnetError as error:
            node.get_logger().error(f'{transition.__name__}: {error}')
        except Exception:  # noqa: BLE001 - whatever it was, the user must learn of it
            node.get_logger().error(f'{transition.__name__}:\n{traceback.format_exc()}')
        return TransitionCallbackReturn.ERROR

    return run
