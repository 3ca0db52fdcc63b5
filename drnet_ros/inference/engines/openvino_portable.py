"""The OpenVINO model of a weights file for any input size, beside it: then PyTorch is not needed.

`make embedded`, `drnet train` and `drnet adapt` write it. It holds the sum of the tensors that it
was made of and the digest of its own two files, so that neither one of other tensors nor a damaged
one is ever used. What else stands in the weights file, such as what `drnet calibrate` measures, is
not in the model. Run as a program this module writes it, or with --check sees to it that it is
there and of the weights:

    python -m drnet_ros.inference.engines.openvino_portable [--check] [WEIGHTS]
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import os
import shlex
import sys
import tempfile
from pathlib import Path

import openvino as ov

from drnet_ros.errors import DrnetError, EngineError, missing_module, one_line, package_of
from drnet_ros.network.metadata import read_metadata
from drnet_ros.network.tensor_sum import read_tensor_sum
from drnet_ros.weights import EMBEDDED, resolve_weights

__all__ = ['portable_path', 'read_portable', 'write_command', 'write_portable']

_LOG = logging.getLogger(__name__)
_PROGRAM = 'drnet_ros.inference.engines.openvino_portable'
_TENSORS_FACT = ['drnet', 'tensors_sha256']
_OWN_FACT = ['drnet', 'own_sha256']
_BLANK = '0' * 64  # stands for the model's own digest while that is computed
_EXAMPLE_HW = (96, 160)


def portable_path(weights_path: Path) -> Path:
    """Return where the portable model of a weights file lies: its .xml, and its .bin beside it."""
    return Path(os.path.realpath(weights_path)).with_suffix('.xml')


def write_command(weights_path: Path) -> str:
    """Return the command that writes the portable model of a weights file, where PyTorch is."""
    return f'python -m {_PROGRAM} {shlex.quote(weights_path.name)}'


def read_portable(weights_path: Path) -> ov.Model | None:
    """Read the portable model of a weights file.

    Args:
        weights_path: The weights file.

    Returns:
        A model from normalised RGB, float32 (1, 3, H, W), to depth in metres, float32
        (1, 1, H, W), H and W open; None if there is none of these very tensors: the log says of
        one that is there why it is not used.
    """
    path = portable_path(weights_path)
    if not path.is_file():
        return None
    try:
        model = ov.Core().read_model(path)
        problem = _problem(model, path, weights_path)
    except (RuntimeError, OSError) as error:
        problem = f'{path} cannot be read ({one_line(error)})'
    if not problem:
        return model
    _LOG.warning('%s: it is not used; write it anew with %s', problem, write_command(weights_path))
    return None


def _problem(model: ov.Model, path: Path, weights_path: Path) -> str:
    """Return why a model is not used; nothing if it is."""
    if _fact(model, _TENSORS_FACT) != read_tensor_sum(weights_path):
        return f'{path} is not the model of {weights_path.name}'
    own = _fact(model, _OWN_FACT)
    is_whole = bool(own) and own == _own_digest(path, own)
    return '' if is_whole else f'{path} or its .bin is damaged'


def write_portable(weights_path: Path) -> Path:
    """Write the portable model of a weights file beside it; needs PyTorch.

    Its weights are in half precision, but for the guided filter: its variances are small
    differences, and would lose their digits.

    Args:
        weights_path: The weights file.

    Returns:
        The .xml; it and its .bin take the place of older ones once they are whole.

    Raises:
        EngineError: PyTorch or the backbone's library is missing, the network cannot be converted,
            or the model cannot be written.
        WeightsError: The weights cannot be loaded.
    """
    path = portable_path(weights_path)
    is_guided = read_metadata(weights_path).network.guided_filter
    try:
        from drnet_ros.inference.engines.openvino_trace import trace_network  # noqa: PLC0415 - PyTorch

        model = trace_network(weights_path, _EXAMPLE_HW, is_free=True)
        model.set_rt_info(read_tensor_sum(weights_path), _TENSORS_FACT)
        model.set_rt_info(_BLANK, _OWN_FACT)
        # A program that has mapped an older .bin into memory goes on with that.
        with tempfile.TemporaryDirectory(dir=path.parent, prefix='.portable_') as folder:
            whole = Path(folder, path.name)
            _save(model, whole, is_half=not is_guided)
            whole.with_suffix('.bin').replace(path.with_suffix('.bin'))
            whole.replace(path)
    except ImportError as error:
        module = missing_module(error, 'torch')
        msg = f'{module} must be installed to write {path}, got: {error}; '
        raise EngineError(msg + f'pip install {package_of(module)}') from error
    except (RuntimeError, OSError) as error:
        msg = f'{path} must be written, got: {one_line(error)}'
        raise EngineError(msg) from error
    return path


def _save(model: ov.Model, path: Path, *, is_half: bool) -> None:
    """Write the model, and the digest of both files into it."""
    ov.save_model(model, path, compress_to_fp16=is_half)
    own = _own_digest(path, _BLANK).encode()
    path.write_bytes(path.read_bytes().replace(_BLANK.encode(), own))


def _fact(model: ov.Model, name: list[str]) -> str:
    return str(model.get_rt_info(name).astype(str)) if model.has_rt_info(name) else ''


def _own_digest(path: Path, own: str) -> str:
    """Return the digest of both files, with zeros where the .xml holds it."""
    digest = hashlib.sha256(path.read_bytes().replace(own.encode(), _BLANK.encode()))
    digest.update(path.with_suffix('.bin').read_bytes())
    return digest.hexdigest()


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
        remedy = 'make embedded' if options.weights == EMBEDDED else write_command(path)
        sys.stderr.write(f'{portable} must be whole and of {path.name}: run {remedy}\n')
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
