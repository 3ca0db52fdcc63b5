"""Trajectories: true ones out of recordings or files, and how far others are from them, by evo."""

from __future__ import annotations

import copy
import math
import re
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from drnet_offline.errors import DatasetError, OfflineError
from drnet_offline.replay.headers import read_header
from drnet_ros.errors import RecordingError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evo.core.trajectory import PoseTrajectory3D
    from numpy.typing import NDArray

    from drnet_ros.recordings.recording import Recording

__all__ = [
    'POSE_TYPES',
    'TrajectoryErrors',
    'aligned_to',
    'compare',
    'find_truth',
    'pose_topics',
    'read_truth',
    'trajectory',
]

POSE_TYPES = (
    'geometry_msgs/msg/PoseStamped',
    'geometry_msgs/msg/PoseWithCovarianceStamped',
    'geometry_msgs/msg/TransformStamped',
    'nav_msgs/msg/Odometry',
)
"""Messages that ground truth may come in: poses of the camera's optical frame in the world."""

_WORDS = ('truth', 'groundtruth', 'gt', 'vicon', 'mocap', 'optitrack')
# Alone it names the camera's own; as in goal_pose or robot_pose_ekf it may be anything's.
_POSE_NAME = 'pose'
_MAX_STAMP_GAP_S = 0.02
_UNIT_TOLERANCE = 0.01  # of the length of a quaternion, as sparse depth has it
_NO_POSE = 'a pose must be finite and have a unit quaternion'


@dataclass(frozen=True, slots=True)
class TrajectoryErrors:
    """How far a trajectory is from the true one; root mean squares.

    Attributes:
        ape_m: Position, after the best rigid alignment.
        ape_scaled_m: Position, after the best alignment that may scale too.
        scale: That scale: what the trajectory must be multiplied by.
        rpe_m: Motion within a second: error of its translation.
        rpe_deg: Motion within a second: error of its rotation.
        poses: How many poses were compared.
        length_m: Length of the true path over these.
    """

    ape_m: float
    ape_scaled_m: float
    scale: float
    rpe_m: float
    rpe_deg: float
    poses: int
    length_m: float

    def to_json(self) -> dict[str, float]:
        """Return plain numbers."""
        return asdict(self)


def pose_topics(recording: Recording) -> list[str]:
    """Return the topics of a recording that have poses, of whatever."""
    topics = recording.topics.values()
    return sorted(topic.name for topic in topics if topic.msgtype in POSE_TYPES and topic.count)


def find_truth(recording: Recording) -> str | None:
    """Return the topic of a recording that is ground truth by its name, None if none is.

    Wheel odometry, goals and estimates are poses too, often of another frame: with an unlucky
    choice all figures would be wrong, and look right.
    """
    ranked = [(rank, name) for name in pose_topics(recording) if (rank := _rank(name)) is not None]
    return min(ranked)[1] if ranked else None


def read_truth(
    recording: Recording, source: str, problems: Counter[str] | None = None
) -> PoseTrajectory3D:
    """Read ground truth from a topic of the recording, or from a file in TUM format.

    Args:
        recording: The recording.
        source: Name of the topic, or path of the file.
        problems: Told how many poses are left out, and why: those that are damaged, not finite, or
            have no unit quaternion.

    Raises:
        OfflineError: The topic has no poses, or the file is none.
        RecordingError: The topic is not there, or the recording is damaged.
    """
    problems = Counter() if problems is None else problems
    if source not in recording.topics and Path(source).is_file():
        return _read_file(Path(source), problems)
    recording.require([source])
    msgtype = recording.topics[source].msgtype
    if msgtype not in POSE_TYPES:
        msg = f'ground truth must be of type {" or ".join(POSE_TYPES)}, got {msgtype} on {source}'
        raise OfflineError(msg)
    rows: dict[int, list[float]] = {}
    try:
        for message in recording.messages([source]):
            try:
                pose = _pose(recording.deserialize(message))
            except RecordingError as error:
                problems[f'{source}: {error}'] += 1
                continue
            if _is_pose(pose):
                rows[read_header(message.data)[0]] = pose
            else:
                problems[f'{source}: {_NO_POSE}'] += 1
    except RecordingError as error:  # what could be read is there
        problems[str(error)] += 1
    stamps = sorted(rows)
    values = np.array([rows[stamp] for stamp in stamps]).reshape(-1, 7)
    return _built(source, np.array(stamps) / 1e9, values, problems)


def trajectory(
    poses: Sequence[NDArray[np.float64]], stamps_s: Sequence[float]
) -> PoseTrajectory3D:
    """Build a trajectory of 4 x 4 poses."""
    return _trajectory()(poses_se3=list(poses), timestamps=np.array(stamps_s))


def compare(truth: PoseTrajectory3D, estimate: PoseTrajectory3D) -> TrajectoryErrors:
    """Compare a trajectory with the true one.

    Raises:
        OfflineError: Fewer than three poses lie at the same times.
    """
    from evo.core import metrics, sync  # noqa: PLC0415
    from evo.core.metrics import PoseRelation, StatisticsType, Unit  # noqa: PLC0415

    try:
        reference, found = sync.associate_trajectories(truth, estimate, max_diff=_MAX_STAMP_GAP_S)
    except sync.SyncException as error:
        msg = f'ground truth must be of the time of the images: {error}'
        raise OfflineError(msg) from error
    if found.num_poses < 3:
        msg = f'at least three poses must have ground truth, got {found.num_poses}'
        raise OfflineError(msg)
    aligned, scaled = copy.deepcopy(found), copy.deepcopy(found)
    scale = _align(aligned, scaled, reference)
    period_s = float(np.median(np.diff(np.sort(found.timestamps))))
    per_second = max(1, min(round(1 / period_s), found.num_poses - 1))

    def rms(metric: Any, one: Any) -> float:
        metric.process_data((reference, one))
        return float(metric.get_statistic(StatisticsType.rmse))

    def relative(relation: Any) -> float:
        return rms(metrics.RPE(relation, per_second, Unit.frames, all_pairs=True), found)

    return TrajectoryErrors(
        ape_m=rms(metrics.APE(PoseRelation.translation_part), aligned),
        ape_scaled_m=rms(metrics.APE(PoseRelation.translation_part), scaled),
        scale=scale,
        rpe_m=relative(PoseRelation.translation_part),
        rpe_deg=relative(PoseRelation.rotation_angle_deg),
        poses=found.num_poses,
        length_m=float(reference.path_length),
    )


def aligned_to(truth: PoseTrajectory3D, estimate: PoseTrajectory3D) -> PoseTrajectory3D:
    """Return the poses that have a true one, moved to fit these best; not scaled."""
    from evo.core import sync  # noqa: PLC0415
    from evo.core.geometry import GeometryException  # noqa: PLC0415

    near, aligned = sync.associate_trajectories(
        truth, copy.deepcopy(estimate), max_diff=_MAX_STAMP_GAP_S
    )
    try:
        aligned.align(near)
    except GeometryException:
        aligned.align_origin(near)
    return aligned


def _rank(name: str) -> int | None:
    """Return the place of a topic's name in the order of `_WORDS`, None if it says nothing."""
    words = re.split('[^a-z]+', name.lower())
    known = [place for place, word in enumerate(_WORDS) if word in words]
    is_pose = name.lower().rpartition('/')[2] == _POSE_NAME
    return min([*known, *([len(_WORDS)] if is_pose else [])], default=None)


def _align(aligned: Any, scaled: Any, reference: Any) -> float:
    """Align in place; a camera that stands still is moved to the middle and has no scale."""
    from evo.core.geometry import GeometryException  # noqa: PLC0415

    try:
        aligned.align(reference)
        return float(scaled.align(reference, correct_scale=True)[2])
    except GeometryException:
        shift = np.eye(4)
        shift[:3, 3] = reference.positions_xyz.mean(axis=0) - aligned.positions_xyz.mean(axis=0)
        aligned.transform(shift)
        scaled.transform(shift)
        return float('nan')


def _read_file(path: Path, problems: Counter[str]) -> PoseTrajectory3D:
    from evo.tools.file_interface import FileInterfaceException, read_tum_trajectory_file  # noqa: PLC0415

    try:
        found = read_tum_trajectory_file(str(path))
    # Bytes that are no text are a ValueError, too.
    except (FileInterfaceException, OSError, ValueError) as error:
        msg = f'{path} must be a trajectory in TUM format: {error}'
        raise DatasetError(msg) from error
    turns = found.orientations_quat_wxyz[:, [1, 2, 3, 0]]
    values = np.column_stack([found.positions_xyz, turns])
    is_usable = np.array([_is_pose(pose) for pose in values.tolist()], bool)
    if unusable := int(np.count_nonzero(~is_usable)):
        problems[f'{path.name}: {_NO_POSE}'] += unusable
    return _built(str(path), found.timestamps[is_usable], values[is_usable], problems)


def _built(
    source: str, stamps_s: NDArray[np.float64], values: NDArray[np.float64], problems: Counter[str]
) -> PoseTrajectory3D:
    """Return the trajectory of places and quaternions x y z w, (N, 7)."""
    if len(values) < 2:
        others = ''.join(f'; {count} others: {text}' for text, count in problems.most_common(1))
        msg = f'{source} must have two poses of different stamps, got {len(values)}{others}'
        raise OfflineError(msg)
    return _trajectory()(values[:, :3], values[:, [6, 3, 4, 5]], stamps_s)


def _is_pose(values: Sequence[float]) -> bool:
    return all(map(math.isfinite, values)) and abs(math.hypot(*values[3:]) - 1) < _UNIT_TOLERANCE


def _pose(message: Any) -> list[float]:
    while hasattr(message, 'pose'):
        message = message.pose
    if hasattr(message, 'transform'):
        place, turn = message.transform.translation, message.transform.rotation
    else:
        place, turn = message.position, message.orientation
    return [place.x, place.y, place.z, turn.x, turn.y, turn.z, turn.w]


def _trajectory() -> Any:
    try:
        from evo.core.trajectory import PoseTrajectory3D  # noqa: PLC0415
    except ImportError as error:
        msg = f"odometry needs evo, got: {error}; pip install './offline[vo]'"
        raise OfflineError(msg) from error
    return PoseTrajectory3D
