"""depth_image_proc, Nav2 and depthimage_to_laserscan: each test subscribes and decides as they do.

None of them has a wheel, so their rules are written down here, each with its public source.
"""

from __future__ import annotations

import math
import struct
from pathlib import Path

import numpy as np
import pytest
import sensor_msgs.msg
import yaml
from consumer_scene import (
    FIFTY_BEST_EFFORT,
    RMW_DEFAULT,
    SYSTEM_DEFAULT,
    Stream,
    expected_depth,
    listen,
    rows_of,
)
from known_depth import KnownEngine
from message_sync import ApproximateTime, ExactTime, stamp_ns
from node_graph import Graph, NodeFactory, camera_info, ramp
from numpy.typing import NDArray
from sensor_msgs.msg import CameraInfo, Image, PointCloud2, PointField

from drnet_ros.inference import Settings

pytestmark = pytest.mark.slow

Array = NDArray[np.float64]
CONFIG = Path(__file__).parents[2] / 'config'


def camera_info_topic(image_topic: str) -> str:
    """`image_transport::getCameraInfoTopic` of a resolved topic.

    Source: ros-perception/image_common at f6e4ab6, image_transport/src/camera_common.cpp: the last
    token of the name is replaced by camera_info.
    """
    tokens = [token for token in image_topic.split('/') if token]
    return ''.join(f'/{token}' for token in tokens[:-1]) + '/camera_info'


class PointCloudXyzrgb:
    """`depth_image_proc::PointCloudXyzrgbNode`.

    Source: ros-perception/image_pipeline at 30b982a, depth_image_proc/src/point_cloud_xyzrgb.cpp:
    depth and color with rmw_qos_profile_default (reliable, 10), CameraInfo of the color image by
    getCameraInfoTopic; three topics in exact or, by default, approximate sync, here the exact one
    as it is the stricter. Another size of depth than of color is an error. Depth is 16UC1 or
    32FC1; color of many encodings.
    include/depth_image_proc/conversions.hpp and depth_traits.hpp: z is the depth, x and y follow
    from the model's cx, cy, fx, fy; 0 and non-finite are invalid.
    ros-perception/vision_opencv, image_geometry/pinhole_camera_model.hpp: those are P's.
    """

    def __init__(self, graph: Graph, rgb_topic: str) -> None:
        self.clouds: list[tuple[Image, NDArray[np.float32]]] = []
        sync = ExactTime(3, 5, self._receive)
        listen(graph, Image, 'depth/image_rect', RMW_DEFAULT, sync.callback(0))
        graph.node.create_subscription(Image, rgb_topic, sync.callback(1), RMW_DEFAULT)
        graph.node.create_subscription(
            CameraInfo, camera_info_topic(rgb_topic), sync.callback(2), RMW_DEFAULT
        )

    def _receive(self, depth: Image, color: Image, info: CameraInfo) -> None:
        assert depth.header.frame_id == color.header.frame_id
        assert (depth.width, depth.height) == (color.width, color.height)
        self.clouds.append((depth, back_projected(depth, info)))


def back_projected(depth: Image, info: CameraInfo) -> NDArray[np.float32]:
    """What `convertDepth` does, in its order of float operations."""
    assert depth.encoding in {'16UC1', '32FC1'}
    values = rows_of(depth)
    unit = 0.001 if depth.encoding == '16UC1' else 1.0
    valid = values != 0 if depth.encoding == '16UC1' else np.isfinite(values)
    v, u = np.mgrid[: depth.height, : depth.width].astype(np.float32)
    fx, fy, cx, cy = (np.float32(info.p[i]) for i in (0, 5, 2, 6))
    z = values.astype(np.float32)
    points = np.stack(
        [(u - cx) * z * np.float32(unit / fx), (v - cy) * z * np.float32(unit / fy), z * unit],
        axis=-1,
    ).astype(np.float32)
    points[~valid] = np.nan
    return points


def rectified_info() -> CameraInfo:
    """A camera whose rectified images have other intrinsics than its raw ones."""
    info = camera_info(focal=50.0)
    info.d = [0.2, -0.1, 0.001, 0.001, 0.0]
    info.p = [55.0, 0.0, 30.0, 0.0, 0.0, 54.0, 25.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    return info


@pytest.mark.parametrize('encoding', ['32FC1', '16UC1'])
def test_depth_image_proc_makes_our_cloud_of_our_depth_and_the_camera_beside_the_picture(
    graph: Graph, start_node: NodeFactory, encoding: str
) -> None:
    """Rectified images, as it expects: see `PointCloudXyzrgb`."""
    node = start_node(
        image_is_rectified=True,
        depth_encoding=encoding,
        arguments=('-r', 'image:=/cam/image_rect', '-r', 'camera_info:=/cam/camera_info'),
    )
    consumer = PointCloudXyzrgb(graph, '/cam/image_rect')
    clouds = graph.collect(PointCloud2, 'points')
    stream = Stream(
        graph, node, info=rectified_info(), image_topic='/cam/image_rect',
        info_topic='/cam/camera_info',
    )  # fmt: skip
    pixels = ramp()
    pixels[10:12, 20, 0] = 255
    stamp = stream.publish(pixels, is_same_time=True)
    graph.wait(lambda: consumer.clouds, 'cloud of depth_image_proc')
    depth, points = consumer.clouds[0]
    ours = np.frombuffer(clouds.wait_for_stamp(stamp).data, np.float32).reshape(48, 64, 4)
    assert depth.header == stamp
    np.testing.assert_allclose(points, ours[..., :3], atol=1e-5 if encoding == '32FC1' else 1e-3)
    assert np.isnan(points[10, 20]).all()


def test_depth_image_proc_xyz_finds_camera_info_beside_the_depth_image(
    graph: Graph, start_node: NodeFactory
) -> None:
    """point_cloud_xyz takes a CameraSubscriber: exact sync, 10 deep, with the sibling topic.

    Source: ros-perception/image_common, image_transport/src/camera_subscriber.cpp: a
    TimeSynchronizer of 10 on the image and getCameraInfoTopic of it, both with the same QoS.
    """
    node = start_node(arguments=('-r', '__ns:=/robot'))
    (topic,) = {p.topic_name for p in node.publishers if p.topic_name.endswith('image_rect')}
    assert topic == '/robot/depth/image_rect'
    assert camera_info_topic(topic) == '/robot/depth/camera_info'
    pairs: list[tuple[Image, CameraInfo]] = []
    sync = ExactTime(2, 10, lambda *messages: pairs.append(messages))
    listen(graph, Image, topic, SYSTEM_DEFAULT, sync.callback(0))
    listen(graph, CameraInfo, camera_info_topic(topic), SYSTEM_DEFAULT, sync.callback(1))
    stream = Stream(graph, node, image_topic='/robot/image', info_topic='/robot/camera_info')
    stamp = stream.publish()
    graph.wait(lambda: pairs, 'depth with camera')
    depth, info = pairs[0]
    assert depth.header == info.header == stamp
    np.testing.assert_allclose(back_projected(depth, info)[..., 2], expected_depth(), rtol=1e-6)


def test_approximate_sync_of_depth_image_proc_finds_them_too(
    graph: Graph, start_node: NodeFactory
) -> None:
    """exact_sync false, its default: the approximate policy pairs equal stamps at once."""
    node = start_node()
    pairs: list[tuple[Image, Image]] = []
    sync = ApproximateTime(5, lambda *messages: pairs.append(messages))
    listen(graph, Image, 'depth/image_rect', RMW_DEFAULT, sync.callback(0))
    graph.node.create_subscription(Image, 'image', sync.callback(1), RMW_DEFAULT)
    stream = Stream(graph, node)
    for count in (1, 2, 3):
        stamp = stream.publish()
        graph.wait_for_value(lambda: len(pairs), count, 'pairs')
        assert pairs[-1][0].header == pairs[-1][1].header == stamp


class VoxelLayer:
    """A Nav2 costmap's voxel layer with one PointCloud2 source that marks.

    Source: ros-navigation/navigation2 at a3a9704. nav2_costmap_2d/plugins/obstacle_layer.cpp,
    onInitialize: SensorDataQoS(50), best effort, and a tf2 message filter that waits for the
    transform at the cloud's stamp. nav2_costmap_2d/src/observation_buffer.cpp, bufferCloud: the
    cloud is transformed to the global frame; points whose z is not within the source's
    min_obstacle_height..max_obstacle_height are dropped, which NaN never is.
    nav2_costmap_2d/plugins/voxel_layer.cpp, updateBounds: of fields x, y and z as float32, points
    between obstacle_min_range and obstacle_max_range of the sensor mark voxels.
    """

    RESOLUTION_M, SIZE, ORIGIN_M = 0.1, (60, 60), (0.0, -3.0)
    MIN_HEIGHT_M, MAX_HEIGHT_M, MAX_RANGE_M = 0.2, 1.5, 2.5

    def __init__(self, graph: Graph, tf_ns: tuple[int, int], frame_id: str) -> None:
        self.tf_ns, self.frame_id = tf_ns, frame_id
        self.marked: list[set[tuple[int, int]]] = []
        listen(graph, PointCloud2, 'points', FIFTY_BEST_EFFORT, self._receive)

    def _receive(self, cloud: PointCloud2) -> None:
        # tf2 takes no leading slash, and without a transform at this time the cloud is dropped.
        if cloud.header.frame_id != self.frame_id:
            return
        if not self.tf_ns[0] <= stamp_ns(cloud) <= self.tf_ns[1]:
            return
        self.marked.append(self._mark(cloud))

    def _mark(self, cloud: PointCloud2) -> set[tuple[int, int]]:
        offset = {f.name: f.offset for f in cloud.fields if f.datatype == PointField.FLOAT32}
        assert not cloud.is_bigendian
        assert len(cloud.data) == cloud.height * cloud.row_step
        data = bytes(cloud.data)
        cells = set()
        for start in range(0, cloud.width * cloud.height * cloud.point_step, cloud.point_step):
            x, y, z = (struct.unpack_from('<f', data, start + offset[name])[0] for name in 'xyz')
            # An optical frame one metre above the ground that looks along x of the map.
            px, py, pz = z, -x, 1.0 - y
            if not self.MIN_HEIGHT_M <= pz <= self.MAX_HEIGHT_M:
                continue
            if px * px + py * py + (pz - 1) ** 2 >= self.MAX_RANGE_M**2:
                continue
            cells.add(
                (
                    math.floor((px - self.ORIGIN_M[0]) / self.RESOLUTION_M),
                    math.floor((py - self.ORIGIN_M[1]) / self.RESOLUTION_M),
                )
            )
        return cells


def wall(centimetres: int) -> NDArray[np.uint8]:
    pixels = np.zeros((48, 64, 3), np.uint8)
    pixels[..., 0] = centimetres - 100
    return pixels


@pytest.mark.parametrize('point_color', [True, False])
def test_nav2_marks_the_wall_and_nothing_else(
    graph: Graph, start_node: NodeFactory, point_color: bool
) -> None:
    """A wall at 2.05 m with a hole in it, seen through a filter that asks for tf at the stamp."""
    node = start_node(point_color=point_color)
    layer = VoxelLayer(graph, (0, 5 * 10**9), 'camera_optical_frame')
    stream = Stream(graph, node)
    pixels = wall(205)
    pixels[:, 30:34, 0] = 255  # invalid: a gap of 4 px is 16 cm wide
    stream.publish(pixels)
    graph.wait(lambda: layer.marked, 'marked cells')
    columns = [u for u in range(64) if not 30 <= u < 34]
    expected = {(20, math.floor((-(u - 31.5) / 50 * 2.05 + 3.0) / 0.1)) for u in columns}
    # All of them within 2.5 m of the sensor: sqrt(2.05^2 + 1.29^2 + 0.5^2) = 2.47.
    assert layer.marked == [expected]


def test_nav2_takes_only_clouds_that_have_a_transform_at_their_stamp(
    graph: Graph, start_node: NodeFactory
) -> None:
    """Stamps are the camera's, so that tf of that moment is there: not now(), not zero."""
    node = start_node()
    clouds = graph.collect(PointCloud2, 'points')
    layer = VoxelLayer(graph, (2 * 10**9, 3 * 10**9), 'camera_optical_frame')
    stream = Stream(graph, node)
    for _ in range(3):
        stamp = stream.publish(wall(205))
        clouds.wait_for_stamp(stamp)
    graph.wait(lambda: layer.marked, 'a cloud with a transform')
    assert len(layer.marked) == 1


def test_nav2_drops_the_floor_and_what_is_far(graph: Graph, start_node: NodeFactory) -> None:
    node = start_node()
    layer = VoxelLayer(graph, (0, 10**10), 'camera_optical_frame')
    stream = Stream(graph, node)
    far = wall(260)
    near_floor = wall(330)
    near_floor[40:, :, 0] = 255 - 10  # 3.45 m: below the ground anyway
    for count, pixels in enumerate((far, near_floor), start=1):
        stream.publish(pixels)
        graph.wait_for_value(lambda: len(layer.marked), count, 'clouds')
    assert layer.marked == [set(), set()]


class ObstacleLayer:
    """A Nav2 costmap's obstacle layer with one LaserScan source, as config/nav2_costmap.yaml says.

    Source: ros-navigation/navigation2 at a3a9704, nav2_costmap_2d/plugins/obstacle_layer.cpp:
    SensorDataQoS(50); laserScanValidInfCallback makes +inf range_max - 0.0001; laser_geometry
    drops what is not within range_min..range_max, NaN too; within obstacle_max_range a point
    marks, and raytraceFreespace clears up to it, at most raytrace_max_range.
    """

    def __init__(self, graph: Graph) -> None:
        config = yaml.safe_load((CONFIG / 'nav2_costmap.yaml').read_text())
        layer = config['local_costmap']['local_costmap']['ros__parameters']['obstacle_layer']
        self._source = layer[layer['observation_sources']]
        assert self._source['data_type'] == 'LaserScan'
        assert self._source['inf_is_valid']
        self.bearings: list[list[float]] = []
        self.marked: list[list[float]] = []
        self.cleared: list[list[float]] = []
        topic = self._source['topic'].lstrip('/')
        listen(graph, sensor_msgs.msg.LaserScan, topic, FIFTY_BEST_EFFORT, self._receive)

    def _receive(self, scan: sensor_msgs.msg.LaserScan) -> None:
        bearings, marked, cleared = [], [], []
        for index, distance in enumerate(scan.ranges):
            bearings.append(scan.angle_min + index * scan.angle_increment)
            valid = scan.range_max - 0.0001 if distance == math.inf else distance
            if not scan.range_min <= valid < scan.range_max:
                marked.append(math.nan)
                cleared.append(0.0)
                continue
            is_near = valid < self._source['obstacle_max_range']
            marked.append(valid if is_near else math.nan)
            cleared.append(min(valid, self._source['raytrace_max_range']))
        self.bearings.append(bearings)
        self.marked.append(marked)
        self.cleared.append(cleared)


def test_nav2_marks_a_post_and_clears_what_is_free(
    graph: Graph, start_node: NodeFactory, engine: KnownEngine
) -> None:
    """A post 2 m away, free space around it, and pixels on the left that say nothing."""
    config = yaml.safe_load((CONFIG / 'nav2_depth.yaml').read_text())['/**']['ros__parameters']
    engine.depth_of = lambda rgb: rgb[..., 0].astype(np.float32) / np.float32(10)
    config |= {'temporal_filter': 0.0, 'edge_threshold': 0.0}  # depth is exact
    mount = 'base_link camera_optical_frame 0 0 0.5 -0.5 0.5 -0.5 0.5'
    node = start_node(**config, sparse_depth_extrinsics=[mount])
    layer = ObstacleLayer(graph)
    pixels = np.full((48, 64, 3), 200, np.uint8)
    pixels[:, 40:44] = 20
    pixels[:, :8] = 0
    Stream(graph, node).publish(pixels)
    graph.wait(lambda: layer.marked, 'a scan')
    bearings = np.array(layer.bearings[0])
    columns = 31.5 - 50 * np.tan(bearings)
    marked, cleared = np.array(layer.marked[0]), np.array(layer.cleared[0])
    on_post = (columns > 40.5) & (columns < 42.5)
    np.testing.assert_allclose(marked[on_post], 2 / np.cos(bearings[on_post]), rtol=0.02)
    free = ((columns > 9) & (columns < 38.5)) | (columns > 45)
    assert np.isnan(marked[free]).all()
    assert (cleared[free] == 3.5).all()
    assert (cleared[on_post] < 2.1).all()
    assert (cleared[columns < 6] == 0).all()
    assert np.isnan(marked[columns < 6]).all()


# declare_or_get_parameter in costmap_2d_ros.cpp, obstacle_layer.cpp and inflation_layer.cpp.
COSTMAP_NAMES = {
    *('update_frequency', 'publish_frequency', 'global_frame', 'robot_base_frame'),
    *('rolling_window', 'width', 'height', 'resolution', 'robot_radius', 'track_unknown_space'),
    *('plugins', 'always_send_full_costmap'),
}
LAYER_NAMES = {
    'obstacle_layer': {'plugin', 'enabled', 'observation_sources'},
    'inflation_layer': {'plugin', 'cost_scaling_factor', 'inflation_radius'},
}
SOURCE_NAMES = {
    *('topic', 'data_type', 'inf_is_valid', 'marking', 'clearing'),
    *('min_obstacle_height', 'max_obstacle_height', 'obstacle_min_range', 'obstacle_max_range'),
    *('raytrace_min_range', 'raytrace_max_range'),
}


def test_parameter_files_for_nav2_name_what_there_is_and_fit_together() -> None:
    costmap = yaml.safe_load((CONFIG / 'nav2_costmap.yaml').read_text())
    values = costmap['local_costmap']['local_costmap']['ros__parameters']
    layers = set(values['plugins'])
    assert set(values) == COSTMAP_NAMES | layers
    source = values['obstacle_layer'].pop('depth')
    assert set(source) == SOURCE_NAMES
    for layer in layers:
        assert set(values[layer]) == LAYER_NAMES[layer]
    given = yaml.safe_load((CONFIG / 'nav2_depth.yaml').read_text())['/**']['ros__parameters']
    settings = Settings.from_mapping(given)
    assert settings.scan_frame == values['robot_base_frame']
    # A mark farther than what is cleared would stay for ever.
    assert source['obstacle_max_range'] < source['raytrace_max_range'] < settings.scan_max_range
    assert settings.scan_max_range <= settings.max_depth


class LaserScan:
    """`depthimage_to_laserscan_node` with its defaults: no sync, the newest CameraInfo.

    Source: ros-perception/depthimage_to_laserscan, branch ros2 at 79b60bf.
    src/DepthImageToLaserScanROS.cpp: `depth` and `depth_camera_info` with SystemDefaultsQoS; an
    image before the first CameraInfo is skipped. src/DepthImageToLaserScan.cpp and .hpp: 16UC1 and
    32FC1; scan_height rows around cy; x from the model's cx and fx (P's), z the depth, range
    sqrt(x^2 + z^2); of several the shortest within range_min..range_max counts.
    """

    RANGE_MIN_M, RANGE_MAX_M, SCAN_HEIGHT = 0.45, 10.0, 3

    def __init__(self, graph: Graph) -> None:
        self.scans: list[tuple[Image, float, float, Array]] = []
        self._info: CameraInfo | None = None
        listen(graph, CameraInfo, 'depth/camera_info', SYSTEM_DEFAULT, self._take)
        listen(graph, Image, 'depth/image_rect', SYSTEM_DEFAULT, self._convert)

    def _take(self, info: CameraInfo) -> None:
        self._info = info

    def _convert(self, depth: Image) -> None:
        if self._info is None:
            return
        assert depth.encoding in {'16UC1', '32FC1'}
        fx, cx, cy = self._info.p[0], self._info.p[2], self._info.p[6]
        angle_max = math.atan2(cx, fx)
        angle_min = -math.atan2(depth.width - 1 - cx, fx)
        increment = (angle_max - angle_min) / (depth.width - 1)
        ranges = np.full(depth.width, np.nan)
        top = int(cy - self.SCAN_HEIGHT / 2)
        unit = 0.001 if depth.encoding == '16UC1' else 1.0
        for row in rows_of(depth)[top : top + self.SCAN_HEIGHT].astype(np.float64):
            for u, value in enumerate(row):
                index = int((-math.atan2(u - cx, fx) - angle_min) / increment)
                if value == 0 or not math.isfinite(value):
                    continue
                distance = math.hypot((u - cx) * value * unit / fx, value * unit)
                if self.RANGE_MIN_M <= distance <= self.RANGE_MAX_M:
                    ranges[index] = np.fmin(ranges[index], distance)
        self.scans.append((depth, angle_min, increment, ranges))


@pytest.mark.parametrize('encoding', ['32FC1', '16UC1'])
def test_depthimage_to_laserscan_sees_a_flat_wall(
    graph: Graph, start_node: NodeFactory, encoding: str
) -> None:
    """A flat wall at z = 2 m is at 2 / cos(angle): only z-depth and the right K give that."""
    node = start_node(depth_encoding=encoding)
    laser = LaserScan(graph)
    stream = Stream(graph, node)
    pixels = wall(200)
    pixels[:, 10, 0] = 255
    stamp = None

    def publish() -> None:
        nonlocal stamp
        stamp = stream.publish(pixels)

    # The first image may be looked at before the first CameraInfo, and is skipped then.
    graph.repeat_until(publish, lambda: laser.scans, 'a scan')
    depth, angle_min, increment, ranges = laser.scans[-1]
    assert depth.header.frame_id == 'camera_optical_frame'
    angles = angle_min + increment * np.arange(64)
    is_seen = np.isfinite(ranges)
    # Beams are even in angle and pixels are not: a beam or two get no pixel, besides the hole.
    assert is_seen.sum() >= 58
    np.testing.assert_allclose(ranges[is_seen], 2 / np.cos(angles[is_seen]), rtol=0.02)
