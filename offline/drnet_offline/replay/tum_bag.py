"""TUM RGB-D sequences as rosbag2 recordings, so that every tool for recordings takes them."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

from drnet_offline.datasets.image_files import read_depth, read_rgb
from drnet_offline.datasets.listed import read_lines
from drnet_offline.datasets.tum import UNITS_PER_M, camera_by_name, read_stamped, to_ns
from drnet_offline.errors import DatasetError, OfflineError
from drnet_offline.replay.messages import TYPESTORE, header, serialize
from drnet_ros.messages.building import depth_fields

__all__ = ['TOPICS', 'write_tum_bag']

TOPICS = {
    '/camera/rgb/image_color/compressed': 'sensor_msgs/msg/CompressedImage',
    '/camera/rgb/camera_info': 'sensor_msgs/msg/CameraInfo',
    '/camera/depth_registered/image': 'sensor_msgs/msg/Image',
    '/ground_truth': 'geometry_msgs/msg/PoseStamped',
}
_IMAGE, _INFO, _DEPTH, _POSE = TOPICS
_OPTICAL_FRAME = 'camera_rgb_optical_frame'
_WORLD_FRAME = 'world'

Item = tuple[int, str, Callable[[], Any]]


def write_tum_bag(
    root: Path,
    output: Path,
    *,
    on_message: Callable[[], None] = lambda: None,
    collected: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> dict[str, int]:
    """Write a sequence as a rosbag2 in mcap storage.

    Images keep their files (JPEG or PNG) and stamps; depth becomes 32FC1 metres, exact; poses of
    groundtruth.txt, of the color camera in the world, become PoseStamped.

    Args:
        root: The folder of the sequence. Its name tells the camera, or a camera.txt with fx, fy,
            cx, cy in pixels and, if any, the five distortion coefficients of plumb_bob.
        output: A file NAME.mcap, or a folder; must not exist.
        on_message: Called for each message.
        collected: Makes what is entered for each message, and may keep its error to itself.

    Returns:
        How many messages each topic has.

    Raises:
        DatasetError: A file is missing or malformed, or the camera is unknown.
        OfflineError: The output exists.
    """
    if output.exists():
        msg = f'{output} exists already: remove it or name another output'
        raise OfflineError(msg)
    items = sorted(_items(root), key=lambda item: item[:2])
    folder = output.with_name(f'{output.name}.unfinished')
    shutil.rmtree(folder, ignore_errors=True)
    made = folder / output.stem
    writer = Writer(made, version=9, storage_plugin=StoragePlugin.MCAP)
    writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
    counts = dict.fromkeys(TOPICS, 0)
    with writer:
        connections = {
            name: writer.add_connection(name, msgtype, typestore=TYPESTORE)
            for name, msgtype in TOPICS.items()
        }
        for stamp_ns, topic, build in items:
            with collected():
                writer.write(connections[topic], stamp_ns, serialize(build(), TOPICS[topic]))
                counts[topic] += 1
            on_message()
    shutil.move(made / f'{output.stem}.mcap' if output.suffix == '.mcap' else made, output)
    shutil.rmtree(folder)
    return counts


def _items(root: Path) -> Iterator[Item]:
    info = _camera_info(root)
    for time, name in read_stamped(root / 'rgb.txt'):
        stamp_ns = to_ns(time)
        yield stamp_ns, _INFO, _with_stamp(info, stamp_ns)
        yield stamp_ns, _IMAGE, _image(root / name, stamp_ns)
    for time, name in read_stamped(root / 'depth.txt'):
        yield to_ns(time), _DEPTH, _depth(root / name, to_ns(time))
    if (root / 'groundtruth.txt').is_file():
        for line in read_lines(root / 'groundtruth.txt'):
            numbers = _numbers(root / 'groundtruth.txt', line)
            yield to_ns(numbers[0]), _POSE, _pose(numbers)


def _image(path: Path, stamp_ns: int) -> Callable[[], Any]:
    def build() -> Any:
        try:
            data = path.read_bytes()
        except OSError as error:
            msg = f'cannot read {path}: {error.strerror}'
            raise DatasetError(msg) from error
        kind = 'png' if path.suffix.lower() == '.png' else 'jpeg'
        return TYPESTORE.types['sensor_msgs/msg/CompressedImage'](
            header=header(stamp_ns, _OPTICAL_FRAME),
            format=f'rgb8; {kind} compressed bgr8',
            data=np.frombuffer(data, np.uint8),
        )

    return build


def _depth(path: Path, stamp_ns: int) -> Callable[[], Any]:
    def build() -> Any:
        depth = read_depth(path, units_per_m=UNITS_PER_M)
        return TYPESTORE.types['sensor_msgs/msg/Image'](
            header=header(stamp_ns, _OPTICAL_FRAME), **depth_fields(depth, '32FC1')
        )

    return build


def _pose(numbers: list[float]) -> Callable[[], Any]:
    def build() -> Any:
        types = TYPESTORE.types
        point = types['geometry_msgs/msg/Point'](*numbers[1:4])
        turn = types['geometry_msgs/msg/Quaternion'](*numbers[4:8])
        return types['geometry_msgs/msg/PoseStamped'](
            header=header(to_ns(numbers[0]), _WORLD_FRAME),
            pose=types['geometry_msgs/msg/Pose'](point, turn),
        )

    return build


def _with_stamp(fields: dict[str, Any], stamp_ns: int) -> Callable[[], Any]:
    info = TYPESTORE.types['sensor_msgs/msg/CameraInfo']
    return lambda: info(header=header(stamp_ns, _OPTICAL_FRAME), **fields)


def _camera_info(root: Path) -> dict[str, Any]:
    (fx, fy, cx, cy), d = _find_camera(root)
    region = TYPESTORE.types['sensor_msgs/msg/RegionOfInterest'](0, 0, 0, 0, do_rectify=False)
    height, width = _image_size(root)
    return {
        'height': height,
        'width': width,
        'distortion_model': 'plumb_bob',
        'd': np.array(d or (0.0,) * 5),
        'k': np.array([fx, 0, cx, 0, fy, cy, 0, 0, 1], np.float64),
        'r': np.eye(3).ravel(),
        'p': np.array([fx, 0, cx, 0, 0, fy, cy, 0, 0, 0, 1, 0], np.float64),
        'binning_x': 0,
        'binning_y': 0,
        'roi': region,
    }


def _image_size(root: Path) -> tuple[int, int]:
    """Return the height and width of the first image that can be read."""
    paths = [root / name for _, name in read_stamped(root / 'rgb.txt')]
    for path in paths[:-1]:
        with suppress(DatasetError):
            return read_rgb(path).shape[:2]
    return read_rgb(paths[-1]).shape[:2]


def _find_camera(root: Path) -> tuple[tuple[float, ...], tuple[float, ...]]:
    path = root / 'camera.txt'
    if path.is_file():
        numbers = _numbers(path, ' '.join(read_lines(path)), (4, 9))
        return tuple(numbers[:4]), tuple(numbers[4:])
    return camera_by_name(root)


def _numbers(path: Path, text: str, counts: tuple[int, ...] = (8,)) -> list[float]:
    try:
        numbers = [float(word) for word in text.split()]
    except ValueError:
        numbers = []
    if len(numbers) not in counts or not all(map(math.isfinite, numbers)):
        expected = ' or '.join(map(str, counts))
        msg = f'{path} must have {expected} numbers, got {text!r}'
        raise DatasetError(msg)
    return numbers
