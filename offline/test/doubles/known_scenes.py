"""Recordings for tests to write, of any kind, and a stand-in for the network that is exact."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rosbags.rosbag1 import Writer as Ros1Writer
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from drnet_ros.errors import EngineError
from drnet_ros.inference import DepthFrame, Engine, Frame, Settings
from drnet_ros.inference.camera import rays
from drnet_ros.inference.depth import limit_range, point_cloud
from drnet_ros.inference.engines.engine import Pending

ROS1 = get_typestore(Stores.ROS1_NOETIC)
ROS2 = get_typestore(Stores.LATEST)
START_NS = 1_700_000_000_000_000_000
STEP_NS = 50_000_000
HW = (48, 64)
FOCAL = 60.0

Array = NDArray[Any]
RunInProcess = Callable[..., tuple[int, str]]
"""The fixture `drnet`: the words of a command in, exit code and text out."""


@dataclass(frozen=True)
class Scene:
    """What a bag is written from; depth in millimetres.

    `before` holds, for each image, the topics and ROS 2 messages that are recorded before it.
    """

    images: tuple[Array, ...]
    truths: tuple[Array, ...]
    stamps: tuple[int, ...]
    depth_delay_ns: int = 3_000_000
    depth_frame: str = 'optical'
    depth_focal: float | None = None
    before: tuple[tuple[tuple[str, Any], ...], ...] = ()

    @staticmethod
    def make(count: int = 6, hw: tuple[int, int] = HW) -> Scene:
        rng = np.random.default_rng(7)
        images = [rng.integers(0, 255, (*hw, 3), np.uint8) for _ in range(count)]
        truths = []
        for image in images:
            noise = rng.normal(1.1, 0.2, hw).clip(0.5)
            truth = (known_depth(image) * 1000 * noise).astype(np.uint16)
            truth[rng.random(hw) < 0.1] = 0
            truths.append(truth)
        stamps = tuple(START_NS + i * STEP_NS for i in range(count))
        return Scene(tuple(images), tuple(truths), stamps)


def known_depth(rgb: Array) -> NDArray[np.float32]:
    """Depth of the network's stand-in: 1 m and a centimetre for each step of red."""
    depth: NDArray[np.float32] = rgb[..., 0].astype(np.float32) / np.float32(100) + np.float32(1)
    return depth


class KnownPending(Pending):
    def __init__(self, frames: Sequence[Frame], settings: Settings) -> None:
        self._frames, self._settings = frames, settings

    def result(self, timeout_s: float | None = None) -> list[DepthFrame]:  # noqa: ARG002
        return [self._computed(frame) for frame in self._frames]

    def _computed(self, frame: Frame) -> DepthFrame:
        depth = known_depth(frame.rgb_hwc)
        limit_range(depth, self._settings.min_depth, self._settings.max_depth)
        points = None
        if frame.points and frame.camera is not None:
            points = point_cloud(depth, rays(frame.camera), frame.rgb_hwc)
        return DepthFrame(depth, frame.camera, points)


class KnownEngine(Engine):
    """Counts frames over all engines, and fails at one if told to."""

    name = 'known'
    device = 'test'
    precision = 'exact'
    count = 0
    fails_at = -1

    def submit(self, frames: Sequence[Frame], settings: Settings) -> Pending:
        if KnownEngine.count == KnownEngine.fails_at:
            msg = 'the network must run, got an interruption'
            raise EngineError(msg)
        KnownEngine.count += 1
        return KnownPending(frames, settings)

    def prepare(self, image_hw: tuple[int, int], settings: Settings) -> None:
        pass

    def network_size(self, image_hw: tuple[int, int]) -> tuple[int, int]:
        return image_hw

    def close(self) -> None:
        pass


def message(store: Any, name: str, stamp_ns: int, frame: str, **fields: Any) -> Any:
    types = store.types
    stamp = types['builtin_interfaces/msg/Time'](stamp_ns // 10**9, stamp_ns % 10**9)
    seq = {'seq': 1} if store is ROS1 else {}
    header = types['std_msgs/msg/Header'](stamp=stamp, frame_id=frame, **seq)
    return types[f'sensor_msgs/msg/{name}'](header=header, **fields)


def raw(store: Any, stamp_ns: int, frame: str, encoding: str, pixels: Array) -> Any:
    data = np.frombuffer(np.ascontiguousarray(pixels).tobytes(), np.uint8)
    height, width = pixels.shape[:2]
    fields = {'height': height, 'width': width, 'step': len(data) // height, 'is_bigendian': 0}
    return message(store, 'Image', stamp_ns, frame, encoding=encoding, data=data, **fields)


def info(store: Any, stamp_ns: int, frame: str, hw: tuple[int, int], focal: float) -> Any:
    k = np.array([focal, 0, (hw[1] - 1) / 2, 0, focal, (hw[0] - 1) / 2, 0, 0, 1])
    names = ('D', 'K', 'R', 'P') if store is ROS1 else ('d', 'k', 'r', 'p')
    p = np.array([focal, 0, k[2], 0, 0, focal, k[5], 0, 0, 0, 1, 0])
    values = dict(zip(names, (np.zeros(5), k, np.eye(3).ravel(), p), strict=True))
    region = store.types['sensor_msgs/msg/RegionOfInterest'](0, 0, 0, 0, do_rectify=False)
    return message(
        store,
        'CameraInfo',
        stamp_ns,
        frame,
        height=hw[0],
        width=hw[1],
        distortion_model='plumb_bob',
        binning_x=0,
        binning_y=0,
        roi=region,
        **values,
    )


def depth_message(store: Any, stamp_ns: int, scene: Scene, truth: Array, encoding: str) -> Any:
    frame = scene.depth_frame
    if encoding == 'compressedDepth':
        png = cv2.imencode('.png', truth)[1].ravel()
        data = np.concatenate([np.zeros(12, np.uint8), png])
        words = '16UC1; compressedDepth png'
        return message(store, 'CompressedImage', stamp_ns, frame, format=words, data=data)
    if encoding in {'png', 'jpeg'}:
        samples = truth if encoding == 'png' else (truth // 256).astype(np.uint8)
        data = cv2.imencode(f'.{encoding}', samples)[1].ravel()
        words = f'16UC1; {encoding} compressed '
        return message(store, 'CompressedImage', stamp_ns, frame, format=words, data=data)
    if encoding == '32FC1':
        metres = np.where(truth > 0, truth / np.float32(1000), np.nan).astype(np.float32)
        return raw(store, stamp_ns, frame, encoding, metres)
    return raw(store, stamp_ns, frame, encoding, truth)


def messages_of(store: Any, scene: Scene, encoding: str) -> Iterator[tuple[int, str, Any]]:
    depth_topic = '/cam/depth/image_rect'
    suffixes = {'compressedDepth': '/compressedDepth', 'png': '/compressed', 'jpeg': '/compressed'}
    depth_topic += suffixes.get(encoding, '')
    before = scene.before or ((),) * len(scene.images)
    frames = zip(scene.stamps, scene.images, scene.truths, before, strict=True)
    for stamp, image, truth, earlier in frames:
        for topic, content in earlier:
            yield stamp, topic, content
        yield stamp, '/cam/image_raw', raw(store, stamp, 'optical', 'rgb8', image)
        hw = (image.shape[0], image.shape[1])
        yield stamp, '/cam/camera_info', info(store, stamp, 'optical', hw, FOCAL)
        if scene.depth_focal is not None:
            own = info(store, stamp, 'optical', truth.shape, scene.depth_focal)
            yield stamp, '/cam/depth/camera_info', own
        later = stamp + scene.depth_delay_ns
        yield later, depth_topic, depth_message(store, later, scene, truth, encoding)


def write(path: Path, scene: Scene, kind: str = 'mcap', encoding: str = '16UC1') -> Path:
    store = ROS1 if kind == 'ros1' else ROS2
    writer: Any
    if kind == 'ros1':
        path = path.with_suffix('.bag')
        writer = Ros1Writer(path)
    else:
        plugin = StoragePlugin.SQLITE3 if kind == 'sqlite3' else StoragePlugin.MCAP
        writer = Writer(path, version=9, storage_plugin=plugin)
        if kind == 'zstd':
            writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
    connections: dict[str, Any] = {}
    recorded_ns = START_NS
    with writer:
        for _, topic, content in messages_of(store, scene, encoding):
            msgtype = content.__msgtype__
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, msgtype, typestore=store)
            serialize = store.serialize_ros1 if kind == 'ros1' else store.serialize_cdr
            # In the order of writing, whatever the stamps in the headers are.
            recorded_ns += 1_000_000
            writer.write(connections[topic], recorded_ns, serialize(content, msgtype))
    return path


def write_messages(path: Path, messages: list[tuple[str, Any]]) -> Path:
    """Write messages of ROS 2, given with their topics, in this order."""
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connections: dict[str, Any] = {}
        for place, (topic, message) in enumerate(messages):
            kind = message.__msgtype__
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, kind, typestore=ROS2)
            writer.write(connections[topic], place + 1, ROS2.serialize_cdr(message, kind))
    return path


def write_ros1(writer: Ros1Writer, scene: Scene) -> None:
    """Write a scene into a recording of ROS 1, at the times of its stamps."""
    connections: dict[str, Any] = {}
    for stamp, topic, content in messages_of(ROS1, scene, '16UC1'):
        kind = content.__msgtype__
        if topic not in connections:
            connections[topic] = writer.add_connection(topic, kind, typestore=ROS1)
        writer.write(connections[topic], stamp, ROS1.serialize_ros1(content, kind))


ODD_RECORDS = {('/cam/image_raw', 2): b'\0\1\0\0\0\0', ('/cam/camera_info', 3): b'\0\1\0\0\0\0'}


def write_with_odd_records(
    path: Path, scene: Scene, odd: Mapping[tuple[str, int], bytes] = ODD_RECORDS
) -> Path:
    """Write a scene, some of whose messages, by topic and number from 1, have other bytes."""
    counts: dict[str, int] = {}
    connections: dict[str, Any] = {}
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        for stamp, topic, content in messages_of(ROS2, scene, '16UC1'):
            if topic not in connections:
                connections[topic] = writer.add_connection(
                    topic, content.__msgtype__, typestore=ROS2
                )
            counts[topic] = counts.get(topic, 0) + 1
            data = bytes(ROS2.serialize_cdr(content, content.__msgtype__))
            writer.write(connections[topic], stamp, odd.get((topic, counts[topic]), data))
    return path


def load(path: Path) -> Any:
    """Read JSON."""
    return json.loads(path.read_text())
