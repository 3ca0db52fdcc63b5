"""QoS that a user gave by parameters and ROS does not take: named in one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rclpy.exceptions import InvalidParameterTypeException

from drnet_ros.errors import SettingsError
from drnet_ros.node.ros_errors import ros_error_text

__all__ = ['named_overrides']

_OTHER_TYPE = 'incompatible type'


@contextmanager
def named_overrides(topic: str, role: str) -> Iterator[None]:
    """Name the override parameters in the error of a publisher or subscription made here.

    Args:
        topic: Full name of the topic.
        role: 'publisher' or 'subscription'.

    Raises:
        SettingsError: ROS does not take the QoS.
    """
    try:
        yield
    # RuntimeError is also the base of what the middleware raises.
    except (RuntimeError, InvalidParameterTypeException, ValueError) as error:
        text = ros_error_text(error)
        if _OTHER_TYPE in text:
            msg = (
                f'{topic} must have messages of one type, and this node uses it for two: two '
                'names are remapped to it, such as image and camera_info'
            )
            raise SettingsError(msg) from error
        msg = f'qos_overrides.{topic}.{role} must be a QoS that ROS takes, got: {text}'
        raise SettingsError(msg) from error
