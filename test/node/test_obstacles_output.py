"""`obstacles` on a live graph: the cloud without the floor, and why there may be none."""

from __future__ import annotations

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from ground_scene import Box, Ramp, depth_of, heights_of, pose
from known_depth import KnownEngine
from node_graph import Graph, NodeFactory, camera_info, header, ramp, rgb_image, values_of
from numpy.typing import NDArray
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from sparse_scene import BASE, OPTICAL

from drnet_ros.inference import CameraModel

CAMERA = CameraModel(64, 48, 50.0, 50.0, 31.5, 23.5)
LEVEL = pose(0.6)
MOUNTING = f'{BASE} {OPTICAL} 0 0 0.6 -0.5 0.5 -0.5 0.5'
BOX = Box((1.6, -0.3, 0.0), (2.0, 0.3, 0.3))
GROUND = {'ground_frame': BASE, 'sparse_depth_extrinsics': [MOUNTING]}


def show(engine: KnownEngine, *things: Box | Ramp) -> NDArray[np.float32]:
    """Let the camera see a scene from now on; returns its depth."""
    depth = depth_of(CAMERA, LEVEL, *things)
    engine.depth_of = lambda _: depth.copy()
    return depth


def taken(graph: Graph) -> PointCloud2:
    clouds = graph.collect(PointCloud2, 'obstacles')
    graph.publisher(CameraInfo, 'camera_info').publish(camera_info())
    graph.publisher(Image, 'image').publish(rgb_image(ramp(), header(1, 5, OPTICAL)))
    message: PointCloud2 = clouds.wait_for(1)[0]
    return message


def channels_of(message: PointCloud2) -> NDArray[np.float32]:
    return np.frombuffer(bytes(message.data), '<f4').reshape(message.height, message.width, -1)


@pytest.mark.parametrize('has_cloud', [True, False])
def test_the_floor_goes_and_the_box_stays(
    graph: Graph, start_node: NodeFactory, engine: KnownEngine, has_cloud: bool
) -> None:
    depth = show(engine, BOX)
    start_node(points=has_cloud, **GROUND)
    message = taken(graph)
    assert message.header == header(1, 5, OPTICAL)
    assert [field.name for field in message.fields] == ['x', 'y', 'z', 'rgb']
    is_box = heights_of(CAMERA, LEVEL, depth) > 0.08
    found = channels_of(message)
    assert found.shape == (1, is_box.sum(), 4)
    assert found.shape[1] > 50
    v, u = np.nonzero(is_box)
    z = depth[is_box]
    expected = np.stack(((u - 31.5) / 50 * z, (v - 23.5) / 50 * z, z), axis=1).astype(np.float64)
    np.testing.assert_allclose(found[0, :, :3].astype(np.float64), expected, rtol=1e-4)
    red, green, blue = ramp()[is_box].astype(np.uint32).T
    colours = found[0, :, 3].view(np.uint32)
    np.testing.assert_array_equal(colours, red << 16 | green << 8 | blue)


def test_voxels_thin_them(graph: Graph, start_node: NodeFactory, engine: KnownEngine) -> None:
    show(engine, BOX)
    start_node(point_voxel=0.2, point_color=False, **GROUND)
    found = channels_of(taken(graph))[0]
    voxels = np.floor(found / np.float32(0.2)).astype(int)
    assert 3 <= len(found) == len(np.unique(voxels, axis=0)) <= 30


def problem_of(graph: Graph, text: str) -> str:
    """Wait until the diagnostics have a text; returns the message that has it."""
    states = graph.collect(DiagnosticArray, '/diagnostics')

    def messages() -> list[str]:
        found = [values_of(each, 'camera').get('message', '') for each in states.messages]
        return [message for message in found if text in message]

    graph.wait(messages, f'{text!r} in the diagnostics')
    return messages()[0]


def test_on_a_ramp_all_stays_and_diagnostics_say_why(
    graph: Graph, start_node: NodeFactory, engine: KnownEngine
) -> None:
    depth = show(engine, Ramp(0.5, 10.0))
    start_node(**GROUND)
    message = taken(graph)
    assert message.width == np.isfinite(depth).sum()
    assert 'got a plane of 10.0 degrees' in problem_of(graph, 'obstacles with the floor: ')


@pytest.mark.parametrize(
    ('parameters', 'reason'),
    [
        ({}, 'obstacles needs the parameter ground_frame'),
        ({'ground_frame': 'nowhere'}, 'no obstacles: optical must be connected to nowhere'),
    ],
)
def test_without_a_ground_there_are_no_obstacles(
    graph: Graph, start_node: NodeFactory, parameters: dict[str, str], reason: str
) -> None:
    start_node(**parameters)
    depths = graph.collect(Image, 'depth/image_rect')
    clouds = graph.collect(PointCloud2, 'obstacles')
    graph.publisher(CameraInfo, 'camera_info').publish(camera_info())
    graph.publisher(Image, 'image').publish(rgb_image(ramp(), header(1, 5, OPTICAL)))
    depths.wait_for(1)
    assert problem_of(graph, reason)
    assert clouds.messages == []
