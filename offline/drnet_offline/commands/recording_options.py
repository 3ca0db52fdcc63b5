"""What the commands on recordings share: options and what they mean, outputs, progress."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from drnet_ros.inference import Settings
from drnet_ros.recordings.recording import Recording
from drnet_ros.recordings.topics import TopicChoice, choose_topics

__all__ = [
    'BagPath',
    'CameraInfoTopic',
    'DepthTopic',
    'GroundTruth',
    'ImageTopic',
    'InputSize',
    'Json',
    'Methods',
    'SetOptions',
    'TemporalFilter',
    'Tolerance',
    'Versus',
    'Weights',
    'chosen_topics',
    'progress_bars',
    'settings_of',
]

BagPath = Annotated[
    Path, typer.Argument(metavar='BAG', help='rosbag2 folder, .mcap, .db3, or ROS 1 .bag.')
]
ImageTopic = Annotated[
    str | None, typer.Option(help='Images, raw or compressed; default: found by type.')
]
CameraInfoTopic = Annotated[
    str | None, typer.Option(help='CameraInfo of the images; default: found by name.')
]
DepthTopic = Annotated[
    str | None, typer.Option(help="Depth registered to the images; 'none': do not compare.")
]
Weights = Annotated[str, typer.Option(help="'embedded' or a .safetensors file.")]
Json = Annotated[Path | None, typer.Option('--json', help='Write the figures here.')]
InputSize = Annotated[str | None, typer.Option(metavar='HxW', help="Size of the network's input.")]
TemporalFilter = Annotated[
    float | None,
    typer.Option(metavar='SECONDS', help='Time constant of the filter of the scale; 0 is off.'),
]
SetOptions = Annotated[
    list[str] | None,
    typer.Option('--set', metavar='NAME=VALUE', help='Any parameter of the node. Repeatable.'),
]
Versus = Annotated[
    list[str] | None,
    typer.Option(
        metavar='WEIGHTS|SETTINGS',
        help="Compare with other weights, or with other settings: 'input_size=480x640 "
        "edge_threshold=0.05'. Repeatable.",
    ),
]
Tolerance = Annotated[
    float, typer.Option(min=0.0, help='Largest time between an image and its depth, seconds.')
]
Methods = Annotated[
    list[str] | None,
    typer.Option(metavar='features|photometric|dense', help='Odometry; default: all.'),
]
GroundTruth = Annotated[
    str | None,
    typer.Option(
        metavar='TOPIC|FILE',
        help='Poses of the camera: a topic, or a file in TUM format. Default: a topic named '
        'ground_truth, gt, vicon, mocap, optitrack or X/pose; without one, paths are '
        'compared with that of the recorded depth.',
    ),
]


def chosen_topics(
    recording: Recording, image: str | None, camera_info: str | None, depth: str | None
) -> TopicChoice:
    """Choose topics as the command line says; depth 'none' is none.

    Raises:
        RecordingError: A topic is not there, or there is no image topic.
    """
    is_alone = depth == 'none'
    choice = choose_topics(
        recording.topics, image=image, camera_info=camera_info, depth=None if is_alone else depth
    )
    return TopicChoice(choice.image, choice.camera_info, None) if is_alone else choice


def settings_of(
    weights: str, input_size: str | None, temporal_filter: float | None, words: list[str] | None
) -> Settings:
    """Build settings from what the command line says.

    Raises:
        OfflineError: A word is not understood.
        SettingsError: A value is not allowed.
    """
    from drnet_offline.replay.variants import parse_settings  # noqa: PLC0415

    values = {'weights': weights, **parse_settings(words or [])}
    if input_size is not None:
        values |= parse_settings([f'input_size={input_size}'])
    if temporal_filter is not None:
        values['temporal_filter'] = temporal_filter
    return Settings.from_mapping(values)


def progress_bars() -> Progress:
    """Make bars that show on stderr how many messages or frames are done."""
    return Progress(
        TextColumn('{task.description:8}'),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
        console=Console(stderr=True),
    )
