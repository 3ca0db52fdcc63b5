"""Log lines of the ROS-free code, shown as the node's own."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rclpy.impl.rcutils_logger import RcutilsLogger

__all__ = ['forward_logs']


def forward_logs(name: str, logger: RcutilsLogger) -> None:
    """Send what Python's logging gets under a name to a ROS logger.

    Args:
        name: Name of the Python logger, such as 'drnet_ros'.
        logger: The ROS logger, which then decides by its own level.
    """
    source = logging.getLogger(name)
    source.handlers = [_RosHandler(logger)]
    source.propagate = False
    source.setLevel(logging.DEBUG)


class _RosHandler(logging.Handler):
    def __init__(self, logger: RcutilsLogger) -> None:
        super().__init__()
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        message = self.format(record)
        # One call for each level: rclpy refuses a line of code that changes its severity.
        if record.levelno >= logging.ERROR:
            self._logger.error(message)
        elif record.levelno >= logging.WARNING:
            self._logger.warning(message)
        elif record.levelno >= logging.INFO:
            self._logger.info(message)
        else:
            self._logger.debug(message)
