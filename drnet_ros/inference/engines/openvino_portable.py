"""The OpenVINO model of a weights file for any input size, beside it: then PyTorch is not needed.

It is written with half-precision weights, and holds the digest of the weights file that it was
made of, so that one of other weights is never used. Run as a program this module writes it, or
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

from drnet_ros.errors import DrnetError
from drnet_ros.weights import EMBEDDED, resolve_weights

__all__ = ['portable_path', 'read_portable', 'write_portable']

_LOG = logging.getLogger(__name__)
_FACTS = ['drnet', 'weights_sha256']
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
        digest = model.get_rt_info(_FACTS).astype(str) if model.has_rt_info(_FACTS) else ''
    except RuntimeError as error:
        _LOG.warning('%s cannot be read (%s): the weights are converted anew', path, error)
        return None
    return model if digest == _digest(weights_path) else None


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
    model.set_rt_info(_digest(weights_path), _FACTS)
    path = portable_path(weights_path)
    ov.save_model(model, path, compress_to_fp16=True)
    return path


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
        sys.stderr.write(f'{portable_path(path)} must be of {path.name}: run make embedded\n')
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
