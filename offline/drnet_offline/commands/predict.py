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


Images = Annotated[list[Path], typer.Argument(help='Image files or folders of them.')]
Output = Annotated[Path, typer.Option(help='Folder for STEM.png and STEM.preview.jpg.')]
Weights = Annotated[str, typer.Option(help="'embedded' or a .safetensors file.")]
Camera = Annotated[
    str | None, typer.Option(help="'fx,fy,cx,cy' in pixels of the images; depth is scaled for it.")
]
Ply = Annotated[bool, typer.Option('--ply', help='Also write STEM.ply; needs --camera.')]


def predict(
    images: Images,
    output: Output,
    weights: Weights = 'embedded',
    camera: Camera = None,
    ply: Ply = False,
    engine: Engine = 'auto',
) -> None:
    """Write metric depth for images: uint16 millimetres at the image's size, 0 where invalid."""
    from drnet_offline.outputs.files import make_folder  # noqa: PLC0415
    from drnet_offline.outputs.lock import OutputLock  # noqa: PLC0415
    from drnet_offline.outputs.prediction import find_images, parse_camera, predict_file  # noqa: PLC0415
    from drnet_offline.outputs.problems import Problems  # noqa: PLC0415
    from drnet_offline.outputs.stopping import stopping  # noqa: PLC0415

    model = parse_camera(camera) if camera is not None else None
    if ply and model is None:
        msg = 'a cloud needs the camera: give --camera fx,fy,cx,cy'
        raise typer.BadParameter(msg, param_hint='--ply')
    paths = find_images(images)
    make_folder(output)
    problems = Problems()
    settings = Settings(weights=weights, engine=engine)
    console = Console(stderr=True, soft_wrap=True)
    done = 0
    with (
        stopping(lambda: f'after {done} of {len(paths)} images, whose depth is in {output}'),
        OutputLock(output),
        DepthEstimator(settings) as estimator,
    ):
        for path in track(paths, description='depth', console=console):
            with problems.collected():
                note = predict_file(estimator, path, output, model, ply=ply)
                done += 1
                if note:
                    console.print(note, markup=False, highlight=False)
    problems.check(f'{len(problems.lines)} of {len(paths)} images have no depth')
