"""`rectify` on a live graph: image, depth, cloud and camera_info agree on one ideal camera."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from known_depth import depth_of
from node_graph import Graph, NodeFactory, camera_info, header, ramp, rgb_image
from numpy.typing import NDArray
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

from drnet_ros.node import intrinsics
from drnet_ros.node.depth_node import DepthNode

D = [-0.3, 0.1, 0.0, 0.0, 0.0]
TURN = cv2.Rodrigues(np.array([0.0, 0.04, 0.0]))[0]


def distorted() -> CameraInfo:
    info = camera_info()
    info.d = D
    info.r = TURN.ravel()
    info.p = [45.0, 0.0, 30.0, -4.5, 0.0, 46.0, 24.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    return info


def maps(info: CameraInfo) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    matrix, ideal = info.k.reshape(3, 3), info.p.reshape(3, 4)[:, :3]
    columns, rows = cv2.initUndistortRectifyMap(
        matrix, np.array(D), TURN, ideal, (64, 48), cv2.CV_32FC1
    )
    return np.asarray(columns, np.float32), np.asarray(rows, np.float32)


def sees(info: CameraInfo) -> NDArray[np.bool_]:
    columns, rows = maps(info)
    seen: NDArray[np.bool_] = (columns > -0.5) & (columns < 63.5) & (rows > -0.5) & (rows < 47.5)
    return seen


def test_depth_cloud_info_and_image_are_of_the_rectified_camera(
    graph: Graph, start_node: NodeFactory
) -> None:
    start_node(rectify=True)
    depths = graph.collect(Image, 'depth/image_rect')
    clouds = graph.collect(PointCloud2, 'points')
    infos = graph.collect(CameraInfo, 'depth/camera_info')
    pictures = graph.collect(Image, 'image_rect')
    info = distorted()
    graph.publisher(CameraInfo, 'camera_info').publish(info)
    graph.publisher(Image, 'image').publish(rgb_image(ramp(), header(3, 4, 'optical')))

    image = np.frombuffer(pictures.wait_for(1)[0].data, np.uint8).reshape(48, 64, 3)
    expected = cv2.remap(ramp(), *maps(info), cv2.INTER_LINEAR)
    inside = cv2.erode(sees(info).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    assert np.abs(image.astype(int) - expected)[inside].max() <= 1
    depth = np.frombuffer(depths.wait_for(1)[0].data, np.float32).reshape(48, 64)
    np.testing.assert_array_equal(np.isnan(depth), ~sees(info))
    np.testing.assert_array_equal(depth[sees(info)], depth_of(image)[sees(info)])

    found = infos.wait_for(1)[0]
    assert found.header == pictures.messages[0].header == header(3, 4, 'optical')
    np.testing.assert_allclose(found.k, [45, 0, 30, 0, 46, 24, 0, 0, 1])
    np.testing.assert_allclose(found.p, info.p)
    np.testing.assert_array_equal(found.r, np.eye(3).ravel())
    assert not any(found.d)
    points = np.frombuffer(clouds.wait_for(1)[0].data, np.float32).reshape(48, 64, 4)
    v, u = np.mgrid[:48, :64]
    np.testing.assert_allclose(points[..., 0], (u - 30) / 45 * depth, rtol=1e-5)
    np.testing.assert_allclose(points[..., 1], (v - 24) / 46 * depth, rtol=1e-5, atol=1e-6)


def test_the_mask_is_drawn_on_the_raw_image(
    graph: Graph, start_node: NodeFactory, tmp_path: Path
) -> None:
    body = np.full((48, 64), 255, np.uint8)
    body[30:, 10:30] = 0
    assert cv2.imwrite(str(tmp_path / 'm.png'), body)
    start_node(rectify=True, mask=[str(tmp_path / 'm.png')])
    depths = graph.collect(Image, 'depth/image_rect')
    info = distorted()
    graph.publisher(CameraInfo, 'camera_info').publish(info)
    graph.publisher(Image, 'image').publish(rgb_image(ramp()))
    depth = np.frombuffer(depths.wait_for(1)[0].data, np.float32).reshape(48, 64)
    moved = cv2.remap(255 - body, *maps(info), cv2.INTER_NEAREST) > 0
    is_masked = np.isnan(depth) & sees(info)
    assert is_masked[moved & sees(info)].all()
    around = cv2.dilate(moved.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    assert not is_masked[~around].any()


def test_an_ideal_camera_changes_nothing_and_none_is_an_error(
    graph: Graph, start_node: NodeFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intrinsics, '_COMPANION_WAIT_S', 0.05)
    node: DepthNode = start_node(rectify=True)
    depths = graph.collect(Image, 'depth/image_rect')
    images = graph.publisher(Image, 'image')
    images.publish(rgb_image(ramp(48, 48), header(1)))  # no camera_info fits a square
    infos = graph.publisher(CameraInfo, 'camera_info')
    infos.publish(camera_info())
    graph.wait_for_value(lambda: node.health().counts.frames_failed, 1, 'failed frames')
    assert 'rectify must have camera_info' in node.health().counts.last_failure
    images.publish(rgb_image(ramp(), header(2)))
    depth = np.frombuffer(depths.wait_for_stamp(header(2)).data, np.float32).reshape(48, 64)
    np.testing.assert_array_equal(depth, depth_of(ramp()))
