"""The command `drnet vo`."""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from drnet_offline.commands.recording_options import (
    BagPath,
    CameraInfoTopic,
    DepthTopic,
    GroundTruth,
    ImageTopic,
    InputSize,
    Methods,
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
from drnet_offline.errors import OfflineError
from drnet_ros.errors import RecordingError
from drnet_ros.recordings.recording import Recording

if TYPE_CHECKING:
    from evo.core.trajectory import PoseTrajectory3D

    from drnet_offline.odometry.running import Path3D
    from drnet_ros.recordings.topics import TopicChoice

__all__ = ['vo']

_HEAD = ('depth', 'APE', 'scaled APE', 'scale', 'RPE 1 s', 'rotation 1 s', 'lost')


def vo(
    path: BagPath,
    image_topic: ImageTopic = None,
    camera_info_topic: CameraInfoTopic = None,
    depth_topic: DepthTopic = None,
    weights: Weights = 'embedded',
    input_size: InputSize = None,
    temporal_filter: TemporalFilter = None,
    set_: SetOptions = None,
    versus: Versus = None,
    method: Methods = None,
    ground_truth: GroundTruth = None,
    tolerance: Tolerance = 0.02,
    output: Annotated[
        Path | None, typer.Option(help='Folder for trajectories (TUM), plots and report.html.')
    ] = None,
    json_: Annotated[Path | None, typer.Option('--json', help='Write the figures here.')] = None,
) -> None:
    """RGB-D odometry with the recording's depth, with ours, and with ours rescaled once."""
    from drnet_offline.replay.summary import plain  # noqa: PLC0415
    from drnet_offline.replay.variants import parse_variants  # noqa: PLC0415

    methods = _methods(method)
    base = settings_of(weights, input_size, temporal_filter, set_)
    variants = parse_variants(base, versus or [])
    prepare_outputs(output, json_)
    with Recording(path) as recording:
        choice = chosen_topics(recording, image_topic, camera_info_topic, depth_topic)
        recorded_truth, truth_name = _recorded_truth(recording, choice, ground_truth)
        paths, factors, damage = _follow(recording, choice, variants, methods, tolerance)
        truth = _truth_by_method(recording, recorded_truth, paths)
        summary = _summarise(paths, truth)
        summary |= {
            'recording': str(path),
            'ground_truth': truth_name,
            'scale_factors': factors,
            'command': shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        }
    _write(plain(summary), paths, truth, output, json_)
    if damage:
        raise RecordingError(damage)


def _methods(method: list[str] | None) -> list[str]:
    from drnet_offline.odometry.trackers import METHODS  # noqa: PLC0415

    if unknown := set(method or []) - set(METHODS):
        msg = f'{min(unknown)!r} is none of {", ".join(METHODS)}'
        raise typer.BadParameter(msg, param_hint='--method')
    return list(dict.fromkeys(method or METHODS))


def _follow(
    recording: Recording, choice: Any, variants: Any, methods: list[str], tolerance_s: float
) -> tuple[list[Path3D], dict[str, float], str]:
    from drnet_offline.odometry.running import follow_camera  # noqa: PLC0415
    from drnet_offline.replay.index import index_recording  # noqa: PLC0415

    with progress_bars() as progress:
        index = index_recording(recording, choice, tolerance_s)
        passes = 2 if index.pairs else 1
        task = progress.add_task('odometry', total=passes * len(index.images))
        paths, factors = follow_camera(
            recording, index, variants, methods, lambda: progress.advance(task)
        )
    return paths, factors, index.damage


def _no_truth(recording: Recording) -> OfflineError:
    return OfflineError(
        'odometry needs something to compare with: recorded depth, or poses of the camera by '
        f'--ground-truth FILE in TUM format or TOPIC{_pose_words(recording)}'
    )


def _pose_words(recording: Recording) -> str:
    """Say which topics may be ground truth though their names do not say so, '' without any."""
    from drnet_offline.odometry.trajectories import pose_topics  # noqa: PLC0415

    names = pose_topics(recording)
    return f' (poses, perhaps of something else, are on {", ".join(names)})' if names else ''


def _recorded_truth(
    recording: Recording, choice: TopicChoice, source: str | None
) -> tuple[PoseTrajectory3D | None, str]:
    """Return the true trajectory, None if paths are compared with another; and what it is.

    Raises:
        OfflineError: It cannot be had, and there is nothing else to compare with.
    """
    from drnet_offline.odometry.running import RECORDED  # noqa: PLC0415
    from drnet_offline.odometry.trajectories import find_truth, read_truth  # noqa: PLC0415

    source = source or find_truth(recording)
    if source is not None:
        return read_truth(recording, source), source
    if choice.depth is None:
        raise _no_truth(recording)
    hint = _pose_words(recording)
    advice = f'; --ground-truth TOPIC names one{hint}' if hint else ''
    return None, f'none: compared with odometry of the {RECORDED}{advice}'


def _truth_by_method(
    recording: Recording, recorded: PoseTrajectory3D | None, paths: list[Path3D]
) -> dict[str, PoseTrajectory3D]:
    """Return what the paths of each method are compared with."""
    from drnet_offline.odometry.running import RECORDED  # noqa: PLC0415
    from drnet_offline.odometry.trajectories import trajectory  # noqa: PLC0415

    if recorded is not None:
        return {path.method: recorded for path in paths}
    own = {p.method: trajectory(p.poses, p.stamps_s) for p in paths if p.source == RECORDED}
    if not own:
        raise _no_truth(recording)
    return own


def _summarise(paths: list[Path3D], truth: dict[str, Any]) -> dict[str, Any]:
    import numpy as np  # noqa: PLC0415

    from drnet_offline.odometry.trajectories import compare, trajectory  # noqa: PLC0415

    rows = []
    for path in paths:
        errors = compare(truth[path.method], trajectory(path.poses, path.stamps_s))
        rows.append(
            {'method': path.method, 'depth': path.name, 'lost': path.lost} | errors.to_json()
        )
    first = paths[0]
    still = compare(
        truth[first.method], trajectory([np.eye(4)] * len(first.stamps_s), first.stamps_s)
    )
    return {'paths': rows, 'standing_still': still.to_json()}


def _write(
    summary: dict[str, Any],
    paths: list[Path3D],
    truth: dict[str, Any],
    output: Path | None,
    json_path: Path | None,
) -> None:
    console = Console(soft_wrap=True)
    still = summary['standing_still']
    console.print(
        f'ground truth: {summary["ground_truth"]}, {still["poses"]} poses over '
        f'{still["length_m"]:.2f} m',
        highlight=False,
    )
    for method in dict.fromkeys(row['method'] for row in summary['paths']):
        console.print(_table(method, summary))
    for name, factor in summary['scale_factors'].items():
        console.print(f'rescaled: {name} times {factor:.3f}', highlight=False)
    if json_path is not None:
        json_path.write_text(json.dumps(summary, indent=2) + '\n', encoding='utf-8')
    if output is not None:
        _write_folder(output, summary, paths, truth)
        console.print(f'written {output / "report.html"}', highlight=False)


def _rows(method: str, summary: dict[str, Any]) -> list[tuple[str, ...]]:
    rows = [row for row in summary['paths'] if row['method'] == method]
    rows.append({'depth': 'standing still', 'lost': '', **summary['standing_still']})
    return [
        (
            row['depth'],
            f'{row["ape_m"] * 1000:.1f} mm',
            f'{row["ape_scaled_m"] * 1000:.1f} mm',
            '' if row['scale'] is None else f'{row["scale"]:.2f}',
            f'{row["rpe_m"] * 1000:.1f} mm',
            f'{row["rpe_deg"]:.2f} deg',
            str(row['lost']),
        )
        for row in rows
    ]


def _table(method: str, summary: dict[str, Any]) -> Table:
    table = Table(title=method, box=box.SIMPLE_HEAD, collapse_padding=True, pad_edge=False)
    for column in _HEAD:
        table.add_column(column, no_wrap=True)
    for row in _rows(method, summary):
        table.add_row(*row)
    return table


def _write_folder(
    output: Path, summary: dict[str, Any], paths: list[Path3D], truth: dict[str, Any]
) -> None:
    from html import escape  # noqa: PLC0415

    from evo.tools.file_interface import write_tum_trajectory_file  # noqa: PLC0415

    from drnet_offline.odometry.plots import draw_paths  # noqa: PLC0415
    from drnet_offline.odometry.trackers import METHODS  # noqa: PLC0415
    from drnet_offline.odometry.trajectories import aligned_to, trajectory  # noqa: PLC0415
    from drnet_offline.report.page import html_table, inline_image, render_page  # noqa: PLC0415

    sections = []
    for method, reference in truth.items():
        write_tum_trajectory_file(str(output / f'ground_truth_{method}.tum'), reference)
        aligned = {}
        for path in (p for p in paths if p.method == method):
            found = trajectory(path.poses, path.stamps_s)
            file_name = re.sub(r'[^A-Za-z0-9._=-]+', '_', f'{method}_{path.name}')
            write_tum_trajectory_file(str(output / f'{file_name}.tum'), found)
            aligned[path.name] = aligned_to(reference, found)
        plot = draw_paths(output / f'paths_{method}.png', reference, aligned)
        table = html_table(_HEAD, _rows(method, summary))
        note = f'<p class="note">{escape(METHODS[method])}</p>'
        sections.append((method, note + table + inline_image(plot)))
    about = (
        f'Ground truth: {summary["ground_truth"]}. APE: distance of positions after the best '
        'rigid alignment; scaled APE: after one that may scale, by the factor in the next column. '
        'RPE: error of the motion within one second, its translation and its rotation. All root '
        'mean squares, by evo. Standing still: a camera that never moves, for comparison. Lost: '
        'frames whose motion could not be told.'
    )
    sections.insert(0, ('What is compared', f'<p>{escape(about)}</p>'))
    sections.append(('Command', f'<pre>{escape(summary["command"])}</pre>'))
    title = f'Odometry on {Path(summary["recording"]).name}'
    (output / 'report.html').write_text(render_page(title, sections), encoding='utf-8')
