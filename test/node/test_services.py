"""The services on a live graph: a saved frame is the published one, a measured scale true."""

from __future__ import annotations

import re
from itertools import count
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from known_depth import depth_of
from node_graph import Graph, NodeFactory, camera_info, header, ramp, rgb_image
from plyfile import PlyData
from rcl_interfaces.msg import Log
from rclpy.qos import qos_profile_rosout_default
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from sparse_scene import FACTOR, at, cloud, image, true_depth, true_points
from std_srvs.srv import Trigger

from drnet_ros.inference import Settings
from drnet_ros.inference.sparse_depth.depth_scale import DepthScale
from drnet_ros.node.depth_node import DepthNode
from drnet_ros.node.scale_calibration import IMAGES, ScaleCalibration


def call(graph: Graph, service: str) -> Trigger.Response:
    answer: Trigger.Response = graph.call(Trigger, f'depth_node/{service}', Trigger.Request())
    return answer


def test_a_frame_is_saved_with_all_that_belongs_to_it(
    graph: Graph, start_node: NodeFactory, tmp_path: Path
) -> None:
    """Nothing subscribes, points are off: the service alone makes the node work."""
    start_node(save_folder=str(tmp_path / 'frames'), points=False, max_depth=1.5, point_stride=2)
    infos = graph.publisher(CameraInfo, 'camera_info')
    images = graph.publisher(Image, 'image')
    answer = call(graph, 'save_frame')
    assert answer.success
    assert str(tmp_path / 'frames') in answer.message
    infos.publish(camera_info())
    images.publish(rgb_image(ramp(), header(7, 8)))
    folder = tmp_path / 'frames' / 'camera_7_000000008'
    graph.wait(folder.is_dir, 'the folder')
    assert {path.name for path in folder.iterdir()} == {
        *('image.png', 'depth.npy', 'depth.png', 'points.ply'),
        *('camera_info.yaml', 'parameters.yaml'),
    }
    saved = cv2.imread(str(folder / 'image.png'))
    assert saved is not None
    np.testing.assert_array_equal(saved[..., ::-1], ramp())
    depth = depth_of(ramp())
    depth[depth > 1.5] = np.nan
    np.testing.assert_array_equal(np.load(folder / 'depth.npy'), depth)
    millimetres = cv2.imread(str(folder / 'depth.png'), cv2.IMREAD_UNCHANGED)
    assert millimetres is not None
    np.testing.assert_array_equal(millimetres, np.rint(np.nan_to_num(depth) * 1000))
    vertices = PlyData.read(str(folder / 'points.ply'))['vertex']
    valid = ~np.isnan(depth[::2, ::2])
    np.testing.assert_array_equal(vertices['z'], depth[::2, ::2][valid])
    np.testing.assert_array_equal(vertices['red'], ramp()[::2, ::2, 0][valid])
    camera = yaml.safe_load((folder / 'camera_info.yaml').read_text())
    assert (camera['image_width'], camera['image_height']) == (64, 48)
    assert camera['camera_matrix']['data'] == [50, 0, 31.5, 0, 50, 23.5, 0, 0, 1]
    assert len(camera['projection_matrix']['data']) == 12
    given = yaml.safe_load((folder / 'parameters.yaml').read_text())['/**']['ros__parameters']
    assert Settings.from_mapping(given) == Settings(
        save_folder=str(tmp_path / 'frames'), points=False, max_depth=1.5, point_stride=2
    )


def test_only_one_frame_is_saved_and_a_failure_is_logged(
    graph: Graph, start_node: NodeFactory, tmp_path: Path
) -> None:
    node: DepthNode = start_node(save_folder=str(tmp_path / 'frames'))
    logs = graph.collect(Log, '/rosout', qos_profile_rosout_default)
    depths = graph.collect(Image, 'depth/image_rect')
    images = graph.publisher(Image, 'image')
    call(graph, 'save_frame')
    for second in (1, 2, 3):
        images.publish(rgb_image(ramp(), header(second)))
        depths.wait_for_stamp(header(second))
    graph.wait((tmp_path / 'frames' / 'camera_1_000000002').is_dir, 'the folder')
    assert len(list((tmp_path / 'frames').iterdir())) == 1
    call(graph, 'save_frame')
    images.publish(rgb_image(ramp(), header(1)))  # a recording that is played again
    graph.wait((tmp_path / 'frames' / 'camera_1_000000002_2').is_dir, 'another folder')
    (tmp_path / 'frames').rename(tmp_path / 'elsewhere')
    (tmp_path / 'frames').touch()
    reason = f'the frame is not saved in {tmp_path / "frames"}: '
    call(graph, 'save_frame')
    images.publish(rgb_image(ramp(), header(4)))
    graph.wait(lambda: any(reason in each.msg for each in logs.messages), 'the reason')
    assert node.health().counts.frames_failed == 0


def test_the_measured_factor_makes_depth_true(graph: Graph, start_node: NodeFactory) -> None:
    start_node(sparse_depth_sources=['points'], scale_factor=0.5)
    logs = graph.collect(Log, '/rosout', qos_profile_rosout_default)
    images = graph.publisher(Image, 'image')
    graph.publisher(CameraInfo, 'camera_info').publish(camera_info())
    clouds = graph.publisher(PointCloud2, 'sparse_points')
    assert call(graph, 'calibrate_scale').success
    assert 'under way: 0 of 100' in call(graph, 'calibrate_scale').message
    times = count(1000, 50)

    def send() -> None:
        now = next(times)
        clouds.publish(cloud(true_points(), at(now)))
        images.publish(image(now))

    def results() -> list[str]:
        return [each.msg for each in logs.messages if each.msg.startswith('scale_factor: ')]

    graph.repeat_until(send, results, 'a result', every_s=0.02)
    text = results()[0]
    factor = float(text.split()[1])
    assert factor == pytest.approx(FACTOR, rel=0.01)
    assert text.endswith(f'; set it: ros2 param set /depth_node scale_factor {factor:.4f}')


def test_a_scale_factor_that_changes_meanwhile_is_accounted_for() -> None:
    results: list[str] = []
    calibration = ScaleCalibration(results.append)
    for _ in range(IMAGES // 2):
        calibration.add(DepthScale(1.2, 0.1, points=5), 1.0)
    calibration.add(DepthScale(9.0, 0.1, points=0), 1.0)  # without points of its own
    for _ in range(IMAGES // 2):  # set by hand, since depth was too near by so much
        calibration.add(DepthScale(1.0, 0.1, points=5), 1.2)
    calibration.add(DepthScale(9.0, 0.1, points=5), 1.2)  # one too many
    assert results == [
        'scale_factor: 1.2000 (geometric mean of 100 images; 5 % to 95 %: 1.2000 to 1.2000)'
    ]


def test_scale_factor_multiplies_depth(graph: Graph, start_node: NodeFactory) -> None:
    start_node(scale_factor=FACTOR)
    depths = graph.collect(Image, 'depth/image_rect')
    graph.publisher(Image, 'image').publish(image(0))
    depth = np.frombuffer(depths.wait_for(1)[0].data, np.float32).reshape(48, 64)
    np.testing.assert_allclose(depth, true_depth(), rtol=1e-6)


def test_what_is_asked_for_and_not_done_when_the_work_ends_is_logged(
    graph: Graph, start_node: NodeFactory
) -> None:
    node: DepthNode = start_node(sparse_depth_sources=['points'])
    logs = graph.collect(Log, '/rosout', qos_profile_rosout_default)
    images = graph.publisher(Image, 'image')
    graph.publisher(CameraInfo, 'camera_info').publish(camera_info())
    clouds = graph.publisher(PointCloud2, 'sparse_points')
    depths = graph.collect(Image, 'depth/image_rect')
    assert call(graph, 'calibrate_scale').success
    times = count(1000, 50)

    def send() -> None:
        now = next(times)
        clouds.publish(cloud(true_points(), at(now)))
        images.publish(image(now))

    graph.repeat_until(send, lambda: len(depths.messages) >= 10, 'ten frames', every_s=0.02)
    said = call(graph, 'calibrate_scale').message
    assert said.startswith('it is under way: ')
    assert call(graph, 'save_frame').success
    node.trigger_deactivate()
    node.trigger_shutdown()

    def given_up() -> list[str]:
        return [each.msg for each in logs.messages if 'is given up' in each.msg]

    graph.wait(lambda: len(given_up()) == 2, 'both')
    for line in given_up():
        assert re.fullmatch(
            r'save_frame is given up: no image of camera came in time|'
            r'calibrate_scale is given up: \d+ of 100 images had sparse depth; .*',
            line,
        )


def test_what_cannot_be_done_is_refused_with_the_reason(
    graph: Graph, start_node: NodeFactory
) -> None:
    node: DepthNode = start_node()
    answer = call(graph, 'calibrate_scale')
    assert (answer.success, 'sparse_depth_sources must be set' in answer.message) == (False, True)
    node.trigger_deactivate()
    for service in ('save_frame', 'calibrate_scale'):
        answer = call(graph, service)
        assert (answer.success, answer.message) == (False, 'the node must be active')
