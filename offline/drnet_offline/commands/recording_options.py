"""What the commands on recordings share: options and what they mean, outputs, progress."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from drnet_ros.inference import Settings
from drnet_ros.recordings.recording import Recording
from drnet_ros.recordings.topics import TopicChoice, choose_topics

if TYPE_CHECKING:
    from drnet_offline.replay.sparse_topics import SparseTopics
    from drnet_offline.replay.variants import Variant

__all__ = [
    'BagPath',
    'Calibration',
    'CameraInfoTopic',
    'DepthTopic',
    'GroundTruth',
    'ImageTopic',
    'InputSize',
    'Json',
    'Methods',
    'SetOptions',
    'SourceTopics',
    'TemporalFilter',
    'Tolerance',
    'Versus',
    'Weights',
    'chosen_topics',
    'progress_bars',
    'settings_of',
    'source_topics_of',
    'sparse_topics_of',
]

BagPath = Annotated[
    Path,
    typer.Argument(metavar='BAG', help='rosbag2 folder, .mcap, .db3, ROS 1 .bag, or a video.'),
]
Calibration = Annotated[
    Path | None, typer.Option(metavar='YAML', help='Intrinsics of a video: its calibration file.')
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
SourceTopics = Annotated[
    list[str] | None,
    typer.Option(
        '--source-topic',
        metavar='SOURCE=TOPIC',
        help="Topic of a source of sparse_depth_sources: 'scan=/front/scan'. camera_info is that "
        "of the source 'depth'. Default: found by type. Repeatable.",
    ),
]
Tolerance = Annotated[
    float,
    typer.Option(
        min=0.0, max=3600.0, help='Largest time between an image and its depth, seconds.'
    ),
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
    return choice.without_depth() if is_alone else choice


def sparse_topics_of(
    recording: Recording,
    choice: TopicChoice,
    variants: Sequence[Variant],
    words: Sequence[str] | None,
) -> SparseTopics:
    """Choose the topics of all sources that some variant has set.

    Raises:
        OfflineError: A word is no SOURCE=TOPIC, or is of a source that is not set.
        RecordingError: A source has no topic, several, or one that is not usable.
    """
    from drnet_offline.errors import OfflineError  # noqa: PLC0415
    from drnet_offline.replay.sparse_topics import choose_sparse_topics  # noqa: PLC0415

    given = source_topics_of(words)
    names = {name: None for each in variants for name in each.settings.sparse_depth_names}
    for name in given:
        source = 'depth' if name == 'camera_info' else name
        if source not in names:
            msg = (
                f'--source-topic {name}={given[name]} is for a source that is not used: leave it '
                f"out, or add --set 'sparse_depth_sources=[{source}]'"
            )
            raise OfflineError(msg)
    return choose_sparse_topics(
        recording.topics, tuple(names), choice, given, tf_may_be_odometry=True
    )


def source_topics_of(words: Sequence[str] | None) -> dict[str, str]:
    """Return the topics of sources that `--source-topic` names.

    Raises:
        OfflineError: A word is no SOURCE=TOPIC.
    """
    from drnet_offline.errors import OfflineError  # noqa: PLC0415
    from drnet_offline.replay.sparse_topics import SOURCE_TYPES  # noqa: PLC0415

    given = {}
    for word in words or ():
        name, equals, topic = word.partition('=')
        if name not in SOURCE_TYPES or not equals:
            msg = (
                f'--source-topic must be SOURCE=TOPIC with a source out of '
                f'{", ".join(SOURCE_TYPES)}, got {word!r}'
            )
            raise OfflineError(msg)
        given[name] = topic
    return given


def settings_of(
    weights: str,
    input_size: str | None,
    temporal_filter: float | None,
    words: list[str] | None,
    *,
    engine: str = 'auto',
    writes: bool = False,
) -> Settings:
    """Build settings from what the command line says.

    Args:
        weights: The option of that name; 'embedded', 'auto' or None say nothing.
        input_size: Likewise.
        temporal_filter: Likewise.
        words: NAME=VALUE of any parameter.
        engine: As `weights`.
        writes: Whether depth and clouds are written as messages.

    Raises:
        OfflineError: A word is not understood, has no effect, or says something else than an
            option.
        SettingsError: A value is not allowed.
    """
    from drnet_offline.replay.variants import merge_settings, parse_settings  # noqa: PLC0415

    values = parse_settings(words or [], writes=writes)
    if input_size is not None:
        merge_settings(values, parse_settings([f'input_size={input_size}']))
    if temporal_filter is not None:
        merge_settings(values, {'temporal_filter': temporal_filter})
    for name, value in (('weights', weights), ('engine', engine)):
        if value != getattr(Settings(), name):
            merge_settings(values, {name: value})
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
