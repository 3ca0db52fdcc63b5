"""What the robot of the bundled clip sends to a node under test: images, laser scans, odometry.

The clip is played forth and back, at whatever rate images are sent. Messages are those of the
recording; only their stamps are new.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image

from drnet_offline.replay.decoding import read_images
from drnet_ros.messages.reading import stamp_ns
from drnet_ros.recordings.recording import Recording

__all__ = ['Robot', 'read_robot']

CLIP = Path(__file__).parents[1] / 'clip' / 'room'


@dataclass(frozen=True, slots=True, eq=False)
class Robot:
    """Serialised messages, one of each kind for each step of the way.

    Attributes:
        images: sensor_msgs/Image of 640x480.
        info: sensor_msgs/CameraInfo.
        scans: The last sensor_msgs/LaserScan before each image, or the first one.
        poses: nav_msgs/Odometry at the stamp of each image.
        poses_between: The same half-way to the next image.
        extrinsics: The static transforms, as `sparse_depth_extrinsics` has them.
    """

    images: list[bytes]
    info: bytes
    scans: list[bytes]
    poses: list[bytes]
    poses_between: list[bytes]
    extrinsics: list[str]


def read_robot(path: Path = CLIP) -> Robot:
    """Read the recording of the clip.

    Args:
        path: A recording with the topics of the clip.
    """
    with Recording(path) as recording:
        frames = list(read_images(recording, '/camera/image_raw/compressed'))
        info = next(recording.messages(['/camera/camera_info'])).data
        scans, poses = (_by_stamp(recording, topic) for topic in ('/scan', '/odom'))
        static = [recording.deserialize(m) for m in recording.messages(['/tf_static'])]
    stamps = np.array([stamp for stamp, _ in frames])
    # Forth and back: the ends are passed once.
    order = [*range(len(frames)), *range(len(frames) - 2, 0, -1)]
    following = [*order[1:], order[0]]
    middles = (stamps[order] + stamps[following]) // 2
    images = [_image(rgb) for _, rgb in frames]
    return Robot(
        [images[number] for number in order],
        info,
        [_last_before(scans, stamp) for stamp in stamps[order].tolist()],
        [_nearest(poses, stamp) for stamp in stamps[order].tolist()],
        [_nearest(poses, stamp) for stamp in middles.tolist()],
        [_text(transform) for message in static for transform in message.transforms],
    )


def _by_stamp(recording: Recording, topic: str) -> list[tuple[int, bytes]]:
    found = [
        (stamp_ns(recording.deserialize(message)), message.data)
        for message in recording.messages([topic])
    ]
    return sorted(found)


def _last_before(messages: list[tuple[int, bytes]], stamp: int) -> bytes:
    place = bisect.bisect_right(messages, stamp, key=lambda entry: entry[0])
    return messages[max(0, place - 1)][1]


def _nearest(messages: Iterable[tuple[int, bytes]], stamp: int) -> bytes:
    return min(messages, key=lambda entry: abs(entry[0] - stamp))[1]


def _image(rgb_hwc: NDArray[np.uint8]) -> bytes:
    height, width, _ = rgb_hwc.shape
    message = Image(height=height, width=width, encoding='rgb8', step=3 * width)
    message.header.frame_id = 'camera_optical_frame'
    message.data.frombytes(rgb_hwc.tobytes())
    return serialize_message(message)


def _text(transform: Any) -> str:
    place, turn = transform.transform.translation, transform.transform.rotation
    numbers = (place.x, place.y, place.z, turn.x, turn.y, turn.z, turn.w)
    frames = transform.header.frame_id, transform.child_frame_id
    return ' '.join([*frames, *(f'{number:.9g}' for number in numbers)])
