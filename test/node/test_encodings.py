"""Every encoding through the live node, rows padded, and what CameraInfo says about the sensor."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from known_depth import KnownEngine
from node_graph import DEADLINE_S, Graph, NodeFactory, camera_info, header, ramp, rgb_image
from numpy.typing import NDArray
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

from drnet_ros.inference.images.codec import IMAGE_ENCODINGS
from drnet_ros.node import intrinsics

HEIGHT, WIDTH = 48, 64
PADDING = 12
YUV = {'uyvy', 'yuyv', 'nv21', 'nv24'}
# Gray, so that every encoding can hold it; blocks, so that nothing is interpolated away.
GRAY = np.repeat(np.repeat(np.arange(48, dtype=np.uint8).reshape(6, 8) * 4 + 20, 8, 0), 8, 1)


def padded(rows: NDArray[np.generic], padding: int = PADDING) -> bytes:
    data = np.ascontiguousarray(rows).view(np.uint8).reshape(len(rows), -1)
    return np.pad(data, ((0, 0), (0, padding)), constant_values=201).tobytes()


def count_channels(encoding: str) -> int:
    if encoding.startswith(('rgba', 'bgra', '8UC4')):
        return 4
    return 3 if encoding.startswith(('rgb', 'bgr', '8UC3')) else 1


def encoded(encoding: str, *, is_bigendian: bool = False) -> Image:
    """The gray picture in an encoding, each row followed by bytes that mean nothing."""
    luma = np.rint(16 + GRAY * (219 / 255)).astype(np.uint8)
    no_chroma = np.full_like(luma, 128)
    if encoding in {'nv21', 'nv24'}:
        data, step = padded(luma), WIDTH + PADDING
        if encoding == 'nv21':
            data += padded(no_chroma[::2])
        else:
            data += padded(np.repeat(no_chroma, 2, axis=1), 2 * PADDING)
    else:
        if encoding in {'yuv422', 'uyvy'}:
            rows: NDArray[np.generic] = np.stack([no_chroma, luma], -1)
        elif encoding in {'yuv422_yuy2', 'yuyv'}:
            rows = np.stack([luma, no_chroma], -1)
        else:
            rows = np.repeat(GRAY[..., None], count_channels(encoding), axis=2)
            if encoding.endswith('16'):
                order = '>' if is_bigendian else '<'
                rows = (rows.astype(np.uint16) * 257).astype(f'{order}u2')
        data = padded(rows)
        step = len(data) // HEIGHT
    message = Image(
        header=header(), height=HEIGHT, width=WIDTH, encoding=encoding, step=step,
        is_bigendian=is_bigendian,
    )  # fmt: skip
    message.data.frombytes(data)
    return message


def depth_of_gray() -> NDArray[np.float32]:
    return np.float32(1) + GRAY.astype(np.float32) / np.float32(100)


@pytest.mark.parametrize('encoding', IMAGE_ENCODINGS)
def test_every_encoding_with_padded_rows(
    graph: Graph, start_node: NodeFactory, encoding: str
) -> None:
    start_node()
    depths = graph.collect(Image, 'depth/image_rect')
    graph.publisher(Image, 'image').publish(encoded(encoding))
    message = depths.wait_for(1)[0]
    assert (message.height, message.width, message.step) == (HEIGHT, WIDTH, 4 * WIDTH)
    depth = np.frombuffer(message.data, np.float32).reshape(HEIGHT, WIDTH)
    inside = np.zeros((HEIGHT, WIDTH), bool)
    inside[2:6, 2:6] = True
    inside = np.tile(inside[:8, :8], (6, 8))  # the inside of each block: Bayer blurs its rim
    # Limited-range YUV has fewer levels.
    tolerance = 0.011 if 'yuv' in encoding or encoding in YUV else 1e-6
    np.testing.assert_allclose(depth[inside], depth_of_gray()[inside], atol=tolerance)
    if 'bayer' not in encoding:
        np.testing.assert_allclose(depth, depth_of_gray(), atol=tolerance)


@pytest.mark.parametrize('encoding', ['mono16', 'bayer_rggb16', 'bgr16', 'rgba16'])
def test_16_bits_with_the_high_byte_first(
    graph: Graph, start_node: NodeFactory, encoding: str
) -> None:
    assert sys.byteorder == 'little'
    start_node()
    depths = graph.collect(Image, 'depth/image_rect')
    graph.publisher(Image, 'image').publish(encoded(encoding, is_bigendian=True))
    depth = np.frombuffer(depths.wait_for(1)[0].data, np.float32).reshape(HEIGHT, WIDTH)
    np.testing.assert_allclose(depth[3::8, 3::8], depth_of_gray()[3::8, 3::8], atol=1e-6)


def test_a_fast_camera_does_not_starve_a_slow_one(
    graph: Graph, start_node: NodeFactory, engine: KnownEngine
) -> None:
    """Each turn takes the newest image of every camera: the slow one loses none."""
    node = start_node(cameras=['fast', 'slow'])
    names = ('fast', 'slow')
    depths = {name: graph.collect(Image, f'{name}/depth/image_rect') for name in names}
    publishers = {name: graph.publisher(Image, f'{name}/image') for name in names}
    sent = dict.fromkeys(names, 0)

    def send(name: str) -> None:
        sent[name] += 1
        publishers[name].publish(rgb_image(ramp(), header(sent[name], 0, name)))
        graph.wait_for_value(
            lambda: node.health(name).counts.frames_in, sent[name], f'images of {name}'
        )

    for _ in range(5):
        engine.may_finish.clear()
        send('fast')
        assert engine.entered.acquire(timeout=DEADLINE_S)
        for name in ('fast', 'fast', 'slow', 'fast'):
            send(name)
        engine.may_finish.set()
        assert engine.entered.acquire(timeout=DEADLINE_S)
        for name in names:
            depths[name].wait_for_stamp(header(sent[name], 0, name))
    assert node.health('slow').counts.frames_dropped == 0
    assert [depth.header.stamp.sec for depth in depths['slow'].messages] == [1, 2, 3, 4, 5]
    fast = node.health('fast').counts
    assert (fast.frames_in, fast.frames_dropped) == (20, 10)
    assert engine.batches == [1, 2] * 5


def test_cloud_of_a_binned_region_of_interest_has_the_rays_of_its_sensor(
    graph: Graph, start_node: NodeFactory
) -> None:
    """By hand: pixel (u, v) of the image is sensor pixel 20 + 2 u + 0.5, 40 + 2 v + 0.5."""
    start_node(point_color=False)
    clouds = graph.collect(PointCloud2, 'points')
    info = camera_info(640, 480, focal=500.0)
    info.roi.x_offset, info.roi.y_offset, info.roi.width, info.roi.height = 20, 40, 128, 96
    info.binning_x = info.binning_y = 2
    graph.publisher(CameraInfo, 'camera_info').publish(info)
    graph.publisher(Image, 'image').publish(rgb_image(ramp()))
    points = np.frombuffer(clouds.wait_for(1)[0].data, np.float32).reshape(HEIGHT, WIDTH, 3)
    for u, v in ((0, 0), (63, 47), (10, 30)):
        ray = points[v, u, :2] / points[v, u, 2]
        expected = ((20 + 2 * u + 0.5 - 319.5) / 500, (40 + 2 * v + 0.5 - 239.5) / 500)
        np.testing.assert_allclose(ray, expected, atol=1e-6)


@pytest.mark.parametrize('scale_by_focal_length', [True, False])
def test_depth_scales_with_the_focal_length(
    graph: Graph, start_node: NodeFactory, engine: KnownEngine, scale_by_focal_length: bool
) -> None:
    """f_training is 50 px at 48 x 64: a camera of 75 px sees the same picture 1.5 times as far."""
    engine.is_scaled = True
    node = start_node(scale_by_focal_length=scale_by_focal_length)
    depths = graph.collect(Image, 'depth/image_rect')
    infos = graph.publisher(CameraInfo, 'camera_info')
    images = graph.publisher(Image, 'image')
    for index, focal in enumerate((50.0, 75.0, 25.0), start=1):
        infos.publish(camera_info(focal=focal, stamp=header(index)))
        graph.wait_for_value(lambda: node.health().infos_in, index, 'camera_infos')
        images.publish(rgb_image(ramp(), header(index)))
        depth = np.frombuffer(depths.wait_for_stamp(header(index)).data, np.float32)
        factor = focal / 50 if scale_by_focal_length else 1.0
        assert depth[10] == pytest.approx(1.1 * factor)


def test_16uc1_is_invalid_rather_than_wrong_beyond_its_range(
    graph: Graph, start_node: NodeFactory, engine: KnownEngine
) -> None:
    start_node(depth_encoding='16UC1', max_depth=80.0)
    depths = graph.collect(Image, 'depth/image_rect')
    metres = np.full((HEIGHT, WIDTH), 2.0004, np.float32)
    metres[0, :4] = 65.535, 65.536, 70.0, 0.0999
    engine.depth_of = lambda _rgb_hwc: metres
    graph.publisher(Image, 'image').publish(rgb_image(ramp()))
    depth = np.frombuffer(depths.wait_for(1)[0].data, np.uint16).reshape(HEIGHT, WIDTH)
    assert depth[0, :5].tolist() == [65535, 0, 0, 0, 2000]


def test_camera_info_that_turns_bad_ends_the_cloud_and_a_good_one_brings_it_back(
    graph: Graph, start_node: NodeFactory, engine: KnownEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intrinsics, '_COMPANION_WAIT_S', 0.0)
    node = start_node()
    depths = graph.collect(Image, 'depth/image_rect')
    graph.collect(PointCloud2, 'points')
    infos = graph.publisher(CameraInfo, 'camera_info')
    images = graph.publisher(Image, 'image')
    good, zero, nan = camera_info(), camera_info(), camera_info()
    zero.k = [0.0] * 9
    nan.d = [float('nan')] * 5
    for index, info in enumerate((good, zero, good, nan, good), start=1):
        info.header = header(index)
        infos.publish(info)
        graph.wait_for_value(lambda: node.health().infos_in, index, 'camera_infos')
        images.publish(rgb_image(ramp(), header(index)))
        depths.wait_for_stamp(header(index))
    assert engine.wanted_points == [True, False, True, False, True]
