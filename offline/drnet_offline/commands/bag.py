"""The command `drnet bag`."""

from __future__ import annotations

import re
import shlex
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from drnet_offline.commands.recording_options import (
    BagPath,
    Calibration,
    CameraInfoTopic,
    DepthTopic,
    ImageTopic,
    InputSize,
    Json,
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
from drnet_offline.errors import OfflineError
from drnet_ros.errors import RecordingError
from drnet_ros.messages.video_recording import open_recording
from drnet_ros.recordings.recording import Recording

if TYPE_CHECKING:
    from drnet_offline.replay.index import Index
    from drnet_offline.replay.replay import Replay
    from drnet_offline.replay.requirements import Requirement
    from drnet_offline.replay.task import Task
    from drnet_offline.report.outputs import Outputs
    from drnet_ros.inference import Settings
    from drnet_ros.recordings.topics import TopicChoice

__all__ = ['bag']

Protocols = Annotated[
    list[str] | None,
    typer.Option(metavar='full|eigen|rside', help='Which pixels count. Repeatable.'),
]
Require = Annotated[
    list[str] | None,
    typer.Option(
        metavar='FIGURE<=LIMIT',
        help='Exit with 1 unless a figure (rmse, rel, log10, delta1..3, coverage) holds, such as '
        "'rel<=0.15'. Repeatable.",
    ),
]
Report = Annotated[
    Path | None, typer.Option(help='Folder for report.html, pictures and frames.csv.')
]
Write = Annotated[
    Path | None,
    typer.Option(help='Write BAG with our depth, camera_info and cloud added: OUT.mcap.'),
]
Namespace = Annotated[
    str | None, typer.Option(help='Where our topics go in OUT.mcap; /drnet if not given.')
]

_NAMESPACE = r'([A-Za-z_]\w*(/[A-Za-z_]\w*)*)?'


def bag(
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
    protocol: Protocols = None,
    tolerance: Tolerance = 0.02,
    require: Require = None,
    json_: Json = None,
    report: Report = None,
    write: Write = None,
    namespace: Namespace = None,
    calibration: Calibration = None,
) -> None:
    """Estimate depth for every frame of a recording, and score it where depth was recorded.

    An interrupted run continues when it is called again with the same arguments.
    """
    from drnet_offline.replay.requirements import parse_requirements  # noqa: PLC0415

    writes = write is not None
    base = settings_of(weights, input_size, temporal_filter, set_, writes=writes)
    requirements = parse_requirements(require or [])
    task = _task(base, versus or [], protocol or ['full'], writes=writes)
    with ExitStack() as opened:
        recording = opened.enter_context(open_recording(path, calibration))
        choice = chosen_topics(recording, image_topic, camera_info_topic, depth_topic)

        # PyTorch comes with these: what is refused is refused before.
        from drnet_offline.report.outputs import Outputs  # noqa: PLC0415

        outputs = Outputs(json_, report, write, _namespace(namespace, write))
        task = _with_sources(task, recording, choice, source_topic)
        outputs.prepare(recording, opened)
        index = _index(recording, choice, tolerance)
        summary = _run(index, task, outputs)
    _conclude(index, summary, outputs, requirements)


def _conclude(
    index: Index, summary: dict[str, Any], outputs: Outputs, requirements: list[Requirement]
) -> None:
    """Print the results; raise if they miss what is required, or part of the recording."""
    from drnet_offline.replay.requirements import check_requirements  # noqa: PLC0415
    from drnet_offline.report.tables import print_summary, unreadable_messages  # noqa: PLC0415

    console = Console(soft_wrap=True)
    print_summary(console, summary)
    for written in outputs.paths():
        console.print(f'written {written}', markup=False, highlight=False)
    if index.damage:
        raise RecordingError(index.damage)
    if not any(variant['valid'] for variant in summary['variants']):
        msg = f'there is no valid depth of any image on {index.choice.image}, as warned of'
        raise RecordingError(msg)
    if unreadable := unreadable_messages(summary):
        msg = f'{unreadable} messages could not be used, as warned of; figures are of the others'
        raise RecordingError(msg)
    check_requirements(requirements, summary)


def _namespace(given: str | None, write: Path | None) -> str:
    if given is not None and write is None:
        msg = (
            f'--namespace {given} is for the topics of --write OUT.mcap: add that, or leave it out'
        )
        raise OfflineError(msg)
    name = 'drnet' if given is None else given.strip('/')
    if not re.fullmatch(_NAMESPACE, name, re.ASCII):
        msg = (
            '--namespace must be a name of ROS 2, of letters, digits, _ and / between them, '
            f"such as /drnet or /, got '{given}'"
        )
        raise OfflineError(msg)
    return f'/{name}' if name else ''


def _task(base: Settings, versus: list[str], protocols: list[str], *, writes: bool) -> Task:
    from drnet_offline.evaluation.protocols import PROTOCOLS  # noqa: PLC0415
    from drnet_offline.replay.task import Task  # noqa: PLC0415
    from drnet_offline.replay.variants import parse_variants  # noqa: PLC0415

    if unknown := set(protocols) - set(PROTOCOLS):
        msg = f'{min(unknown)!r} is none of {", ".join(PROTOCOLS)}'
        raise typer.BadParameter(msg, param_hint='--protocol')
    return Task(
        variants=parse_variants(base, versus),
        protocols=tuple(PROTOCOLS[name] for name in dict.fromkeys(protocols)),
        writes=writes,
    )


def _with_sources(
    task: Task, recording: Recording, choice: TopicChoice, source_topic: list[str] | None
) -> Task:
    """Add where the sources are recorded, and the image alone if depth can be compared."""
    from drnet_offline.replay.variants import with_image_alone  # noqa: PLC0415

    variants = task.variants if choice.depth is None else with_image_alone(task.variants)
    topics = sparse_topics_of(recording, choice, variants, source_topic)
    return replace(task, variants=variants, sparse_topics=topics)


def _index(recording: Recording, choice: TopicChoice, tolerance_s: float) -> Index:
    from drnet_offline.replay.index import index_recording, indexed_topics  # noqa: PLC0415

    topics = indexed_topics(recording, choice)
    total = sum(recording.topics[name].count for name in topics)
    with progress_bars() as progress:
        bar = progress.add_task('reading', total=total)
        return index_recording(
            recording, choice, tolerance_s, on_message=lambda: progress.advance(bar)
        )


def _run(index: Index, task: Task, outputs: Outputs) -> dict[str, Any]:
    """Do the work, in a folder that is removed when all outputs are there.

    Returns:
        The summary.
    """
    from drnet_offline.outputs.files import check_space, named_disk  # noqa: PLC0415
    from drnet_offline.outputs.stopping import stopping  # noqa: PLC0415
    from drnet_offline.outputs.unfinished import named_if_deleted  # noqa: PLC0415
    from drnet_offline.replay.replay import Replay  # noqa: PLC0415
    from drnet_offline.replay.space import needed_bytes  # noqa: PLC0415

    command = shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
    with ExitStack() as stack:
        progress = stack.enter_context(progress_bars())
        nowhere = stack.enter_context(tempfile.TemporaryDirectory())
        folder = outputs.unfinished or Path(nowhere, 'state')
        stack.enter_context(named_disk(folder))
        replay = stack.enter_context(Replay(index, task, folder))
        stack.enter_context(named_if_deleted(folder))
        stack.enter_context(stopping(lambda: _describe_saved(replay, outputs)))
        if outputs.recording is not None:
            left = len(index.images) - replay.frames_done
            needed = needed_bytes(index, task.variants[0].settings, left)
            check_space(outputs.recording, needed)
        if replay.frames_done:
            progress.console.print(f'going on after {replay.frames_done} frames')
        depth = progress.add_task('depth', total=len(index.images))
        replay.run(lambda count: progress.update(depth, completed=count))
        total = sum(topic.count for topic in index.recording.topics.values())
        writing = progress.add_task('writing', total=total, visible=task.writes)
        summary = outputs.write(replay, command, lambda: progress.advance(writing))
        replay.remove()
    return summary


def _describe_saved(replay: Replay, outputs: Outputs) -> str:
    total = len(replay.index.images)
    if outputs.unfinished is None:
        return f'after {replay.frames_done} of {total} frames; without an output nothing is saved'
    return (
        f'after {replay.frames_done} of {total} frames, nearly all of which {replay.folder} has: '
        'the same command goes on'
    )
