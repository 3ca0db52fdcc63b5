"""`scan_out` on a live graph: what Nav2 marks and clears with it, in which frame, for whom."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from known_depth import KnownEngine
from node_graph import Graph, NodeFactory, camera_info, header, rgb_image, values_of
from numpy.typing import NDArray
from sensor_msgs.msg import CameraInfo, Image, LaserScan
from sparse_scene import BASE, BASE_TO_OPTICAL, OPTICAL

from drnet_ros.inference.arrays import FloatArray, UInt8Array


def far_or_near(rgb_hwc: UInt8Array) -> FloatArray:
    """Depth is the red channel in decimetres: 0.1 to 25.5 m."""
    depth: FloatArray = rgb_hwc[..., 0].astype(np.float32) / np.float32(10)
    return depth


def picture(decimetres: int = 200) -> NDArray[np.uint8]:
    """All is 20 m away, and a post of 2 m stands in columns 40 to 43."""
    image = np.full((48, 64, 3), decimetres, np.uint8)
    image[:, 40:44] = 20
    return image


def beam_of(scan: LaserScan, column: int) -> float:
    bearing = -math.atan((column - 31.5) / 50)
    return float(scan.ranges[round((bearing - scan.angle_min) / scan.angle_increment)])


def taken(graph: Graph, stamp_s: int = 1) -> LaserScan:
    scans = graph.collect(LaserScan, 'scan_out')
    graph.publisher(CameraInfo, 'camera_info').publish(camera_info())
    graph.publisher(Image, 'image').publish(rgb_image(picture(), header(stamp_s, 5, OPTICAL)))
    message: LaserScan = scans.wait_for(1)[0]
    return message


def test_far_is_free_near_is_marked_and_masked_is_unknown(
    graph: Graph, start_node: NodeFactory, engine: KnownEngine, tmp_path: Path
) -> None:
    mask = np.full((48, 64), 255, np.uint8)
    mask[:, :9] = 0
    assert cv2.imwrite(str(tmp_path / 'm.png'), mask)
    engine.depth_of = far_or_near
    start_node(mask=[str(tmp_path / 'm.png')])
    scan = taken(graph)
    assert (scan.header.stamp.sec, scan.header.stamp.nanosec) == (1, 5)
    assert (scan.range_min, scan.range_max) == pytest.approx((0.1, 10.0))
    last = scan.angle_min + (len(scan.ranges) - 1) * scan.angle_increment
    assert scan.angle_max == pytest.approx(last, abs=1e-6)
    assert all(math.isnan(beam_of(scan, column)) for column in range(8))
    assert all(math.isinf(beam_of(scan, column)) for column in (*range(11, 39), *range(46, 64)))
    for column in (41, 42):
        expected = 2 * math.hypot(1, (column - 31.5) / 50)
        assert beam_of(scan, column) == pytest.approx(expected, rel=0.01)


def test_depth_is_the_same_with_and_without_a_scan(
    graph: Graph, start_node: NodeFactory, engine: KnownEngine
) -> None:
    engine.depth_of = far_or_near
    start_node(edge_threshold=0.1)
    depths = graph.collect(Image, 'depth/image_rect')
    graph.publisher(CameraInfo, 'camera_info').publish(camera_info())
    images = graph.publisher(Image, 'image')
    images.publish(rgb_image(picture(90), header(1)))
    without = bytes(depths.wait_for_stamp(header(1)).data)
    scans = graph.collect(LaserScan, 'scan_out')
    sent = iter(range(2, 1000))
    graph.repeat_until(
        lambda: images.publish(rgb_image(picture(90), header(next(sent)))),
        lambda: scans.messages,
        'a scan',
    )
    found = depths.wait_for_stamp(header(scans.messages[0].header.stamp.sec))
    assert bytes(found.data) == without
    assert np.isnan(np.frombuffer(without, np.float32)).any()


@pytest.mark.parametrize(
    ('frame_id', 'expected'),
    [
        ('camera_color_optical_frame', 'camera_color_frame'),
        ('camera_link_optical', 'camera_link'),
        ('camera', 'camera'),
    ],
)
def test_the_frame_of_rows_is_the_camera_with_x_forward(
    graph: Graph, start_node: NodeFactory, frame_id: str, expected: str
) -> None:
    start_node()
    scans = graph.collect(LaserScan, 'scan_out')
    graph.publisher(CameraInfo, 'camera_info').publish(camera_info())
    graph.publisher(Image, 'image').publish(rgb_image(picture(), header(1, 5, frame_id)))
    assert scans.wait_for(1)[0].header.frame_id == expected


def test_a_scan_in_the_base_frame(
    graph: Graph, start_node: NodeFactory, engine: KnownEngine
) -> None:
    """The camera is at the base's origin: the post, 2 m away, is between -0.5 and 0.5 m there."""
    engine.depth_of = far_or_near
    start_node(
        scan_frame=BASE,
        sparse_depth_extrinsics=[BASE_TO_OPTICAL],
        scan_min_height=-0.5,
        scan_max_height=0.5,
    )
    scan = taken(graph)
    assert scan.header.frame_id == BASE
    for column in (41, 42):
        expected = 2 * math.hypot(1, (column - 31.5) / 50)
        assert beam_of(scan, column) == pytest.approx(expected, rel=0.01)
    assert all(math.isinf(beam_of(scan, column)) for column in (*range(39), *range(46, 64)))


def test_without_a_transform_diagnostics_say_why_there_is_no_scan(
    graph: Graph, start_node: NodeFactory
) -> None:
    start_node(scan_frame='nowhere')
    depths = graph.collect(Image, 'depth/image_rect')
    scans = graph.collect(LaserScan, 'scan_out')
    states = graph.collect(DiagnosticArray, '/diagnostics')
    graph.publisher(CameraInfo, 'camera_info').publish(camera_info())
    graph.publisher(Image, 'image').publish(rgb_image(picture()))
    depths.wait_for(1)

    def said() -> bool:
        messages = [values_of(each, 'camera').get('message', '') for each in states.messages]
        return any('no scan_out: ' in text and 'nowhere' in text for text in messages)

    graph.wait(said, 'the reason in the diagnostics')
    assert scans.messages == []
