"""The embedded weights, and where named weights lie."""

from __future__ import annotations

from pathlib import Path

from drnet_ros.errors import WeightsError

__all__ = ['EMBEDDED', 'resolve_weights']

EMBEDDED = 'embedded'
_EMBEDDED_FILE = Path(__file__).parent / 'drnet_lite.safetensors'


def resolve_weights(weights: str) -> Path:
    """Return the weights file that a `weights` parameter names.

    Args:
        weights: 'embedded', or a path; `~` is the home folder.

    Raises:
        WeightsError: There is no such file, or the path cannot be followed.
    """
    try:
        path = _EMBEDDED_FILE if weights == EMBEDDED else Path(weights).expanduser()
        is_there = path.is_file()
    except (OSError, RuntimeError, ValueError) as error:
        msg = f'weights must be a path that can be read, got {weights!r}: {error}'
        raise WeightsError(msg) from error
    if not is_there:
        msg = (
            f"weights must be 'embedded' or a .safetensors file, found no file at {path}; only "
            'the lite network is embedded (config depth.yaml): weights of another one come from '
            '`drnet train --config PRESET`, give the path of those'
        )
        raise WeightsError(msg)
    return path
