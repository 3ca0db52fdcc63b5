"""Options of `drnet eval`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from drnet_offline.commands.options import Part, ProtocolName

__all__ = [
    'BlocksOf',
    'Data',
    'Edges',
    'InputSize',
    'Json',
    'MeanDepth',
    'Pictures',
    'Ranges',
    'Rules',
    'Samples',
    'Scale',
    'Sparse',
    'Weights',
    'Worst',
]

Data = Annotated[Path, typer.Option(help='Data set, in any layout of offline/README.md.')]
Weights = Annotated[str, typer.Option(help="'embedded' or a .safetensors file.")]
Rules = Annotated[ProtocolName, typer.Option(help='Which pixels count.')]
Samples = Annotated[Part, typer.Option(help='Which images.')]
BlocksOf = Annotated[str, typer.Option(help='Preset with the validation blocks of the data set.')]
MeanDepth = Annotated[
    bool,
    typer.Option('--mean-depth', help='Also score a constant: the mean depth of the part train.'),
]
Scale = Annotated[
    bool,
    typer.Option(
        '--scale',
        help="Also score with each image's scale taken from its truth, and print how that scale "
        'spreads and changes from image to image.',
    ),
]
Edges = Annotated[
    bool,
    typer.Option(
        '--edges', help='Also measure how well depth edges lie (iBims-1); the truth must be exact.'
    ),
]
Ranges = Annotated[
    bool,
    typer.Option(
        '--ranges',
        help='Also score near (below 1.5 m), room (below 4 m) and far pixels separately.',
    ),
]
Sparse = Annotated[
    list[str] | None,
    typer.Option(
        help='Also score with sparse depth drawn from the truth, on the other pixels: scan, '
        'points:N, tof:8x8 or range. Repeatable.'
    ),
]
Pictures = Annotated[
    Path | None,
    typer.Option(help='Folder for worst.jpg and one picture for each of the worst images.'),
]
InputSize = Annotated[
    str | None,
    typer.Option(metavar='HxW', help="Size of the network's input; default: as trained."),
]
Worst = Annotated[int, typer.Option(min=1, max=50, help='How many of the worst images.')]
Json = Annotated[Path | None, typer.Option('--json', help='Write the figures here.')]
