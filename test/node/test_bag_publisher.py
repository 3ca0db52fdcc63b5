"""Playing recordings: what is published, when, and how it ends."""

from __future__ import annotations

import shutil
import signal
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from node_graph import (
    DEADLINE_S,
    Graph,
    ProgramFactory,
    camera_info,
    header,
    qos,
    ramp,
    rgb_image,
    wait_for_line,
)
from numpy.typing import NDArray
from rclpy.qos import ReliabilityPolicy
from rclpy.serialization import serialize_message
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import String

from drnet_ros.node.bag_outlets import create_outlets
from drnet_ros.node.bag_pace import Pace
from drnet_ros.node.bag_player import Player, PlayOptions
from drnet_ros.recordings.recording import RecordedTopic, Recording

pytestmark = pytest.mark.slow

PLAYER = 'drnet_ros.node.bag_publisher'
PERIOD_NS = 100_000_000
COUNT = 6
EMPTY = 'bag_of_unknown_types'


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    """Six steps of 0.1 s: raw image, compressed image, compressed depth, info, text."""
    path = tmp_path / 'bag'
    typestore = get_typestore(Stores.LATEST)
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        topics = {
            '/cam/image_raw': Image,
            '/cam/camera_info': CameraInfo,
            '/note': String,
            '/other/image/compressed': CompressedImage,
            '/other/depth/compressedDepth': CompressedImage,
        }
        connections = {
            name: writer.add_connection(
                name, f'{kind.__module__.split(".")[0]}/msg/{kind.__name__}', typestore=typestore
            )
            for name, kind in topics.items()
        }
        for index in range(COUNT):
            for name, message in messages_at(index).items():
                writer.write(connections[name], index * PERIOD_NS + 1, serialize_message(message))
    return path


def messages_at(index: int) -> dict[str, object]:
    stamp = header(index, 5, 'cam')
    pixels = np.full_like(ramp(), 10 * index)
    _, jpeg = cv2.imencode('.jpg', pixels)
    _, png = cv2.imencode('.png', np.full((48, 64), 1000 + index, np.uint16))
    image = CompressedImage(header=stamp, format='jpeg')
    image.data.frombytes(jpeg.tobytes())
    depth = CompressedImage(header=stamp, format='16UC1; compressedDepth png')
    depth.data.frombytes(bytes(12) + png.tobytes())
    return {
        '/cam/image_raw': rgb_image(pixels, stamp),
        '/cam/camera_info': camera_info(stamp=stamp),
        '/note': String(data=f'step {index}'),
        '/other/image/compressed': image,
        '/other/depth/compressedDepth': depth,
    }


def test_messages_are_published_unchanged_in_real_time_and_reliably(
    graph: Graph, start_program: ProgramFactory, bag: Path
) -> None:
    process = start_program(PLAYER, bag, '--delay', 1, '--wait', 60)
    infos = graph.collect(CameraInfo, '/cam/camera_info')
    notes = graph.collect(String, '/note')
    begun = time.monotonic()
    images = graph.collect(Image, '/cam/image_raw')  # the one that the player waits for comes last
    (endpoint,) = graph.node.get_publishers_info_by_topic('/cam/image_raw')
    assert endpoint.qos_profile.reliability is ReliabilityPolicy.RELIABLE
    images.wait_for(COUNT)
    assert time.monotonic() - begun >= 1 + (COUNT - 1) * PERIOD_NS / 1e9
    for collected, topic in (
        (images, '/cam/image_raw'),
        (infos, '/cam/camera_info'),
        (notes, '/note'),
    ):
        assert collected.wait_for(COUNT) == [messages_at(i)[topic] for i in range(COUNT)]
    output, _ = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0
    assert f'done after {5 * COUNT} messages' in output


def test_pace_cuts_gaps_and_does_not_wait_for_times_that_go_back() -> None:
    pace = Pace(10.0)
    year_ns = 1_700_000_000_000_000_000
    steps = [
        (0, 0.0, ''),
        (year_ns, 10.0, 'no message for 1700000000.0 s: played after 10 s'),
        (year_ns + 500_000_000, 10.5, ''),
        (year_ns - 1_500_000_000, 10.5, 'times go back by 2.000 s'),
        (year_ns - 1_000_000_000, 11.0, ''),
        (year_ns + 9_000_000_000, 21.0, ''),
        (year_ns + 19_001_000_000, 31.0, 'no message for 10.0 s'),
    ]
    for stamp_ns, position_s, problem in steps:
        said = pace.advance(stamp_ns)
        assert said.startswith(problem), stamp_ns
        assert bool(said) == bool(problem)
        assert pace.position_s == pytest.approx(position_s)


def test_a_message_recorded_at_time_0_holds_nothing_up(
    start_program: ProgramFactory, tmp_path: Path
) -> None:
    path = tmp_path / 'bag'
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        topic = writer.add_connection(
            '/note', 'std_msgs/msg/String', typestore=get_typestore(Stores.LATEST)
        )
        for stamp_ns in (0, 1_700_000_000_000_000_000, 1_700_000_000_100_000_000):
            writer.write(topic, stamp_ns, serialize_message(String(data='x')))
    process = start_program(PLAYER, path, '--longest-gap', 0.5)
    output, _ = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0
    assert 'done after 3 messages' in output
    assert 'playing an unknown time' in output
    assert 'at 0.5 s: no message for 1700000000.0 s: played after 0.5 s' in output


def test_the_path_of_a_recording_may_hold_any_bytes(
    start_program: ProgramFactory, bag: Path, tmp_path: Path
) -> None:
    path = shutil.copytree(bag, tmp_path / 'my \udcff\n"bag')
    process = start_program(PLAYER, path, '--ros-args', '-r', '/note:=/other')
    output, _ = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0, output
    assert 'my \\udcff "bag: ' in output


def test_it_waits_for_as_many_subscribers_as_asked_for(
    graph: Graph, start_program: ProgramFactory, bag: Path
) -> None:
    process = start_program(PLAYER, bag, '--subscribers', 2, '--wait', 3, '--loop')
    images = graph.collect(Image, '/cam/image_raw')
    images.wait_for(1)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=DEADLINE_S)
    assert 'no image had 2 subscribers within 3 s; playing now' in output


def test_rate_loop_topics_and_a_clean_end_in_mid_play(
    graph: Graph, start_program: ProgramFactory, bag: Path
) -> None:
    process = start_program(
        PLAYER, bag, '--loop', '--rate', 10, '--topics', '/note', '/cam/camera_info'
    )
    notes = graph.collect(String, '/note')
    assert graph.node.count_publishers('/cam/image_raw') == 0
    notes.wait_for(3 * COUNT)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0, output
    assert 'stopped after' in output
    assert 'Traceback' not in output


def test_a_single_message_is_looped_ten_times_a_second_at_most(tmp_path: Path) -> None:
    kind = 'std_msgs/msg/String'
    with Writer(tmp_path / 'one', version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        note = writer.add_connection('/note', kind, typestore=get_typestore(Stores.LATEST))
        writer.write(note, 10**9, serialize_message(String(data='again')))

    class Counted:
        is_image, subscriber_count, times = False, 0, 0

        def publish(self, _message: object) -> bool:
            self.times += 1
            return True

    stop, outlet = threading.Event(), Counted()
    with Recording(tmp_path / 'one') as recording:
        outlets: dict[str, Any] = {'/note': outlet}
        player = Player(recording, outlets, PlayOptions(is_looped=True), stop)
        threading.Timer(0.55, stop.set).start()
        player.play()
    assert 2 <= outlet.times <= 6


def test_decompress_publishes_raw_images_and_depth(
    graph: Graph, start_program: ProgramFactory, bag: Path
) -> None:
    start_program(PLAYER, bag, '--decompress', '--delay', 1, '--wait', 60, '--subscribers', 2)
    images = graph.collect(Image, '/other/image')
    depths = graph.collect(Image, '/other/depth', qos(depth=20))
    graph.collect(Image, '/other/image')  # it begins with this second one
    assert graph.node.count_publishers('/other/image/compressed') == 0
    for index, (image, depth) in enumerate(
        zip(images.wait_for(COUNT), depths.wait_for(COUNT), strict=True)
    ):
        assert image.header == depth.header == header(index, 5, 'cam')
        assert (image.encoding, image.height, image.width) == ('rgb8', 48, 64)
        assert np.abs(np.frombuffer(image.data, np.uint8).astype(int) - 10 * index).max() <= 2
        assert depth.encoding == '16UC1'
        assert set(np.frombuffer(depth.data, np.uint16)) == {1000 + index}


VIDEO_CAMERA = """
image_width: 128
image_height: 96
camera_matrix: {rows: 3, cols: 3, data: [100.0, 0, 63.5, 0, 100.0, 47.5, 0, 0, 1]}
distortion_model: plumb_bob
distortion_coefficients: {rows: 1, cols: 5, data: [0.1, 0, 0, 0, 0]}
"""


def test_a_video_is_published_as_images_with_the_camera_of_its_calibration(
    graph: Graph, start_program: ProgramFactory, tmp_path: Path
) -> None:
    clip, calibration = tmp_path / 'clip.mp4', tmp_path / 'camera.yaml'
    calibration.write_text(VIDEO_CAMERA)
    writer = cv2.VideoWriter(str(clip), cv2.VideoWriter.fourcc(*'mp4v'), 10, (64, 48))
    for index in range(COUNT):
        writer.write(np.full((48, 64, 3), (0, 0, 40 * index), np.uint8))
    writer.release()
    start_program(
        PLAYER, clip, '--calibration', calibration, '--delay', 1, '--wait', 60, '--subscribers', 2
    )
    infos = graph.collect(CameraInfo, '/camera/camera_info')
    images = graph.collect(Image, '/camera/image_raw')
    graph.collect(Image, '/camera/image_raw')  # it begins with this second one
    found = images.wait_for(COUNT)
    first_ns = clip.stat().st_mtime_ns
    for index, (image, info) in enumerate(zip(found, infos.wait_for(COUNT), strict=True)):
        assert image.header == info.header
        assert image.header.frame_id == 'camera_optical_frame'
        stamp = image.header.stamp
        assert stamp.sec * 10**9 + stamp.nanosec == first_ns + index * PERIOD_NS
        assert (image.encoding, image.height, image.width) == ('rgb8', 48, 64)
        red, green, blue = np.frombuffer(image.data, np.uint8).reshape(-1, 3).mean(axis=0)
        assert red == pytest.approx(40 * index, abs=4)
        assert max(green, blue) < 6
        # Half of the size that the calibration is of; the centre of a pixel is at 0.5.
        assert (info.width, info.height, info.distortion_model) == (64, 48, 'plumb_bob')
        assert list(info.k) == [50, 0, 31.5, 0, 50, 23.5, 0, 0, 1]


def compressed(pixels: NDArray[Any], format_: str, before: bytes = b'') -> CompressedImage:
    suffix = '.jpg' if 'jpeg' in format_ else '.png'
    message = CompressedImage(header=header(7, 5, 'cam'), format=format_)
    message.data.frombytes(before + cv2.imencode(suffix, pixels)[1].tobytes())
    return message


def write_images(path: Path, messages: Mapping[str, CompressedImage | Image | None]) -> Path:
    """Write a recording of one message of each topic, or of none."""
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        for name, message in messages.items():
            kind = 'Image' if isinstance(message, Image) else 'CompressedImage'
            topic = writer.add_connection(
                name, f'sensor_msgs/msg/{kind}', typestore=get_typestore(Stores.LATEST)
            )
            if message is not None:
                writer.write(topic, 1, serialize_message(message))
    return path


@pytest.mark.parametrize(
    ('format_', 'encoding'),
    [
        # As compressed_image_transport writes them; a JPEG of 16 bits has 8 in the recording.
        ('16UC1; png compressed ', '16UC1'),
        ('mono16; png compressed ', 'mono16'),
        ('mono16; jpeg compressed mono8', 'rgb8'),
        ('mono8; png compressed ', 'rgb8'),
    ],
)
def test_decompress_keeps_16_bits(
    graph: Graph, tmp_path: Path, format_: str, encoding: str
) -> None:
    gray = np.arange(48 * 64, dtype=np.uint16).reshape(48, 64) * 21
    pixels = np.full((48, 64), 77, np.uint8) if encoding == 'rgb8' else gray
    name = '/camera/depth/image_raw'
    path = write_images(tmp_path / 'bag', {f'{name}/compressed': compressed(pixels, format_)})
    with Recording(path) as recording:
        outlets = create_outlets(graph.node, recording.topics, decompress=True)
        images = graph.collect(Image, name)
        (outlet,) = outlets.values()
        graph.wait(lambda: outlet.subscriber_count, 'match of the subscriber')
        assert [outlet.publish(message) for message in recording.messages()] == [True]
    (image,) = images.wait_for(1)
    assert (image.header, image.encoding) == (header(7, 5, 'cam'), encoding)
    assert (image.height, image.width) == (48, 64)
    if encoding == 'rgb8':
        assert np.abs(np.frombuffer(image.data, np.uint8).astype(int) - 77).max() <= 2
    else:
        np.testing.assert_array_equal(np.frombuffer(image.data, np.uint16), gray.ravel())


@pytest.mark.parametrize(
    'format_',
    ['rgb8; png compressed rgb8', 'bgr8; png compressed bgr8', 'bayer_rggb8; png compressed '],
)
def test_decompress_follows_the_format(graph: Graph, tmp_path: Path, format_: str) -> None:
    color = np.broadcast_to(np.array((200, 90, 30), np.uint8), (48, 64, 3))
    pixels = {
        'rgb8': color,
        'bgr8': color[..., ::-1],
        'bayer_rggb8': np.tile(np.array([[200, 90], [90, 30]], np.uint8), (24, 32)),
    }[format_.partition(';')[0]]
    path = write_images(tmp_path / 'bag', {'/image/compressed': compressed(pixels, format_)})
    with Recording(path) as recording:
        outlets = create_outlets(graph.node, recording.topics, decompress=True)
        images = graph.collect(Image, '/image')
        (outlet,) = outlets.values()
        graph.wait(lambda: outlet.subscriber_count, 'match of the subscriber')
        assert [outlet.publish(message) for message in recording.messages()] == [True]
    (image,) = images.wait_for(1)
    assert image.encoding == 'rgb8'
    np.testing.assert_array_equal(np.frombuffer(image.data, np.uint8).reshape(48, 64, 3), color)


def test_only_one_topic_is_decompressed_to_a_name_and_the_others_are_said(
    graph: Graph, start_program: ProgramFactory, tmp_path: Path
) -> None:
    color = compressed(ramp(), 'rgb8; jpeg compressed bgr8')
    in_png = compressed(np.full((48, 64), 1111, np.uint16), '16UC1; png compressed ')
    in_depth = compressed(
        np.full((48, 64), 2222, np.uint16), '16UC1; compressedDepth png', bytes(12)
    )
    recorded = {
        '/both/compressed': in_png,
        '/both/compressedDepth': in_depth,
        '/raw/compressed': color,
        '/raw/compressedDepth': in_depth,
        '/raw': rgb_image(ramp()),
        '/color/compressedDepth': None,
        '/color/compressed': color,
    }
    path = write_images(tmp_path / 'bag', recorded)
    process = start_program(
        PLAYER, path, '--decompress', '--delay', 1, '--wait', 60, '--subscribers', 2
    )
    collected = {name: graph.collect(Image, name) for name in ('/both', '/raw', '/color')}
    assert [graph.node.count_publishers(name) for name in collected] == [1, 1, 1]
    graph.collect(Image, '/color')  # it begins with this second one
    output, _ = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0, output
    assert {
        line.partition('leaving out ')[2] for line in output.splitlines() if 'leaving out' in line
    } == {
        '/both/compressed: /both is already published from /both/compressedDepth',
        '/raw/compressed: /raw is already published from /raw',
        '/raw/compressedDepth: /raw is already published from /raw',
        '/color/compressedDepth: /color is already published from /color/compressed',
    }
    assert 'done after 3 messages' in output
    (depth,) = collected['/both'].wait_for(1)
    assert set(np.frombuffer(depth.data, np.uint16)) == {2222}
    assert [image.encoding for image in collected['/color'].wait_for(1)] == ['rgb8']
    assert collected['/raw'].wait_for(1) == [recorded['/raw']]


def test_messages_that_cannot_be_read_are_left_out_counted_and_said_once(
    graph: Graph, start_program: ProgramFactory, tmp_path: Path
) -> None:
    name = '/other/image/compressed'
    whole = {index: messages_at(index)[name] for index in range(COUNT)}
    cut = {1, 3, 4}
    path = tmp_path / 'bag'
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        kind = 'sensor_msgs/msg/CompressedImage'
        topic = writer.add_connection(name, kind, typestore=get_typestore(Stores.LATEST))
        for index, message in whole.items():
            data = serialize_message(message)
            kept = data[: 10 * index] if index in cut else data
            writer.write(topic, index * PERIOD_NS + 1, kept)
    process = start_program(PLAYER, path, '--decompress', '--delay', 1, '--wait', 60)
    images = graph.collect(Image, '/other/image')
    output, _ = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0, output
    assert 'Traceback' not in output
    assert output.count('left out: ') == 1, output
    assert 'a recorded message must be a sensor_msgs/msg/CompressedImage, got 10 bytes' in output
    assert f'done after {COUNT - len(cut)} messages, {len(cut)} left out' in output
    stamps = [message.header for message in images.wait_for(COUNT - len(cut))]
    assert stamps == [header(index, 5, 'cam') for index in range(COUNT) if index not in cut]


def test_topics_can_be_remapped(graph: Graph, start_program: ProgramFactory, bag: Path) -> None:
    start_program(
        PLAYER, bag, '--delay', 1, '--wait', 60, '--ros-args', '-r', '/cam/image_raw:=/image'
    )
    graph.collect(Image, '/image').wait_for(COUNT)


def test_topics_that_ros_2_cannot_have_are_left_out(graph: Graph) -> None:
    types = dict.fromkeys(('/0/note', '/a b', '/a//b', '/note'), 'std_msgs/msg/String')
    types |= {'/empty': '', '/relative': '../msg/X', '/unknown': 'no_such_msgs/msg/X'}
    topics = {name: RecordedTopic(name, kind, 1, is_latched=False) for name, kind in types.items()}
    outlets = create_outlets(graph.node, topics)
    assert list(outlets) == ['/note']
    graph.node.destroy_publisher(outlets['/note'].publisher)


def test_qos_overrides_hold_and_those_without_effect_are_named(
    graph: Graph, start_program: ProgramFactory, bag: Path
) -> None:
    process = start_program(
        PLAYER, bag, '--loop', '--ros-args',
        '-p', 'qos_overrides./cam/image_raw.publisher.reliability:=best_effort',
        '-p', 'qos_overrides./cam/image_raw.publisher.depth:=3',
        '-p', 'qos_overrides./cam/image.publisher.depth:=3',
        '-p', 'rate:=2.0',
        '-r', '/cam/camera_inf:=/info',
    )  # fmt: skip
    lacks = 'there is no /cam/camera_inf; did you mean /cam/camera_info?'
    wait_for_line(process, f'remapping /cam/camera_inf:=/info has no effect: {lacks}')
    near = 'has no effect: did you mean qos_overrides./cam/image_raw.publisher.depth?'
    wait_for_line(process, f"'qos_overrides./cam/image.publisher.depth' {near}")
    wait_for_line(process, "parameter 'rate' has no effect: bag_publisher has options, see -h")
    graph.wait(lambda: graph.node.count_publishers('/cam/camera_info'), 'publishers')
    for topic, expected in (
        ('/cam/image_raw', ReliabilityPolicy.BEST_EFFORT),
        ('/cam/camera_info', ReliabilityPolicy.RELIABLE),
    ):
        (publisher,) = graph.node.get_publishers_info_by_topic(topic)
        assert publisher.qos_profile.reliability is expected


def test_a_qos_override_that_is_none_is_one_line(start_program: ProgramFactory, bag: Path) -> None:
    name = 'qos_overrides./note.publisher.reliability'
    process = start_program(PLAYER, bag, '--ros-args', '-p', f'{name}:=sometimes')
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    (line,) = output.splitlines()
    assert 'qos_overrides./note.publisher must be a QoS that ROS takes, got: ' in line
    assert 'sometimes' in line


@pytest.mark.parametrize(
    ('arguments', 'code', 'message'),
    [
        (('/nowhere',), 1, 'a recording must exist, got /nowhere'),
        (('',), 2, 'argument bag: is empty, as of a shell variable that is not set'),
        (('--rate', '0', 'x'), 2, 'must be positive'),
        ((EMPTY,), 1, 'a recording must have a topic to publish'),
        ((), 2, 'usage: bag_publisher'),
    ],
)
def test_errors_are_one_line_and_an_exit_code(
    start_program: ProgramFactory,
    tmp_path: Path,
    arguments: tuple[str, ...],
    code: int,
    message: str,
) -> None:
    with Writer(tmp_path / EMPTY, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        typestore = get_typestore(Stores.EMPTY)
        typestore.register(get_types_from_msg('uint8 x', 'no_such_msgs/msg/X'))
        unknown = writer.add_connection('/x', 'no_such_msgs/msg/X', typestore=typestore)
        writer.write(unknown, 1, bytes(5))
    given = [tmp_path / word if word == EMPTY else word for word in arguments]
    process = start_program(PLAYER, *given)
    output, _ = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == code
    assert message in output
    assert 'Traceback' not in output
