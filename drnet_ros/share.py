"""Where the files that lie beside the code are: config, launch and rviz files."""

from __future__ import annotations

from pathlib import Path

__all__ = ['share_directory']

_PACKAGE = Path(__file__).resolve().parent


def share_directory() -> Path:
    """Return the folder that holds config/ and launch/, however the package was installed.

    It is the source tree for an editable install or `colcon build --symlink-install`, else
    share/drnet_ros below the prefix that colcon or pip installed into. ament's index is not asked:
    pip alone does not put the package where AMENT_PREFIX_PATH points.

    Raises:
        FileNotFoundError: The code was copied without these files.
    """
    for prefix in _PACKAGE.parents:
        for candidate in (prefix, prefix / 'share' / _PACKAGE.name):
            if (candidate / 'package.xml').is_file() and (candidate / 'config').is_dir():
                return candidate
    msg = (
        f'config/ and launch/ of {_PACKAGE.name} must be installed with it, found none above '
        f'{_PACKAGE}: install the package with colcon build or pip install'
    )
    raise FileNotFoundError(msg)
