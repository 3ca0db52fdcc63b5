"""What a program of this package sets up around ROS: Fast DDS, memory, the log folder."""

from __future__ import annotations

import ctypes
import os
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryFile

from drnet_ros.share import share_directory

__all__ = [
    'PROFILE_NAME',
    'PROFILE_VARIABLES',
    'log_arguments',
    'return_large_blocks',
    'use_large_message_profile',
]

PROFILE_NAME = 'fastdds_large_messages.xml'
PROFILE_VARIABLES = ('FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE')

# Fast DDS loads these from the working directory by itself.
_LOCAL_PROFILES = ('DEFAULT_FASTDDS_PROFILES.xml', 'DEFAULT_FASTRTPS_PROFILES.xml')
# Kilted's rclpy: from there on the first variable is read, and the second one warned about.
_FIRST_RCLPY_WITH_FASTDDS_3 = 9

# Numbers of mallopt's parameters in glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
_MB = 2**20
_OPTIONS = {_MMAP_THRESHOLD: 8 * _MB, _TRIM_THRESHOLD: 16 * _MB, _ARENA_MAX: 2}
_OWN_SETTINGS = ('MALLOC_', 'GLIBC_TUNABLES')


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


def return_large_blocks() -> bool:
    """Make free() give blocks of over 8 MB back to the system; call it before there are threads.

    Left alone, glibc learns from the first cloud that is freed to take blocks of up to 32 MB from
    its heaps, of which each thread may have one. Images of changing size leave holes there that
    fit nothing: docs/reliability.md has what was measured.

    Returns:
        Whether that was set: not where the user's environment tunes malloc, nor without glibc.
    """
    if any(name.startswith(_OWN_SETTINGS) for name in os.environ):
        return False
    mallopt = getattr(ctypes.CDLL(None), 'mallopt', None)
    return mallopt is not None and all(mallopt(*option) for option in _OPTIONS.items())
