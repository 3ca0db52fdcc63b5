"""The command `drnet`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, track

from drnet_offline.benchmark_command import bench
from drnet_offline.train_command import train
from drnet_ros.errors import DrnetError
from drnet_ros.inference import DepthEstimator, Settings

if TYPE_CHECKING:
    from drnet_offline.protocols import Protocol

__all__ = ['app', 'main']

Engine = Annotated[
    Literal['auto', 'openvino', 'torch'], typer.Option(help='What runs the network.')
]
Part = Literal['all', 'train', 'val', 'test']
ProtocolName = Literal['full', 'eigen', 'rside']

app = typer.Typer(
    help='Train, evaluate and export the Double Refinement Network.',
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(train)
app.command()(bench)


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


@app.command('eval')
def evaluate_command(
    data: Annotated[Path, typer.Option(help='Data set in any of the layouts.')],
    weights: Annotated[str, typer.Option(help="'embedded' or a .safetensors file.")] = 'embedded',
    protocol: Annotated[ProtocolName, typer.Option(help='Which pixels count.')] = 'eigen',
    part: Annotated[Part, typer.Option(help='Which samples.')] = 'all',
    blocks_of: Annotated[
        str, typer.Option(help='Preset whose validation blocks tell train from val.')
    ] = 'lite0',
    engine: Engine = 'auto',
    mean_depth: Annotated[
        bool, typer.Option('--mean-depth', help='Also score the mean depth of part train.')
    ] = False,
    json_: Annotated[Path | None, typer.Option('--json', help='Write the figures here.')] = None,
) -> None:
    """Score weights on a data set; prints the columns of the paper's Table II beside its rows."""
    from drnet_offline.evaluation import tabulate  # noqa: PLC0415
    from drnet_offline.protocols import PROTOCOLS  # noqa: PLC0415

    if json_ is not None and not json_.parent.is_dir():
        msg = f'there is no folder {json_.parent}'
        raise typer.BadParameter(msg, param_hint='--json')
    rules = PROTOCOLS[protocol]
    # Wide limits: metrics need a depth at every pixel.
    settings = Settings(weights=weights, engine=engine, min_depth=0.001, max_depth=80.0)
    about, rows = _score(data, part, blocks_of, rules, settings, with_mean_depth=mean_depth)
    Console().print(tabulate(rows, rules))
    if json_ is not None:
        ours = next(iter(rows.values()))
        record = {'protocol': rules.name, 'description': rules.describe(), **about, **ours}
        json_.write_text(json.dumps(record, indent=2) + '\n')


def _score(
    data: Path,
    part: str,
    blocks_of: str,
    rules: Protocol,
    settings: Settings,
    *,
    with_mean_depth: bool,
) -> tuple[dict[str, str], dict[str, dict[str, float]]]:
    """Return what ran, in words, and figures by row label; ours first."""
    from drnet_offline.config import load_config  # noqa: PLC0415
    from drnet_offline.datasets.opening import open_dataset  # noqa: PLC0415
    from drnet_offline.evaluation import evaluate, evaluate_mean_depth  # noqa: PLC0415

    blocks = load_config(blocks_of).data.validation_blocks
    needs_blocks = part in {'train', 'val'}
    dataset = open_dataset(data, part=part, validation_blocks=blocks if needs_blocks else ())
    console = Console(stderr=True)
    with DepthEstimator(settings) as estimator, Progress(console=console) as progress:
        task = progress.add_task('images', total=len(dataset))
        figures = evaluate(estimator, dataset, rules, lambda _: progress.advance(task))
        about = estimator.describe()
    rows = {f'{about["backbone"]} {about["network_size"]}': figures}
    if with_mean_depth:
        train_set = open_dataset(data, part='train', validation_blocks=blocks)
        rows['mean depth map of train'] = evaluate_mean_depth(train_set, dataset, rules)
    return about, rows


def main() -> None:
    """Run the command line: exit code 0, 1 with one line on a known error, 2 on wrong usage."""
    try:
        app()
    # OSError: a folder that cannot be made, a disk that is full; its text names the file.
    except (DrnetError, OSError) as error:
        console = Console(stderr=True, soft_wrap=True)
        console.print(f'[red]error:[/] {escape(str(error))}', highlight=False)
        sys.exit(1)
