"""Adds to a recording of the camera what the rest of the robot records: scan, odometry, tf.

    python add_sensors.py --camera /tmp/clip_camera --scans /tmp/clip_scans.npy --output room

The messages of the camera are copied byte for byte. `--camera` may be a recording that has the
sensors already: they are made anew.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import robot
from rendered_recordings import RECORDINGS, Matrix, RenderedRecording, add_recording_argument
from rosbags.interfaces import (
    Connection,
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import Reader, StoragePlugin, Writer
from write_bag import (
    MAP_FRAME,
    OPTICAL_FRAME,
    START_NS,
    STORE,
    TOPICS,
    make_header,
    make_message,
    make_pose,
)

SENSOR_TOPICS = {
    '/tf_static': 'tf2_msgs/msg/TFMessage',
    '/tf': 'tf2_msgs/msg/TFMessage',
    '/odom': 'nav_msgs/msg/Odometry',
    '/scan': 'sensor_msgs/msg/LaserScan',
}
SCAN_SEED, ODOMETRY_SEED = 1, 2
UNKNOWN = QosTime(0, 0)
LATCHED = Qos(
    QosHistory.KEEP_LAST,
    1,
    QosReliability.RELIABLE,
    QosDurability.TRANSIENT_LOCAL,
    UNKNOWN,
    UNKNOWN,
    QosLiveliness.AUTOMATIC,
    UNKNOWN,
    avoid_ros_namespace_conventions=False,
)


@dataclass(frozen=True, slots=True)
class Recorded:
    """One message of a recording.

    Attributes:
        recorded_ns: When it is recorded.
        topic: Its topic.
        data: The message as CDR.
    """

    recorded_ns: int
    topic: str
    data: bytes


def add_sensors(recording: RenderedRecording, camera: Path, scans: Matrix, output: Path) -> None:
    """Writes the whole recording.

    Args:
        recording: Which one.
        camera: Recording with the messages of the camera.
        scans: What `cast_scans.py` has measured: metres, shape (scans, rays).
        output: Folder of the recording; it must not be there yet.
    """
    with Reader(camera) as reader:
        images = [
            Recorded(recorded_ns, connection.topic, bytes(data))
            for connection, recorded_ns, data in reader.messages()
            if connection.topic in TOPICS
        ]
    with Writer(output, version=8, storage_plugin=StoragePlugin.MCAP) as writer:
        connections = add_topics(writer, TOPICS | SENSOR_TOPICS)
        sensors = [mounts(), *odometry(recording), *noisy_scans(recording, scans)]
        # Sorting keeps the order of equals: what is recorded with an image comes before it.
        for each in sorted([*sensors, *images], key=lambda message: message.recorded_ns):
            writer.write(connections[each.topic], each.recorded_ns, each.data)


def add_topics(writer: Writer, types: Mapping[str, str]) -> dict[str, Connection]:
    """Adds topics to a recording, static transforms as latched; returns them by their names."""
    return {
        topic: writer.add_connection(
            topic,
            kind,
            typestore=STORE,
            offered_qos_profiles=[LATCHED] if topic == '/tf_static' else (),
        )
        for topic, kind in types.items()
    }


def mounts() -> Recorded:
    """Returns where camera and laser are on the robot."""
    stamp_ns = START_NS
    links = [
        make_transform(stamp_ns, robot.BASE_FRAME, child, pose)
        for child, pose in (
            (OPTICAL_FRAME, robot.camera_in_base()),
            (robot.LASER_FRAME, robot.laser_in_base()),
        )
    ]
    return _recorded(stamp_ns, '/tf_static', make_message('tf2_msgs/msg/TFMessage', links))


def odometry(recording: RenderedRecording) -> Iterator[Recorded]:
    """Yields odometry with drift, the same as a transform, and what takes the drift out of it.

    `map` to `odom` is what a localisation without error publishes with each image.
    """
    poses = robot.odometry_poses(recording, np.random.default_rng(ODOMETRY_SEED))
    every = round(robot.ODOMETRY_RATE_HZ / recording.rate_hz)
    times_s = robot.odometry_times_s(recording).tolist()
    for index, (time_s, pose) in enumerate(zip(times_s, poses, strict=True)):
        stamp_ns = START_NS + round(time_s * 1e9)
        before, after = poses[max(0, index - 1)], poses[max(1, index)]
        moved = make_odometry(stamp_ns, pose, np.linalg.inv(before) @ after)
        yield _recorded(stamp_ns, '/odom', moved)
        links = [make_transform(stamp_ns, robot.ODOM_FRAME, robot.BASE_FRAME, pose)]
        if index % every == 0:
            correction = robot.base_pose(recording, time_s) @ np.linalg.inv(pose)
            links.append(make_transform(stamp_ns, MAP_FRAME, robot.ODOM_FRAME, correction))
        yield _recorded(stamp_ns, '/tf', make_message('tf2_msgs/msg/TFMessage', links))


def noisy_scans(recording: RenderedRecording, scans: Matrix) -> Iterator[Recorded]:
    """Yields each scan with its noise, recorded when its last ray is measured.

    As REP 117 has it, +inf is nothing within the range, and NaN a ray that got lost.
    """
    generator = np.random.default_rng(SCAN_SEED)
    for begin_s, exact in zip(robot.scan_times_s(recording).tolist(), scans, strict=True):
        ranges = exact + generator.normal(0.0, robot.RANGE_STDDEV_M, exact.shape)
        ranges[ranges > robot.LIMITS_M[1]] = np.inf
        ranges[generator.random(exact.shape) < robot.LOST_SHARE] = np.nan
        stamp_ns = START_NS + round(begin_s * 1e9)
        scan_s = 1 / robot.SCAN_RATE_HZ
        message = make_message(
            'sensor_msgs/msg/LaserScan',
            make_header(stamp_ns, robot.LASER_FRAME),
            robot.FIRST_RAY_RAD,
            robot.FIRST_RAY_RAD + (robot.RAYS - 1) * robot.RAY_STEP_RAD,
            robot.RAY_STEP_RAD,
            scan_s / robot.RAYS,
            scan_s,
            *robot.LIMITS_M,
            ranges.astype(np.float32),
            np.zeros(0, np.float32),
        )
        yield _recorded(stamp_ns + round(scan_s * 1e9), '/scan', message)


def make_odometry(stamp_ns: int, pose: Matrix, step: Matrix) -> Any:
    """Returns a pose in `odom` as Odometry, with the velocity of the step to it."""
    rate = robot.ODOMETRY_RATE_HZ
    turn = robot.small_turn(step)
    twist = make_message(
        'geometry_msgs/msg/Twist',
        make_message('geometry_msgs/msg/Vector3', *(float(m) * rate for m in step[:3, 3])),
        make_message('geometry_msgs/msg/Vector3', *(float(rad) * rate for rad in turn)),
    )
    return make_message(
        'nav_msgs/msg/Odometry',
        make_header(stamp_ns, robot.ODOM_FRAME),
        robot.BASE_FRAME,
        make_message('geometry_msgs/msg/PoseWithCovariance', make_pose(pose), np.zeros(36)),
        make_message('geometry_msgs/msg/TwistWithCovariance', twist, np.zeros(36)),
    )


def make_transform(stamp_ns: int, parent: str, child: str, pose: Matrix) -> Any:
    """Returns the pose of the frame `child` in the frame `parent` as TransformStamped."""
    place = make_pose(pose)
    position = place.position
    transform = make_message(
        'geometry_msgs/msg/Transform',
        make_message('geometry_msgs/msg/Vector3', position.x, position.y, position.z),
        place.orientation,
    )
    header = make_header(stamp_ns, parent)
    return make_message('geometry_msgs/msg/TransformStamped', header, child, transform)


def _recorded(recorded_ns: int, topic: str, message: Any) -> Recorded:
    return Recorded(recorded_ns, topic, bytes(STORE.serialize_cdr(message, SENSOR_TOPICS[topic])))


def main() -> None:
    """Reads the command line and writes the recording."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument('--camera', type=Path, required=True, help='recording of the camera')
    parser.add_argument('--scans', type=Path, required=True, help='.npy file of cast_scans.py')
    parser.add_argument('--output', type=Path, required=True, help='a folder not there yet')
    add_recording_argument(parser)
    arguments = parser.parse_args()
    recording, scans = RECORDINGS[arguments.recording], np.load(arguments.scans)
    add_sensors(recording, arguments.camera, scans, arguments.output)


if __name__ == '__main__':
    main()
