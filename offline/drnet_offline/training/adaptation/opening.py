"""Opens what the command line names, and finds what there is to learn from."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from drnet_offline.datasets.opening import open_dataset
from drnet_offline.errors import DatasetError, OfflineError
from drnet_offline.replay.depth_topics import depth_hint
from drnet_offline.replay.index import depth_info_topic, index_recording
from drnet_offline.replay.sparse_topics import SparseTopics, choose_sparse_topics
from drnet_offline.replay.variants import parse_settings
from drnet_offline.training.adaptation.dataset_frames import DatasetFrames
from drnet_offline.training.adaptation.pictures import check_replay_data
from drnet_offline.training.adaptation.pinned import PinnedDepth
from drnet_offline.training.adaptation.projected import ProjectedDepth
from drnet_offline.training.adaptation.sources import (
    TOLERANCE_S,
    FrameSource,
    RecordedDepth,
    registration_problem,
)
from drnet_offline.training.adaptation.trajectory import POSE_TYPE
from drnet_ros.errors import RecordingError
from drnet_ros.inference import Settings
from drnet_ros.recordings.recording import Recording
from drnet_ros.recordings.topics import TopicChoice, choose_topics

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import ExitStack
    from pathlib import Path

    from drnet_offline.replay.index import Index
    from drnet_offline.training.adaptation.plan import AdaptationPlan

__all__ = ['check_sources', 'open_source']

_SENSORS = ('scan', 'points', 'depth', 'range')


def check_sources(plan: AdaptationPlan) -> None:
    """Refuse what can be refused at once: paths, topics and settings.

    Raises:
        DatasetError: There is no such data set.
        OfflineError: A setting is not understood.
        RecordingError: A recording cannot be opened, or has no such topic.
        SettingsError: A setting is not allowed.
    """
    Settings.from_mapping({'weights': plan.weights, **parse_settings(plan.topics.settings)})
    for path in (*plan.recordings, *plan.test):
        if _is_dataset(path):
            open_dataset(path)
            continue
        with Recording(path) as recording:
            _choose_topics(recording, plan)
    if plan.replay_data is not None:
        check_replay_data(plan.replay_data)


def open_source(
    path: Path,
    plan: AdaptationPlan,
    labels: str,
    opened: ExitStack,
    on_message: Callable[[], None] = lambda: None,
) -> FrameSource:
    """Open a recording or a data set.

    Args:
        path: A recording, or a data set with depth in any layout of `drnet train`.
        plan: Topics and settings.
        labels: One of `plan.LABELS`, or 'auto'.
        opened: Closes it.
        on_message: Called for each message that is indexed, and each image that is looked at.

    Raises:
        DatasetError: It does not have such labels.
        RecordingError: It cannot be read.
    """
    if _is_dataset(path):
        if labels not in {'depth', 'auto'}:
            msg = f'{path} is a data set, whose label is its depth: leave out --labels {labels}'
            raise DatasetError(msg)
        return DatasetFrames(path.name, open_dataset(path))
    recording = opened.enter_context(Recording(path))
    topics, choice = plan.topics, _choose_topics(recording, plan)
    index = index_recording(recording, choice, TOLERANCE_S, on_message=on_message)
    settings = Settings.from_mapping({'weights': plan.weights, **parse_settings(topics.settings)})
    chosen = _choose_labels(index, labels, settings, dict(topics.sources))
    names: tuple[str, ...] = ()
    if chosen != 'depth':
        names = _source_names(index, chosen, settings, dict(topics.sources))
    if labels == plan.labels:  # a recording of --test has depth to compare with
        _refuse_unused(topics.sources, names, chosen)
    if chosen == 'depth':
        return _recorded_depth(index, settings)
    settings = settings.changed(sparse_depth_sources=names)
    found = _topics_of(index, names, dict(topics.sources))
    return PinnedDepth(index, settings, found, on_message)


def _refuse_unused(given: Sequence[tuple[str, str]], names: Sequence[str], labels: str) -> None:
    for name, topic in given:
        if ('depth' if name == 'camera_info' else name) not in names:
            msg = (
                f'--source-topic {name}={topic} is for a source that labels of {labels!r} do not '
                'use: leave it out, or choose other --labels'
            )
            raise OfflineError(msg)


def _choose_topics(recording: Recording, plan: AdaptationPlan) -> TopicChoice:
    named = plan.topics
    return choose_topics(
        recording.topics, image=named.image, camera_info=named.camera_info, depth=named.depth
    )


def _recorded_depth(index: Index, settings: Settings) -> FrameSource:
    """Return recorded depth as it is, or projected into the images if its camera is another."""
    problem = registration_problem(index)
    if not problem:
        return RecordedDepth(index, settings)
    info = depth_info_topic(index.recording, index.choice)
    transforms = _transforms_of(index)
    if info is None or not (transforms or settings.sparse_depth_extrinsics):
        msg = (
            'recorded depth must be registered to the images, or have a camera_info and tf, to '
            f'be learned: {problem}; name the registered topic by --depth-topic, or choose other '
            '--labels'
        )
        raise DatasetError(msg)
    topics = SparseTopics({'depth': str(index.choice.depth), 'camera_info': info}, transforms)
    return ProjectedDepth(index, settings, topics)


def _choose_labels(index: Index, labels: str, settings: Settings, given: Mapping[str, str]) -> str:
    """Return what to learn from; the first that there is, if that is left open."""
    name = index.recording.path.name
    if labels == 'depth' and not index.pairs:
        where = f' on {index.choice.depth}' if index.choice.depth else _hint(index)
        msg = (
            f'{name} must have depth images at the time of its images to be learned, got none'
            f'{where}; name them by --depth-topic, or choose other --labels'
        )
        raise DatasetError(msg)
    if labels != 'auto':
        return labels
    if index.pairs:
        return 'depth'
    if settings.sparse_depth_names or _sensors_of(index, given):
        return 'sparse'
    if _odometry_topics(index, given) is not None:
        return 'odometry'
    msg = (
        f'{name} must have something to learn depth from: depth images, a scan, range finder or '
        f'cloud, or odometry with tf; it has only {", ".join(sorted(index.recording.topics))}'
        f'{_hint(index)}'
    )
    raise DatasetError(msg)


def _hint(index: Index) -> str:
    hint = depth_hint(index.recording, index.choice)
    return f' ({hint})' if hint else ''


def _source_names(
    index: Index, labels: str, settings: Settings, given: Mapping[str, str]
) -> tuple[str, ...]:
    if labels == 'odometry':
        return ('odometry',)
    if settings.sparse_depth_names:
        return settings.sparse_depth_names
    names = _sensors_of(index, given)
    if not names:
        msg = (
            f'{index.recording.path.name} must have a topic of a scan, range finder, cloud or '
            'small depth sensor to learn from, got none, or several of a kind; name it by '
            '--source-topic scan=TOPIC'
        )
        raise DatasetError(msg)
    if _odometry_topics(index, given) is not None:
        names = (*names, 'odometry')
    return names


def _sensors_of(index: Index, given: Mapping[str, str]) -> tuple[str, ...]:
    """Return the sensors that have exactly one topic, or one that is given."""
    return tuple(name for name in _SENSORS if _try_topics(index, name, given) is not None)


def _topics_of(index: Index, names: tuple[str, ...], given: Mapping[str, str]) -> SparseTopics:
    sensors = tuple(name for name in names if name != 'odometry')
    found = choose_sparse_topics(index.recording.topics, sensors, index.choice, given)
    if 'odometry' not in names:
        return found
    odometry = _odometry_topics(index, given)
    if odometry is None:
        # Says what is missing.
        odometry = choose_sparse_topics(index.recording.topics, ('odometry',), index.choice, given)
    return replace(odometry, by_source={**found.by_source, **odometry.by_source})


def _odometry_topics(index: Index, given: Mapping[str, str]) -> SparseTopics | None:
    """Return odometry, or poses of the camera, or transforms that may hold them; None without."""
    found = _try_topics(index, 'odometry', given)
    if found is not None:
        return found
    topics = index.recording.topics.values()
    transforms = _transforms_of(index)
    poses = [topic.name for topic in topics if topic.msgtype == POSE_TYPE and topic.count]
    if len(poses) == 1:
        return SparseTopics({'odometry': poses[0]}, transforms)
    moving = [name for name in transforms if not name.endswith('tf_static')]
    return SparseTopics({'odometry': moving[0]}, transforms) if moving else None


def _transforms_of(index: Index) -> tuple[str, ...]:
    topics = index.recording.topics.values()
    return tuple(
        sorted(topic.name for topic in topics if topic.msgtype == 'tf2_msgs/msg/TFMessage')
    )


def _try_topics(index: Index, name: str, given: Mapping[str, str]) -> SparseTopics | None:
    own = {key: topic for key, topic in given.items() if key in {name, 'camera_info'}}
    try:
        return choose_sparse_topics(index.recording.topics, (name,), index.choice, own)
    except RecordingError:
        return None


def _is_dataset(path: Path) -> bool:
    if not path.is_dir() or (path / 'metadata.yaml').is_file():
        return False
    return not any(any(path.glob(pattern)) for pattern in ('*.mcap', '*.db3', '*.bag'))
