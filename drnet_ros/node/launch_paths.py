"""Launch arguments: files found, or refused in one line before anything starts; near names."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from pathlib import Path

from drnet_ros.errors import SettingsError
from drnet_ros.weights import EMBEDDED, resolve_weights

__all__ = ['existing_path', 'misspelled', 'overruled', 'params_path', 'weights_value']

# Less like a name than this, an argument may be that of another launch file.
_LIKENESS = 0.8
# Where launch_ros keeps what PushRosNamespace, SetParameter and SetRemap were given.
_OF_LAUNCH = ('global_params', 'ros_namespace', 'ros_remaps')


def existing_path(argument: str, text: str) -> Path:
    """Return the file or folder that a launch argument names.

    Args:
        argument: Name of the argument.
        text: Its value; `~` is the home folder.

    Raises:
        SettingsError: There is none.
    """
    try:
        path = Path(text).expanduser()
        is_there = bool(text) and path.exists()
    except (OSError, RuntimeError, ValueError) as error:
        msg = f'{argument} must be a path that can be read, got {text!r}: {error}'
        raise SettingsError(msg) from error
    if not is_there:
        msg = f'{argument} must exist, found nothing at {text!r} (seen from {Path.cwd()})'
        raise SettingsError(msg)
    return path.absolute()


def params_path(text: str, config: Path, argument: str = 'params_file') -> Path:
    """Return the parameter file that a launch argument names.

    Args:
        text: Its value: a path, or the bare name of a file in config/ such as 'resnet50'.
        config: The shipped config/.
        argument: Name of the argument.

    Raises:
        SettingsError: There is no such file.
    """
    shipped = {path.stem: path for path in config.glob('*.yaml')}
    is_bare = Path(text).name == text
    is_here = Path(text).suffix != '' and Path(text).is_file()
    if is_bare and not is_here:
        stem = Path(text).stem if Path(text).suffix == '.yaml' else text
        if stem in shipped:
            return shipped[stem]
        near = get_close_matches(stem, shipped, n=1)
        advice = f'did you mean {near[0]}?' if near else 'give a path, such as ./my.yaml'
        msg = (
            f'{argument} must be a path or one of {", ".join(sorted(shipped))}, got {text!r}; '
            f'{advice}'
        )
        raise SettingsError(msg)
    path = existing_path(argument, text)
    if not path.is_file():
        kind = 'folder' if path.is_dir() else 'device or pipe'
        msg = f'{argument} must be a file, got the {kind} {path}'
        raise SettingsError(msg)
    return path


def weights_value(text: str) -> str:
    """Return the `weights` parameter that the launch argument of that name means.

    Args:
        text: Its value: 'embedded', or a path.

    Raises:
        WeightsError: There is no such file.
    """
    return text if text == EMBEDDED else str(resolve_weights(text).absolute())


def misspelled(given: Mapping[str, str], names: Collection[str]) -> list[str]:
    """Return one line for each launch argument that has no effect, but is near to one that has.

    Args:
        given: Values by name, of all that launch knows.
        names: Names of the arguments that have an effect.
    """
    near = {
        name: get_close_matches(name, names, n=1, cutoff=_LIKENESS)
        for name in given
        if name not in names and name not in _OF_LAUNCH
    }
    return [
        f'launch argument {name}:={given[name]} is unknown and has no effect; did you mean '
        f'{found[0]}?'
        for name, found in near.items()
        if found
    ]


def overruled(given: Mapping[str, str], instead: Mapping[str, str]) -> list[str]:
    """Return one line for each launch argument that a launch file sets itself.

    Args:
        given: Values by name, of all that launch knows.
        instead: What to give in place of each argument that the launch file sets.
    """
    return [
        f'launch argument {name}:={given[name]} has no effect here; give {advice}'
        for name, advice in instead.items()
        if name in given
    ]
