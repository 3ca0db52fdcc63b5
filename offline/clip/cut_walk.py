"""Cuts the walk into halves: the first to learn from, with one kind of label each, and the second.

    python cut_walk.py --whole /tmp/walk --output /tmp/walk_halves

Nothing of the second half is in the recordings of the first one. The camera's exact pose is in
none of them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from add_sensors import add_topics
from rendered_recordings import WALK
from rosbags.rosbag2 import Reader, StoragePlugin, Writer
from write_bag import START_NS

MIDDLE_NS = START_NS + round(WALK.frame_count / 2 / WALK.rate_hz * 1e9)
CAMERA = ('/camera/image_raw/compressed', '/camera/camera_info')
DEPTH = '/camera/depth/image_rect/compressedDepth'
ODOMETRY = ('/odom', '/tf')
FIRST = {
    'first_depth': (*CAMERA, DEPTH),
    'first_scan': (*CAMERA, '/scan', '/tf_static'),
    'first_odom': (*CAMERA, *ODOMETRY, '/tf_static'),
    'first_scan_odom': (*CAMERA, '/scan', *ODOMETRY, '/tf_static'),
}
SECOND = (*CAMERA, DEPTH)


def cut_walk(whole: Path, output: Path) -> None:
    """Writes the recordings of `FIRST`, and `second`.

    Args:
        whole: The recording that `add_sensors.py` has written.
        output: A folder; none of the recordings may be in it yet.
    """
    output.mkdir(parents=True, exist_ok=True)
    for name, topics in FIRST.items():
        _copy(whole, output / name, topics, is_first=True)
    _copy(whole, output / 'second', SECOND, is_first=False)


def _copy(whole: Path, part: Path, topics: tuple[str, ...], *, is_first: bool) -> None:
    """Copies topics of one half byte for byte; static transforms hold for both halves."""
    with (
        Reader(whole) as reader,
        Writer(part, version=8, storage_plugin=StoragePlugin.MCAP) as writer,
    ):
        wanted = [each for each in reader.connections if each.topic in topics]
        connections = add_topics(writer, {each.topic: each.msgtype for each in wanted})
        for connection, recorded_ns, data in reader.messages(wanted):
            is_in_half = (recorded_ns < MIDDLE_NS) == is_first
            if connection.topic == '/tf_static' or is_in_half:
                writer.write(connections[connection.topic], recorded_ns, data)


def main() -> None:
    """Reads the command line and writes the recordings."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument('--whole', type=Path, required=True, help='the recording of the walk')
    parser.add_argument('--output', type=Path, required=True, help='folder of the halves')
    arguments = parser.parse_args()
    cut_walk(arguments.whole, arguments.output)


if __name__ == '__main__':
    main()
