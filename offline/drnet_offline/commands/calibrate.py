"""The command `drnet calibrate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from drnet_offline.commands.options import Engine, Part
from drnet_ros.inference import DepthEstimator, Settings

if TYPE_CHECKING:
    from drnet_offline.evaluation.calibration import Calibration

__all__ = ['calibrate_command']

# Every pixel must have a depth, to be compared.
_WIDE = Settings(min_depth=0.001, max_depth=80.0, edge_threshold=0.0)


def calibrate_command(
    weights: Annotated[Path, typer.Argument(help='The .safetensors file; it is changed.')],
    data: Annotated[
        list[Path],
        typer.Option(help='Data set that the weights were not trained on; may be given again.'),
    ],
    part: Annotated[Part, typer.Option(help='Which samples, of data sets with parts.')] = 'all',
    blocks_of: Annotated[
        str, typer.Option(help='Preset whose validation blocks tell train from val.')
    ] = 'lite0',
    engine: Engine = 'auto',
) -> None:
    """Measure how far depth is off, and store it in the weights, for the standard deviation."""
    from drnet_offline.datasets.opening import open_dataset  # noqa: PLC0415
    from drnet_offline.evaluation.calibration import calibrate, store_scale_model  # noqa: PLC0415
    from drnet_offline.outputs.lock import locked_outputs  # noqa: PLC0415
    from drnet_offline.outputs.problems import Problems  # noqa: PLC0415
    from drnet_offline.training.preset_reader import load_config  # noqa: PLC0415

    blocks = load_config(blocks_of).data.validation_blocks if part in {'train', 'val'} else ()
    datasets = [open_dataset(path, part=part, validation_blocks=blocks) for path in data]
    problems = Problems()
    with (
        locked_outputs(weights),
        DepthEstimator(_WIDE.changed(weights=str(weights), engine=engine)) as estimator,
        Progress(console=Console(stderr=True)) as progress,
    ):
        task = progress.add_task('images', total=sum(len(dataset) for dataset in datasets))
        found = calibrate(
            estimator,
            datasets,
            on_image=lambda: progress.advance(task),
            collected=problems.collected,
        )
        store_scale_model(weights, found.model)
    _print(found)
    problems.check(f'{len(problems.lines)} images could not be read; the others were measured')


def _print(found: Calibration) -> None:
    for name, (one, two) in (
        ('without sparse depth', found.without_sparse),
        ('with sparse depth', found.with_sparse),
    ):
        Console().print(
            f'{name}: one standard deviation holds {one:.1%} of pixels, two {two:.1%} '
            f'({found.images} images)',
            highlight=False,
        )
