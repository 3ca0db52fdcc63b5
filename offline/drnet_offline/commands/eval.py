"""The command `drnet eval`."""

from __future__ import annotations

import json
import math
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from drnet_offline.commands.options import Engine
from drnet_offline.commands.recording_options import SetOptions
from drnet_offline.commands.scoring_options import (
    BlocksOf,
    Data,
    Edges,
    InputSize,
    Json,
    MeanDepth,
    Pictures,
    Ranges,
    Rules,
    Samples,
    Scale,
    Sparse,
    Weights,
    Worst,
)
from drnet_offline.errors import DatasetError
from drnet_ros.inference import DepthEstimator, Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from drnet_offline.datasets.sample import DepthDataset, DepthSample
    from drnet_offline.evaluation.figures import ImageMetrics
    from drnet_offline.evaluation.protocols import Protocol
    from drnet_offline.evaluation.worst_images import WorstImages
    from drnet_offline.outputs.problems import Problems

__all__ = ['evaluate_command']

_NO_CAMERA = (
    'warning: no camera.txt or cameras.csv: the field of view of NYU Depth v2 is assumed, '
    'and the scale is wrong if it is another'
)
_UNSAVED = 'nothing is saved: figures are of all images; run it again'


def evaluate_command(
    data: Data,
    weights: Weights = 'embedded',
    protocol: Rules = 'eigen',
    part: Samples = 'all',
    blocks_of: BlocksOf = 'lite0',
    engine: Engine = 'auto',
    input_size: InputSize = None,
    set_: SetOptions = None,
    mean_depth: MeanDepth = False,
    scale: Scale = False,
    edges: Edges = False,
    ranges: Ranges = False,
    sparse: Sparse = None,
    pictures: Pictures = None,
    worst: Worst = 6,
    json_: Json = None,
) -> None:
    """Score weights on a data set, with the columns of the paper's Table II."""
    from drnet_offline.outputs.stopping import stopping  # noqa: PLC0415

    with stopping(lambda: _UNSAVED), ExitStack() as held:
        has_paper = _prepare(data, sparse or [], json_, pictures, held)
        # PyTorch comes with these: what is refused is refused before.
        from drnet_offline.evaluation.protocols import PROTOCOLS  # noqa: PLC0415
        from drnet_offline.evaluation.tables import tabulate  # noqa: PLC0415
        from drnet_offline.evaluation.worst_images import WorstImages  # noqa: PLC0415
        from drnet_offline.outputs.problems import Problems  # noqa: PLC0415

        rules, problems = PROTOCOLS[protocol], Problems()
        dataset, mean_of = _open(data, part, blocks_of, mean_depth=mean_depth)
        failures = None if pictures is None else WorstImages(rules, worst)
        others = _choose_metrics(rules, edges=edges, ranges=ranges)
        settings = _settings(weights, engine, input_size, set_ or [])
        record, rows = _score(dataset, rules, settings, failures, others, problems)
        if not scale:
            rows.popitem()
        _score_others(record, rows, dataset, rules, settings, mean_of, sparse, problems)
        _print(tabulate(rows, rules, is_nyu=has_paper))
        _report(record, rules, json_, has_scale=scale)
        _finish(failures, pictures, problems)


def _settings(weights: str, engine: str, input_size: str | None, words: list[str]) -> Settings:
    from drnet_offline.replay.variants import parse_settings  # noqa: PLC0415

    size = [] if input_size is None else [f'input_size={input_size}']
    others = parse_settings([*size, *words])
    # Wide limits of depth: metrics need one at every pixel.
    return Settings.from_mapping({
        'weights': weights, 'engine': engine, 'min_depth': 0.001, 'max_depth': 80.0, **others
    })  # fmt: skip


def _open(
    data: Path, part: str, blocks_of: str, *, mean_depth: bool
) -> tuple[DepthDataset, DepthDataset | None]:
    """Open what is scored, and where asked the training images of its mean depth."""
    from drnet_offline.datasets.opening import is_nyu, open_dataset  # noqa: PLC0415
    from drnet_offline.training.preset_reader import load_config  # noqa: PLC0415

    blocks = load_config(blocks_of).data.validation_blocks
    needed = blocks if part in {'train', 'val'} else ()
    dataset = open_dataset(data, part=part, validation_blocks=needed)
    mean_of = open_dataset(data, part='train', validation_blocks=blocks) if mean_depth else None
    if not (is_nyu(data) or getattr(dataset, 'has_camera', True)):
        _print(_NO_CAMERA)
    return dataset, mean_of


def _choose_metrics(rules: Protocol, *, edges: bool, ranges: bool) -> dict[str, ImageMetrics]:
    from drnet_offline.evaluation.edges import EdgeMetrics  # noqa: PLC0415
    from drnet_offline.evaluation.ranges import RangeMetrics  # noqa: PLC0415

    chosen: dict[str, ImageMetrics] = {'edges': EdgeMetrics()} if edges else {}
    return {**chosen, 'ranges': RangeMetrics(rules)} if ranges else chosen


def _prepare(
    data: Path, sparse: list[str], json_: Path | None, pictures: Path | None, held: ExitStack
) -> bool:
    """Refuse what cannot be read, drawn or written, hold outputs; return whether data is NYU's."""
    from drnet_offline.datasets.opening import is_nyu  # noqa: PLC0415
    from drnet_offline.evaluation.sparse_draws import parse_kind  # noqa: PLC0415
    from drnet_offline.outputs.files import check_json, make_folder  # noqa: PLC0415
    from drnet_offline.outputs.lock import locked_outputs  # noqa: PLC0415

    for kind in sparse:
        parse_kind(kind)
    if json_ is not None:
        check_json(json_)
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


def _print(said: Table | str) -> None:
    from drnet_offline.report.whole_table import print_table  # noqa: PLC0415

    console = Console(soft_wrap=True)
    if isinstance(said, Table):
        print_table(console, said)
    else:
        console.print(said, highlight=False, markup=False)


def _report(
    record: dict[str, Any], rules: Protocol, json_: Path | None, *, has_scale: bool
) -> None:
    """Print what stands below the table, and write the figures."""
    from drnet_offline.evaluation.ranges import tabulate_ranges  # noqa: PLC0415
    from drnet_offline.evaluation.sparse_scoring import tabulate_sparse  # noqa: PLC0415
    from drnet_offline.evaluation.tables import describe_edges, describe_scale  # noqa: PLC0415
    from drnet_offline.outputs.files import write_text  # noqa: PLC0415

    if has_scale:
        _print(describe_scale(record['scale']))
    if 'edges' in record:
        _print(describe_edges(record['edges']))
    if 'ranges' in record:
        _print(tabulate_ranges(record['ranges']))
    if 'sparse' in record:
        _print(tabulate_sparse(record['sparse'], rules))
    if json_ is not None:
        write_text(json_, json.dumps(record, indent=2) + '\n')


def _score(
    dataset: DepthDataset,
    rules: Protocol,
    settings: Settings,
    failures: WorstImages | None,
    others: Mapping[str, ImageMetrics],
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
            for metrics in others.values():
                metrics.update(depth_hw, sample.depth_hw)
            if failures is not None:
                failures.update(sample, depth_hw)
            progress.advance(task)

        try:
            figures = evaluate(estimator, dataset, rules, look, problems.collected)
        except DatasetError as error:
            problems.check(str(error))  # lists first which images could not be read
            raise
        about = estimator.describe()
    spread, aligned = scales.summarise(), scales.align()
    _warn(len(dataset) - len(problems.lines) - round(figures['n_images']), spread['p50'])
    head = {'protocol': rules.name, 'description': rules.describe(), **about}
    # JSON knows no NaN: of one image there are no steps.
    plain = {name: value if math.isfinite(value) else None for name, value in spread.items()}
    record = {**head, **figures, 'scale': plain, 'scale_set_from_truth': aligned}
    record |= {name: metrics.compute() for name, metrics in others.items()}
    label = f'{about["backbone"]} {about["network_size"]}'
    return record, {label: figures, 'the same, scale from truth': aligned}


def _warn(lacking: int, scale: float) -> None:
    """Say what is odd about the depth of a data set: images without any, a scale beyond belief."""
    from drnet_offline.evaluation.figures import scale_warning  # noqa: PLC0415

    if lacking:
        _print(f'warning: {lacking} images have no depth where the protocol looks: in no figure')
    if text := scale_warning(scale):
        _print(f'warning: {text}')


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
