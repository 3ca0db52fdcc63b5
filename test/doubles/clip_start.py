"""The first frames of the bundled clip, as a recording of their own."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from rosbags.rosbag2 import StoragePlugin, Writer

from drnet_ros.recordings.recording import Recording

CLIP = Path(__file__).parents[2] / 'offline' / 'clip' / 'room'
IMAGE, INFO = '/camera/image_raw/compressed', '/camera/camera_info'
DEPTH = '/camera/depth/image_rect/compressedDepth'


def write_clip_start(path: Path, frames: int, topics: Collection[str] = ()) -> Path:
    """Write the messages of so many frames as a rosbag2; of all topics if none are named."""
    with (
        Recording(CLIP) as recording,
        Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer,
    ):
        connections = recording.add_topics_to(writer)
        end_ns = sorted({m.stamp_ns for m in recording.messages([IMAGE])})[frames]
        for message in recording.messages(topics):
            if message.stamp_ns < end_ns:
                writer.write(connections[message.topic], message.stamp_ns, message.data)
    return path
