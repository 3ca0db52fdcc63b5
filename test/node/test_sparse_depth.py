"""Sources of sparse depth on a live graph: a known scene, exact data, and all that goes wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import TransformStamped
from known_depth import depth_of
from nav_msgs.msg import Odometry
from node_graph import Graph, NodeFactory, camera_info, qos, values_of
from numpy.typing import NDArray
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.publisher import Publisher
from rclpy.serialization import serialize_message
from rosbags.typesys import Stores, get_typestore
from sensor_msgs.msg import CameraInfo, Image, LaserScan, PointCloud, PointCloud2, Range
from sparse_scene import (
    BASE,
    BASE_TO_OPTICAL,
    FACTOR,
    ODOM,
    OPTICAL,
    at,
    cloud,
    image,
    listed_cloud,
    odometry,
    picture,
    range_finder,
    scan,
    tof,
    true_depth,
    true_points,
)
from std_srvs.srv import Trigger

from drnet_ros.messages.sparse_reading import read_cloud
from drnet_ros.messages.sparse_sources import SparseSources
from drnet_ros.node.depth_node import DepthNode


class Robot:
    """The node with a camera, and what it made of each image."""

    def __init__(self, graph: Graph, start_node: NodeFactory, **parameters: Any) -> None:
        self.graph = graph
        self.node: DepthNode = start_node(**parameters)
        self.depths = graph.collect(Image, 'depth/image_rect')
        self.stddevs = graph.collect(Image, 'depth/stddev')
        self.scales = graph.collect(DiagnosticArray, 'depth/scale')
        self.images = graph.publisher(Image, 'image')
        self.infos = graph.publisher(CameraInfo, 'camera_info')
        self.infos.publish(camera_info())
        self._wait_for_outputs()

    def _wait_for_outputs(self) -> None:
        """Every topic reaches us before the first image counts; no data is there as yet."""
        self.graph.repeat_until(
            lambda: self.images.publish(image(0)),
            lambda: self.depths.messages and self.stddevs.messages and self.scales.messages,
            'outputs',
        )

    def source(self, kind: type[Any], topic: str) -> Publisher[Any]:
        return self.graph.publisher(kind, topic)

    def send(self, publisher: Publisher[Any], message: Any, name: str) -> None:
        """Publish, and wait until the node has it."""
        before = self.received(name)
        publisher.publish(message)
        self.graph.wait(lambda: self.received(name) > before, f'{name} in the node')

    def received(self, name: str) -> int:
        source = self.sources._odometry if name == 'odometry' else None
        return (source or self.sources._sensors[name])._received

    def problem(self, name: str) -> str:
        """What is said of a source after the last image."""
        return self.node.health().sources[name].problem

    @property
    def sources(self) -> SparseSources:
        sparse = self.node._cameras['']._sparse
        assert sparse is not None
        return sparse._sources

    def take(self, milliseconds: int) -> tuple[NDArray[np.float32], dict[str, str]]:
        """Send an image, and return its depth and the values of its scale."""
        message = image(milliseconds)
        self.images.publish(message)
        depth = self.depths.wait_for_stamp(message.header)
        assert depth.header == message.header
        assert self.stddevs.wait_for_stamp(message.header).encoding == '32FC1'
        scale = self.scales.wait_for_stamp(message.header)
        return pixels(depth), values_of(scale, 'camera')


def pixels(message: Image) -> NDArray[np.float32]:
    return np.frombuffer(message.data, np.float32).reshape(message.height, message.width)


def error_of(depth_hw: NDArray[np.float32]) -> float:
    """Largest relative error of a depth image, in places where it is seldom invalid."""
    return float(np.nanmax(np.abs(depth_hw / true_depth() - 1)))


def send_points(robot: Robot) -> None:
    publisher = robot.source(PointCloud2, 'sparse_points')
    robot.send(publisher, cloud(true_points(), at(1000)), 'points')


def send_scan(robot: Robot) -> None:
    robot.send(robot.source(LaserScan, 'scan'), scan(at(1000, BASE)), 'scan')


def send_range(robot: Robot) -> None:
    robot.send(robot.source(Range, 'range'), range_finder(at(1000, BASE)), 'range')


def send_tof(robot: Robot) -> None:
    message, info = tof(at(1000))
    infos = robot.source(CameraInfo, 'sparse_depth/camera_info')
    infos.publish(info)
    sources = robot.sources
    robot.graph.wait(lambda: sources._camera_info is not None, 'camera_info of depth')
    robot.send(robot.source(Image, 'sparse_depth/image'), message, 'depth')


@pytest.mark.parametrize(
    ('name', 'send'),
    [('points', send_points), ('scan', send_scan), ('range', send_range), ('depth', send_tof)],
)
def test_exact_data_give_the_factor_within_one_percent(
    name: str, send: Callable[[Robot], None], graph: Graph, start_node: NodeFactory
) -> None:
    robot = Robot(
        graph, start_node, sparse_depth_sources=[name], sparse_depth_extrinsics=[BASE_TO_OPTICAL]
    )
    send(robot)
    depth, scale = robot.take(1000)
    assert scale['source'] == name
    assert float(scale['age_s']) == 0
    assert int(scale['points']) >= 1
    # One point alone is believed less than many: the prior of the estimate counts as well.
    tolerance = 0.08 if name == 'range' else 0.01
    assert float(scale['factor']) == pytest.approx(FACTOR, rel=tolerance)
    assert error_of(depth) < tolerance + 0.01
    assert float(scale['residual']) < 0.01


@pytest.fixture
def other_program() -> Iterator[Node]:
    """A node as in another process: a topic has one type in each of them."""
    context = rclpy.Context()
    context.init()
    node = rclpy.create_node('slam', context=context)
    yield node
    node.destroy_node()
    context.shutdown()


def test_listed_points_are_taken_where_nobody_publishes_a_cloud_with_fields(
    graph: Graph, start_node: NodeFactory, other_program: Node
) -> None:
    """As VINS-Fusion publishes its landmarks, and what nobody should send in that type."""
    robot = Robot(graph, start_node, sparse_depth_sources=['points'])
    listed = other_program.create_publisher(PointCloud, 'sparse_points', qos())
    empty = listed_cloud(np.empty((0, 3)), at(1000))
    send_until_received(robot, listed, empty)
    strange = listed_cloud(np.full((1000, 3), np.nan), at(1000))
    far = listed_cloud(np.tile(true_points() * 1e3, (300, 1)), at(1000))  # 57 600 points
    for number, message in enumerate((empty, strange, far)):
        robot.send(listed, message, 'points')
        depth, scale = robot.take(1000 + number)
        assert float(scale['factor']) == 1
        np.testing.assert_array_equal(depth, depth_of(picture()))
    robot.send(listed, listed_cloud(true_points(), at(1100)), 'points')
    depth, scale = robot.take(1100)
    assert float(scale['factor']) == pytest.approx(FACTOR, rel=0.01)
    assert error_of(depth) < 0.02
    assert robot.problem('points') == ''
    # Another program takes its place.
    other_program.destroy_publisher(listed)
    clouds = other_program.create_publisher(PointCloud2, 'sparse_points', qos())
    send_until_received(robot, clouds, cloud(true_points(), at(1200)))
    _, scale = robot.take(1200)
    assert float(scale['factor']) == pytest.approx(FACTOR, rel=0.01)
    assert (scale['age_s'], robot.problem('points')) == ('0.000', '')


def send_until_received(robot: Robot, publisher: Publisher[Any], message: Any) -> None:
    """The node looks now and then which type the topic has."""
    before = robot.received('points')
    robot.graph.repeat_until(
        lambda: publisher.publish(message),
        lambda: robot.received('points') > before,
        f'{type(message).__name__} in the node',
    )


def test_a_recorded_cloud_is_read_as_a_live_one() -> None:
    live = listed_cloud(np.array([[0.1, -2.3, 4.5], [np.nan, 0, 1], [1e9, 1 / 3, 7]]), at(1000))
    store = get_typestore(Stores.LATEST)
    recorded = store.deserialize_cdr(serialize_message(live), 'sensor_msgs/msg/PointCloud')
    found, expected = read_cloud(recorded).points_xyz, read_cloud(live).points_xyz
    assert expected.shape == (3, 3)
    assert found.tobytes() == expected.tobytes()


def test_a_scan_is_moved_by_the_motion_of_the_robot(graph: Graph, start_node: NodeFactory) -> None:
    """Between scan and image the robot drives 30 cm: unmoved, the scale would be 18 % wrong."""
    robot = Robot(
        graph,
        start_node,
        sparse_depth_sources=['scan', 'odometry'],
        sparse_depth_extrinsics=[BASE_TO_OPTICAL],
    )
    poses = robot.source(Odometry, 'odom')
    for milliseconds in range(900, 1400, 50):
        x = -0.3 * (1200 - milliseconds) / 200
        robot.send(poses, odometry(at(milliseconds, ODOM), x), 'odometry')
    scans = robot.source(LaserScan, 'scan')
    robot.send(scans, scan(at(1000, BASE), forward_m=-0.3), 'scan')
    depth, scale = robot.take(1200)
    assert float(scale['factor']) == pytest.approx(FACTOR, rel=0.01)
    assert error_of(depth) < 0.02
    # Its poses end at 1.35 s: nobody knows where the robot is at 1.7 s, and 0.7 s is too old.
    _, scale = robot.take(1700)
    assert (scale['points'], scale['age_s']) == ('0', '0.500')
    assert 'the nearest are 0.70 s older' in robot.problem('scan')
    assert 'newer than the newest pose' in robot.problem('odometry')


def test_without_data_the_last_scale_holds_and_its_deviation_grows(
    graph: Graph, start_node: NodeFactory
) -> None:
    robot = Robot(graph, start_node, sparse_depth_sources=['points'])
    diagnostics = graph.diagnostics()
    clouds = robot.source(PointCloud2, 'sparse_points')
    robot.send(clouds, cloud(true_points(), at(1000)), 'points')
    _, first = robot.take(1000)
    depth, stale = robot.take(2000)
    assert (stale['points'], stale['age_s'], stale['residual']) == ('0', '1.000', '')
    assert float(stale['factor']) == pytest.approx(FACTOR, rel=0.02)
    assert error_of(depth) < 0.05
    deviations = [float(robot.take(2000 + wait)[1]['relative_stddev']) for wait in (500, 1500)]
    assert float(first['relative_stddev']) < float(stale['relative_stddev']) < deviations[0]
    assert deviations[0] < deviations[1]
    said = 'points: data must be within 0.5 s of the image'
    graph.wait(
        lambda: any(
            said in values_of(array, 'camera').get('message', '') for array in diagnostics.messages
        ),
        f'diagnostics with {said!r}',
    )
    robot.send(clouds, cloud(true_points(), at(4000)), 'points')
    assert robot.take(4000)[1]['age_s'] == '0.000'
    answer = graph.call(Trigger, 'depth_node/reset_scale', Trigger.Request())
    assert answer.success
    depth, scale = robot.take(5000)
    assert (scale['factor'], scale['age_s']) == ('1', 'never')
    np.testing.assert_array_equal(depth, depth_of(picture()))


def test_frames_that_are_not_connected_or_jump_leave_the_image_alone(
    graph: Graph, start_node: NodeFactory
) -> None:
    robot = Robot(
        graph,
        start_node,
        sparse_depth_sources=['scan', 'odometry'],
        sparse_depth_extrinsics=[BASE_TO_OPTICAL],
    )
    scans = robot.source(LaserScan, 'scan')
    robot.send(scans, scan(at(1000, 'laser')), 'scan')
    depth, scale = robot.take(1000)
    assert (scale['factor'], scale['age_s']) == ('1', 'never')
    np.testing.assert_array_equal(depth, depth_of(picture()))
    said = robot.problem('scan')
    assert 'laser must be connected to optical by tf or by sparse_depth_extrinsics' in said
    assert 'no transform of laser' in said
    poses = robot.source(Odometry, 'odom')
    for milliseconds, x in ((1000, 0.0), (1050, 0.0), (1100, 50.0)):
        robot.send(poses, odometry(at(milliseconds, ODOM), x), 'odometry')
    robot.send(scans, scan(at(1070, BASE)), 'scan')
    _, scale = robot.take(1080)
    # Where the robot was is not known, but 10 ms do not matter.
    assert float(scale['factor']) == pytest.approx(FACTOR, rel=0.02)
    assert 'jump' in robot.problem('scan')
    assert 'jump' in robot.problem('odometry')


def test_points_that_the_camera_cannot_see_are_said_to_be_elsewhere(
    graph: Graph, start_node: NodeFactory
) -> None:
    """The axes of a lidar under the name of the optical frame: x forward, z up."""
    robot = Robot(graph, start_node, sparse_depth_sources=['points'])
    diagnostics = graph.diagnostics()
    z_behind, z_beside = [[2.0, 0.1, -0.3]] * 3, [[2.0, 0.1, 0.3]] * 4
    clouds = robot.source(PointCloud2, 'sparse_points')
    robot.send(clouds, cloud(np.array([*z_behind, *z_beside]), at(1000)), 'points')
    _, scale = robot.take(1000)
    assert (scale['dropped_invalid'], scale['dropped_outside']) == ('3', '4')
    said = (
        'the scale is that of the image alone: of the points 4 are beside the image, 3 are behind '
        'the camera or no numbers; check the transform, and that header.frame_id of the images is '
        'the optical frame (z forward)'
    )
    graph.wait(
        lambda: any(
            said in values_of(array, 'camera').get('message', '') for array in diagnostics.messages
        ),
        f'diagnostics with {said!r}',
    )


def test_a_source_that_contradicts_another_is_left_out_and_named(
    graph: Graph, start_node: NodeFactory
) -> None:
    robot = Robot(
        graph,
        start_node,
        sparse_depth_sources=['scan', 'points'],
        sparse_depth_extrinsics=[BASE_TO_OPTICAL],
    )
    diagnostics = graph.diagnostics()
    send_scan(robot)
    clouds = robot.source(PointCloud2, 'sparse_points')
    robot.send(clouds, cloud(true_points() / 2, at(1000)), 'points')
    depth, scale = robot.take(1000)
    said = (
        'scan asks for a factor of 1.4, points for 0.7, which is left out: check its unit, scale'
    )
    assert scale['message'].startswith(said)
    assert (scale['level'], scale['source']) == ('1', 'scan+points')
    assert scale['dropped_contradicted'] == str(len(true_points()))
    assert error_of(depth) < 0.02
    graph.wait(
        lambda: any(
            said in values_of(array, 'camera').get('message', '') for array in diagnostics.messages
        ),
        f'diagnostics with {said!r}',
    )


def hostile() -> list[tuple[str, Any]]:
    """Messages that nobody should send, by source."""
    stamp = at(1000, BASE)
    broken = scan(stamp)
    broken.angle_increment = float('nan')
    endless = scan(stamp)
    endless.ranges = [float('nan'), float('inf'), -float('inf'), 0.0, -1.0] * 20
    empty = cloud(np.empty((0, 3)), stamp)
    short = cloud(true_points(), stamp)
    short.width = 2**31
    no_fields = cloud(true_points(), stamp)
    no_fields.fields = []
    strange = cloud(np.full((1000, 3), np.nan), stamp)
    image_, _ = tof(stamp)
    image_.encoding = 'rgb8'
    wild = odometry(at(1000, ODOM), float('nan'))
    unturned = odometry(at(1000, ODOM))
    unturned.pose.pose.orientation.w = 0.0
    nameless = odometry(at(1000, ''))
    return [
        ('scan', broken),
        ('scan', endless),
        ('scan', scan(at(1000, 'nowhere'))),
        ('points', empty),
        ('points', short),
        ('points', no_fields),
        ('points', strange),
        ('points', cloud(np.tile(true_points() * 1e3, (5000, 1)), at(1000))),  # 960 000 points
        ('range', range_finder(stamp, -1.0)),
        ('range', range_finder(stamp, 0.0)),
        ('range', range_finder(stamp, float('nan'))),
        ('range', range_finder(at(1000, ''), 1.0)),
        ('depth', image_),
        ('odometry', wild),
        ('odometry', unturned),
        ('odometry', nameless),
    ]


def test_hostile_messages_cost_no_image_and_good_ones_work_after_them(
    graph: Graph, start_node: NodeFactory
) -> None:
    topics = {
        'scan': (LaserScan, 'scan'),
        'range': (Range, 'range'),
        'points': (PointCloud2, 'sparse_points'),
        'depth': (Image, 'sparse_depth/image'),
        'odometry': (Odometry, 'odom'),
    }
    robot = Robot(
        graph,
        start_node,
        sparse_depth_sources=list(topics),
        sparse_depth_extrinsics=[BASE_TO_OPTICAL],
    )
    publishers = {name: robot.source(*topic) for name, topic in topics.items()}
    for number, (name, message) in enumerate(hostile()):
        publishers[name].publish(message)
        depth, scale = robot.take(1000 + number)
        assert float(scale['factor']) == 1
        np.testing.assert_array_equal(depth, depth_of(picture()))
    robot.send(publishers['points'], cloud(true_points(), at(1100)), 'points')
    _, scale = robot.take(1100)
    assert float(scale['factor']) == pytest.approx(FACTOR, rel=0.01)


def test_uncertain_pixels_become_invalid_in_depth_and_cloud(
    graph: Graph, start_node: NodeFactory
) -> None:
    robot = Robot(graph, start_node, sparse_depth_sources=['points'])
    clouds = graph.collect(PointCloud2, 'points')
    assert np.isfinite(robot.take(1000)[0]).all()
    (answer,) = robot.node.set_parameters([Parameter('max_stddev_ratio', value=0.001)])
    assert answer.successful
    message = image(1100)
    depth, _ = robot.take(1100)
    assert np.isnan(depth).all()
    points = clouds.wait_for_stamp(message.header)
    assert np.isnan(np.frombuffer(points.data, np.float32).reshape(-1, 4)[:, :3]).all()


def test_each_camera_has_its_own_topics(graph: Graph, start_node: NodeFactory) -> None:
    start_node(cameras=['front', 'rear'], sparse_depth_sources=['points'])
    images = {name: graph.publisher(Image, f'{name}/image') for name in ('front', 'rear')}
    clouds = graph.publisher(PointCloud2, 'rear/sparse_points')
    scales = {name: graph.collect(DiagnosticArray, f'{name}/depth/scale') for name in images}
    infos = {name: graph.publisher(CameraInfo, f'{name}/camera_info') for name in images}
    factors = {}
    for name, publisher in images.items():
        infos[name].publish(camera_info())

        def send(publisher: Publisher[Image] = publisher) -> None:
            clouds.publish(cloud(true_points(), at(1000)))
            publisher.publish(image(1000))

        def is_known(name: str = name) -> bool:
            return any(values_of(m, name)['points'] != '0' for m in scales[name].messages)

        expected = is_known if name == 'rear' else lambda: bool(scales['front'].messages)
        graph.repeat_until(send, expected, f'scale of {name}')
        factors[name] = float(values_of(scales[name].messages[-1], name)['factor'])
    assert factors['front'] == 1
    assert factors['rear'] == pytest.approx(FACTOR, rel=0.01)


def test_without_sources_nothing_is_subscribed_to_and_depth_is_that_of_the_network(
    graph: Graph, start_node: NodeFactory
) -> None:
    node = start_node()
    robot_topics = ('scan', 'range', 'sparse_points', 'sparse_depth/image', 'odom', '/tf')
    assert [node.count_subscribers(topic) for topic in robot_topics] == [0] * len(robot_topics)
    depths = graph.collect(Image, 'depth/image_rect')
    images = graph.publisher(Image, 'image')
    message = image(1000)
    images.publish(message)
    depth = depths.wait_for_stamp(message.header)
    assert bytes(depth.data) == depth_of(picture()).tobytes()


def mount(milliseconds: int, x: float = 0) -> Any:
    """The TFMessage of where the camera is on the robot."""
    tf2_msgs = pytest.importorskip('tf2_msgs.msg', reason='tf2_msgs comes with ROS, not from PyPI')
    transform = TransformStamped(header=at(milliseconds, BASE), child_frame_id=OPTICAL)
    transform.transform.translation.x = x
    turned = transform.transform.rotation
    turned.x, turned.y, turned.z, turned.w = -0.5, 0.5, -0.5, 0.5
    return tf2_msgs.TFMessage(transforms=[transform])


def send_mount(robot: Robot, publisher: Publisher[Any], message: Any) -> None:
    """Publish tf, and wait until the node has it."""
    listener = robot.node._transforms
    assert listener is not None
    stamp = message.transforms[0].header.stamp
    stamp_ns = stamp.sec * 10**9 + stamp.nanosec

    def is_known() -> bool:
        edge = listener.transforms._edges.get(OPTICAL)
        return edge is not None and (edge.static is not None or edge.track.newest_ns == stamp_ns)

    publisher.publish(message)
    robot.graph.wait(is_known, 'transform in the node')


@pytest.mark.parametrize('form', ['static', 'late'])
def test_tf_connects_the_frames(form: str, graph: Graph, start_node: NodeFactory) -> None:
    message = mount(1010)
    robot = Robot(graph, start_node, sparse_depth_sources=['scan'])
    robot.send(robot.source(LaserScan, 'scan'), scan(at(1000, BASE)), 'scan')
    assert robot.take(1000)[1]['age_s'] == 'never'
    topic, profile = ('/tf_static', qos(is_latched=True)) if form == 'static' else ('/tf', qos())
    send_mount(robot, graph.publisher(type(message), topic, profile), message)
    _, scale = robot.take(1010)
    assert float(scale['factor']) == pytest.approx(FACTOR, rel=0.01)


def test_where_tf_jumps_the_last_scale_holds_until_it_is_steady(
    graph: Graph, start_node: NodeFactory
) -> None:
    message = mount(1000)
    robot = Robot(graph, start_node, sparse_depth_sources=['scan'])
    scans = robot.source(LaserScan, 'scan')
    tf = graph.publisher(type(message), '/tf', qos())
    for milliseconds, x in ((1000, 0.0), (1050, 0.0)):
        send_mount(robot, tf, mount(milliseconds, x))
    robot.send(scans, scan(at(1040, BASE)), 'scan')
    _, before = robot.take(1050)
    assert float(before['factor']) == pytest.approx(FACTOR, rel=0.01)
    send_mount(robot, tf, mount(1100, 50.0))
    robot.send(scans, scan(at(1075, BASE)), 'scan')
    _, scale = robot.take(1090)
    assert 'around it the pose jumps by' in robot.problem('scan')
    assert (scale['points'], scale['age_s']) == ('0', '0.040')
    assert float(scale['factor']) == pytest.approx(FACTOR, rel=0.03)
    assert float(scale['relative_stddev']) > float(before['relative_stddev'])
    for milliseconds in (1150, 1200):
        send_mount(robot, tf, mount(milliseconds))
    robot.send(scans, scan(at(1180, BASE)), 'scan')
    _, scale = robot.take(1190)
    assert scale['age_s'] == '0.000'
    assert float(scale['factor']) == pytest.approx(FACTOR, rel=0.01)
