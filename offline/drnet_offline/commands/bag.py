"""The command `drnet bag`."""

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
    ImageTopic,
    InputSize,
    SetOptions,
    TemporalFilter,
    Tolerance,
    Versus,
    Weights,
    chosen_topics,
    prepare_outputs,
    progress_bars,
    settings_of,
)
from drnet_ros.errors import RecordingError
from drnet_ros.recordings.recording import Recording

if TYPE_CHECKING:
    from rich.progress import Progress

    from drnet_offline.replay.index import Index
    from drnet_offline.replay.journal import Journal
    from drnet_offline.replay.running import Run, Task
    from drnet_ros.inference import Settings
    from drnet_ros.recordings.topics import TopicChoice

__all__ = ['bag']

console = Console(soft_wrap=True)


def bag(
    path: BagPath,
    image_topic: ImageTopic = None,
    camera_info_topic: CameraInfoTopic = None,
    depth_topic: DepthTopic = None,
    weights: Weights = 'embedded',
    input_size: InputSize = None,
    temporal_filter: TemporalFilter = None,
    set_: SetOptions = None,
    versus: Versus = None,
    protocol: Annotated[
        list[str] | None,
        typer.Option(metavar='full|eigen|rside', help='Which pixels count. Repeatable.'),
    ] = None,
    tolerance: Tolerance = 0.02,
    json_: Annotated[Path | None, typer.Option('--json', help='Write the figures here.')] = None,
    report: Annotated[
        Path | None, typer.Option(help='Folder for report.html, pictures and frames.csv.')
    ] = None,
    write: Annotated[
        Path | None,
        typer.Option(help='Write BAG with our depth, camera_info and cloud added: OUT.mcap.'),
    ] = None,
    namespace: Annotated[str, typer.Option(help='Where our topics go in OUT.mcap.')] = '/drnet',
) -> None:
    """Run the network over a recording, every frame in order, and score it where there is depth.

    An interrupted run continues when it is called again with the same arguments.
    """
    base = settings_of(weights, input_size, temporal_filter, set_)
    task = _task(base, versus or [], protocol or ['full'], tolerance, writes=write is not None)
    with Recording(path) as recording:
        choice = chosen_topics(recording, image_topic, camera_info_topic, depth_topic)
        outputs = _Outputs(json_, report, write, '/' + namespace.strip('/'))
        outputs.check(recording)
        damage = _process(recording, choice, task, outputs)
    if damage:
        raise RecordingError(damage)


def _task(
    base: Settings, versus: list[str], protocols: list[str], tolerance_s: float, *, writes: bool
) -> Task:
    from drnet_offline.evaluation.protocols import PROTOCOLS  # noqa: PLC0415
    from drnet_offline.replay.running import Task  # noqa: PLC0415
    from drnet_offline.replay.variants import parse_variants  # noqa: PLC0415

    if unknown := set(protocols) - set(PROTOCOLS):
        msg = f'{min(unknown)!r} is none of {", ".join(PROTOCOLS)}'
        raise typer.BadParameter(msg, param_hint='--protocol')
    return Task(
        variants=parse_variants(base, versus),
        protocols=tuple(PROTOCOLS[name] for name in dict.fromkeys(protocols)),
        tolerance_s=tolerance_s,
        writes=writes,
    )


class _Outputs:
    """Where results go."""

    def __init__(
        self, json_path: Path | None, report: Path | None, write: Path | None, namespace: str
    ) -> None:
        self.json = json_path
        self.report = report
        self.write = write
        self.namespace = namespace

    @property
    def work(self) -> Path | None:
        """The journal's folder, beside the outputs; None without any."""
        if self.report is not None:
            return self.report / 'unfinished'
        beside = self.write or self.json
        return None if beside is None else beside.with_name(f'{beside.name}.unfinished')

    def check(self, recording: Recording) -> None:
        """Refuse what cannot be written, before the work begins."""
        from drnet_offline.replay.writing import check_output  # noqa: PLC0415

        if self.write is not None:
            check_output(self.write, recording, self.namespace)
        prepare_outputs(self.report, self.json)


def _process(recording: Recording, choice: TopicChoice, task: Task, outputs: _Outputs) -> str:
    """Do the work, in a folder that is removed when all outputs are there.

    Returns:
        Why the recording could not be read to its end, '' if it could.
    """
    import tempfile  # noqa: PLC0415

    from drnet_offline.replay.index import index_recording  # noqa: PLC0415
    from drnet_offline.replay.journal import Journal  # noqa: PLC0415
    from drnet_offline.replay.running import run  # noqa: PLC0415

    depth_info = _camera_info_of(recording, choice)
    with progress_bars() as progress, tempfile.TemporaryDirectory() as nowhere:
        reading = progress.add_task('reading', total=_count(recording, choice, depth_info))
        index = index_recording(
            recording,
            choice,
            task.tolerance_s,
            depth_camera_info=depth_info,
            on_message=lambda: progress.advance(reading),
        )
        journal = Journal(outputs.work or Path(nowhere, 'work'), task.key(recording, index))
        if journal.frames_done:
            progress.console.print(f'going on after {journal.frames_done} frames')
        depth = progress.add_task('depth', total=len(index.images))
        try:
            state = run(
                recording, index, task, journal, lambda n: progress.update(depth, completed=n)
            )
            _write_outputs(recording, index, task, state, journal, outputs, progress)
        except BaseException:
            journal.close()
            raise
        journal.remove()
    return index.damage


def _write_outputs(
    recording: Recording,
    index: Index,
    task: Task,
    state: Run,
    journal: Journal,
    outputs: _Outputs,
    progress: Progress,
) -> None:
    from drnet_offline.replay.summary import plain, summarise, tabulate  # noqa: PLC0415

    # First: it reads all topics, and damage may be in one that is only copied.
    copied = _write_recording(recording, index, state, journal, outputs, progress)
    summary = plain(summarise(recording, index, task, state, journal.records()))
    summary['command'] = shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
    summary |= copied
    if outputs.json is not None:
        outputs.json.write_text(json.dumps(summary, indent=2) + '\n', encoding='utf-8')
    if outputs.report is not None:
        from drnet_offline.report.page import write_report  # noqa: PLC0415

        write_report(outputs.report, summary, state, task, journal)
    progress.stop()
    _say(summary, outputs, tabulate(summary) if index.pairs else None)


def _write_recording(
    recording: Recording,
    index: Index,
    state: Run,
    journal: Journal,
    outputs: _Outputs,
    progress: Progress,
) -> dict[str, Any]:
    """Write the recording with our depth, if asked for; notes damage in the index.

    Returns:
        What the summary says of it.
    """
    from drnet_offline.replay.writing import merge  # noqa: PLC0415

    if outputs.write is None or state.parts is None:
        return {}
    writing = progress.add_task('writing', total=_count(recording))
    try:
        left_out = merge(
            recording,
            index.choice.image,
            state.parts,
            outputs.write,
            namespace=outputs.namespace,
            scratch=journal.folder,
            on_message=lambda: progress.advance(writing),
        )
    except RecordingError as error:
        index.damage = index.damage or str(error)
        return {}
    return {'topics_left_out': left_out}


def _say(summary: dict[str, Any], outputs: _Outputs, table: Any) -> None:
    images, topics = summary['images'], summary['topics']
    console.print(
        f'{topics["image"]}: {images["count"]} images, {images["rate_hz"]:.1f} Hz, longest gap '
        f'{images["longest_gap_s"]:.2f} s; {summary["frames_matched"]} with recorded depth'
    )
    for text in summary['warnings']:
        console.print(f'[yellow]warning:[/] {text}', highlight=False)
    for kind, count in summary['problems'].items():
        console.print(f'[yellow]warning:[/] {count} frames: {kind}', highlight=False)
    if table is not None:
        console.print(table)
    for variant in summary['variants']:
        console.print(f'{variant["name"]}: {_scale_words(variant)}', highlight=False)
    for path in (outputs.json, outputs.write, outputs.report and outputs.report / 'report.html'):
        if path is not None:
            console.print(f'written {path}', highlight=False)


def _scale_words(variant: dict[str, Any]) -> str:
    words = []
    if scale := variant['scale']:
        words.append(
            f'scale {scale["median"]:.3f} (p5 {scale["p5"]:.3f}, p95 {scale["p95"]:.3f}), '
            f'coverage {variant["coverage"]:.1%}'
        )
    if steady := variant['steadiness']:
        words.append(
            f'from frame to frame scale changes by {steady["step_percent_median"]:.2f} % (p95 '
            f'{steady["step_percent_p95"]:.2f} %), shape by '
            f'{steady["flicker_percent_median"]:.2f} %'
        )
    return '; '.join(words) or 'no frame could be estimated'


def _camera_info_of(recording: Recording, choice: TopicChoice) -> str | None:
    """Return the topic of the depth images' own CameraInfo."""
    from drnet_ros.recordings.topics import CAMERA_INFO_TYPE, base_topic  # noqa: PLC0415

    if choice.depth is None:
        return None
    name = f'{base_topic(choice.depth).rpartition("/")[0]}/camera_info'
    topic = recording.topics.get(name)
    is_one = topic is not None and topic.msgtype == CAMERA_INFO_TYPE
    return name if is_one and name != choice.camera_info else None


def _count(recording: Recording, choice: TopicChoice | None = None, *more: str | None) -> int:
    if choice is None:
        return sum(topic.count for topic in recording.topics.values())
    names = {choice.image, choice.camera_info, choice.depth, *more} - {None}
    return sum(recording.topics[name].count for name in names if name is not None)
