"""What of a recording belongs together, and what `drnet bag` warns of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from known_scenes import FOCAL, HW, ROS2, RunInProcess, Scene, info, known_depth, load, raw, write
from rosbags.rosbag2 import StoragePlugin, Writer

from drnet_offline.datasets.matching import match_stamps
from drnet_offline.replay.frames import read_frames
from drnet_offline.replay.headers import header_of, read_header
from drnet_offline.replay.index import index_recording
from drnet_ros.errors import RecordingError
from drnet_ros.inference.images.doubts import REGION_DOUBT, ROWS_DOUBT
from drnet_ros.recordings.recording import RecordedMessage, Recording
from drnet_ros.recordings.topics import choose_topics

pytestmark = pytest.mark.usefixtures('known_network')


def warnings_on(tmp_path: Path, drnet: RunInProcess, scene: Scene) -> Any:
    out = tmp_path / 'out.json'
    code, said = drnet('bag', write(tmp_path / 'bag', scene), '--json', out)
    assert code == 0, said
    return load(out)


def test_depth_of_another_frame_is_warned_of(tmp_path: Path, drnet: RunInProcess) -> None:
    scene = replace(Scene.make(3), depth_frame='depth_optical')
    summary = warnings_on(tmp_path, drnet, scene)
    assert "depth is of the frame 'depth_optical'" in summary['warnings'][0]
    assert summary['variants'][0]['figures']['full']['n_images'] == 3


def test_depth_of_another_aspect_ratio_is_not_scored(tmp_path: Path, drnet: RunInProcess) -> None:
    scene = Scene.make(3)
    cropped = replace(scene, truths=tuple(truth[:, :50] for truth in scene.truths))
    summary = warnings_on(tmp_path, drnet, cropped)
    assert 'not scored' in summary['warnings'][0]
    assert summary['variants'][0]['figures'] == {}


def test_depth_with_other_intrinsics_is_warned_of(tmp_path: Path, drnet: RunInProcess) -> None:
    summary = warnings_on(tmp_path, drnet, replace(Scene.make(3), depth_focal=1.1 * FOCAL))
    assert 'seems not registered' in summary['warnings'][0]


def test_depth_of_half_the_size_is_the_same_view(tmp_path: Path, drnet: RunInProcess) -> None:
    scene = Scene.make(3)
    halved = replace(scene, truths=tuple(truth[1::2, 1::2] for truth in scene.truths))
    summary = warnings_on(tmp_path, drnet, halved)
    assert 'another size' in summary['warnings'][0]
    assert summary['variants'][0]['figures']['full']['n_images'] == 3


def test_stamps_that_go_back_are_warned_of_and_matched(
    tmp_path: Path, drnet: RunInProcess
) -> None:
    scene = Scene.make(5)
    mixed = replace(scene, stamps=tuple(scene.stamps[i] for i in (0, 2, 1, 3, 4)))
    summary = warnings_on(tmp_path, drnet, mixed)
    assert summary['frames_matched'] == 5
    assert 'do not rise at 1 places' in summary['warnings'][0]


def write_unstamped(
    path: Path, frame_ids: tuple[str, str] = ('camera', 'camera'), **changes: Any
) -> Path:
    """Four images without stamps, 0.1 s apart; one has no depth, the focal length doubles."""
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connections: dict[str, Any] = {}

        def add(topic: str, recorded_ns: int, content: Any) -> None:
            name = content.__msgtype__
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, name, typestore=ROS2)
            writer.write(connections[topic], recorded_ns, ROS2.serialize_cdr(content, name))

        for number, rgb in enumerate(Scene.make(4).images):
            at_ns = (10 + number) * 100_000_000
            focal = FOCAL if number < 2 else 2 * FOCAL
            camera_info = info(ROS2, 0, frame_ids[1], HW, focal)
            add('/other/camera_info', at_ns, replace(camera_info, **changes))
            add('/cam/image_raw', at_ns + 1_000_000, raw(ROS2, 0, frame_ids[0], 'rgb8', rgb))
            if number:
                truth = np.rint(1000 * known_depth(rgb)).astype(np.uint16)
                depth = raw(ROS2, 0, frame_ids[0], '16UC1', truth)
                add('/cam/depth/image_raw', at_ns + 2_000_000, depth)
    return path


def test_what_has_no_stamp_belongs_together_by_the_times_of_recording(
    tmp_path: Path, drnet: RunInProcess
) -> None:
    bag, out = write_unstamped(tmp_path / 'bag'), tmp_path / 'out.json'
    with Recording(bag) as recording:
        index = index_recording(recording, choose_topics(recording.topics), 0.02)
        frames = list(read_frames(index))
    assert index.pairs == {1: 0, 2: 1, 3: 2}
    focals = [frame.camera.fx for frame in frames if frame.camera is not None]
    assert focals == [FOCAL, FOCAL, 2 * FOCAL, 2 * FOCAL]
    code, said = drnet('bag', bag, '--json', out, '--write', tmp_path / 'out.mcap')
    assert code == 0
    assert 'camera_info: /other/camera_info, depth: /cam/depth/image_raw' in said
    assert '4 images have no stamp: the times of their recording are used' in said
    summary = load(out)
    assert summary['images']['rate_hz'] == pytest.approx(10.0)
    assert summary['variants'][0]['figures']['full']['rel'] < 1e-3
    with Recording(tmp_path / 'out.mcap') as written:
        depths = [written.deserialize(m) for m in written.messages(['/drnet/depth/image_rect'])]
    assert [(d.header.stamp.sec, d.header.stamp.nanosec) for d in depths] == [(0, 0)] * 4


def test_camera_info_of_another_frame_is_warned_of(tmp_path: Path, drnet: RunInProcess) -> None:
    bag = write_unstamped(tmp_path / 'bag', ('front', 'rear'))
    code, said = drnet('bag', bag)
    assert code == 0
    assert "camera_info on /other/camera_info is of the frame 'rear', images of 'front'" in said


def region(height: int, width: int) -> Any:
    kind = ROS2.types['sensor_msgs/msg/RegionOfInterest']
    return kind(0, 0, height, width, do_rectify=False)


@pytest.mark.parametrize(
    ('changes', 'is_said'),
    [
        ({}, False),
        # K is of images of another size than is stated.
        ({'height': HW[0] // 2, 'width': HW[1] // 2}, True),
        ({'height': HW[0] * 2, 'width': HW[1] * 2}, True),
        # A region is stated.
        ({'height': HW[0] * 2, 'width': HW[1] * 2, 'roi': region(*HW)}, False),
        ({'height': HW[0] * 4, 'width': HW[1] * 4, 'roi': region(HW[0] * 4, HW[1] * 4)}, False),
    ],
)
def test_camera_info_of_another_size_than_its_k_is_warned_of(
    tmp_path: Path, drnet: RunInProcess, changes: dict[str, Any], *, is_said: bool
) -> None:
    code, said = drnet('bag', write_unstamped(tmp_path / 'bag', **changes))
    assert code == 0
    text = 'width and height of camera_info must be those that K is of'
    assert (text in said) is is_said


def test_focal_lengths_that_differ_by_far_are_warned_of(
    tmp_path: Path, drnet: RunInProcess
) -> None:
    height, width = HW
    k = np.array([50.0, 0, (width - 1) / 2, 0, 150.0, (height - 1) / 2, 0, 0, 1])
    code, said = drnet('bag', write_unstamped(tmp_path / 'bag', k=k, p=np.zeros(12)))
    assert code == 0
    assert 'the focal lengths fx and fy, 50 and 150 px, differ by a factor of 3' in said


def test_a_mask_of_another_shape_is_named_in_words(tmp_path: Path, drnet: RunInProcess) -> None:
    mask = np.full((HW[0], 3 * HW[1]), 255, np.uint8)
    mask[:, :9] = 0
    (tmp_path / 'mask.png').write_bytes(cv2.imencode('.png', mask)[1].tobytes())
    bag = write(tmp_path / 'bag', Scene.make(2))
    code, said = drnet('bag', bag, '--set', f'mask=[{tmp_path}/mask.png]')
    assert code == 1
    assert '2 frames: image: the mask must have the shape of the image, got a mask of' in said


def test_rows_of_another_encoding_are_warned_of(tmp_path: Path, drnet: RunInProcess) -> None:
    color = ROS2.types['sensor_msgs/msg/Image']
    with Writer(tmp_path / 'bag', version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        topic = writer.add_connection('/image_raw', color.__msgtype__, typestore=ROS2)
        for stamp_ns in range(1, 4):
            pixels = np.random.default_rng(stamp_ns).integers(0, 255, (*HW, 3), np.uint8)
            image = raw(ROS2, stamp_ns, 'camera', 'mono8', pixels)
            writer.write(topic, stamp_ns, ROS2.serialize_cdr(image, color.__msgtype__))
    code, said = drnet('bag', tmp_path / 'bag')
    assert code == 0
    assert f'3 frames: {ROWS_DOUBT}' in said


def test_images_of_the_whole_sensor_beside_an_roi_are_warned_of(
    tmp_path: Path, drnet: RunInProcess
) -> None:
    camera = info(ROS2, 1, 'camera', HW, FOCAL)
    camera.roi.width, camera.roi.height = HW[1] // 2, HW[0] // 2
    pixels = np.full((*HW, 3), 90, np.uint8)
    messages = {'/camera_info': camera, '/image_raw': raw(ROS2, 1, 'camera', 'rgb8', pixels)}
    with Writer(tmp_path / 'bag', version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        for name, content in messages.items():
            topic = writer.add_connection(name, content.__msgtype__, typestore=ROS2)
            writer.write(topic, 1, ROS2.serialize_cdr(content, content.__msgtype__))
    code, said = drnet('bag', tmp_path / 'bag')
    assert code == 0, said
    assert f'1 frames: {REGION_DOUBT}' in said


def test_what_cannot_be_right_is_said(tmp_path: Path, drnet: RunInProcess) -> None:
    scene = Scene.make(3)
    black = replace(scene, images=(np.zeros_like(scene.images[0]), *scene.images[1:]))
    code, said = drnet('bag', write(tmp_path / 'black', black))
    assert code == 0
    assert 'warning: 1 frames: black image' in said
    # 32FC1 is metres: what is over 100 of them in a median is millimetres.
    metres = tuple(truth * np.uint16(10) for truth in scene.truths)
    thousand = replace(scene, truths=tuple(1000 * truth.astype(np.float32) for truth in metres))
    bag = write(tmp_path / 'thousand', thousand, encoding='32FC1')
    code, said = drnet('bag', bag, '--json', tmp_path / 'out.json')
    assert code == 1
    assert '3 frames: depth: over 100 m, as of millimetres in 32FC1, which is metres' in said
    assert load(tmp_path / 'out.json')['frames_scored'] == 0
    code, said = drnet('bag', bag, '--image-topic', '/cam/depth/image_rect')
    assert code == 1
    assert "3 frames: image: unknown_encoding '32FC1'" in said
    assert 'there is no valid depth of any image on /cam/depth/image_rect' in said
    code, said = drnet(
        'bag', bag, *('--image-topic', '/cam/image_raw'), '--depth-topic', '/cam/image_raw'
    )
    assert code == 1
    assert 'image and depth must be different topics, got /cam/image_raw for both' in said


def test_depth_without_a_valid_pixel_is_an_error(tmp_path: Path, drnet: RunInProcess) -> None:
    bag = write(tmp_path / 'bag', Scene.make(2))
    code, said = drnet('bag', bag, '--set', 'max_depth=0.5', '--versus', 'max_depth=5')
    assert code == 0  # one of both has depth
    assert 'A: embedded max_depth=0.5: no pixel of any frame has valid depth' in said
    assert f'K of camera_info: {HW[1]} x {HW[0]} with a focal length of {FOCAL:.3g} px' in said
    code, said = drnet('bag', bag, '--set', 'max_depth=0.5')
    assert code == 1
    assert 'there is no valid depth of any image on /cam/image_raw, as warned of' in said


def test_figures_are_whole_where_the_terminal_is_narrow(
    tmp_path: Path, drnet: RunInProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('COLUMNS', '40')
    code, said = drnet('bag', write(tmp_path / 'bag', Scene.make(2)), '--set', 'max_depth=9')
    assert code == 0
    assert '\u2026' not in said  # an ellipsis in place of digits
    figures = said[said.index('full pixels') :].split()[2:8]
    assert all(len(each) == 5 for each in figures)


def test_matching_equals_the_slow_way() -> None:
    rng = np.random.default_rng(1)
    images = sorted(rng.integers(0, 2000, 60).tolist())
    depths = rng.integers(0, 2000, 50).tolist()
    expected: dict[int, int] = {}
    gaps = sorted((abs(d - i), a, b) for a, i in enumerate(images) for b, d in enumerate(depths))
    for gap, a, b in gaps:
        if gap <= 20 and a not in expected and b not in expected.values():
            expected[a] = b
    assert match_stamps(images, depths, 20) == dict(sorted(expected.items()))


def test_header_of_either_byte_order() -> None:
    little = bytes([0, 1, 0, 0]) + (7).to_bytes(4, 'little') + (9).to_bytes(4, 'little')
    big = bytes([0, 0, 0, 0]) + (7).to_bytes(4, 'big') + (9).to_bytes(4, 'big')
    assert read_header(little + (4).to_bytes(4, 'little') + b'cam\0') == (7_000_000_009, 'cam')
    assert read_header(big + (4).to_bytes(4, 'big') + b'cam\0') == (7_000_000_009, 'cam')
    with pytest.raises(RecordingError, match='whole header'):
        read_header(little)


@pytest.mark.parametrize('name', [b'cam\0\1\2\0', b'\x1b[2Jcam\0', b'c' * 5000 + b'\0'])
def test_a_frame_that_is_no_text_is_damage(name: bytes) -> None:
    data = bytes([0, 1, 0, 0]) + bytes(8) + len(name).to_bytes(4, 'little') + name
    with pytest.raises(RecordingError, match='frame_id of a message must be text'):
        read_header(data)
    message = RecordedMessage(7, '/cam', 'sensor_msgs/msg/Image', data)
    assert header_of(message) == (7, '', 7, False)


def test_messages_of_side_topics_come_with_the_next_image(tmp_path: Path) -> None:
    scene = Scene.make(5)
    bag = write(tmp_path / 'bag', scene)
    with Recording(bag) as recording:
        index = index_recording(recording, choose_topics(recording.topics), 0.02)
        infos = [message.data for message in recording.messages(['/cam/camera_info'])]
        frames = list(read_frames(index, side_topics=['/cam/camera_info']))
        later = list(read_frames(index, start=3, side_topics=['/cam/camera_info']))
    # Each image is recorded before its own camera_info, and its depth after both.
    assert [[m.data for m in frame.side_messages] for frame in frames] == [
        [],
        *([info] for info in infos[:4]),
    ]
    assert all(frame.truth_hw is not None for frame in frames)
    assert [[m.data for m in frame.side_messages] for frame in later] == [infos[:3], [infos[3]]]
