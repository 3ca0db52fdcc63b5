"""What OpenCV writes to the terminal, where an error of ours says the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import cv2

__all__ = ['log_control', 'without_warnings']

_FATAL = 1  # cv::utils::logging::LOG_LEVEL_FATAL, which OpenCV 4.6 does not pass on to Python


@contextmanager
def without_warnings() -> Iterator[None]:
    """Keep OpenCV's warnings of what it cannot read off the terminal: the error says it."""
    logging = log_control(cv2)
    level = logging.getLogLevel()
    logging.setLogLevel(min(level, _FATAL))
    try:
        yield
    finally:
        logging.setLogLevel(level)


def log_control(opencv: Any) -> Any:
    """Return the module that has `getLogLevel` and `setLogLevel`.

    Args:
        opencv: The module cv2. Up to OpenCV 4.12, which apt installs, it has them itself; later
            ones have them in `cv2.utils.logging`.
    """
    return getattr(opencv.utils, 'logging', opencv)
