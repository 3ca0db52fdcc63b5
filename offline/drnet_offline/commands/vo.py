"""The command `drnet vo`."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from drnet_offline.commands.recording_options import (
    BagPath,
    CameraInfoTopic,
    DepthTopic,
    GroundTruth,
    ImageTopic,
    InputSize,
    Json,
    Methods,
    SetOptions,
    SourceTopics,
    TemporalFilter,
    Tolerance,
    Versus,
    Weights,
    chosen_topics,
    progress_bars,
    settings_of,
    sparse_topics_of,
)
from drnet_ros.errors import RecordingError
from drnet_ros.recordings.recording import Recording

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evo.core.trajectory import PoseTrajectory3D

    from drnet_offline.odometry.running import Path3D
    from drnet_offline.replay.sparse_topics import SparseTopics
    from drnet_offline.replay.variants import Variant
    from drnet_ros.recordings.topics import TopicChoice

__all__ = ['vo']

Output = Annotated[
    Path | None, typer.Option(help='Folder for trajectories (TUM), plots and report.html.')
]


def vo(
    path: BagPath,
    image_topic: ImageTopic = None,
    camera_info_topic: CameraInfoTopic = None,
    depth_topic: DepthTopic = None,
    source_topic: SourceTopics = None,
    weights: Weights = 'embedded',
    input_size: InputSize = None,
    temporal_filter: TemporalFilter = None,
    set_: SetOptions = None,
    versus: Versus = None,
    method: Methods = None,
    ground_truth: GroundTruth = None,
    tolerance: Tolerance = 0.02,
    output: Output = None,
    json_: Json = None,
) -> None:
    """RGB-D odometry with the recording's depth, with ours, and with ours rescaled once."""
    from drnet_offline.replay.variants import parse_variants  # noqa: PLC0415

    settings = settings_of(weights, input_size, temporal_filter, set_)
    variants = parse_variants(settings, versus or [])
    with Recording(path) as recording:
        choice = chosen_topics(recording, image_topic, camera_info_topic, depth_topic)

        # PyTorch and evo come with these: what is refused is refused before.
        from drnet_offline.odometry import comparison  # noqa: PLC0415
        from drnet_offline.replay.summary import plain  # noqa: PLC0415
        from drnet_offline.report.outputs import prepare_outputs  # noqa: PLC0415

        methods = _methods(method)
        prepare_outputs(output, json_)
        recorded, truth_name = comparison.recorded_truth(recording, choice, ground_truth)
        sparse = sparse_topics_of(recording, choice, variants, source_topic)
        paths, factors, damage = _follow(recording, choice, variants, methods, tolerance, sparse)
        truth = comparison.truth_by_method(recording, recorded, paths)
    head = {'recording': str(path), 'ground_truth': truth_name, 'scale_factors': factors}
    summary = plain({**comparison.summarise(paths, truth), **head, 'command': _command()})
    _report(summary, paths, truth, output, json_)
    if damage:
        raise RecordingError(damage)


def _command() -> str:
    return shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])


def _report(
    summary: dict[str, Any],
    paths: list[Path3D],
    truth: Mapping[str, PoseTrajectory3D],
    output: Path | None,
    json_: Path | None,
) -> None:
    from drnet_offline.odometry.report import print_summary, write_report  # noqa: PLC0415
    from drnet_offline.outputs.files import write_text  # noqa: PLC0415

    console = Console(soft_wrap=True)
    print_summary(console, summary)
    if json_ is not None:
        write_text(json_, json.dumps(summary, indent=2) + '\n')
    if output is not None:
        write_report(output, summary, paths, truth)
        console.print(f'written {output / "report.html"}', markup=False, highlight=False)


def _methods(method: list[str] | None) -> list[str]:
    from drnet_offline.odometry.trackers import METHODS  # noqa: PLC0415

    if unknown := set(method or []) - set(METHODS):
        msg = f'{min(unknown)!r} is none of {", ".join(METHODS)}'
        raise typer.BadParameter(msg, param_hint='--method')
    return list(dict.fromkeys(method or METHODS))


def _follow(
    recording: Recording,
    choice: TopicChoice,
    variants: tuple[Variant, ...],
    methods: list[str],
    tolerance_s: float,
    sparse_topics: SparseTopics,
) -> tuple[list[Path3D], dict[str, float], str]:
    from drnet_offline.odometry.running import follow_camera  # noqa: PLC0415
    from drnet_offline.replay.index import index_recording  # noqa: PLC0415

    with progress_bars() as progress:
        index = index_recording(recording, choice, tolerance_s)
        passes = 2 if index.pairs else 1
        task = progress.add_task('odometry', total=passes * len(index.images))
        paths, factors = follow_camera(
            index, variants, methods, lambda: progress.advance(task), sparse_topics
        )
    return paths, factors, index.damage
