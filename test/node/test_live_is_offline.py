"""The bundled clip through the live node and through `drnet bag`: the same depth, bit for bit."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clip_start import IMAGE, INFO, write_clip_start
from node_graph import Graph, ProgramFactory, header, values_of, wait_for_line
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, LaserScan, PointCloud2

from drnet_ros.recordings.recording import Recording

pytestmark = pytest.mark.slow

cli = pytest.importorskip(
    'drnet_offline.commands.cli', reason='drnet bag is in the offline package'
)

FRAMES = 5
FRAME_LIMIT_S = 60.0


@pytest.fixture(scope='module')
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first frames of the clip as a recording of their own, without its depth."""
    return write_clip_start(tmp_path_factory.mktemp('clip') / 'start', FRAMES, [IMAGE, INFO])


@pytest.mark.parametrize('settings', [(), ('temporal_filter=1.0',)], ids=['plain', 'steadied'])
def test_live_depth_is_offline_depth(
    clip: Path,
    settings: tuple[str, ...],
    graph: Graph,
    start_program: ProgramFactory,
    weights: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parameters = [f'weights={weights}', 'point_stride=4', *settings]
    live = play(clip, graph, start_program, parameters)
    assert_offline_is(live, clip, parameters, tmp_path, monkeypatch)


def test_live_depth_with_a_scan_is_offline_depth(
    clip: Path,
    graph: Graph,
    start_program: ProgramFactory,
    weights: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parameters = [f'weights={weights}', 'point_stride=4']
    # The laser at the camera looks along the optical axis.
    mount = 'camera_optical_frame laser 0 0 0 0.5 -0.5 0.5 0.5'
    parameters += ['sparse_depth_sources=[scan]', f'sparse_depth_extrinsics=["{mount}"]']

    def send_scans(send_probe: Callable[[], None]) -> None:
        publisher = graph.publisher(LaserScan, 'scan', within_s=FRAME_LIMIT_S)
        arrays = graph.diagnostics()
        for count, (info, _) in enumerate(read(clip), 1):
            stamp = info.header.stamp
            publisher.publish(
                LaserScan(header=header(stamp.sec, stamp.nanosec, 'laser'), **scan_fields())
            )
            # What has come is counted when an image is worked on.
            graph.repeat_until(
                send_probe,
                lambda count=count: (
                    arrays.messages  # type: ignore[misc]
                    and values_of(arrays.messages[-1], 'camera').get('scan_received') == str(count)
                ),
                f'scan {count} in the node',
            )

    live = play(clip, graph, start_program, parameters, send_scans)
    bag = write_with_scans(clip, tmp_path / 'with_scans')
    assert_offline_is(live, bag, parameters, tmp_path, monkeypatch)
    summary = json.loads((tmp_path / 'out.json').read_text())
    about = summary['variants'][0]['sparse_depth']
    assert about['frames_with_points'] == FRAMES, about


def scan_fields() -> dict[str, Any]:
    """A wall, farther on one side."""
    return {
        'angle_min': -0.25,
        'angle_max': 0.25,
        'angle_increment': 0.01,
        'range_min': 0.1,
        'range_max': 12.0,
        'ranges': np.linspace(2.5, 3.5, 51).astype(np.float32).tolist(),
    }


def write_with_scans(clip: Path, path: Path) -> Path:
    """Copy the clip, with a scan just before each image in place of its own."""
    store = get_typestore(Stores.LATEST)
    types, kind = store.types, 'sensor_msgs/msg/LaserScan'
    with (
        Recording(clip) as recording,
        Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer,
    ):
        connections = recording.add_topics_to(writer)
        for message in recording.messages():
            if message.topic != '/scan':
                writer.write(connections[message.topic], message.stamp_ns, message.data)
        for message in recording.messages([IMAGE]):
            stamp = recording.deserialize(message).header.stamp
            fields = scan_fields()
            fields['ranges'] = np.array(fields['ranges'], np.float32)
            scan = types[kind](
                header=types['std_msgs/msg/Header'](stamp, 'laser'),
                time_increment=0.0,
                scan_time=0.0,
                intensities=np.zeros(0, np.float32),
                **fields,
            )
            writer.write(
                connections['/scan'], message.stamp_ns - 1, store.serialize_cdr(scan, kind)
            )
    return path


def assert_offline_is(
    live: list[tuple[Image, CameraInfo, PointCloud2]],
    bag: Path,
    parameters: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Run `drnet bag` with the parameters of the node, and compare all that it writes."""
    out = tmp_path / 'out.mcap'
    words = [word for parameter in parameters for word in ('--set', parameter)]
    outputs = ['--json', str(tmp_path / 'out.json')]
    monkeypatch.setattr(
        sys, 'argv', ['drnet', 'bag', str(bag), '--write', str(out), *outputs, *words]
    )
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert not ended.value.code
    with Recording(out) as recording:
        names = ('depth/image_rect', 'depth/camera_info', 'points')
        offline = [
            [recording.deserialize(m) for m in recording.messages([f'/drnet/{name}'])]
            for name in names
        ]
    assert [len(messages) for messages in offline] == [FRAMES] * 3
    for received, computed in zip(live, zip(*offline, strict=True), strict=True):
        for one, other in zip(received, computed, strict=True):
            assert_same_message(one, other)


def play(
    clip: Path,
    graph: Graph,
    start_program: ProgramFactory,
    parameters: list[str],
    before_images: Callable[[Callable[[], None]], None] = lambda _: None,
) -> list[tuple[Image, CameraInfo, PointCloud2]]:
    """Send each frame when the depth of the one before has come, so that none is dropped."""
    node_parameters = [*parameters, 'image_transport=compressed']  # a recording has no such
    words = [word for p in node_parameters for word in ('-p', p.replace('=', ':=', 1))]
    process = start_program('drnet_ros.node.program', '--ros-args', *words)
    wait_for_line(process, 'active: waiting for images')
    infos = graph.publisher(CameraInfo, 'camera_info', within_s=FRAME_LIMIT_S)
    images = graph.publisher(CompressedImage, 'image/compressed', within_s=FRAME_LIMIT_S)
    outputs = (
        graph.collect(Image, 'depth/image_rect'),
        graph.collect(CameraInfo, 'depth/camera_info'),
        graph.collect(PointCloud2, 'points'),
    )
    frames = list(read(clip))
    # An image of another size starts the filter over time anew: what it takes until both sides
    # know each other leaves no trace.
    probe = other_size(frames[0][1])

    probe_info = other_size_info(frames[0][0])

    def send_probe() -> None:
        infos.publish(probe_info)
        images.publish(probe)

    graph.repeat_until(
        send_probe, lambda: all(output.messages for output in outputs), 'first of each output'
    )
    before_images(send_probe)
    received = []
    for info, image in frames:
        infos.publish(info)
        images.publish(image)
        received.append(tuple(output.wait_for_stamp(image.header) for output in outputs))
    return received


def read(clip: Path) -> list[tuple[CameraInfo, CompressedImage]]:
    with Recording(clip) as recording:
        stored = [
            [recording.deserialize(message) for message in recording.messages([topic])]
            for topic in (INFO, IMAGE)
        ]
    pairs = []
    for info, image in zip(*stored, strict=True):
        stamp = header(info.header.stamp.sec, info.header.stamp.nanosec, info.header.frame_id)
        camera = CameraInfo(
            header=stamp,
            height=info.height,
            width=info.width,
            distortion_model=info.distortion_model,
            d=info.d.tolist(),
            k=info.k.tolist(),
            r=info.r.tolist(),
            p=info.p.tolist(),
        )
        picture = CompressedImage(header=stamp, format=image.format)
        picture.data.frombytes(image.data.tobytes())
        pairs.append((camera, picture))
    return pairs


def other_size(image: CompressedImage) -> CompressedImage:
    import cv2  # noqa: PLC0415

    picture = CompressedImage(header=header(1, 1, image.header.frame_id), format=image.format)
    encoded = cv2.imencode('.jpg', np.full((240, 320, 3), 90, np.uint8))[1]
    picture.data.frombytes(encoded.tobytes())
    return picture


def other_size_info(info: CameraInfo) -> CameraInfo:
    return CameraInfo(header=header(1, 1), height=240, width=320, k=info.k)


def assert_same_message(live: Any, offline: Any) -> None:
    stamp = live.header.stamp
    assert (stamp.sec, stamp.nanosec) == (offline.header.stamp.sec, offline.header.stamp.nanosec)
    assert live.header.frame_id == offline.header.frame_id
    assert (live.height, live.width) == (offline.height, offline.width)
    if isinstance(live, CameraInfo):
        for name in ('distortion_model', 'd', 'k', 'r', 'p', 'binning_x', 'binning_y'):
            np.testing.assert_array_equal(getattr(live, name), getattr(offline, name))
        return
    same = ('is_bigendian', 'encoding', 'step', 'point_step', 'row_step', 'is_dense')
    for name in same:
        assert getattr(live, name, None) == getattr(offline, name, None), name
    assert bytes(live.data) == offline.data.tobytes()
