"""The command line of a program: its own arguments, and those of ROS."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from rclpy.utilities import remove_ros_args

from drnet_ros.errors import SettingsError, one_line

__all__ = ['split_arguments']

_BEGIN, _END = '--ros-args', '--'


def split_arguments(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Tell the arguments of ROS from the others, which may hold bytes that are no UTF-8.

    Args:
        arguments: The command line without the program.

    Returns:
        The program's own arguments, and those that rclpy is to get, with their `--ros-args`.

    Raises:
        SettingsError: An argument of ROS is no UTF-8: rclpy takes no other. Or a parameter file is
            none.
        RuntimeError: One of `ros_errors.ARGUMENT_ERRORS`, where ROS refuses one.
    """
    own, for_ros = [], []
    is_for_ros = False
    for argument in arguments:
        is_begin = argument == _BEGIN
        if is_begin or is_for_ros:
            for_ros.append(_checked(argument))
            is_for_ros = is_begin or argument != _END
        else:
            own.append(argument)
    _check_files(for_ros)
    # Refuses what rclpy.init would, which also logs a line about it.
    remove_ros_args(['program', *for_ros])
    return own, for_ros


def _check_files(arguments: Sequence[str]) -> None:
    """Refuse pipes, such as bash's <(...): ROS reads a file more than once, and waits for them."""
    for option, path in pairwise(arguments):
        if option == '--params-file' and Path(path).exists() and not Path(path).is_file():
            msg = f'--params-file must be a file, got {path}: write the parameters to a file'
            raise SettingsError(msg)


def _checked(argument: str) -> str:
    try:
        argument.encode()
    except UnicodeEncodeError as error:
        msg = (
            f'arguments after {_BEGIN} must be UTF-8, got {one_line(argument)}: rename the file, '
            'or give a link to it'
        )
        raise SettingsError(msg) from error
    return argument
