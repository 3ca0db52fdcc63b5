"""Exceptions of the offline package; the runtime's are used where they fit."""

from __future__ import annotations

from drnet_ros.errors import DrnetError

__all__ = [
    'ConfigError',
    'DatasetError',
    'DivergedError',
    'OfflineError',
    'PretrainedError',
    'StoppedError',
]


class OfflineError(DrnetError):
    """Base of what the offline package raises: the message says what to do."""


class DatasetError(OfflineError):
    """A file of a data set is missing, broken or does not match its sibling."""


class ConfigError(OfflineError):
    """A training preset holds something unknown or impossible."""


class DivergedError(OfflineError):
    """A training has led to a network whose depth is no number."""


class StoppedError(OfflineError):
    """Ctrl-C ended a command; the message says what is saved and how to go on."""


class PretrainedError(OfflineError):
    """Pre-trained backbone weights cannot be had or do not fit."""
