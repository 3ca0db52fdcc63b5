"""What is published for an image: the rules that depth consumers rely on."""

from __future__ import annotations

import copy
from functools import partial
from typing import Any

import numpy as np
import pytest
from known_depth import KnownEngine, depth_of
from node_graph import Graph, NodeFactory, camera_info, header, qos, ramp, rgb_image
from numpy.typing import NDArray
from rclpy.qos import DurabilityPolicy, HistoryPolicy, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

from drnet_ros.inference.depth import colourise

FIELD_BYTES = 4


def pixels_of(message: Image) -> NDArray[np.generic]:
    dtype = {'32FC1': np.float32, '16UC1': np.uint16, 'rgb8': np.uint8}[message.encoding]
    shape = (
        (message.height, message.width, 3)
        if message.encoding == 'rgb8'
        else (message.height, message.width)
    )
    return np.frombuffer(message.data, dtype).reshape(shape)


def points_of(message: PointCloud2) -> NDArray[np.float32]:
    channels = message.point_step // FIELD_BYTES
    return np.frombuffer(message.data, np.float32).reshape(message.height, message.width, channels)


def test_header_of_depth_info_and_cloud_is_that_of_the_image(
    graph: Graph, start_node: NodeFactory
) -> None:
    start_node()
    depths = graph.collect(Image, 'depth/image_rect')
    infos = graph.collect(CameraInfo, 'depth/camera_info')
    clouds = graph.collect(PointCloud2, 'points')
    info_publisher = graph.publisher(CameraInfo, 'camera_info')
    image_publisher = graph.publisher(Image, 'image')
    for sec, nanosec, frame in ((0, 0, ''), (1, 999_999_999, 'a'), (2**31 - 1, 7, 'front/rgb')):
        stamp = header(sec, nanosec, frame)
        info_publisher.publish(camera_info(stamp=header(5, 5, 'other')))
        image_publisher.publish(rgb_image(ramp(), stamp))
        for collected in (depths, infos, clouds):
            message = collected.wait_for_stamp(stamp)
            assert message.header.frame_id == frame
            assert (message.header.stamp.sec, message.header.stamp.nanosec) == (sec, nanosec)


def test_depth_has_the_size_and_the_values_of_the_image(
    graph: Graph, start_node: NodeFactory
) -> None:
    start_node()
    depths = graph.collect(Image, 'depth/image_rect')
    image = ramp()
    image[3, 5, 0] = 255
    graph.publisher(Image, 'image').publish(rgb_image(image))
    message = depths.wait_for(1)[0]
    assert (message.height, message.width, message.encoding) == (48, 64, '32FC1')
    assert (message.step, message.is_bigendian) == (4 * 64, 0)
    depth = pixels_of(message)
    np.testing.assert_array_equal(depth, depth_of(image))
    assert np.isnan(depth[3, 5])
    assert depth[0, 10] == pytest.approx(1.1)


def test_16uc1_is_millimetres_with_zero_where_invalid(
    graph: Graph, start_node: NodeFactory
) -> None:
    start_node(depth_encoding='16UC1')
    depths = graph.collect(Image, 'depth/image_rect')
    image = ramp()
    image[3, 5, 0] = 255
    graph.publisher(Image, 'image').publish(rgb_image(image))
    message = depths.wait_for(1)[0]
    assert (message.encoding, message.step) == ('16UC1', 2 * 64)
    depth = pixels_of(message)
    assert (depth[3, 5], depth[0, 10], depth[0, 0]) == (0, 1100, 1000)


def test_cloud_is_organised_coloured_and_not_dense(graph: Graph, start_node: NodeFactory) -> None:
    start_node()
    clouds = graph.collect(PointCloud2, 'points')
    image = ramp()
    image[3, 5, 0] = 255
    info = camera_info(focal=50.0)
    graph.publisher(CameraInfo, 'camera_info').publish(info)
    graph.publisher(Image, 'image').publish(rgb_image(image))
    cloud = clouds.wait_for(1)[0]
    assert (cloud.height, cloud.width, cloud.is_dense) == (48, 64, False)
    assert [(f.name, f.offset, f.datatype, f.count) for f in cloud.fields] == [
        ('x', 0, 7, 1),
        ('y', 4, 7, 1),
        ('z', 8, 7, 1),
        ('rgb', 12, 7, 1),
    ]
    assert (cloud.point_step, cloud.row_step) == (16, 16 * 64)
    points = points_of(cloud)
    z = depth_of(image)
    columns, rows = np.meshgrid(np.arange(64), np.arange(48))
    np.testing.assert_allclose(points[..., 0], (columns - 31.5) / 50 * z, rtol=1e-5)
    np.testing.assert_allclose(points[..., 1], (rows - 23.5) / 50 * z, rtol=1e-5)
    np.testing.assert_array_equal(points[..., 2], z)
    assert np.isnan(points[3, 5, :3]).all()
    color = points[20, 30, 3:].view(np.uint32)[0]
    assert color == (30 << 16 | 20 << 8 | 50)


def test_cloud_without_colour_has_three_fields_and_stride_thins_it(
    graph: Graph, start_node: NodeFactory
) -> None:
    start_node(point_color=False, point_stride=5)
    clouds = graph.collect(PointCloud2, 'points')
    graph.publisher(CameraInfo, 'camera_info').publish(camera_info())
    graph.publisher(Image, 'image').publish(rgb_image(ramp()))
    cloud = clouds.wait_for(1)[0]
    assert [field.name for field in cloud.fields] == ['x', 'y', 'z']
    assert (cloud.height, cloud.width, cloud.point_step) == (10, 13, 12)
    np.testing.assert_array_equal(points_of(cloud)[..., 2], depth_of(ramp())[::5, ::5])


def test_cloud_of_voxels_has_one_point_for_each(
    graph: Graph, start_node: NodeFactory, engine: KnownEngine
) -> None:
    start_node(point_voxel=0.1)
    clouds = graph.collect(PointCloud2, 'points')
    image = ramp()
    image[3, 5, 0] = 255
    graph.publisher(CameraInfo, 'camera_info').publish(camera_info())
    graph.publisher(Image, 'image').publish(rgb_image(image))
    cloud = clouds.wait_for(1)[0]
    assert (cloud.height, cloud.point_step, cloud.is_dense) == (1, 16, False)
    assert len(cloud.data) == cloud.row_step == 16 * cloud.width
    found = points_of(cloud)[0]
    assert not np.isnan(found).any()
    z = depth_of(image)
    columns, rows = np.meshgrid(np.arange(64), np.arange(48))
    whole: NDArray[np.float32] = np.stack(
        ((columns - 31.5) / 50 * z, (rows - 23.5) / 50 * z, z), axis=-1
    )
    voxels = np.floor(found[:, :3] * np.float32(10)).astype(int)
    assert len(np.unique(voxels, axis=0)) == cloud.width
    expected = np.unique(np.floor(whole[~np.isnan(z)] / 0.1).astype(int), axis=0)
    assert abs(len(expected) - cloud.width) <= 0.02 * cloud.width  # on borders, by rounding
    assert engine.wanted_points == [False]  # the whole cloud was not built


def test_camera_info_is_as_received_where_sizes_agree(
    graph: Graph, start_node: NodeFactory
) -> None:
    start_node()
    infos = graph.collect(CameraInfo, 'depth/camera_info')
    received = camera_info(width=128, height=96, stamp=header(9, 9, 'x'))
    received.d = [0.1, -0.2, 0.01, 0.02, 0.3]
    received.binning_x = received.binning_y = 2
    graph.publisher(CameraInfo, 'camera_info').publish(received)
    stamp = header(3, 4, 'optical')
    graph.publisher(Image, 'image').publish(rgb_image(ramp(), stamp))
    expected = copy.deepcopy(received)
    expected.header = stamp
    assert infos.wait_for(1)[0] == expected


@pytest.mark.parametrize('output_size', [[0, 0], [24, 32]])
def test_camera_info_of_rectified_images_has_p_in_k_and_no_distortion(
    graph: Graph, start_node: NodeFactory, output_size: list[int]
) -> None:
    start_node(image_is_rectified=True, output_size=output_size)
    infos = graph.collect(CameraInfo, 'depth/camera_info')
    clouds = graph.collect(PointCloud2, 'points')
    received = camera_info()
    received.d = [0.1, -0.2, 0.01, 0.02, 0.3]
    received.p = [60.0, 0.0, 30.5, -6.0, 0.0, 62.0, 22.5, 0.0, 0.0, 0.0, 1.0, 0.0]
    received.r = [0.0, -1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0]
    graph.publisher(CameraInfo, 'camera_info').publish(received)
    graph.publisher(Image, 'image').publish(rgb_image(ramp()))
    info = infos.wait_for(1)[0]
    by = 2 if output_size[0] else 1
    cx, cy = (30.5 + 0.5) / by - 0.5, (22.5 + 0.5) / by - 0.5
    np.testing.assert_allclose(info.k, [60 / by, 0, cx, 0, 62 / by, cy, 0, 0, 1])
    np.testing.assert_allclose(info.p, [60 / by, 0, cx, -6 / by, 0, 62 / by, cy, 0, 0, 0, 1, 0])
    np.testing.assert_array_equal(info.r, np.eye(3).ravel())
    assert (info.distortion_model, list(info.d)) == ('plumb_bob', [0.0] * 5)
    points = points_of(clouds.wait_for(1)[0])
    np.testing.assert_allclose(points[5, 7, 0] / points[5, 7, 2], (7 - cx) * by / 60, rtol=1e-5)


def test_output_size_scales_k_and_p_and_keeps_d_and_r(
    graph: Graph, start_node: NodeFactory
) -> None:
    start_node(output_size=[24, 32])
    infos = graph.collect(CameraInfo, 'depth/camera_info')
    depths = graph.collect(Image, 'depth/image_rect')
    received = camera_info(focal=50.0)
    received.d = [0.1, -0.2, 0.01, 0.02, 0.3]
    received.p[3] = -10.0
    graph.publisher(CameraInfo, 'camera_info').publish(received)
    graph.publisher(Image, 'image').publish(rgb_image(ramp()))
    info, depth = infos.wait_for(1)[0], depths.wait_for(1)[0]
    assert (depth.height, depth.width) == (info.height, info.width) == (24, 32)
    # Pixel centers: cx' = (cx + 0.5) / 2 - 0.5, here (31.5 + 0.5) / 2 - 0.5 = 15.5.
    np.testing.assert_allclose(info.k, [25, 0, 15.5, 0, 25, 11.5, 0, 0, 1])
    np.testing.assert_allclose(info.p, [25, 0, 15.5, -5, 0, 25, 11.5, 0, 0, 0, 1, 0])
    np.testing.assert_array_equal(info.d, received.d)
    np.testing.assert_array_equal(info.r, received.r)
    assert info.distortion_model == 'plumb_bob'


def test_publishers_are_reliable_volatile_and_keep_few(
    graph: Graph, start_node: NodeFactory
) -> None:
    node = start_node()
    topics = ('depth/image_rect', 'depth/camera_info', 'points', 'depth/preview')
    for topic in topics:
        graph.wait(partial(graph.node.count_publishers, topic), topic)
        (info,) = graph.node.get_publishers_info_by_topic(topic)
        assert info.qos_profile.reliability is ReliabilityPolicy.RELIABLE
        assert info.qos_profile.durability is DurabilityPolicy.VOLATILE
    for publisher in node.publishers:
        if publisher.topic_name.removeprefix('/') in topics:
            assert publisher.qos_profile.history is HistoryPolicy.KEEP_LAST
            assert publisher.qos_profile.depth <= 10


def test_best_effort_and_reliable_subscribers_both_get_depth(
    graph: Graph, start_node: NodeFactory
) -> None:
    start_node()
    reliable = graph.collect(Image, 'depth/image_rect', qos('reliable'))
    best_effort = graph.collect(Image, 'depth/image_rect', qos('best_effort'))
    graph.publisher(Image, 'image').publish(rgb_image(ramp()))
    assert reliable.wait_for(1)[0] == best_effort.wait_for(1)[0]


def test_preview_is_a_colour_map_and_only_made_while_somebody_subscribes(
    graph: Graph, start_node: NodeFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    painted: list[int] = []

    def counting(*given: Any) -> Any:
        painted.append(1)
        return colourise(*given)

    monkeypatch.setattr('drnet_ros.node.derived_outputs.colourise', counting)
    start_node()
    depths = graph.collect(Image, 'depth/image_rect')
    publisher = graph.publisher(Image, 'image')
    publisher.publish(rgb_image(ramp(), header(1)))
    depths.wait_for(1)
    assert painted == []
    previews = graph.collect(Image, 'depth/preview')
    publisher.publish(rgb_image(ramp(), header(2)))
    preview = previews.wait_for_stamp(header(2))
    assert (preview.encoding, preview.height, preview.width) == ('rgb8', 48, 64)
    assert len(painted) == 1


def test_cloud_is_not_computed_while_nobody_subscribes_to_it(
    graph: Graph, start_node: NodeFactory, engine: KnownEngine
) -> None:
    start_node()
    depths = graph.collect(Image, 'depth/image_rect')
    graph.publisher(CameraInfo, 'camera_info').publish(camera_info())
    graph.publisher(Image, 'image').publish(rgb_image(ramp()))
    depths.wait_for(1)
    assert engine.wanted_points == [False]
