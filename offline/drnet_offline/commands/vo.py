"""The command `drnet vo`."""

from __future__ import annotations

import json
import shlex
import sys
from collections import Counter
from contextlib import ExitStack
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
from drnet_ros.messages.video_recording import open_recording
from drnet_ros.recordings.recording import Recording

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evo.core.trajectory import PoseTrajectory3D

    from drnet_offline.odometry.frame_notes import FrameNotes
    from drnet_offline.odometry.running import Path3D
    from drnet_offline.replay.index import Index
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
    """Compare RGB-D odometry on the recorded depth, on ours, and on ours rescaled once."""
    from drnet_offline.replay.variants import parse_variants  # noqa: PLC0415

    base = settings_of(weights, input_size, temporal_filter, set_)
    variants = parse_variants(base, versus or [])
    with ExitStack() as opened:
        recording = opened.enter_context(open_recording(path))
        choice = chosen_topics(recording, image_topic, camera_info_topic, depth_topic)

        # PyTorch and evo come with these: what is refused is refused before.
        from drnet_offline.odometry import comparison  # noqa: PLC0415
        from drnet_offline.report.outputs import prepared_outputs  # noqa: PLC0415

        methods = _methods(method)
        opened.enter_context(prepared_outputs(output, json_))
        recorded, truth_name, unusable = _truth(recording, choice, ground_truth)
        sparse = sparse_topics_of(recording, choice, variants, source_topic)
        index = _index(recording, choice, tolerance, truth_name)
        paths, factors, notes = _follow(index, variants, methods, sparse)
        truth = comparison.truth_by_method(recording, recorded, paths)
        summary = comparison.summarise(paths, truth) | notes.summary()
        summary |= {'recording': str(path), 'ground_truth': truth_name, 'scale_factors': factors}
        _report(summary, paths, truth, output, json_, index)
        _check_whole(index.damage, notes.problems, unusable)


def _truth(
    recording: Recording, choice: TopicChoice, source: str | None
) -> tuple[PoseTrajectory3D | None, str, Counter[str]]:
    """Return the true path, its name, and what of it cannot be used; warn where it jumps."""
    from drnet_offline.odometry import comparison  # noqa: PLC0415

    problems: Counter[str] = Counter()
    recorded, name = comparison.recorded_truth(recording, choice, source, problems)
    if recorded is not None and (text := comparison.jump_warning(recorded)):
        _warn(text)
    return recorded, name, problems


def _check_whole(damage: str, problems: Counter[str], poses: Counter[str]) -> None:
    """Say what is doubtful; raise if the paths are not of the whole recording."""
    from drnet_offline.outputs.problems import Problems  # noqa: PLC0415
    from drnet_offline.replay.frames import DOUBTFUL_KINDS  # noqa: PLC0415

    console = Console(stderr=True, soft_wrap=True)
    for kind in DOUBTFUL_KINDS:
        if count := problems[kind]:
            console.print(f'warning: {count} frames: {kind}', markup=False, highlight=False)
    if damage:
        raise RecordingError(damage)
    listed = Problems()
    unusable = Counter({k: n for k, n in problems.items() if k not in DOUBTFUL_KINDS})
    listed.lines += [f'{count} frames: {kind}' for kind, count in unusable.items()]
    listed.lines += [f'{count} true poses: {kind}' for kind, count in poses.items()]
    count = unusable.total() + poses.total()
    listed.check(f'{count} messages could not be used; paths are without them')


def _command() -> str:
    return shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])


def _report(
    summary: dict[str, Any],
    paths: list[Path3D],
    truth: Mapping[str, PoseTrajectory3D],
    output: Path | None,
    json_: Path | None,
    index: Index,
) -> None:
    from drnet_offline.odometry.report import print_summary, write_report  # noqa: PLC0415
    from drnet_offline.outputs.files import write_text  # noqa: PLC0415
    from drnet_offline.replay.frames import middle_image  # noqa: PLC0415
    from drnet_offline.replay.summary import plain  # noqa: PLC0415

    summary = plain({**summary, 'command': _command()})
    console = Console(soft_wrap=True)
    print_summary(console, summary)
    if json_ is not None:
        write_text(json_, json.dumps(summary, indent=2) + '\n')
    if output is not None:
        write_report(output, summary, paths, truth, middle_image(index))
        console.print(f'written {output / "report.html"}', markup=False, highlight=False)


def _methods(method: list[str] | None) -> list[str]:
    from drnet_offline.odometry.trackers import METHODS  # noqa: PLC0415

    if unknown := set(method or []) - set(METHODS):
        msg = f'{min(unknown)!r} is none of {", ".join(METHODS)}'
        raise typer.BadParameter(msg, param_hint='--method')
    return list(dict.fromkeys(method or METHODS))


def _index(
    recording: Recording, choice: TopicChoice, tolerance_s: float, truth_name: str
) -> Index:
    from drnet_offline.odometry.comparison import frame_warning  # noqa: PLC0415
    from drnet_offline.replay.index import index_recording  # noqa: PLC0415
    from drnet_offline.replay.registration import index_warnings, topics_text  # noqa: PLC0415

    index = index_recording(recording, choice, tolerance_s)
    _print(topics_text(choice))
    about_truth = frame_warning(recording, truth_name, index.images.frame_ids)
    for text in filter(None, (*index_warnings(index), about_truth)):
        _warn(text)
    return index


def _follow(
    index: Index, variants: tuple[Variant, ...], methods: list[str], sparse_topics: SparseTopics
) -> tuple[list[Path3D], dict[str, float], FrameNotes]:
    from drnet_offline.odometry.frame_notes import FrameNotes  # noqa: PLC0415
    from drnet_offline.odometry.running import follow_camera  # noqa: PLC0415

    notes = FrameNotes(variants, index.camera_problems)
    with progress_bars() as progress:
        passes = 2 if index.pairs else 1
        task = progress.add_task('odometry', total=passes * len(index.images))
        paths, factors = follow_camera(
            index,
            variants,
            methods,
            lambda: progress.advance(task),
            sparse_topics,
            notes.add,
            on_warning=_warn,
        )
    return paths, factors, notes


def _warn(text: str) -> None:
    _print(f'warning: {text}')


def _print(text: str) -> None:
    console = Console(stderr=True, soft_wrap=True)
    console.print(text, markup=False, highlight=False)
