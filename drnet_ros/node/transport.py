"""The Fast DDS profile with which large messages arrive."""

from __future__ import annotations

import os
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

__all__ = ['PROFILE_NAME', 'PROFILE_VARIABLES', 'find_shared_file', 'use_large_message_profile']

PROFILE_NAME = 'fastdds_large_messages.xml'
PROFILE_VARIABLES = ('FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE')

# Fast DDS loads these from the working directory by itself.
_LOCAL_PROFILES = ('DEFAULT_FASTDDS_PROFILES.xml', 'DEFAULT_FASTRTPS_PROFILES.xml')
# Kilted's rclpy; it reads the new variable and warns about the old one, which Jazzy needs.
_FIRST_RCLPY_WITH_FASTDDS_3 = 9


def use_large_message_profile() -> Path | None:
    """Make Fast DDS use the shipped profile, unless the user has one; call it before rclpy.init.

    Returns:
        The profile that is used now, or None if the user's own settings were left alone or the
        shipped file is not installed.
    """
    has_own = any(os.environ.get(name) for name in PROFILE_VARIABLES)
    if has_own or any(Path(name).exists() for name in _LOCAL_PROFILES):
        return None
    profile = find_shared_file(f'config/{PROFILE_NAME}')
    if profile is not None:
        os.environ[_profile_variable()] = str(profile)
    return profile


def find_shared_file(name: str) -> Path | None:
    """Find a file that is installed in share/drnet_ros, or lies in the source tree.

    Args:
        name: Its path there, such as 'config/depth.yaml'.

    Returns:
        Its path, or None if there is none.
    """
    package = Path(__file__).resolve().parents[1]
    prefixes = [Path(entry) for entry in os.environ.get('AMENT_PREFIX_PATH', '').split(':') if entry]
    # An installed package lies in <prefix>/lib/pythonX.Y/site-packages, a checkout in its root.
    prefixes += [*package.parents[1:5], Path(sys.prefix)]
    folders = [package.parent, *(prefix / 'share' / 'drnet_ros' for prefix in prefixes)]
    return next((folder / name for folder in folders if (folder / name).is_file()), None)


def _profile_variable() -> str:
    try:
        major = int(version('rclpy').partition('.')[0])
    except (PackageNotFoundError, ValueError):
        major = _FIRST_RCLPY_WITH_FASTDDS_3
    return PROFILE_VARIABLES[0 if major >= _FIRST_RCLPY_WITH_FASTDDS_3 else 1]
