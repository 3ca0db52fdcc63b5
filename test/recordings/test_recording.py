"""Reading recordings of each kind, and choosing topics that belong together."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rosbags.rosbag1 import Writer as Ros1Writer
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, TypesysError, get_typestore
from rosbags.typesys.store import Typestore

from drnet_ros.errors import RecordingError
from drnet_ros.recordings.recording import RecordedTopic, Recording
from drnet_ros.recordings.topics import TopicChoice, base_topic, choose_topics

COUNT = 5
START_NS = 10**18
ROS1 = get_typestore(Stores.ROS1_NOETIC)
ROS2 = get_typestore(Stores.LATEST)


def image(typestore: object, index: int, *, with_seq: bool = False) -> object:
    types = typestore.types  # type: ignore[attr-defined]
    stamp = types['builtin_interfaces/msg/Time'](sec=index, nanosec=7)
    fields = {'seq': 3} if with_seq else {}
    header = types['std_msgs/msg/Header'](stamp=stamp, frame_id='cam', **fields)
    return types['sensor_msgs/msg/Image'](
        header=header,
        height=2,
        width=3,
        encoding='rgb8',
        is_bigendian=0,
        step=9,
        data=np.full(18, index, np.uint8),
    )


def write_ros2(path: Path, plugin: StoragePlugin) -> None:
    with Writer(path, version=9, storage_plugin=plugin) as writer:
        connection = writer.add_connection('/image', 'sensor_msgs/msg/Image', typestore=ROS2)
        for index in range(COUNT):
            raw = ROS2.serialize_cdr(image(ROS2, index), 'sensor_msgs/msg/Image')
            writer.write(connection, START_NS + index * 10**9, raw)


@pytest.fixture(params=['mcap', 'mcap_file', 'sqlite3', 'ros1'])
def bag(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    path = tmp_path / 'bag'
    if request.param == 'ros1':
        path = path.with_suffix('.bag')
        with Ros1Writer(path) as writer:
            connection = writer.add_connection('/image', 'sensor_msgs/msg/Image', typestore=ROS1)
            for index in range(COUNT):
                message = image(ROS1, index, with_seq=True)
                raw = ROS1.serialize_ros1(message, 'sensor_msgs/msg/Image')
                writer.write(connection, START_NS + index * 10**9, raw)
    elif request.param == 'sqlite3':
        write_ros2(path, StoragePlugin.SQLITE3)
    else:
        write_ros2(path, StoragePlugin.MCAP)
    return next(path.glob('*.mcap')) if request.param == 'mcap_file' else path


def test_messages_come_as_cdr_in_order_whatever_the_kind_of_bag(bag: Path) -> None:
    with Recording(bag) as recording:
        assert dict(recording.topics) == {
            '/image': RecordedTopic('/image', 'sensor_msgs/msg/Image', COUNT, is_latched=False)
        }
        assert recording.duration_s == pytest.approx(COUNT - 1)
        messages = list(recording.messages())
        assert [m.stamp_ns for m in messages] == [START_NS + i * 10**9 for i in range(COUNT)]
        for index, message in enumerate(messages):
            assert message.data == bytes(
                ROS2.serialize_cdr(image(ROS2, index), 'sensor_msgs/msg/Image')
            )
            decoded = recording.deserialize(message)
            assert (decoded.header.stamp.sec, decoded.header.frame_id) == (index, 'cam')
            assert decoded.data.tolist() == [index] * 18


def test_a_recording_can_be_read_again_from_the_start(bag: Path) -> None:
    with Recording(bag) as recording:
        first = [message.data for message in recording.messages(['/image'])]
        assert first == [message.data for message in recording.messages(['/image'])]
        assert len(first) == COUNT


def test_unknown_topic_is_an_error_that_names_what_there_is(bag: Path) -> None:
    with Recording(bag) as recording:
        with pytest.raises(RecordingError, match=r'must have the topic /nope; known are .*/image'):
            list(recording.messages(['/nope']))
        with pytest.raises(RecordingError, match=r'the topic /imgae; did you mean /image\?'):
            list(recording.messages(['/imgae']))


def test_missing_and_damaged_recordings_are_errors(bag: Path, tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match='must exist'):
        Recording(tmp_path / 'nowhere')
    file = bag if bag.is_file() else next(bag.glob('bag*'))
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(RecordingError, match='must be a readable'), Recording(bag) as recording:
        list(recording.messages())


def open_files_in(folder: Path) -> list[str]:
    links = []
    for handle in Path('/proc/self/fd').iterdir():
        with suppress(FileNotFoundError):  # that of the listing itself
            links.append(str(handle.readlink()))
    return [link for link in links if link.startswith(f'{folder}/')]


def test_a_recording_whose_types_cannot_be_used_is_closed_again(
    bag: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Recording(bag):
        assert open_files_in(tmp_path)
    register = Typestore.register

    def refuse(store: Typestore, types: Any) -> None:
        if 'sensor_msgs/msg/Image' in store.fielddefs:  # ours; the reader's own is empty as yet
            msg = 'a type that is none'
            raise TypesysError(msg)
        register(store, types)

    monkeypatch.setattr(Typestore, 'register', refuse)
    # The error's frames keep the reader alive: nothing but closing it closes its files.
    with pytest.raises(RecordingError, match='a type that is none'):
        Recording(bag)
    assert open_files_in(tmp_path) == []


def test_a_file_that_is_no_bag_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / 'notes.txt'
    path.write_text('hello')
    with pytest.raises(RecordingError, match='must be a readable'):
        Recording(path)


IMAGE, COMPRESSED, INFO = (
    f'sensor_msgs/msg/{name}' for name in ('Image', 'CompressedImage', 'CameraInfo')
)


@pytest.mark.parametrize(
    ('topics', 'choice'),
    [
        pytest.param(
            {
                '/camera/image_raw/compressed': COMPRESSED,
                '/camera/camera_info': INFO,
                '/camera/depth/image_rect/compressedDepth': COMPRESSED,
                '/camera/pose': 'x/msg/Y',
            },
            (
                '/camera/image_raw/compressed',
                '/camera/camera_info',
                '/camera/depth/image_rect/compressedDepth',
            ),
            id='bundled clip',
        ),
        pytest.param(
            {
                '/camera/rgb/image_color': IMAGE,
                '/camera/rgb/camera_info': INFO,
                '/camera/depth/image': IMAGE,
                '/camera/depth/camera_info': INFO,
            },
            ('/camera/rgb/image_color', '/camera/rgb/camera_info', '/camera/depth/image'),
            id='tum',
        ),
        pytest.param(
            {
                '/camera/color/image_raw': IMAGE,
                '/camera/color/camera_info': INFO,
                '/camera/infra1/image_rect_raw': IMAGE,
                '/camera/depth/image_rect_raw': IMAGE,
                '/camera/aligned_depth_to_color/image_raw': IMAGE,
            },
            (
                '/camera/color/image_raw',
                '/camera/color/camera_info',
                '/camera/aligned_depth_to_color/image_raw',
            ),
            id='realsense',
        ),
        pytest.param(
            {'/usb_cam/image_raw': IMAGE}, ('/usb_cam/image_raw', None, None), id='alone'
        ),
    ],
)
def test_topics_that_belong_together_are_found(
    topics: dict[str, str], choice: tuple[str, str | None, str | None]
) -> None:
    recorded = {
        name: RecordedTopic(name, kind, 10, is_latched=False) for name, kind in topics.items()
    }
    assert choose_topics(recorded) == TopicChoice(*choice)


def test_given_topics_are_kept_and_must_exist() -> None:
    recorded = {
        name: RecordedTopic(name, IMAGE, 10, is_latched=False) for name in ('/a/color', '/b')
    }
    assert choose_topics(recorded, image='/b').image == '/b'
    recorded['/info'] = RecordedTopic('/info', INFO, 10, is_latched=False)
    for given, said in (
        ({'image': '/c'}, 'topic /c must be in the recording; known are /a/color, /b'),
        ({'image': 'a/colour'}, 'must be in the recording; did you mean /a/color?'),
        ({'camera_info': '/c'}, 'topic /c must be in the recording; known are /info'),
    ):
        with pytest.raises(RecordingError, match=re.escape(said)):
            choose_topics(recorded, **given)


def test_no_image_is_an_error() -> None:
    recorded = {'/depth': RecordedTopic('/depth', IMAGE, 3, is_latched=False)}
    with pytest.raises(RecordingError, match='image topic'):
        choose_topics(recorded)


def test_base_topic_drops_the_transport() -> None:
    assert base_topic('/a/image/compressed') == '/a/image'
    assert base_topic('/a/depth/compressedDepth') == '/a/depth'
    assert base_topic('/a/image') == '/a/image'
