"""What paths are compared with, and how far they are from it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from drnet_offline.errors import OfflineError
from drnet_offline.odometry.running import RECORDED
from drnet_offline.odometry.trajectories import (
    compare,
    find_truth,
    pose_topics,
    read_truth,
    trajectory,
)
from drnet_ros.errors import RecordingError
from drnet_ros.inference.sparse_depth.sources.transforms import frame_name

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Collection, Mapping, Sequence

    from evo.core.trajectory import PoseTrajectory3D

    from drnet_offline.odometry.running import Path3D
    from drnet_ros.recordings.recording import Recording
    from drnet_ros.recordings.topics import TopicChoice

__all__ = ['frame_warning', 'jump_warning', 'recorded_truth', 'summarise', 'truth_by_method']

_FASTEST_M_PER_S, _MOST_TIMES_AS_FAST = 20.0, 10.0


def recorded_truth(
    recording: Recording, choice: TopicChoice, source: str | None, problems: Counter[str]
) -> tuple[PoseTrajectory3D | None, str]:
    """Return what paths are compared with, before any are there.

    Args:
        recording: The recording.
        choice: Its topics.
        source: A topic or a file in TUM format; None for the topic whose name says so.
        problems: Told how many of its poses are left out, and why.

    Returns:
        The true trajectory, None if paths are compared with odometry of the recorded depth; and
        what it is, in words.

    Raises:
        OfflineError: It cannot be had, and there is nothing else to compare with.
    """
    source = source or find_truth(recording)
    if source is not None:
        return read_truth(recording, source, problems), source
    if choice.depth is None:
        raise _no_truth(recording)
    hint = _pose_words(recording)
    advice = f'; --ground-truth TOPIC names one{hint}' if hint else ''
    return None, f'none: compared with odometry of the {RECORDED}{advice}'


def jump_warning(truth: PoseTrajectory3D) -> str:
    """Return a sentence if the true path jumps, '' if not.

    Args:
        truth: The true trajectory.
    """
    steps_m = np.linalg.norm(np.diff(truth.positions_xyz, axis=0), axis=1)
    with np.errstate(divide='ignore', invalid='ignore'):
        speeds = steps_m / np.diff(truth.timestamps)
    usual = float(np.nanmedian(speeds))
    places = np.flatnonzero(speeds > max(_FASTEST_M_PER_S, _MOST_TIMES_AS_FAST * usual))
    if not len(places):
        return ''
    return (
        f'the true path jumps at {len(places)} places, first by {steps_m[places[0]]:.3g} m '
        f'{truth.timestamps[places[0]] - truth.timestamps[0]:.1f} s after its start: errors count '
        'that as motion'
    )


def frame_warning(recording: Recording, source: str, frame_ids: Collection[str]) -> str:
    """Return a sentence if true poses are said to be of another frame than the images.

    Args:
        recording: The recording.
        source: What `recorded_truth` calls them; poses of a file have no frame.
        frame_ids: The frames of the images.
    """
    if source not in recording.topics:
        return ''
    message: Any = None
    with suppress(RecordingError):  # counted where all are read
        message = recording.deserialize(next(recording.messages([source])))
    child = frame_name(getattr(message, 'child_frame_id', ''))
    if not child or not frame_ids or child in map(frame_name, frame_ids):
        return ''
    return (
        f'poses on {source} are of {child}, and images of {min(frame_ids)}: its errors of '
        'rotation and of motion within a second are those of the mount too; give poses of the '
        'camera'
    )


def truth_by_method(
    recording: Recording, recorded: PoseTrajectory3D | None, paths: Sequence[Path3D]
) -> dict[str, PoseTrajectory3D]:
    """Return what the paths of each method are compared with.

    Args:
        recording: The recording.
        recorded: The true trajectory of `recorded_truth`.
        paths: The paths.

    Raises:
        OfflineError: There is neither a true trajectory nor a path of the recorded depth.
    """
    if recorded is not None:
        return {path.method: recorded for path in paths}
    own = {p.method: trajectory(p.poses, p.stamps_s) for p in paths if p.source == RECORDED}
    if not own:
        raise _no_truth(recording)
    return own


def summarise(paths: Sequence[Path3D], truth: Mapping[str, PoseTrajectory3D]) -> dict[str, Any]:
    """Return the errors of all paths, and those of a camera that never moves, as plain values.

    Args:
        paths: At least one.
        truth: What they are compared with, by method.
    """
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


def _no_truth(recording: Recording) -> OfflineError:
    return OfflineError(
        'odometry needs something to compare with: recorded depth, or poses of the camera by '
        f'--ground-truth FILE in TUM format or TOPIC{_pose_words(recording)}'
    )


def _pose_words(recording: Recording) -> str:
    """Say which topics may be ground truth though their names do not say so, '' without any."""
    names = pose_topics(recording)
    return f' (poses, perhaps of something else, are on {", ".join(names)})' if names else ''
