"""What ROS raises for what a user got wrong, and how that is put to people."""

from __future__ import annotations

import re

from rclpy.exceptions import InvalidParameterTypeException, NameValidationException
from rclpy.impl.implementation_singleton import rclpy_implementation

from drnet_ros.errors import one_line

__all__ = ['ARGUMENT_ERRORS', 'ros_error_text']

ARGUMENT_ERRORS = (
    rclpy_implementation.RCLError,
    rclpy_implementation.RCLInvalidROSArgsError,
    rclpy_implementation.UnknownROSArgsError,
    NameValidationException,
    InvalidParameterTypeException,  # of a parameter that rclpy itself has, such as use_sim_time
)
"""What rclpy raises for ROS arguments and names that a user got wrong."""

_PLACE_IN_SOURCE = re.compile(r',? at \S+\.(c|cpp|h|hpp):\d+')
_LEXEME = re.compile(r'Error: Expected lexeme type \(\d+\) not found, search ended at index (\d+)')
_NO_REASON = re.compile(r'[.,;:]? ?(Error: )?error not set')


def ros_error_text(error: Exception) -> str:
    """Return the message of an error in one line, without the places in the source of ROS.

    Args:
        error: Any error.
    """
    if isinstance(error, rclpy_implementation.UnknownROSArgsError):
        known = '-p NAME:=VALUE, -r FROM:=TO, --params-file FILE, --log-level LEVEL'
        return f'ROS has no arguments {error}; it has {known}'
    text = _NO_REASON.sub('', _PLACE_IN_SOURCE.sub('', one_line(error)))
    return _LEXEME.sub(r'Names must follow the rules of ROS; look at character \1', text)
