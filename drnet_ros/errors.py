"""The one tree of exceptions: everything that `drnet_ros` raises on purpose.

A message says what must hold, what was got and what to do about it, in one line, so that a node or
a command can show it as it is.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from difflib import get_close_matches

__all__ = [
    'DISK_FULL',
    'CameraError',
    'DeviceLostError',
    'DeviceMemoryError',
    'DrnetError',
    'EngineError',
    'GroundError',
    'ImageError',
    'RecordingError',
    'SettingsError',
    'SparseDepthError',
    'WeightsError',
    'known_names',
    'missing_module',
    'one_line',
    'package_of',
    'shown',
]

# Where pip knows a module by another name.
_PACKAGES = {'cv2': 'opencv-python-headless'}
_MOST_SHOWN = 600

DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""`errno` of an OSError where a disk, a quota or a limit of file sizes has no more room."""


class DrnetError(Exception):
    """An expected failure: report its one-line message, never a traceback."""


class SettingsError(DrnetError):
    """A parameter is unknown, has the wrong type, is out of range or contradicts another."""


class WeightsError(DrnetError):
    """A weights file is missing, unreadable, of an unknown version or of another network."""


class EngineError(DrnetError):
    """An engine cannot run as configured, or failed while it ran."""


class DeviceMemoryError(EngineError):
    """The device has not enough free memory; the next batch may fit."""


class DeviceLostError(EngineError):
    """The device failed in a way that only a new process gets over."""


class ImageError(DrnetError):
    """One image cannot be decoded; the stream it belongs to may well go on.

    Attributes:
        kind: A short stable slug such as 'truncated', the same for the same kind of defect, so
            that a node can log each kind once and count the rest.
    """

    def __init__(self, message: str, *, kind: str) -> None:
        """Keep the message and the kind.

        Args:
            message: What must hold, what was got, what to do.
            kind: The slug that names the kind of defect.
        """
        super().__init__(message)
        self.kind = kind


class CameraError(DrnetError):
    """Camera parameters are unusable: uncalibrated, not finite, or of an unknown model."""


class SparseDepthError(DrnetError):
    """Sparse depth has arrays of a wrong shape or type, or cannot be used for an image."""


class GroundError(DrnetError):
    """What is seen in place of the floor is too steep, or the camera is not above the ground."""


class RecordingError(DrnetError):
    """A recording is missing, damaged, of an unknown format, or lacks a topic asked for."""


def one_line(error: Exception | str) -> str:
    """Return the message of an error, which libraries spread over several lines, as one.

    Args:
        error: Any error, or a text.

    Returns:
        A line that every log takes: bytes of a path that are no UTF-8 are escaped.
    """
    return ' '.join(str(error).split()).encode('utf-8', 'backslashreplace').decode()


def shown(text: str) -> str:
    """Return a text as logs and diagnostics show it, whatever names messages have brought into it.

    Args:
        text: Any text.

    Returns:
        The text with what cannot be printed escaped, shortened to a few hundred characters.
    """
    begin = ''.join(
        each if each.isprintable() else each.encode('unicode_escape').decode()
        for each in text[:_MOST_SHOWN]
    )
    return begin if len(text) <= _MOST_SHOWN else f'{begin} ... ({len(text)} characters)'


def known_names(name: str, known: Sequence[str]) -> str:
    """Return what a user may have meant by a name that is not known.

    Args:
        name: What the user wrote.
        known: All names that there are.

    Returns:
        'did you mean max_depth?', or all names where none is near.
    """
    near = get_close_matches(name, known, n=1)
    return f'did you mean {near[0]}?' if near else f'known are {", ".join(known) or "none"}'


def missing_module(error: ImportError, asked: str) -> str:
    """Return the module that must be installed for an import to work.

    Args:
        error: The import's error.
        asked: What was to be imported, where the error names no module.
    """
    return (error.name or asked).partition('.')[0]


def package_of(module: str) -> str:
    """Return the package that pip installs for a module.

    Args:
        module: The module, without a dot.
    """
    return _PACKAGES.get(module, module)
