"""`points_merged` on a live graph: clouds of two cameras in the frame of the robot."""

from __future__ import annotations

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from known_depth import KnownEngine
from node_graph import Collected, Graph, NodeFactory, camera_info, header, rgb_image, values_of
from numpy.typing import NDArray
from rclpy.publisher import Publisher
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from sparse_scene import BASE

# Front looks along x from (0.2, 0, 0.5), rear backwards from (-0.3, 0, 0.4).
MOUNTINGS = [
    f'{BASE} front_optical 0.2 0 0.5 -0.5 0.5 -0.5 0.5',
    f'{BASE} rear_optical -0.3 0 0.4 0.5 0.5 -0.5 -0.5',
]
MERGED = {
    'cameras': ['front', 'rear'],
    'merged_frame': BASE,
    'sparse_depth_extrinsics': MOUNTINGS,
    'point_color': False,
}


def picture(red: int) -> NDArray[np.uint8]:
    """A wall at 1 + red / 100 metres before the camera."""
    image = np.zeros((48, 64, 3), np.uint8)
    image[..., 0] = red
    return image


class Cameras:
    def __init__(self, graph: Graph) -> None:
        self.merged: Collected[PointCloud2] = graph.collect(PointCloud2, 'points_merged')
        self._images: dict[str, Publisher[Image]] = {}
        for name in ('front', 'rear'):
            graph.publisher(CameraInfo, f'{name}/camera_info').publish(camera_info())
            self._images[name] = graph.publisher(Image, f'{name}/image')

    def take(self, name: str, milliseconds: int, red: int) -> None:
        stamp = header(100, milliseconds * 1_000_000, f'{name}_optical')
        self._images[name].publish(rgb_image(picture(red), stamp))


def points_of(message: PointCloud2) -> NDArray[np.float32]:
    assert (message.height, message.is_dense) == (1, False)
    return np.frombuffer(bytes(message.data), '<f4').reshape(message.width, -1)


def test_clouds_of_one_moment_become_one(
    graph: Graph, start_node: NodeFactory, engine: KnownEngine
) -> None:
    start_node(points=False, sync_slop=0.02, **MERGED)
    cameras = Cameras(graph)
    cameras.take('front', 10, red=100)
    cameras.take('rear', 25, red=0)
    (message,) = cameras.merged.wait_for(1)
    assert message.header == header(100, 25_000_000, BASE)
    points = points_of(message)
    assert points.shape == (2 * 48 * 64, 3)
    # The front camera's wall is 2 m before it, the rear camera's 1 m behind it.
    front, rear = points[: 48 * 64], points[48 * 64 :]
    np.testing.assert_allclose(front[:, 0], 2.2, atol=1e-5)
    np.testing.assert_allclose(rear[:, 0], -1.3, atol=1e-5)
    # Pixel (0, 0): left and above for the front camera, right of the robot for the rear one.
    np.testing.assert_allclose(front[0], (2.2, 31.5 / 50 * 2, 0.5 + 23.5 / 50 * 2), atol=1e-5)
    np.testing.assert_allclose(rear[0], (-1.3, -31.5 / 50, 0.4 + 23.5 / 50), atol=1e-5)
    assert engine.wanted_points == [True, True]


def test_clouds_of_different_moments_do_not_and_diagnostics_say_so(
    graph: Graph, start_node: NodeFactory
) -> None:
    start_node(sync_slop=0.02, **MERGED)
    cameras = Cameras(graph)
    states = graph.collect(DiagnosticArray, '/diagnostics')
    depths = {name: graph.collect(Image, f'{name}/depth/image_rect') for name in ('front', 'rear')}
    for number in range(10):
        cameras.take('front', 100 * number, red=0)
        cameras.take('rear', 100 * number + 30, red=0)
        for found in depths.values():
            found.wait_for(number + 1)

    def said() -> bool:
        messages = [values_of(each, 'front').get('message', '') for each in states.messages]
        text = 'no points_merged: the clouds of the cameras are 0.030 s apart, sync_slop is 0.02 s'
        return any(text in message for message in messages)

    graph.wait(said, 'the reason in the diagnostics')
    assert cameras.merged.messages == []


def test_voxels_thin_what_is_merged(graph: Graph, start_node: NodeFactory) -> None:
    start_node(point_voxel=0.1, **MERGED)
    cameras = Cameras(graph)
    cameras.take('front', 10, red=100)
    cameras.take('rear', 10, red=0)
    points = points_of(cameras.merged.wait_for(1)[0])
    voxels = np.floor(points * np.float32(10)).astype(int)
    assert 300 < len(points) == len(np.unique(voxels, axis=0)) < 1000


def test_without_a_transform_diagnostics_name_the_frames(
    graph: Graph, start_node: NodeFactory
) -> None:
    start_node(cameras=['front', 'rear'], merged_frame='nowhere')
    cameras = Cameras(graph)
    states = graph.collect(DiagnosticArray, '/diagnostics')
    cameras.take('front', 10, red=0)

    def said() -> bool:
        messages = [values_of(each, 'front').get('message', '') for each in states.messages]
        text = 'no points_merged: front_optical must be connected to nowhere'
        return any(text in message for message in messages)

    graph.wait(said, 'the reason in the diagnostics')
