"""Writes the rendered frames as a rosbag2 in mcap storage, in the layouts that ROS drivers use.

    python write_bag.py --frames /tmp/clip_frames --output /tmp/clip_camera

Topics: compressed colour, camera_info, compressedDepth and the camera's pose in `map`. Those of
one frame share the stamp. `add_sensors.py` adds the rest of the robot.
"""

from __future__ import annotations

import argparse
import shutil
import struct
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from rendered_recordings import RECORDINGS, Matrix, RenderedRecording, add_recording_argument
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from drnet_offline.datasets.image_files import read_rgb

STORE = get_typestore(Stores.ROS2_JAZZY)
OPTICAL_FRAME = 'camera_optical_frame'
MAP_FRAME = 'map'
START_NS = 1_700_000_000_000_000_000
# Beyond this lies only the view through the window, which no depth sensor indoors would give.
MAX_DEPTH_M = 6.0
JPEG_QUALITY = 85
TOPICS = {
    '/camera/image_raw/compressed': 'sensor_msgs/msg/CompressedImage',
    '/camera/camera_info': 'sensor_msgs/msg/CameraInfo',
    '/camera/depth/image_rect/compressedDepth': 'sensor_msgs/msg/CompressedImage',
    '/camera/pose': 'geometry_msgs/msg/PoseStamped',
}


def make_message(kind: str, *values: Any) -> Any:
    """Returns a message of the type `kind` with the values of its fields, in their order."""
    return STORE.types[kind](*values)


def make_header(stamp_ns: int, frame_id: str) -> Any:
    """Returns a Header."""
    stamp = make_message('builtin_interfaces/msg/Time', *divmod(stamp_ns, 1_000_000_000))
    return make_message('std_msgs/msg/Header', stamp, frame_id)


def encode_colour(rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Encodes a picture as JPEG, as compressed_image_transport does for an rgb8 camera."""
    options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY, cv2.IMWRITE_JPEG_OPTIMIZE, 1]
    bgr = np.ascontiguousarray(rgb[..., ::-1])
    return np.asarray(cv2.imencode('.jpg', bgr, options)[1], np.uint8).ravel()


def encode_depth(depth_m: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Encodes metres as compressed_depth_image_transport does for 16UC1 (millimetres, 0 invalid).

    The PNG follows a 12-byte header: int32 format (0 = INV_DEPTH) and two float32 that 16UC1
    leaves unused.
    """
    valid = (depth_m > 0) & (depth_m <= MAX_DEPTH_M)
    depth_mm = np.where(valid, np.rint(depth_m * 1000), 0).astype(np.uint16)
    options = [
        cv2.IMWRITE_PNG_COMPRESSION,
        9,
        cv2.IMWRITE_PNG_STRATEGY,
        cv2.IMWRITE_PNG_STRATEGY_FILTERED,
    ]
    png = cv2.imencode('.png', depth_mm, options)[1].tobytes()
    return np.frombuffer(struct.pack('<iff', 0, 0.0, 0.0) + png, np.uint8)


def camera_info(recording: RenderedRecording, header: Any) -> Any:
    """Returns the CameraInfo of an undistorted pinhole camera."""
    focal, (cx, cy) = recording.focal_px, recording.centre_px
    do_rectify = False
    region = make_message('sensor_msgs/msg/RegionOfInterest', 0, 0, 0, 0, do_rectify)
    return make_message(
        'sensor_msgs/msg/CameraInfo',
        header,
        recording.height,
        recording.width,
        'plumb_bob',
        np.zeros(5),
        np.array([focal, 0.0, cx, 0.0, focal, cy, 0.0, 0.0, 1.0]),
        np.eye(3).ravel(),
        np.array([focal, 0.0, cx, 0.0, 0.0, focal, cy, 0.0, 0.0, 0.0, 1.0, 0.0]),
        0,
        0,
        region,
    )


def pose_message(recording: RenderedRecording, frame: int, stamp_ns: int) -> Any:
    """Returns the camera's pose in `map` as PoseStamped."""
    pose = make_pose(recording.optical_pose(frame))
    return make_message('geometry_msgs/msg/PoseStamped', make_header(stamp_ns, MAP_FRAME), pose)


def make_pose(pose: Matrix) -> Any:
    """Returns a 4x4 pose as Pose."""
    rotation = quaternion_xyzw(pose[:3, :3])
    return make_message(
        'geometry_msgs/msg/Pose',
        make_message('geometry_msgs/msg/Point', *map(float, pose[:3, 3])),
        make_message('geometry_msgs/msg/Quaternion', *map(float, rotation)),
    )


def quaternion_xyzw(rotation: Matrix) -> Matrix:
    """Returns the unit quaternion of a 3x3 rotation, w >= 0 (largest component first taken)."""
    trace = float(np.trace(rotation))
    squares = np.array([*(1 + 2 * np.diag(rotation) - trace), 1 + trace]) / 4
    first = int(np.argmax(squares))
    r = rotation
    products = np.array(
        [
            [0, r[0, 1] + r[1, 0], r[0, 2] + r[2, 0], r[2, 1] - r[1, 2]],
            [r[0, 1] + r[1, 0], 0, r[1, 2] + r[2, 1], r[0, 2] - r[2, 0]],
            [r[0, 2] + r[2, 0], r[1, 2] + r[2, 1], 0, r[1, 0] - r[0, 1]],
            [r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1], 0],
        ]
    )
    quaternion = products[first] / (4 * np.sqrt(squares[first]))
    quaternion[first] = np.sqrt(squares[first])
    return np.asarray(quaternion if quaternion[3] >= 0 else -quaternion)


def frame_messages(
    recording: RenderedRecording, frames: Path, frame: int, stamp_ns: int
) -> tuple[Any, ...]:
    """Returns the messages of one frame, in the order of `TOPICS`."""
    header = make_header(stamp_ns, OPTICAL_FRAME)
    rgb = read_rgb(frames / f'{frame:03d}.png')
    depth_m = np.load(frames / f'{frame:03d}.npy')
    kind = 'sensor_msgs/msg/CompressedImage'
    return (
        make_message(kind, header, 'rgb8; jpeg compressed bgr8', encode_colour(rgb)),
        camera_info(recording, header),
        make_message(kind, header, '16UC1; compressedDepth png', encode_depth(depth_m)),
        pose_message(recording, frame, stamp_ns),
    )


def write_bag(recording: RenderedRecording, frames: Path, output: Path) -> None:
    """Writes all frames of a recording.

    Args:
        recording: Which one.
        frames: Folder with NNN.png (colour) and NNN.npy (metres, float32) per frame.
        output: Folder of the bag; replaced if it exists.
    """
    if output.exists():
        shutil.rmtree(output)
    with Writer(output, version=8, storage_plugin=StoragePlugin.MCAP) as writer:
        connections = [
            writer.add_connection(topic, kind, typestore=STORE) for topic, kind in TOPICS.items()
        ]
        for frame in range(recording.frame_count):
            stamp_ns = START_NS + frame * round(1e9 / recording.rate_hz)
            messages = frame_messages(recording, frames, frame, stamp_ns)
            for connection, message in zip(connections, messages, strict=True):
                data = STORE.serialize_cdr(message, connection.msgtype)
                writer.write(connection, stamp_ns, data)


def main() -> None:
    """Reads the command line and writes the bag."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument('--frames', type=Path, required=True, help='folder of the frames')
    parser.add_argument('--output', type=Path, required=True, help='folder of the bag; replaced')
    add_recording_argument(parser)
    arguments = parser.parse_args()
    write_bag(RECORDINGS[arguments.recording], arguments.frames, arguments.output)


if __name__ == '__main__':
    main()
