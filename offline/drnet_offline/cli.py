"""The command `drnet`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import track

from drnet_offline.bag_command import bag
from drnet_offline.benchmark_command import bench
from drnet_offline.command_options import Engine
from drnet_offline.eval_command import evaluate_command
from drnet_offline.export_command import export
from drnet_offline.train_command import train
from drnet_offline.tum_bag_command import tum_to_bag
from drnet_offline.vo_command import vo
from drnet_ros.errors import DrnetError
from drnet_ros.inference import DepthEstimator, Settings

__all__ = ['app', 'main']

app = typer.Typer(
    help='Train, evaluate and export the Double Refinement Network.',
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(train)
app.command('eval')(evaluate_command)
app.command()(bench)
app.command()(export)
app.command()(bag)
app.command()(vo)
app.command('tum-to-bag')(tum_to_bag)


@app.command()
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


def main() -> None:
    """Run the command line: exit code 0, 1 with one line on a known error, 2 on wrong usage."""
    try:
        app()
    # OSError: a folder that cannot be made, a disk that is full; its text names the file.
    except (DrnetError, OSError) as error:
        console = Console(stderr=True, soft_wrap=True)
        console.print(f'[red]error:[/] {escape(str(error))}', highlight=False)
        sys.exit(1)
