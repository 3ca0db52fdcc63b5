"""The robot's own body on a live graph: no depth, no points, and no sparse depth there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from known_depth import depth_of
from node_graph import Graph, NodeFactory, camera_info, header, ramp, rgb_image, values_of
from numpy.typing import NDArray
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from sparse_scene import FACTOR, FOCAL, at, cloud, image, true_points

from drnet_ros.node.depth_node import DepthNode


def body() -> NDArray[np.bool_]:
    mask = np.zeros((48, 64), np.bool_)
    mask[30:, 8:40] = True
    return mask


@pytest.fixture
def mask_file(tmp_path: Path) -> str:
    path = tmp_path / 'body.png'
    assert cv2.imwrite(str(path), np.where(body(), 0, 255).astype(np.uint8))
    return str(path)


def depth_in(message: Image) -> NDArray[np.float32]:
    return np.frombuffer(message.data, np.float32).reshape(message.height, message.width)


def set_mask(graph: Graph, *paths: str) -> Any:
    return set_parameter(graph, Parameter('mask', value=list(paths)))


def set_parameter(graph: Graph, parameter: Parameter[Any]) -> Any:
    request = SetParameters.Request(parameters=[parameter.to_parameter_msg()])
    return graph.call(SetParameters, 'depth_node/set_parameters', request).results[0]


def test_the_body_is_invalid_in_depth_and_cloud(
    graph: Graph, start_node: NodeFactory, mask_file: str
) -> None:
    start_node(mask=[mask_file], point_stride=2)
    depths = graph.collect(Image, 'depth/image_rect')
    clouds = graph.collect(PointCloud2, 'points')
    graph.publisher(CameraInfo, 'camera_info').publish(camera_info())
    graph.publisher(Image, 'image').publish(rgb_image(ramp()))
    expected = np.where(body(), np.float32(np.nan), depth_of(ramp()))
    np.testing.assert_array_equal(depth_in(depths.wait_for(1)[0]), expected)
    points = np.frombuffer(clouds.wait_for(1)[0].data, np.float32).reshape(24, 32, 4)
    np.testing.assert_array_equal(points[..., 2], expected[::2, ::2])
    np.testing.assert_array_equal(np.isnan(points[..., 0]), body()[::2, ::2])


def test_a_mask_changes_live_and_a_bad_one_leaves_the_old(
    graph: Graph, start_node: NodeFactory, mask_file: str, tmp_path: Path
) -> None:
    node: DepthNode = start_node()
    depths = graph.collect(Image, 'depth/image_rect')
    images = graph.publisher(Image, 'image')
    masked: list[int] = []
    for sec, path in enumerate(('', mask_file, str(tmp_path / 'missing.png'), ''), start=1):
        answer = set_mask(graph, path)
        assert answer.successful is ('missing' not in path)
        if not answer.successful:
            assert "mask must be '' or the path of a PNG" in answer.reason
            assert list(node.get_parameter('mask').value) == [mask_file]
        images.publish(rgb_image(ramp(), header(sec)))
        masked.append(int(np.isnan(depth_in(depths.wait_for_stamp(header(sec)))).sum()))
    assert masked == [0, body().sum(), body().sum(), 0]


def test_an_image_of_another_shape_is_dropped_with_the_reason(
    graph: Graph, start_node: NodeFactory, mask_file: str
) -> None:
    node: DepthNode = start_node(mask=[mask_file])
    depths = graph.collect(Image, 'depth/image_rect')
    images = graph.publisher(Image, 'image')
    images.publish(rgb_image(ramp(48, 48), header(1)))
    graph.wait_for_value(lambda: node.health().counts.frames_failed, 1, 'failed frames')
    assert 'the mask must have the shape of the image' in node.health().counts.last_failure
    images.publish(rgb_image(ramp(96, 128), header(2)))
    depth = depth_in(depths.wait_for_stamp(header(2)))
    np.testing.assert_array_equal(np.isnan(depth), body().repeat(2, 0).repeat(2, 1))
    assert len(depths.messages) == 1


def test_a_mask_that_fits_gets_over_one_that_did_not(
    graph: Graph, start_node: NodeFactory, mask_file: str, tmp_path: Path
) -> None:
    wide = str(tmp_path / 'wide.png')
    assert cv2.imwrite(wide, np.where(body()[24:], 0, 255).astype(np.uint8))
    node: DepthNode = start_node(mask=[wide])
    depths = graph.collect(Image, 'depth/image_rect')
    images = graph.publisher(Image, 'image')
    images.publish(rgb_image(ramp(), header(1)))
    graph.wait_for_value(lambda: node.health().counts.frames_failed, 1, 'failed frames')
    assert set_mask(graph, mask_file).successful
    images.publish(rgb_image(ramp(), header(2)))
    depth = depth_in(depths.wait_for_stamp(header(2)))
    np.testing.assert_array_equal(np.isnan(depth), body())


def test_a_file_that_has_changed_is_read_when_it_is_set_again(
    graph: Graph, start_node: NodeFactory, mask_file: str
) -> None:
    start_node(mask=[mask_file])
    depths = graph.collect(Image, 'depth/image_rect')
    images = graph.publisher(Image, 'image')
    assert cv2.imwrite(mask_file, np.where(body()[::-1], 0, 255).astype(np.uint8))
    assert set_mask(graph, mask_file).successful
    images.publish(rgb_image(ramp(), header(2)))
    depth = depth_in(depths.wait_for_stamp(header(2)))
    np.testing.assert_array_equal(np.isnan(depth), body()[::-1])
    Path(mask_file).write_bytes(b'half of a picture')
    answer = set_mask(graph, mask_file)
    assert not answer.successful
    assert 'cannot be read' in answer.reason


def test_a_file_that_is_being_painted_does_not_stop_what_else_is_set(
    graph: Graph, start_node: NodeFactory, mask_file: str
) -> None:
    start_node(mask=[mask_file])
    depths = graph.collect(Image, 'depth/image_rect')
    Path(mask_file).write_bytes(b'half of a picture')
    set_parameter(graph, Parameter('point_stride', value=2))
    graph.publisher(Image, 'image').publish(rgb_image(ramp(), header(1)))
    depth = depth_in(depths.wait_for_stamp(header(1)))
    np.testing.assert_array_equal(np.isnan(depth), body())


def test_each_camera_has_its_own(graph: Graph, start_node: NodeFactory, mask_file: str) -> None:
    start_node(cameras=['front', 'rear'], mask=['', mask_file])
    found = {}
    for name in ('front', 'rear'):
        depths = graph.collect(Image, f'{name}/depth/image_rect')
        graph.publisher(Image, f'{name}/image').publish(rgb_image(ramp()))
        found[name] = int(np.isnan(depth_in(depths.wait_for(1)[0])).sum())
    assert found == {'front': 0, 'rear': body().sum()}


def test_a_missing_mask_stops_the_node_with_one_line(
    start_node: NodeFactory, tmp_path: Path
) -> None:
    node: DepthNode = start_node(is_up=False, mask=[str(tmp_path / 'missing.png')])
    assert not node.bring_up()


@pytest.mark.parametrize('has_mask', [False, True])
def test_sparse_depth_on_the_body_sets_no_scale(
    graph: Graph, start_node: NodeFactory, mask_file: str, *, has_mask: bool
) -> None:
    """Points on the robot ask for half the depth; with the mask only the others count."""
    node: DepthNode = start_node(
        sparse_depth_sources=['points'], mask=[mask_file if has_mask else '']
    )
    scales = graph.collect(DiagnosticArray, 'depth/scale')
    images = graph.publisher(Image, 'image')
    infos = graph.publisher(CameraInfo, 'camera_info')
    clouds = graph.publisher(PointCloud2, 'sparse_points')
    points = true_points()
    columns = np.rint(points[:, 0] / points[:, 2] * FOCAL + 31.5).astype(int)
    rows = np.rint(points[:, 1] / points[:, 2] * FOCAL + 23.5).astype(int)
    is_on_body = body()[rows, columns]
    points[is_on_body] *= 0.5
    infos.publish(camera_info())
    clouds.publish(cloud(points, at(1000)))
    sent = iter(range(1000, 1500))
    graph.repeat_until(
        lambda: images.publish(image(next(sent))),
        lambda: node.health().sources['points'].received and len(scales.messages) > 2,
        'points in the node',
    )
    values = values_of(scales.messages[-1], 'camera')
    assert int(values['dropped_no_estimate']) == (is_on_body.sum() if has_mask else 0)
    if has_mask:
        assert float(values['factor']) == pytest.approx(FACTOR, rel=0.01)
