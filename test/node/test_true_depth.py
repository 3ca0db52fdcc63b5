"""The bundled clip's exact depth through everything but the network, against its true cloud.

The true cloud is made here, in float64 and without our geometry: K inverted, and the poses of the
recording. Where a surface of the room is a plane, the cloud must lie on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from known_depth import KnownEngine
from node_graph import Graph, NodeFactory, header
from numpy.typing import NDArray
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2

from drnet_ros.recordings.recording import Recording

CLIP = Path(__file__).parents[2] / 'offline' / 'clip' / 'room'
TOPICS = {
    'image': '/camera/image_raw/compressed',
    'info': '/camera/camera_info',
    'depth': '/camera/depth/image_rect/compressedDepth',
    'pose': '/camera/pose',
}
FRAME = 40
K = np.array([[525.0, 0, 319.5], [0, 525.0, 239.5], [0, 0, 1]])

pytestmark = pytest.mark.skipif(not CLIP.is_dir(), reason=f'the clip is not at {CLIP}')


@dataclass(frozen=True)
class Truth:
    """One frame of the clip, its depth as recorded."""

    jpeg: bytes
    info: Any
    millimetres: NDArray[np.uint16]
    optical_to_map: NDArray[np.float64]

    @property
    def metres(self) -> NDArray[np.float32]:
        """Depth as an engine gives it: NaN where invalid."""
        metres: NDArray[np.float32] = self.millimetres.astype(np.float32) / np.float32(1000)
        metres[self.millimetres == 0] = np.nan
        return metres

    @property
    def cloud(self) -> NDArray[np.float64]:
        """Points in the optical frame, (480, 640, 3)."""
        u, v = np.meshgrid(np.arange(640.0), np.arange(480.0))
        pixels = np.stack([u, v, np.ones_like(u)], axis=-1)
        z = np.where(self.millimetres == 0, np.nan, self.millimetres / 1000.0)
        points: NDArray[np.float64] = pixels @ np.linalg.inv(K).T * z[..., None]
        return points


@lru_cache(maxsize=1)
def truth() -> Truth:
    found: dict[str, list[Any]] = {name: [] for name in TOPICS}
    names = {topic: name for name, topic in TOPICS.items()}
    with Recording(CLIP) as recording:
        for recorded in recording.messages(TOPICS.values()):
            messages = found[names[recorded.topic]]
            is_needed = len(messages) == FRAME
            messages.append(recording.deserialize(recorded) if is_needed else None)
    image, info, depth, pose = (found[name][FRAME] for name in TOPICS)
    # 12 bytes of compressed_depth_image_transport, then a PNG of millimetres.
    pixels = cv2.imdecode(np.frombuffer(bytes(depth.data)[12:], np.uint8), cv2.IMREAD_UNCHANGED)
    position, turn = pose.pose.position, pose.pose.orientation
    matrix = np.eye(4)
    matrix[:3, :3] = rotation(turn.x, turn.y, turn.z, turn.w)
    matrix[:3, 3] = position.x, position.y, position.z
    return Truth(bytes(image.data), info, np.asarray(pixels, np.uint16), matrix)


def rotation(x: float, y: float, z: float, w: float) -> NDArray[np.float64]:
    axis, angle = np.array([x, y, z]), 2 * np.arctan2(np.linalg.norm([x, y, z]), w)
    length = np.linalg.norm(axis)
    matrix, _ = cv2.Rodrigues(axis / length * angle if length else axis)
    return np.asarray(matrix)


def play(graph: Graph, info: CameraInfo | None = None) -> None:
    """Publish the frame, JPEG and all, with the recorded CameraInfo."""
    recorded = truth().info
    stamp = header(9, 8, 'camera_optical_frame')
    infos = graph.publisher(CameraInfo, 'camera_info')
    images = graph.publisher(CompressedImage, 'image/compressed')
    infos.publish(
        info
        or CameraInfo(
            header=stamp, height=recorded.height, width=recorded.width,
            distortion_model=recorded.distortion_model, d=recorded.d.tolist(),
            k=recorded.k.tolist(), r=recorded.r.tolist(), p=recorded.p.tolist(),
        )
    )  # fmt: skip
    message = CompressedImage(header=stamp, format='jpeg')
    message.data.frombytes(truth().jpeg)
    images.publish(message)


@pytest.fixture
def true_engine(engine: KnownEngine) -> KnownEngine:
    engine.depth_of = lambda _rgb_hwc: truth().metres
    return engine


@pytest.mark.usefixtures('true_engine')
def test_true_depth_gives_the_true_cloud(graph: Graph, start_node: NodeFactory) -> None:
    start_node(image_transport='compressed')
    clouds = graph.collect(PointCloud2, 'points')
    depths = graph.collect(Image, 'depth/image_rect')
    infos = graph.collect(CameraInfo, 'depth/camera_info')
    play(graph)
    cloud = np.frombuffer(clouds.wait_for(1)[0].data, np.float32).reshape(480, 640, 4)
    depth = np.frombuffer(depths.wait_for(1)[0].data, np.float32).reshape(480, 640)
    np.testing.assert_array_equal(depth, truth().metres)
    np.testing.assert_allclose(cloud[..., :3], truth().cloud, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(infos.wait_for(1)[0].k, K.ravel())
    # Each point has the color of its pixel.
    rgb = cv2.imdecode(np.frombuffer(truth().jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert rgb is not None
    bits = np.ascontiguousarray(cloud[..., 3]).view(np.uint32)
    blue, green, red = np.moveaxis(rgb.astype(np.uint32), -1, 0)
    np.testing.assert_array_equal(bits, red << 16 | green << 8 | blue)


@pytest.mark.usefixtures('true_engine')
def test_the_walls_of_the_cloud_are_the_walls_of_the_room(
    graph: Graph, start_node: NodeFactory
) -> None:
    """The planes x = 5, y = 4 and y = 0 and the floor of the map, by the recorded pose."""
    start_node(image_transport='compressed', point_color=False)
    clouds = graph.collect(PointCloud2, 'points')
    play(graph)
    points = np.frombuffer(clouds.wait_for(1)[0].data, np.float32).reshape(-1, 3)
    points = points[np.isfinite(points).all(axis=1)].astype(np.float64)
    to_map = truth().optical_to_map
    in_map = points @ to_map[:3, :3].T + to_map[:3, 3]
    assert in_map[:, 2].min() > -0.005
    for axis, plane in ((0, 5.0), (1, 4.0), (2, 0.0)):
        distance = np.abs(in_map[:, axis] - plane)
        near = distance[distance < 0.005]
        assert near.size > 5000, (axis, plane, near.size)
        assert np.sqrt((near**2).mean()) < 0.001


@pytest.mark.usefixtures('true_engine')
def test_16uc1_gives_back_the_recorded_millimetres(graph: Graph, start_node: NodeFactory) -> None:
    start_node(image_transport='compressed', depth_encoding='16UC1')
    depths = graph.collect(Image, 'depth/image_rect')
    play(graph)
    depth = np.frombuffer(depths.wait_for(1)[0].data, np.uint16).reshape(480, 640)
    np.testing.assert_array_equal(depth, truth().millimetres)


@pytest.mark.usefixtures('true_engine')
@pytest.mark.parametrize('output_size', [[240, 320], [960, 1280], [300, 333]])
def test_the_cloud_of_another_output_size_lies_on_the_same_surfaces(
    graph: Graph, start_node: NodeFactory, output_size: list[int]
) -> None:
    """Sizes keep pixel centers: where the room is flat, the point of a pixel is still on it.

    A point seen through the scaled K is compared with the full-size depth interpolated where its
    pixel lies in the full-size image. Shifted by half a pixel, a floor would be off by up to
    2 cm.
    """
    start_node(image_transport='compressed', output_size=output_size, point_color=False)
    clouds = graph.collect(PointCloud2, 'points')
    infos = graph.collect(CameraInfo, 'depth/camera_info')
    play(graph)
    height, width = output_size
    cloud = np.frombuffer(clouds.wait_for(1)[0].data, np.float32).reshape(height, width, 3)
    k = np.array(infos.wait_for(1)[0].k).reshape(3, 3)
    z = cloud[..., 2].astype(np.float64)
    u, v = np.meshgrid(np.arange(width), np.arange(height))
    seen = cloud.astype(np.float64) @ k.T / z[..., None]
    valid = np.isfinite(z)
    np.testing.assert_allclose(seen[valid][:, :2], np.stack([u, v], -1)[valid], atol=2e-3)
    # In the full-size image the ray of that pixel has these coordinates, by the rule in words:
    # the border of the image stays where it is.
    full_u = (u + 0.5) * 640 / width - 0.5
    full_v = (v + 0.5) * 480 / height - 0.5
    rays = np.stack([(full_u - 319.5) / 525, (full_v - 239.5) / 525], axis=-1)
    np.testing.assert_allclose(cloud[..., :2][valid] / z[valid][:, None], rays[valid], atol=1e-5)
    true_z = cv2.remap(
        truth().metres, full_u.astype(np.float32), full_v.astype(np.float32), cv2.INTER_LINEAR
    )
    is_smooth = valid & np.isfinite(true_z)
    error = np.abs(z - true_z)[is_smooth]
    assert np.percentile(error, 90) < 0.002


@pytest.mark.usefixtures('true_engine')
@pytest.mark.parametrize('model', ['plumb_bob', 'rational_polynomial', 'equidistant'])
def test_points_of_distorted_cameras_project_back_onto_their_pixels(
    graph: Graph, start_node: NodeFactory, model: str
) -> None:
    """Forward projection is OpenCV's; depth is along the optical axis, not along the ray."""
    d = {
        'plumb_bob': [0.26, -0.95, -0.0054, 0.0026, 1.16],
        'rational_polynomial': [0.4, -2.5, 1e-3, -4e-4, 1.5, 0.28, -2.3, 1.42],
        'equidistant': [-0.01, 0.02, -0.01, 0.002],
    }[model]
    start_node(image_transport='compressed')
    clouds = graph.collect(PointCloud2, 'points')
    play(
        graph,
        CameraInfo(
            header=header(), height=480, width=640, distortion_model=model, d=d, k=K.ravel()
        ),
    )
    cloud = np.frombuffer(clouds.wait_for(1)[0].data, np.float32).reshape(480, 640, 4)
    np.testing.assert_array_equal(cloud[..., 2], truth().metres)
    columns, rows = np.meshgrid(np.arange(0, 640, 37), np.arange(0, 480, 41))
    points = cloud[rows, columns, :3].reshape(-1, 1, 3).astype(np.float64)
    valid = np.isfinite(points).all(axis=(1, 2))
    zero = np.zeros(3)
    if model == 'equidistant':
        seen, _ = cv2.fisheye.projectPoints(points[valid], zero, zero, K, np.array(d))
    else:
        seen, _ = cv2.projectPoints(points[valid], zero, zero, K, np.array(d))
    pixels = np.stack([columns, rows], -1).reshape(-1, 2)[valid]
    np.testing.assert_allclose(np.asarray(seen).reshape(-1, 2), pixels, atol=0.01)


@pytest.mark.usefixtures('true_engine')
def test_edge_filter_leaves_no_flying_pixels(graph: Graph, start_node: NodeFactory) -> None:
    """Twice the size makes depth between near and far at edges; the filter drops it all.

    A flying pixel is one with neither neighbour across within 10 %: after the filter no pair of
    neighbours differs by more than that.
    """
    node = start_node(image_transport='compressed', output_size=[960, 1280], edge_threshold=0.1)
    assert node.settings.edge_threshold == 0.1
    depths = graph.collect(Image, 'depth/image_rect')
    play(graph)
    depth = np.frombuffer(depths.wait_for(1)[0].data, np.float32).reshape(960, 1280)
    assert 0.8 < np.isfinite(depth).mean() < 0.99
    for axis in (0, 1):
        near, far = np.split(depth, [-1], axis)[0], np.split(depth, [1], axis)[1]
        low, high = np.fmin(near, far), np.fmax(near, far)
        both = np.isfinite(near) & np.isfinite(far)
        assert (high[both] <= low[both] * 1.1 * (1 + 1e-6)).all()
