"""Pictures out of recordings, raw and compressed, equal what was recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from drnet_offline.replay.decoding import read_depths, read_images
from drnet_ros.errors import RecordingError
from drnet_ros.recordings.recording import Recording

STORE = get_typestore(Stores.ROS2_JAZZY)
RGB = np.random.default_rng(0).integers(0, 255, (24, 32, 3), np.uint8)
MILLIMETRES = np.arange(768, dtype=np.uint16).reshape(24, 32) * 50


def _message(name: str, stamp_ns: int, **fields: Any) -> tuple[Any, str]:
    types = STORE.types
    time = types['builtin_interfaces/msg/Time'](stamp_ns // 10**9, stamp_ns % 10**9)
    header = types['std_msgs/msg/Header'](time, 'camera')
    msgtype = f'sensor_msgs/msg/{name}'
    return types[msgtype](header=header, **fields), msgtype


def _raw(stamp_ns: int, encoding: str, pixels: NDArray[Any]) -> tuple[Any, str]:
    height, width = pixels.shape[:2]
    data = np.frombuffer(pixels.tobytes(), np.uint8)
    step = len(data) // height
    fields = {'height': height, 'width': width, 'encoding': encoding, 'step': step, 'data': data}
    return _message('Image', stamp_ns, is_bigendian=0, **fields)


def _png(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    encoded: NDArray[np.uint8] = cv2.imencode('.png', pixels)[1].ravel()
    return encoded


PNG = _png(RGB[..., ::-1])


@pytest.fixture
def recording_path(tmp_path: Path) -> Path:
    path = tmp_path / 'bag'
    header = np.zeros(12, np.uint8)
    stamps = (5_000_000_001, 5_100_000_002)
    messages = {
        '/rgb': [_raw(s, 'rgb8', RGB + i) for i, s in enumerate(stamps)],
        '/rgb/compressed': [
            _message(
                'CompressedImage', s, format='rgb8; png compressed bgr8', data=_png(RGB[..., ::-1])
            )
            for s in stamps
        ],
        '/depth': [_raw(s, '16UC1', MILLIMETRES) for s in stamps],
        '/depth/compressedDepth': [
            _message(
                'CompressedImage',
                s,
                format='16UC1; compressedDepth png',
                data=np.concatenate([header, _png(MILLIMETRES)]),
            )
            for s in stamps
        ],
    }
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        for topic, pairs in messages.items():
            connection = writer.add_connection(topic, pairs[0][1], typestore=STORE)
            for (message, msgtype), stamp in zip(pairs, stamps, strict=True):
                writer.write(connection, stamp, STORE.serialize_cdr(message, msgtype))
    return path


def test_images(recording_path: Path) -> None:
    with Recording(recording_path) as recording:
        raw = list(read_images(recording, '/rgb'))
        compressed = list(read_images(recording, '/rgb/compressed'))
    assert [stamp for stamp, _ in raw] == [5_000_000_001, 5_100_000_002]
    np.testing.assert_array_equal(raw[0][1], RGB)
    np.testing.assert_array_equal(raw[1][1], RGB + 1)
    np.testing.assert_array_equal(compressed[1][1], RGB)


@pytest.mark.parametrize('topic', ['/depth', '/depth/compressedDepth'])
def test_depths(recording_path: Path, topic: str) -> None:
    with Recording(recording_path) as recording:
        depths = list(read_depths(recording, topic))
    assert [stamp for stamp, _ in depths] == [5_000_000_001, 5_100_000_002]
    depth = depths[0][1]
    assert np.isnan(depth[0, 0])
    np.testing.assert_allclose(depth.ravel()[1:], np.arange(1, 768) / 20, rtol=1e-6)


def test_missing_topic_is_named(recording_path: Path) -> None:
    with Recording(recording_path) as recording, pytest.raises(RecordingError, match='/nothing'):
        list(read_images(recording, '/nothing'))
