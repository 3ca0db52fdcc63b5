"""Options that the commands on recordings share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    'BagPath',
    'CameraInfoTopic',
    'DepthTopic',
    'ImageTopic',
    'InputSize',
    'SetOptions',
    'TemporalFilter',
    'Tolerance',
    'Versus',
    'Weights',
]

BagPath = Annotated[
    Path, typer.Argument(metavar='BAG', help='rosbag2 folder, .mcap, .db3, or ROS 1 .bag.')
]
ImageTopic = Annotated[
    str | None, typer.Option(help='Images, raw or compressed; found if not given.')
]
CameraInfoTopic = Annotated[str | None, typer.Option(help='Their CameraInfo.')]
DepthTopic = Annotated[
    str | None,
    typer.Option(help="Depth registered to them, to compare with; 'none' compares nothing."),
]
Weights = Annotated[str, typer.Option(help="'embedded' or a .safetensors file.")]
InputSize = Annotated[
    str | None, typer.Option(metavar='HxW', help='Size that the network sees images at.')
]
TemporalFilter = Annotated[
    float | None, typer.Option(metavar='SECONDS', help='Time constant; 0 is off.')
]
SetOptions = Annotated[
    list[str] | None,
    typer.Option('--set', metavar='NAME=VALUE', help='Any parameter of the node; many times.'),
]
Versus = Annotated[
    list[str] | None,
    typer.Option(
        metavar='WEIGHTS|SETTINGS',
        help="Compare with other weights, or with other settings: 'input_size=480x640 "
        "edge_threshold=0.05'; many times.",
    ),
]
Tolerance = Annotated[
    float, typer.Option(min=0.0, help='Most seconds between an image and its depth.')
]
