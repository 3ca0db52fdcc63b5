"""The command `drnet export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from drnet_offline.benchmark.choosing import parse_size
from drnet_offline.errors import OfflineError
from drnet_offline.outputs.files import check_file, named_disk
from drnet_offline.outputs.lock import locked_outputs
from drnet_ros.network.metadata import read_metadata
from drnet_ros.weights import resolve_weights

__all__ = ['export']

_SUFFIXES = {'onnx': '.onnx', 'openvino': '.xml'}


Format = Annotated[
    Literal['onnx', 'openvino'], typer.Option('--format', help='Format of the file.')
]
Output = Annotated[
    Path, typer.Option(help='The .onnx file, or the .xml file; its .bin gets the same name.')
]
Weights = Annotated[str, typer.Option(help="'embedded' or a .safetensors file.")]
Size = Annotated[str | None, typer.Option(help='HxW of the input, default: the training size.')]
Dynamic = Annotated[bool, typer.Option('--dynamic', help='Leave height and width open (ONNX).')]


def export(
    format_: Format,
    output: Output,
    weights: Weights = 'embedded',
    size: Size = None,
    dynamic: Dynamic = False,
) -> None:
    """Write the network as ONNX or OpenVINO, and compare its result with PyTorch's."""
    suffix = _SUFFIXES[format_]
    if output.suffix != suffix or not output.absolute().parent.is_dir():
        msg = f'must be a {suffix} file in a folder that is there, got {output}'
        raise typer.BadParameter(msg, param_hint='--output')
    if dynamic and (format_ != 'onnx' or size is not None):
        msg = 'is for ONNX and without --size'
        raise typer.BadParameter(msg, param_hint='--dynamic')
    path = resolve_weights(weights)
    metadata = read_metadata(path)
    size_hw = metadata.input_height, metadata.input_width
    if size is not None:
        try:
            size_hw = parse_size(size)
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint='--size') from error
    difference = _write(path, output, size_hw, is_free=dynamic)
    height, width = size_hw
    Console().print(
        f'{output}: {"any size" if dynamic else f"{height}x{width}"}, at most {difference:.1e} m '
        'from PyTorch on noise',
        highlight=False,
        soft_wrap=True,
    )


def _write(weights: Path, output: Path, size_hw: tuple[int, int], *, is_free: bool) -> float:
    """Write the file, or both, and return their difference from PyTorch in metres."""
    is_onnx = output.suffix == '.onnx'
    files = [output] if is_onnx else [output, output.with_suffix('.bin')]
    for file in files:
        check_file(file)
    if not output.exists() and (other := files[-1]).exists():
        msg = f'{other} must be free, got a file that is not of {output}: name another output'
        raise OfflineError(msg)
    with locked_outputs(*files), named_disk(output):
        # PyTorch comes with this: what is refused is refused before.
        from drnet_offline.training import export as exporting  # noqa: PLC0415

        if is_onnx:
            exporting.export_onnx(weights, output, size_hw, is_free=is_free)
        else:
            exporting.export_openvino(weights, output, size_hw)
        return exporting.difference_m(weights, output, size_hw)
