"""The OpenVINO model of a weights file for any input size, beside it: then PyTorch is not needed.

It is written with half-precision weights, and holds the digest of the weights file that it was
made of and that of its own two files, so that neither one of other weights nor a damaged one is
ever used. Run as a program this module writes it, or
with --check sees to it that it is there and of the weights:

    python -m drnet_ros.inference.engines.openvino_portable [--check] [WEIGHTS]
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import sys
from pathlib import Path

import openvino as ov

from drnet_ros.errors import DrnetError, one_line
from drnet_ros.weights import EMBEDDED, resolve_weights

__all__ = ['portable_path', 'read_portable', 'write_portable']

_LOG = logging.getLogger(__name__)
_WEIGHTS_FACT = ['drnet', 'weights_sha256']
_OWN_FACT = ['drnet', 'own_sha256']
_BLANK = '0' * 64  # stands for the model's own digest while that is computed
_EXAMPLE_HW = (96, 160)


def portable_path(weights_path: Path) -> Path:
    """Return where the portable model of a weights file lies: its .xml, and its .bin beside it."""
    return weights_path.with_suffix('.xml')


def read_portable(weights_path: Path) -> ov.Model | None:
    """Read the portable model of a weights file.

    Args:
        weights_path: The weights file.

    Returns:
        A model from normalised RGB, float32 (1, 3, H, W), to depth in metres, float32
        (1, 1, H, W), H and W open; None if there is none of these very weights.
    """
    path = portable_path(weights_path)
    if not path.is_file():
        return None
    try:
        model = ov.Core().read_model(path)
        if _fact(model, _WEIGHTS_FACT) != _digest(weights_path):
            return None
        own = _fact(model, _OWN_FACT)
        is_whole = not own or own == _own_digest(path, own)  # older ones do not hold it
    except (RuntimeError, OSError) as error:
        _LOG.warning(
            '%s cannot be read (%s): the weights are converted anew', path, one_line(error)
        )
        return None
    if not is_whole:
        _LOG.warning('%s or its .bin is damaged: the weights are converted anew', path)
    return model if is_whole else None


def write_portable(weights_path: Path) -> Path:
    """Write the portable model of a weights file beside it; needs PyTorch.

    Args:
        weights_path: The weights file.

    Returns:
        The .xml.

    Raises:
        ImportError: PyTorch or the backbone's library is missing.
        WeightsError: The weights cannot be loaded.
    """
    from drnet_ros.inference.engines.openvino_trace import trace_network  # noqa: PLC0415 - PyTorch

    model = trace_network(weights_path, _EXAMPLE_HW, is_free=True)
    model.set_rt_info(_digest(weights_path), _WEIGHTS_FACT)
    model.set_rt_info(_BLANK, _OWN_FACT)
    path = portable_path(weights_path)
    ov.save_model(model, path, compress_to_fp16=True)
    own = _own_digest(path, _BLANK).encode()
    path.write_bytes(path.read_bytes().replace(_BLANK.encode(), own))
    return path


def _fact(model: ov.Model, name: list[str]) -> str:
    return str(model.get_rt_info(name).astype(str)) if model.has_rt_info(name) else ''


def _own_digest(path: Path, own: str) -> str:
    """Return the digest of both files, with zeros where the .xml holds it."""
    digest = hashlib.sha256(path.read_bytes().replace(own.encode(), _BLANK.encode()))
    digest.update(path.with_suffix('.bin').read_bytes())
    return digest.hexdigest()


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main(arguments: list[str] | None = None) -> int:
    """Write the portable model, or check it.

    Args:
        arguments: Command line without the program; None for that of this process.

    Returns:
        The exit code: 0, or 1 after one line that says what is wrong.
    """
    parser = argparse.ArgumentParser(prog='openvino_portable', description=main.__doc__)
    parser.add_argument('weights', nargs='?', default=EMBEDDED)
    parser.add_argument('--check', action='store_true')
    options = parser.parse_args(arguments)
    try:
        path = resolve_weights(options.weights)
        if not options.check:
            sys.stdout.write(f'written {write_portable(path)}\n')
            return 0
    except DrnetError as error:
        sys.stderr.write(f'{error}\n')
        return 1
    if read_portable(path) is None:
        portable = portable_path(path)
        sys.stderr.write(f'{portable} must be whole and of {path.name}: run make embedded\n')
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
