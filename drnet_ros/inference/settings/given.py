"""Settings as a caller of the Python interface may give them."""

from __future__ import annotations

import os

from drnet_ros.errors import SettingsError
from drnet_ros.inference.settings.settings import Settings

__all__ = ['as_settings']


def as_settings(given: object) -> Settings:
    """Return settings.

    Args:
        given: Settings; the path of a weights file, or 'embedded'; or None for the defaults.

    Raises:
        SettingsError: It is something else.
    """
    if given is None:
        return Settings()
    if isinstance(given, str | os.PathLike):
        return Settings(weights=os.fspath(given))
    if not isinstance(given, Settings):
        msg = (
            f'settings must be a Settings or the path of a weights file, got '
            f'{type(given).__name__}; write DepthEstimator(Settings(weights=...)), or '
            'Settings.from_mapping(...) for a dict'
        )
        raise SettingsError(msg)
    return given
