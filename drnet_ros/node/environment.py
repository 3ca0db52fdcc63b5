"""What a program of this package sets up around ROS: Fast DDS, the log folder."""

from __future__ import annotations

import os
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryFile

from drnet_ros.share import share_directory

__all__ = ['PROFILE_NAME', 'PROFILE_VARIABLES', 'log_arguments', 'use_large_message_profile']

PROFILE_NAME = 'fastdds_large_messages.xml'
PROFILE_VARIABLES = ('FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE')

# Fast DDS loads these from the working directory by itself.
_LOCAL_PROFILES = ('DEFAULT_FASTDDS_PROFILES.xml', 'DEFAULT_FASTRTPS_PROFILES.xml')
# Kilted's rclpy: from there on the first variable is read, and the second one warned about.
_FIRST_RCLPY_WITH_FASTDDS_3 = 9


def use_large_message_profile() -> Path | None:
    """Make Fast DDS use the shipped profile, unless the user has one; call it before rclpy.init.

    Returns:
        The profile that is used now, or None if the user's own one was left alone or the shipped
        file is not installed.
    """
    has_own = any(os.environ.get(name) for name in PROFILE_VARIABLES)
    if has_own or any(Path(name).exists() for name in _LOCAL_PROFILES):
        return None
    try:
        profile = share_directory() / 'config' / PROFILE_NAME
    except FileNotFoundError:
        return None
    os.environ[_profile_variable()] = str(profile)
    return profile


def _profile_variable() -> str:
    try:
        major = int(version('rclpy').partition('.')[0])
    except (PackageNotFoundError, ValueError):
        major = _FIRST_RCLPY_WITH_FASTDDS_3
    return PROFILE_VARIABLES[0 if major >= _FIRST_RCLPY_WITH_FASTDDS_3 else 1]


def log_arguments() -> tuple[list[str], str]:
    """Return what keeps ROS from failing where it cannot write its log files.

    Returns:
        ROS arguments, none where logs can be written, and a warning that names the folder.
    """
    environment = os.environ
    named = environment.get('ROS_LOG_DIR')
    home = environment.get('ROS_HOME') or '~/.ros'
    folder = Path(named or Path(home, 'log'))
    try:
        folder = folder.expanduser() if environment.get('HOME') else folder
        if str(folder).startswith('~'):
            msg = 'HOME is not set'
            raise OSError(msg)  # noqa: TRY301 - one warning for all that can be wrong
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass
    except (OSError, RuntimeError) as error:
        warning = (
            f'no log file is written: {folder} cannot be ({error}); set ROS_LOG_DIR to a folder '
            'that can be written'
        )
        return ['--ros-args', '--disable-external-lib-logs'], warning
    return [], ''
