"""Copies a recording, and adds the laser scan that a level scanner at the camera would have made.

    .venv/bin/python offline/benchmarks/recording_with_scan.py tum_fr1_rpy.mcap with_scan

The ranges are those of the recorded depth in the row of the principal point, with 1 % noise. The
recording must have depth registered to its images, and of their size.
docs/evaluation.md measures with it what a scan is worth.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.rosbag2 import StoragePlugin, Writer

from drnet_offline.replay.frames import RecordedFrame, read_frames
from drnet_offline.replay.index import index_recording
from drnet_offline.replay.messages import TYPESTORE, header, serialize
from drnet_ros.inference.camera import rays
from drnet_ros.recordings.recording import Recording
from drnet_ros.recordings.topics import choose_topics

SCAN, TRANSFORMS, LASER = '/scan', '/tf_static', 'laser'
SCAN_TYPE, TRANSFORM_TYPE = 'sensor_msgs/msg/LaserScan', 'tf2_msgs/msg/TFMessage'
STEP = math.radians(0.25)
NOISE, SEED = 0.01, 1
TOLERANCE_S = 0.02
LIMITS_M = (0.1, 12.0)
# The laser's x axis is the optical z axis, its y axis points to the left.
LASER_IN_OPTICAL = (0.5, -0.5, 0.5, 0.5)


def main() -> None:
    """Write the copy."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('source', type=Path)
    parser.add_argument('output', type=Path, help='a folder that is not there yet')
    options = parser.parse_args()
    with (
        Recording(options.source) as recording,
        Writer(options.output, version=9, storage_plugin=StoragePlugin.MCAP) as writer,
    ):
        connections = recording.add_topics_to(writer)
        for topic, kind in ((SCAN, SCAN_TYPE), (TRANSFORMS, TRANSFORM_TYPE)):
            connections[topic] = writer.add_connection(topic, kind, typestore=TYPESTORE)
        index = index_recording(recording, choose_topics(recording.topics), TOLERANCE_S)
        mount = transform(index.images.stamps_ns[0], min(index.images.frame_ids))
        writer.write(connections[TRANSFORMS], recording.start_ns, mount)
        for recorded_ns, scan in scans(read_frames(index)):
            writer.write(connections[SCAN], recorded_ns, scan)
        for message in recording.messages():
            writer.write(connections[message.topic], message.stamp_ns, message.data)


def scans(frames: Iterator[RecordedFrame]) -> Iterator[tuple[int, bytes]]:
    """Yield the scan of each frame that has depth and camera, recorded just before its image."""
    rng = np.random.default_rng(SEED)
    for frame in frames:
        camera, depth_hw = frame.camera, frame.truth_hw
        if camera is None or depth_hw is None or depth_hw.shape != rays(camera).shape[:2]:
            continue
        row = round(camera.cy)
        of_columns = -np.arctan(rays(camera)[row, :, 0].astype(np.float64))
        angles = np.arange(of_columns[-1], of_columns[0], STEP)
        # np.interp wants rising angles, which columns from right to left have.
        columns = np.interp(angles, of_columns[::-1], np.arange(len(of_columns))[::-1])
        ranges = depth_hw[row, np.rint(columns).astype(int)] / np.cos(angles)
        ranges *= np.exp(rng.normal(0.0, NOISE, len(ranges)))
        message = TYPESTORE.types[SCAN_TYPE](
            header=header(frame.stamp_ns, LASER),
            angle_min=float(angles[0]),
            angle_max=float(angles[-1]),
            angle_increment=STEP,
            time_increment=0.0,
            scan_time=0.0,
            range_min=LIMITS_M[0],
            range_max=LIMITS_M[1],
            ranges=ranges.astype(np.float32),
            intensities=np.zeros(0, np.float32),
        )
        yield frame.recorded_ns - 1, serialize(message, SCAN_TYPE)


def transform(stamp_ns: int, optical_frame: str) -> bytes:
    """Build the message of /tf_static."""
    types: Any = TYPESTORE.types
    motion = types['geometry_msgs/msg/Transform'](
        types['geometry_msgs/msg/Vector3'](0.0, 0.0, 0.0),
        types['geometry_msgs/msg/Quaternion'](*LASER_IN_OPTICAL),
    )
    stamped = types['geometry_msgs/msg/TransformStamped'](
        header(stamp_ns, optical_frame), LASER, motion
    )
    return serialize(types[TRANSFORM_TYPE]([stamped]), TRANSFORM_TYPE)


if __name__ == '__main__':
    main()
