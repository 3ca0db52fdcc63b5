"""The command `drnet eval`."""

from __future__ import annotations

import json
import math
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console, RenderableType
from rich.progress import Progress

from drnet_offline.commands.options import Engine, Part, ProtocolName
from drnet_ros.inference import DepthEstimator, Settings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from drnet_offline.datasets.sample import DepthDataset, DepthSample
    from drnet_offline.evaluation.protocols import Protocol
    from drnet_offline.evaluation.worst_images import WorstImages
    from drnet_offline.outputs.problems import Problems

__all__ = ['evaluate_command']

# Wide limits: metrics need a depth at every pixel.
_WIDE = Settings(min_depth=0.001, max_depth=80.0)
_UNSAVED = 'nothing is saved: figures are of all images; run it again'


Data = Annotated[Path, typer.Option(help='Data set in any of the layouts.')]
Weights = Annotated[str, typer.Option(help="'embedded' or a .safetensors file.")]
Rules = Annotated[ProtocolName, typer.Option(help='Which pixels count.')]
Samples = Annotated[Part, typer.Option(help='Which images.')]
BlocksOf = Annotated[str, typer.Option(help='Preset with the validation blocks of the data set.')]
MeanDepth = Annotated[
    bool, typer.Option('--mean-depth', help='Also score the mean depth of part train.')
]
Scale = Annotated[
    bool,
    typer.Option(
        '--scale',
        help="Also score with each image's scale taken from its truth, and print how that scale "
        'spreads and changes from image to image.',
    ),
]
Sparse = Annotated[
    list[str] | None,
    typer.Option(
        help='Also score with sparse depth drawn from the truth, the other pixels scored: scan, '
        'points:N, tof:8x8 or range; may be given again.'
    ),
]
Pictures = Annotated[
    Path | None,
    typer.Option(help='Folder for worst.jpg and one picture for each of the worst images.'),
]
Worst = Annotated[int, typer.Option(min=1, max=50, help='How many worst images.')]
Json = Annotated[Path | None, typer.Option('--json', help='Write the figures here.')]


def evaluate_command(
    data: Data,
    weights: Weights = 'embedded',
    protocol: Rules = 'eigen',
    part: Samples = 'all',
    blocks_of: BlocksOf = 'lite0',
    engine: Engine = 'auto',
    mean_depth: MeanDepth = False,
    scale: Scale = False,
    sparse: Sparse = None,
    pictures: Pictures = None,
    worst: Worst = 6,
    json_: Json = None,
) -> None:
    """Score weights on a data set and print the columns of the paper's Table II."""
    from drnet_offline.outputs.stopping import stopping  # noqa: PLC0415

    with stopping(lambda: _UNSAVED), ExitStack() as held:
        has_paper = _prepare(data, json_, pictures, held)

        # PyTorch comes with these: what is refused is refused before.
        from drnet_offline.evaluation.protocols import PROTOCOLS  # noqa: PLC0415
        from drnet_offline.evaluation.tables import tabulate  # noqa: PLC0415
        from drnet_offline.evaluation.worst_images import WorstImages  # noqa: PLC0415
        from drnet_offline.outputs.problems import Problems  # noqa: PLC0415

        rules, problems = PROTOCOLS[protocol], Problems()
        dataset = _open(data, part, blocks_of)
        mean_of = _open(data, 'train', blocks_of) if mean_depth else None
        failures = None if pictures is None else WorstImages(rules, worst)
        settings = _WIDE.changed(weights=weights, engine=engine)
        record, rows = _score(dataset, rules, settings, failures, problems)
        if not scale:
            rows.popitem()
        _score_others(record, rows, dataset, rules, settings, mean_of, sparse, problems)
        _print(tabulate(rows, rules, is_nyu=has_paper))
        _report(record, rules, json_, has_scale=scale)
        _finish(failures, pictures, problems)


def _open(data: Path, part: Part, blocks_of: str) -> DepthDataset:
    from drnet_offline.datasets.opening import open_dataset  # noqa: PLC0415
    from drnet_offline.training.preset_reader import load_config  # noqa: PLC0415

    blocks = load_config(blocks_of).data.validation_blocks
    needed = blocks if part in {'train', 'val'} else ()
    return open_dataset(data, part=part, validation_blocks=needed)


def _prepare(data: Path, json_: Path | None, pictures: Path | None, held: ExitStack) -> bool:
    """Refuse what cannot be read or written, and hold outputs; return whether data is NYU's."""
    from drnet_offline.datasets.opening import is_nyu  # noqa: PLC0415
    from drnet_offline.outputs.files import check_file, make_folder  # noqa: PLC0415
    from drnet_offline.outputs.lock import locked_outputs  # noqa: PLC0415

    if json_ is not None:
        check_file(json_)
    has_paper = is_nyu(data)
    if pictures is not None:
        make_folder(pictures)
    held.enter_context(locked_outputs(json_, pictures))
    return has_paper


def _score_others(
    record: dict[str, Any],
    rows: dict[str, dict[str, float]],
    dataset: DepthDataset,
    rules: Protocol,
    settings: Settings,
    mean_of: DepthDataset | None,
    sparse: list[str] | None,
    problems: Problems,
) -> None:
    """Add to the record and its rows what the weights are compared with."""
    from drnet_offline.evaluation.scoring import evaluate_mean_depth  # noqa: PLC0415
    from drnet_offline.outputs.problems import Problems  # noqa: PLC0415

    unread = Problems()
    if mean_of is not None:
        figures = evaluate_mean_depth(mean_of, dataset, rules, unread.collected)
        rows['mean depth map of train'] = figures
    if sparse:
        record['sparse'] = _score_sparse(dataset, rules, settings, sparse, unread)
    problems.lines += [line for line in unread.lines if line not in problems.lines]
    record['unreadable'] = problems.lines


def _finish(failures: WorstImages | None, pictures: Path | None, problems: Problems) -> None:
    """Write the pictures, which take seconds, and their folder may go away: figures came first."""
    from drnet_offline.outputs.stopping import stopping  # noqa: PLC0415

    if failures is not None and pictures is not None:
        with stopping(lambda: 'the figures are complete, the pictures are not'):
            _print(f'Worst images: {failures.write(pictures)[0]}')
    problems.check(f'{len(problems.lines)} images could not be read and are in no figure')


def _print(said: RenderableType) -> None:
    Console().print(said, soft_wrap=isinstance(said, str), highlight=False, markup=False)


def _report(
    record: dict[str, Any], rules: Protocol, json_: Path | None, *, has_scale: bool
) -> None:
    """Print what stands below the table, and write the figures."""
    from drnet_offline.evaluation.sparse_scoring import tabulate_sparse  # noqa: PLC0415
    from drnet_offline.outputs.files import write_text  # noqa: PLC0415

    if has_scale:
        _print(_describe_scale(record['scale']))
    if 'sparse' in record:
        _print(tabulate_sparse(record['sparse'], rules))
    if json_ is not None:
        write_text(json_, json.dumps(record, indent=2) + '\n')


def _score(
    dataset: DepthDataset,
    rules: Protocol,
    settings: Settings,
    failures: WorstImages | None,
    problems: Problems,
) -> tuple[dict[str, Any], dict[str, dict[str, float]]]:
    """Return what --json writes, and figures by row label: as they are, and scale set right."""
    from drnet_offline.evaluation.scale import ScaleMetrics  # noqa: PLC0415
    from drnet_offline.evaluation.scoring import evaluate  # noqa: PLC0415

    scales = ScaleMetrics(rules)
    console = Console(stderr=True)
    with DepthEstimator(settings) as estimator, Progress(console=console) as progress:
        task = progress.add_task('images', total=len(dataset))

        def look(sample: DepthSample, depth_hw: NDArray[np.float32]) -> None:
            scales.update(depth_hw, sample.depth_hw)
            if failures is not None:
                failures.update(sample, depth_hw)
            progress.advance(task)

        figures = evaluate(estimator, dataset, rules, look, problems.collected)
        about = estimator.describe()
    spread, aligned = scales.summarise(), scales.align()
    head = {'protocol': rules.name, 'description': rules.describe(), **about}
    # JSON knows no NaN: of one image there are no steps.
    plain = {name: value if math.isfinite(value) else None for name, value in spread.items()}
    record = {**head, **figures, 'scale': plain, 'scale_set_from_truth': aligned}
    label = f'{about["backbone"]} {about["network_size"]}'
    return record, {label: figures, 'the same, scale from truth': aligned}


def _score_sparse(
    dataset: DepthDataset,
    rules: Protocol,
    settings: Settings,
    kinds: list[str],
    problems: Problems,
) -> dict[str, dict[str, float]]:
    from drnet_offline.evaluation.sparse_scoring import evaluate_sparse  # noqa: PLC0415

    console = Console(stderr=True)
    settings = settings.changed(edge_threshold=0.0)
    with DepthEstimator(settings) as estimator, Progress(console=console) as progress:
        task = progress.add_task('sparse depth', total=len(dataset))
        return evaluate_sparse(
            estimator,
            dataset,
            rules,
            kinds,
            on_image=lambda: progress.advance(task),
            collected=problems.collected,
        )


def _describe_scale(scale: dict[str, float | None]) -> str:
    steps = (
        ''
        if scale['step_p50'] is None
        else f'; from image to image it changes by {scale["step_p50"]:.1%} (median), '
        f'{scale["step_p95"]:.1%} (p95)'
    )
    return (
        f'scale of each image, median(truth / estimate): median {scale["p50"]:.3f}, '
        f'p5 {scale["p5"]:.3f}, p95 {scale["p95"]:.3f}{steps}'
    )
