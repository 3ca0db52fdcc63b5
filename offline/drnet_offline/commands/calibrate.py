"""The command `drnet calibrate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer
from rich import box
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from drnet_offline.commands.options import Engine, Part
from drnet_offline.errors import DatasetError, OfflineError
from drnet_offline.report.whole_table import print_table
from drnet_ros.inference import DepthEstimator, Settings
from drnet_ros.weights import EMBEDDED, resolve_weights

if TYPE_CHECKING:
    from drnet_offline.datasets.sample import DepthDataset
    from drnet_offline.evaluation.calibration import Calibration
    from drnet_offline.outputs.problems import Problems

__all__ = ['calibrate_command']

# Every pixel must have a depth, to be compared.
_WIDE = Settings(min_depth=0.001, max_depth=80.0, edge_threshold=0.0)


def calibrate_command(
    weights: Annotated[
        Path, typer.Argument(help='The .safetensors file; the result is written into it.')
    ],
    data: Annotated[
        list[Path], typer.Option(help='Data set that the weights were not trained on. Repeatable.')
    ],
    part: Annotated[Part, typer.Option(help='Which samples, of data sets with parts.')] = 'all',
    blocks_of: Annotated[
        str,
        typer.Option(
            help='Preset whose validation blocks and held-out sources tell train from val; with '
            "--part val, --data is what the paths of the preset's sources start from."
        ),
    ] = 'lite0',
    images: Annotated[int, typer.Option(min=4, help='Images of each source, at most.')] = 40,
    engine: Engine = 'auto',
) -> None:
    """Measure how far depth is off, and store its standard deviation in the weights file."""
    from drnet_offline.outputs.lock import locked_outputs  # noqa: PLC0415
    from drnet_offline.outputs.problems import Problems  # noqa: PLC0415

    _check(weights)
    named = _open(data, part, blocks_of)
    problems = Problems()
    settings = _WIDE.changed(weights=str(weights), engine=engine)
    with locked_outputs(weights):
        try:
            found = _measure(settings, [samples for _, samples in named], images, problems)
        except DatasetError as error:
            problems.check(str(error))  # lists first which images could not be read
            raise
    _print(found, [name for name, _ in named])
    problems.check(f'{len(problems.lines)} images could not be read; the others were measured')


def _measure(
    settings: Settings, datasets: list[DepthDataset], images: int, problems: Problems
) -> Calibration:
    """Measure, and store what was found in the weights."""
    # PyTorch comes with this: what is refused is refused before.
    from drnet_offline.evaluation.calibration import calibrate, chosen_images, store_scale_model  # noqa: PLC0415

    with DepthEstimator(settings) as estimator, Progress(console=Console(stderr=True)) as progress:
        total = sum(len(chosen_images(len(samples), images)) for samples in datasets)
        task = progress.add_task('images', total=total)
        found = calibrate(
            estimator,
            datasets,
            images=images,
            on_image=lambda: progress.advance(task),
            collected=problems.collected,
        )
    store_scale_model(Path(settings.weights), found.model)
    return found


def _check(weights: Path) -> None:
    """Refuse weights that cannot be changed, before the measurement."""
    from drnet_offline.outputs.files import check_file  # noqa: PLC0415

    if str(weights) == EMBEDDED:
        msg = f"the file of the weights is changed: give the path of one, not '{EMBEDDED}'"
        raise OfflineError(msg)
    check_file(resolve_weights(str(weights)))


def _open(data: list[Path], part: str, blocks_of: str) -> list[tuple[str, DepthDataset]]:
    """Open the data sets; those of a preset's sources if the part is 'val'."""
    from drnet_offline.datasets.mixture import open_mixture  # noqa: PLC0415
    from drnet_offline.datasets.opening import open_dataset  # noqa: PLC0415
    from drnet_offline.training.preset import list_sources  # noqa: PLC0415
    from drnet_offline.training.preset_reader import load_config  # noqa: PLC0415

    if part == 'val':
        sources = list_sources(load_config(blocks_of))
        mixtures = [open_mixture(path, sources, part) for path in data]
        return [(source.name, source.samples) for mixed in mixtures for source in mixed.sources]
    blocks = load_config(blocks_of).data.validation_blocks if part == 'train' else ()
    return [(path.name, open_dataset(path, part=part, validation_blocks=blocks)) for path in data]


def _print(found: Calibration, names: list[str]) -> None:
    console = Console(soft_wrap=True)
    for words, (one, two) in (
        ('without sparse depth', found.without_sparse),
        ('with sparse depth', found.with_sparse),
    ):
        console.print(
            f'{words}: one standard deviation holds {one:.1%} of pixels, two {two:.1%} '
            f'({found.images} images)',
            highlight=False,
        )
    if not found.held_out:
        return
    table = Table(title='each source with the numbers of the others', box=box.SIMPLE_HEAD)
    for column in ('source', 'without: 1', '2', 'with sparse depth: 1', '2'):
        table.add_column(column, no_wrap=True)
    mean = np.nanmean(found.held_out, axis=0).tolist()
    for name, pairs in zip([*names, 'mean'], [*found.held_out, mean], strict=True):
        table.add_row(name, *(f'{share:.1%}' for pair in pairs for share in pair))
    print_table(console, table)
