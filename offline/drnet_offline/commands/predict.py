"""The command `drnet predict`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track

from drnet_offline.commands.options import Engine
from drnet_ros.inference import DepthEstimator, Settings

__all__ = ['predict']


def predict(
    images: Annotated[list[Path], typer.Argument(help='Image files or folders of them.')],
    output: Annotated[Path, typer.Option(help='Folder for STEM.png and STEM.preview.jpg.')],
    weights: Annotated[str, typer.Option(help="'embedded' or a .safetensors file.")] = 'embedded',
    camera: Annotated[
        str | None,
        typer.Option(help="'fx,fy,cx,cy' in pixels of the images; depth is scaled for it."),
    ] = None,
    ply: Annotated[
        bool, typer.Option('--ply', help='Also write STEM.ply; needs --camera.')
    ] = False,
    engine: Engine = 'auto',
) -> None:
    """Write metric depth for images: uint16 millimetres at the image's size, 0 where invalid."""
    from drnet_offline.prediction import find_images, parse_camera, predict_file  # noqa: PLC0415

    model = parse_camera(camera) if camera is not None else None
    if ply and model is None:
        msg = 'a cloud needs the camera: give --camera fx,fy,cx,cy'
        raise typer.BadParameter(msg, param_hint='--ply')
    paths = find_images(images)
    output.mkdir(parents=True, exist_ok=True)
    with DepthEstimator(Settings(weights=weights, engine=engine)) as estimator:
        for path in track(paths, description='depth', console=Console(stderr=True)):
            predict_file(estimator, path, output, model, ply=ply)
