"""Recordings of other versions of ROS, and of other systems: what is theirs costs no message."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rosbags.rosbag1 import Writer as Ros1Writer
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore
from rosbags.typesys.store import Typestore

from drnet_ros.errors import RecordingError
from drnet_ros.recordings.recording import Recording

ROS1 = get_typestore(Stores.ROS1_NOETIC)
HUMBLE = get_typestore(Stores.ROS2_HUMBLE)
NOW = get_typestore(Stores.LATEST)
RANGE, STRING = 'sensor_msgs/msg/Range', 'std_msgs/msg/String'
MARKERS = 'visualization_msgs/msg/MarkerArray'
TRANSFORM = 'geometry_msgs/msg/TransformStamped'
SECOND = 10**9


def header(store: Typestore) -> Any:
    types = store.types
    seq = {'seq': 9} if store is ROS1 else {}
    stamp = types['builtin_interfaces/msg/Time'](3, 5)
    return types['std_msgs/msg/Header'](stamp=stamp, frame_id='front', **seq)


def distance(store: Typestore) -> Any:
    """A Range; before Iron it had no variance."""
    variance = (0.0,) if store is NOW else ()
    return store.types[RANGE](header(store), 1, 0.25, 0.5, 8.0, 2.5, *variance)


def markers() -> Any:
    types = {
        name.rpartition('/')[2]: made
        for name, made in ROS1.types.items()
        if not name.startswith('std_msgs/msg/Duration')
    }
    point = types['Point'](1.0, 2.0, 3.0)
    pose = types['Pose'](point, types['Quaternion'](0.0, 0.0, 0.0, 1.0))
    size, colour = types['Vector3'](1.0, 1.0, 1.0), types['ColorRGBA'](1.0, 0.0, 0.0, 1.0)
    life = types['Duration'](7, 0)
    made = types['Marker'](
        header(ROS1), 'wall', 4, 2, 0, pose, size, colour, life, True, [point], [], 'a', 'b', False
    )
    return ROS1.types[MARKERS]([made])


def write_ros1(path: Path, *contents: tuple[str, str, str | None, bytes]) -> Path:
    """Write one message of each: topic, type, its definition if it is not a standard one, data."""
    with Ros1Writer(path) as writer:
        for topic, msgtype, definition, data in contents:
            about: dict[str, Any] = {'typestore': ROS1}
            if definition is not None:
                about = {'msgdef': definition, 'md5sum': 32 * '1'}
            writer.write(writer.add_connection(topic, msgtype, **about), SECOND, data)
    return path


def write_ros2(path: Path, plugin: StoragePlugin, store: Typestore = NOW) -> Path:
    """Write a Range by the definition of a store, and a text."""
    with Writer(path, version=9, storage_plugin=plugin) as writer:
        for topic, msgtype in (('/range', RANGE), ('/text', STRING)):
            connection = writer.add_connection(topic, msgtype, typestore=store)
            content = distance(store) if msgtype == RANGE else store.types[STRING]('whole')
            writer.write(connection, SECOND, store.serialize_cdr(content, msgtype))
    return path


def read(path: Path) -> dict[str, Any]:
    with Recording(path) as recording:
        return {each.topic: recording.deserialize(each) for each in recording.messages()}


def check_range(found: Any) -> None:
    assert (found.field_of_view, found.min_range, found.max_range) == (0.25, 0.5, 8.0)
    assert (found.range, found.variance, found.radiation_type) == (2.5, 0.0, 1)
    assert (found.header.stamp.sec, found.header.frame_id) == (3, 'front')


def test_messages_of_ros_1_become_those_of_ros_2(tmp_path: Path) -> None:
    found = read(
        write_ros1(
            tmp_path / 'old.bag',
            ('/range', RANGE, None, bytes(ROS1.serialize_ros1(distance(ROS1), RANGE))),
            ('/markers', MARKERS, None, bytes(ROS1.serialize_ros1(markers(), MARKERS))),
        )
    )
    check_range(found['/range'])
    (marker,) = found['/markers'].markers
    assert (marker.ns, marker.id, marker.text, marker.mesh_resource) == ('wall', 4, 'a', 'b')
    assert (marker.pose.position.z, marker.lifetime.sec, marker.points[0].y) == (3.0, 7, 2.0)
    assert (marker.texture_resource, marker.texture.format, marker.mesh_file.filename) == ('',) * 3


def test_transforms_by_the_name_before_tf2_are_found(tmp_path: Path) -> None:
    types = ROS1.types
    place = types['geometry_msgs/msg/Transform'](
        types['geometry_msgs/msg/Vector3'](1.0, 2.0, 3.0),
        types['geometry_msgs/msg/Quaternion'](0.0, 0.0, 0.0, 1.0),
    )
    made = types[TRANSFORM](header(ROS1), 'camera', place)
    data = b'\x01\0\0\0' + bytes(ROS1.serialize_ros1(made, TRANSFORM))
    parts = (
        f'{80 * "="}\nMSG: geometry_msgs/TransformStamped\n{ROS1.generate_msgdef(TRANSFORM)[0]}'
    )
    definition = f'geometry_msgs/TransformStamped[] transforms\n{parts}'
    bag = write_ros1(tmp_path / 'tum.bag', ('/tf', 'tf/msg/tfMessage', definition, data))
    with Recording(bag) as recording:
        assert recording.topics['/tf'].msgtype == 'tf2_msgs/msg/TFMessage'
    (found,) = read(bag)['/tf'].transforms
    assert (found.child_frame_id, found.transform.translation.z) == ('camera', 3.0)


@pytest.mark.parametrize('plugin', [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
def test_messages_of_humble_become_those_of_now(tmp_path: Path, plugin: StoragePlugin) -> None:
    found = read(write_ros2(tmp_path / 'humble', plugin, HUMBLE))
    check_range(found['/range'])
    assert found['/text'].data == 'whole'


def test_messages_of_humble_without_definitions_become_those_of_now(tmp_path: Path) -> None:
    bag = write_ros2(tmp_path / 'humble', StoragePlugin.SQLITE3, HUMBLE)
    with closing(sqlite3.connect(bag / 'humble.db3')) as database:
        database.execute('DELETE FROM message_definitions')
        database.execute("UPDATE topics SET type_description_hash = ''")
        database.commit()
    check_range(read(bag)['/range'])


@pytest.mark.parametrize('plugin', [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
def test_what_is_copied_of_humble_has_the_definition_of_now(
    tmp_path: Path, plugin: StoragePlugin
) -> None:
    bag = write_ros2(tmp_path / 'humble', plugin, HUMBLE)
    copy = tmp_path / 'copy'
    with Recording(bag) as recording, Writer(copy, version=9, storage_plugin=plugin) as writer:
        connections = recording.add_topics_to(writer)
        for each in recording.messages():
            writer.write(connections[each.topic], each.stamp_ns, each.data)
    check_range(read(copy)['/range'])


BAD = {
    'crlf': 'float64 a\r\nfloat64 b\r\n',
    'number': 'int32 X=1_000\nfloat64 a\n',
    'name': 'float64 __a\n',
    'none': 'this is no definition',
    'idl': f'{80 * "="}\nIDL: mine/msg/Thing\nmodule mine {{ struct',
}


@pytest.mark.parametrize('kind', ['ros1', StoragePlugin.MCAP, StoragePlugin.SQLITE3])
@pytest.mark.parametrize('definition', BAD.values(), ids=BAD)
def test_a_definition_that_cannot_be_parsed_costs_no_other_topic(
    tmp_path: Path, kind: Any, definition: str
) -> None:
    name, text = 'mine/msg/Thing', NOW.types[STRING]('whole')
    if kind == 'ros1':
        data = bytes(ROS1.serialize_ros1(ROS1.types[STRING]('whole'), STRING))
        bag = write_ros1(
            tmp_path / 'odd.bag',
            ('/odd', name, definition, bytes(16)),
            ('/text', STRING, None, data),
        )
    else:
        bag = tmp_path / 'odd'
        with Writer(bag, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
            odd = writer.add_connection('/odd', name, msgdef=definition, rihs01='RIHS01_1')
            writer.write(odd, SECOND, b'\0\1\0\0' + bytes(16))
            known = writer.add_connection('/text', STRING, typestore=NOW)
            writer.write(known, 2 * SECOND, NOW.serialize_cdr(text, STRING))
    with Recording(bag) as recording:
        assert recording.topics['/odd'].msgtype == name
        (only,) = recording.messages(['/text'])
        assert recording.deserialize(only) == text


@pytest.mark.parametrize('kind', ['ros1', 'mcap'])
def test_a_definition_may_hold_any_bytes(tmp_path: Path, kind: str) -> None:
    """A comment in Latin-1, as in packages from before UTF-8."""
    name, text = 'mine/msg/Thing', 'whole \N{MICRO SIGN}'
    definition = 'string data # in \N{MICRO SIGN}m\n'
    if kind == 'ros1':
        data = bytes(ROS1.serialize_ros1(ROS1.types[STRING](text), STRING))
        bag = file = write_ros1(
            tmp_path / 'old.bag', ('/odd', name, definition, data), ('/text', STRING, None, data)
        )
    else:
        bag = tmp_path / 'odd'
        data = bytes(NOW.serialize_cdr(NOW.types[STRING](text), STRING))
        with Writer(bag, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
            odd = writer.add_connection('/odd', name, msgdef=definition, rihs01='RIHS01_1')
            known = writer.add_connection('/text', STRING, typestore=NOW)
            for connection in (odd, known):
                writer.write(connection, SECOND, data)
        (file,) = (each for each in bag.iterdir() if each.suffix != '.yaml')
    recorded, sign = file.read_bytes(), '\N{MICRO SIGN}'
    odd_bytes = recorded.replace(f'in {sign}m'.encode(), f'in {sign}m '.encode('latin-1'))
    assert odd_bytes != recorded
    file.write_bytes(odd_bytes)
    assert {topic: each.data for topic, each in read(bag).items()} == {'/odd': text, '/text': text}


def test_messages_that_cannot_be_translated_are_an_error_after_all_others(tmp_path: Path) -> None:
    text = bytes(ROS1.serialize_ros1(ROS1.types[STRING]('whole'), STRING))
    bag = write_ros1(
        tmp_path / 'odd.bag',
        ('/odd', 'mine/msg/Thing', BAD['name'], bytes(16)),
        ('/text', STRING, None, text),
    )
    topics: list[str] = []
    with (
        Recording(bag) as recording,
        pytest.raises(RecordingError, match='its index lists 1 messages of /odd, 0 could be read'),
    ):
        topics.extend(each.topic for each in recording.messages())
    assert topics == ['/text']


def replace(bag: Path, old: bytes, new: bytes) -> None:
    (file,) = bag.glob('*.mcap')
    data = file.read_bytes()
    assert data.count(old) >= 2  # where it is used, and in the summary
    file.write_bytes(data.replace(old, new))


def sized(*texts: bytes) -> bytes:
    return b''.join(len(text).to_bytes(4, 'little') + text for text in texts)


@pytest.mark.parametrize('encoding', [b'ros1msg', b'protobf', b'schema1'])
def test_a_schema_of_another_system_costs_no_other_topic(tmp_path: Path, encoding: bytes) -> None:
    bag = write_ros2(tmp_path / 'bag', StoragePlugin.MCAP)
    name = RANGE.encode()
    replace(bag, sized(name, b'ros2msg'), sized(name, encoding))
    found = read(bag)
    assert found['/text'].data == 'whole'


def test_a_file_of_another_profile_says_what_to_do(tmp_path: Path) -> None:
    (file,) = write_ros2(tmp_path / 'bag', StoragePlugin.MCAP).glob('*.mcap')
    file.write_bytes(file.read_bytes().replace(sized(b'ros2'), sized(b'ros1'), 1))
    said = f'^{re.escape(str(file))} must be of ROS 2, got an MCAP file .* `ros2 bag record`'
    with pytest.raises(RecordingError, match=said):
        Recording(file)


def test_a_topic_whose_messages_are_not_cdr_says_so_and_costs_no_other(tmp_path: Path) -> None:
    bag = write_ros2(tmp_path / 'bag', StoragePlugin.MCAP)
    replace(bag, sized(b'/range', b'cdr'), sized(b'/range', b'jsn'))
    with Recording(bag) as recording:
        assert recording.topics['/range'].msgtype == f'{RANGE} (jsn)'
        data = {each.topic: each.data for each in recording.messages()}
    assert np.frombuffer(data['/text'][8:13], np.uint8).tobytes() == b'whole'


def test_messages_out_of_order_are_read_where_a_file_has_no_index(tmp_path: Path) -> None:
    """As rosbag2 writes with its preset `fastwrite`: in the order of arrival, without chunks."""
    bag = write_ros2(tmp_path / 'bag', StoragePlugin.MCAP)
    (file,) = bag.glob('*.mcap')
    with Recording(bag) as recording:
        texts = [(each.topic, bytes(each.data)) for each in recording.messages()]
    times = (2 * SECOND, SECOND)
    file.write_bytes(unchunked(zip(texts, times, strict=True)))
    (bag / 'metadata.yaml').unlink()
    with Recording(bag) as recording:
        found = [(each.topic, each.stamp_ns) for each in recording.messages()]
    assert found == [('/range', 2 * SECOND), ('/text', SECOND)]


def unchunked(messages: Any) -> bytes:
    """Return an MCAP file without chunks or summary."""
    magic = b'\x89MCAP0\r\n'
    data = magic + record(1, sized(b'ros2', b'test'))
    for number, ((topic, content), stamp_ns) in enumerate(messages, 1):
        name = RANGE if topic == '/range' else STRING
        text = NOW.generate_msgdef(name, ros_version=2)[0].encode()
        key, time = number.to_bytes(2, 'little'), stamp_ns.to_bytes(8, 'little')
        data += record(3, key + sized(name.encode(), b'ros2msg', text))
        data += record(4, key + key + sized(topic.encode(), b'cdr', b''))
        data += record(5, key + bytes(4) + time + time + content)
    return data + record(15, bytes(4)) + record(2, bytes(20)) + magic


def record(kind: int, content: bytes) -> bytes:
    return bytes([kind]) + len(content).to_bytes(8, 'little') + content
