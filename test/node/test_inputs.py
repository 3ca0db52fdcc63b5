"""What the node takes in: QoS chosen by the publishers, transports, CameraInfo, bad frames."""

from __future__ import annotations

import threading
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from known_depth import KnownEngine, depth_of
from node_graph import (
    Collected,
    Graph,
    NodeFactory,
    camera_info,
    header,
    qos,
    ramp,
    rgb_image,
    values_of,
)
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2

from drnet_ros.node import intrinsics
from drnet_ros.node.depth_node import DepthNode
from drnet_ros.node.intrinsics import CameraInfoWaitBudget, IntrinsicsCache


def reliability_of_input(graph: Graph, topic: str = 'image') -> list[ReliabilityPolicy]:
    return [
        info.qos_profile.reliability for info in graph.node.get_subscriptions_info_by_topic(topic)
    ]


def wait_for_reliability(graph: Graph, expected: str, topic: str = 'image') -> None:
    policy = ReliabilityPolicy[expected.upper()]
    graph.wait(lambda: reliability_of_input(graph, topic) == [policy], f'{expected} subscription')


def test_input_is_reliable_where_all_publishers_are_and_chosen_again_when_they_change(
    graph: Graph, start_node: NodeFactory
) -> None:
    start_node()
    depths = graph.collect(Image, 'depth/image_rect')
    wait_for_reliability(graph, 'reliable')
    reliable = graph.publisher(Image, 'image', qos('reliable'))
    reliable.publish(rgb_image(ramp(), header(1)))
    depths.wait_for_stamp(header(1))
    wait_for_reliability(graph, 'reliable')

    best_effort = graph.publisher(Image, 'image', qos('best_effort'))
    wait_for_reliability(graph, 'best_effort')
    graph.wait(best_effort.get_subscription_count, 'match of the best-effort publisher')
    best_effort.publish(rgb_image(ramp(), header(2)))
    depths.wait_for_stamp(header(2))
    graph.wait(reliable.get_subscription_count, 'match of the reliable publisher')
    reliable.publish(rgb_image(ramp(), header(3)))
    depths.wait_for_stamp(header(3))

    graph.node.destroy_publisher(best_effort)
    wait_for_reliability(graph, 'reliable')
    graph.wait(reliable.get_subscription_count, 'match of the reliable publisher')
    reliable.publish(rgb_image(ramp(), header(4)))
    depths.wait_for_stamp(header(4))


@pytest.mark.parametrize('reliability', ['reliable', 'best_effort'])
def test_input_reliability_can_be_fixed(
    graph: Graph, start_node: NodeFactory, reliability: str
) -> None:
    node = start_node(input_reliability=reliability)
    opposite = 'best_effort' if reliability == 'reliable' else 'reliable'
    graph.node.create_publisher(Image, 'image', qos(opposite))
    graph.wait(lambda: node.count_publishers('image'), 'publisher')
    wait_for_reliability(graph, reliability)


def test_qos_override_parameters_decide_over_everything(
    graph: Graph, start_node: NodeFactory
) -> None:
    node = start_node(
        **{
            'qos_overrides./image.subscription.reliability': 'best_effort',
            'qos_overrides./image.subscription.depth': 3,
            'qos_overrides./image.subscription.durability': 'transient_local',
            'qos_overrides./points.publisher.reliability': 'best_effort',
            'qos_overrides./depth/camera_info.publisher.durability': 'transient_local',
        }
    )
    graph.publisher(Image, 'image', qos('reliable', is_latched=True))
    wait_for_reliability(graph, 'best_effort')
    (subscription,) = (s for s in node.subscriptions if s.topic_name == '/image')
    assert subscription.qos_profile.depth == 3
    assert subscription.qos_profile.durability is DurabilityPolicy.TRANSIENT_LOCAL
    (info,) = graph.node.get_publishers_info_by_topic('depth/camera_info')
    assert info.qos_profile.durability is DurabilityPolicy.TRANSIENT_LOCAL
    (info,) = graph.node.get_publishers_info_by_topic('points')
    assert info.qos_profile.reliability is ReliabilityPolicy.BEST_EFFORT


def test_subscription_keeps_only_the_last_image(start_node: NodeFactory) -> None:
    node = start_node()
    (subscription,) = (s for s in node.subscriptions if s.topic_name == '/image')
    assert subscription.qos_profile.depth == 1


@pytest.mark.parametrize('extension', ['.png', '.jpg'])
def test_compressed_transport(graph: Graph, start_node: NodeFactory, extension: str) -> None:
    start_node(image_transport='compressed')
    depths = graph.collect(Image, 'depth/image_rect')
    _, encoded = cv2.imencode(extension, ramp()[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 100])
    message = CompressedImage(header=header(4, 2, 'cam'), format=extension[1:])
    message.data.frombytes(encoded.tobytes())
    graph.publisher(CompressedImage, 'image/compressed').publish(message)
    depth = depths.wait_for_stamp(header(4, 2, 'cam'))
    tolerance = 0 if extension == '.png' else 0.05
    np.testing.assert_allclose(
        np.frombuffer(depth.data, np.float32).reshape(48, 64), depth_of(ramp()), atol=tolerance
    )


@pytest.mark.parametrize(
    ('format_', 'is_mosaic'),
    [('rgb8; png compressed rgb8', False), ('bayer_rggb8; png compressed ', True)],
)
def test_format_of_a_compressed_image_is_followed(
    graph: Graph, start_node: NodeFactory, format_: str, is_mosaic: bool
) -> None:
    start_node(image_transport='compressed')
    depths = graph.collect(Image, 'depth/image_rect')
    color = np.broadcast_to(np.array((200, 90, 30), np.uint8), (48, 64, 3))
    mosaic = np.tile(np.array([[200, 90], [90, 30]], np.uint8), (24, 32))
    # OpenCV writes the first channel as blue: given RGB, as here, red and blue change places.
    _, encoded = cv2.imencode('.png', mosaic if is_mosaic else color)
    message = CompressedImage(header=header(4, 2, 'cam'), format=format_)
    message.data.frombytes(encoded.tobytes())
    graph.publisher(CompressedImage, 'image/compressed').publish(message)
    depth = depths.wait_for_stamp(header(4, 2, 'cam'))
    np.testing.assert_allclose(
        np.frombuffer(depth.data, np.float32).reshape(48, 64), depth_of(color)
    )


def test_compressed_topic_follows_a_remapped_image(graph: Graph, start_node: NodeFactory) -> None:
    start_node(image_transport='compressed', arguments=('-r', 'image:=/cam/image_raw'))
    graph.publisher(CompressedImage, '/cam/image_raw/compressed')


def test_topics_follow_namespace_and_remapping(graph: Graph, start_node: NodeFactory) -> None:
    start_node(arguments=('-r', '__ns:=/robot', '-r', 'image:=/cam/image_raw'))
    depths = graph.collect(Image, '/robot/depth/image_rect')
    graph.publisher(Image, '/cam/image_raw').publish(rgb_image(ramp(), header(8)))
    depths.wait_for_stamp(header(8))


NO_INFO = 'no camera_info: nothing comes on /camera_info: no cloud, and a wrong scale unless'


def test_without_camera_info_there_is_depth_but_no_cloud_and_a_warning(
    graph: Graph, start_node: NodeFactory, engine: KnownEngine
) -> None:
    start_node()
    depths = graph.collect(Image, 'depth/image_rect')
    infos = graph.collect(CameraInfo, 'depth/camera_info')
    clouds = graph.collect(PointCloud2, 'points')
    diagnostics = graph.diagnostics()
    graph.publisher(Image, 'image').publish(rgb_image(ramp()))
    depths.wait_for(1)
    wait_for_status(graph, diagnostics, '1', NO_INFO)
    assert engine.wanted_points == [False]
    assert not clouds.messages
    assert not infos.messages


@pytest.mark.parametrize(
    ('defect', 'reason'),
    [
        ('zero', 'K must be calibrated'),
        ('nan', 'must be positive'),
        ('size', 'must be of the image'),
    ],
)
def test_unusable_camera_info_is_depth_without_cloud_and_a_warning(
    graph: Graph,
    start_node: NodeFactory,
    engine: KnownEngine,
    monkeypatch: pytest.MonkeyPatch,
    defect: str,
    reason: str,
) -> None:
    monkeypatch.setattr(intrinsics, '_COMPANION_WAIT_S', 0.0)
    node = start_node()
    depths = graph.collect(Image, 'depth/image_rect')
    graph.collect(PointCloud2, 'points')
    diagnostics = graph.diagnostics()
    info = camera_info()
    if defect == 'zero':
        info.k = [0.0] * 9
    elif defect == 'nan':
        info.k[0] = float('nan')
    else:
        info.width, info.height = 1280, 720
    graph.publisher(CameraInfo, 'camera_info').publish(info)
    wait_for_infos(graph, node, 1)
    graph.publisher(Image, 'image').publish(rgb_image(ramp()))
    depths.wait_for(1)
    wait_for_status(graph, diagnostics, '1', reason)
    assert engine.wanted_points == [False]


@pytest.mark.parametrize('is_rectified', [True, False])
def test_half_set_p_is_refused_by_name(
    graph: Graph,
    start_node: NodeFactory,
    engine: KnownEngine,
    monkeypatch: pytest.MonkeyPatch,
    is_rectified: bool,
) -> None:
    monkeypatch.setattr(intrinsics, '_COMPANION_WAIT_S', 0.0)
    node = start_node(image_is_rectified=is_rectified)
    depths = graph.collect(Image, 'depth/image_rect')
    graph.collect(PointCloud2, 'points')
    diagnostics = graph.diagnostics()
    info = camera_info()
    info.p[0] = 0.0
    graph.publisher(CameraInfo, 'camera_info').publish(info)
    wait_for_infos(graph, node, 1)
    graph.publisher(Image, 'image').publish(rgb_image(ramp()))
    depths.wait_for(1)
    wait_for_status(graph, diagnostics, '1', 'P must have positive focal lengths or be zeros')
    assert engine.wanted_points == [False]


def test_first_image_gets_its_cloud_though_camera_info_comes_after_it(
    graph: Graph, start_node: NodeFactory
) -> None:
    start_node(arguments=('-r', 'camera_info:=/cam/camera_info'))
    clouds = graph.collect(PointCloud2, 'points')
    info_publisher = graph.publisher(CameraInfo, '/cam/camera_info')
    graph.publisher(Image, 'image').publish(rgb_image(ramp(), header(1)))
    info_publisher.publish(camera_info())
    clouds.wait_for_stamp(header(1))


def wait_for_infos(graph: Graph, node: DepthNode, count: int) -> None:
    graph.wait_for_value(lambda: node.health().infos_in, count, 'camera_infos')


def test_newest_camera_info_wins(graph: Graph, start_node: NodeFactory) -> None:
    node = start_node()
    infos = graph.collect(CameraInfo, 'depth/camera_info')
    info_publisher = graph.publisher(CameraInfo, 'camera_info')
    image_publisher = graph.publisher(Image, 'image')
    for index, focal in enumerate((50.0, 60.0, 70.0)):
        info_publisher.publish(camera_info(focal=focal, stamp=header(index)))
        wait_for_infos(graph, node, index + 1)
        image_publisher.publish(rgb_image(ramp(), header(10 + index)))
        assert infos.wait_for_stamp(header(10 + index)).k[0] == focal


def test_latched_camera_info_is_received_late(graph: Graph, start_node: NodeFactory) -> None:
    latched = graph.node.create_publisher(CameraInfo, 'camera_info', qos(is_latched=True))
    latched.publish(camera_info(focal=77.0))
    start_node()
    infos = graph.collect(CameraInfo, 'depth/camera_info')
    graph.publisher(Image, 'image').publish(rgb_image(ramp()))
    assert infos.wait_for(1)[0].k[0] == 77.0


def test_image_size_may_change_in_mid_stream(graph: Graph, start_node: NodeFactory) -> None:
    start_node()
    depths = graph.collect(Image, 'depth/image_rect')
    clouds = graph.collect(PointCloud2, 'points')
    info_publisher = graph.publisher(CameraInfo, 'camera_info')
    publisher = graph.publisher(Image, 'image')
    for index, (height, width) in enumerate(((48, 64), (24, 40), (100, 30), (48, 64))):
        stamp = header(index)
        publisher.publish(rgb_image(ramp(height, width), stamp))
        info_publisher.publish(camera_info(width, height))
        depth, cloud = depths.wait_for_stamp(stamp), clouds.wait_for_stamp(stamp)
        assert (depth.height, depth.width) == (cloud.height, cloud.width) == (height, width)
        np.testing.assert_array_equal(
            np.frombuffer(depth.data, np.float32).reshape(height, width),
            depth_of(ramp(height, width)),
        )


SIZES = ((48, 64), (24, 40)) * 5


class CountedWaits(CameraInfoWaitBudget):
    """Counts the waits for a CameraInfo; `on_wait` is called at the beginning of each."""

    count = 0
    on_wait: Callable[[], object] = staticmethod(lambda: None)

    def left_s(self) -> float:
        left_s = super().left_s()
        if left_s:
            CountedWaits.on_wait()
        return left_s

    def use(self, waited_s: float) -> None:
        CountedWaits.count += 1
        super().use(waited_s)


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch) -> IntrinsicsCache:
    monkeypatch.setattr(intrinsics, 'CameraInfoWaitBudget', CountedWaits)
    monkeypatch.setattr(CountedWaits, 'count', 0)
    return IntrinsicsCache()


@pytest.mark.parametrize('has_info', [False, True])
@pytest.mark.parametrize(('share', 'waits'), [(0.0, 1), (1e9, len(SIZES))])
def test_a_camera_without_fitting_info_makes_all_wait_a_share_of_the_time_only(
    cache: IntrinsicsCache,
    monkeypatch: pytest.MonkeyPatch,
    has_info: bool,
    share: float,
    waits: int,
) -> None:
    monkeypatch.setattr(intrinsics, '_COMPANION_WAIT_S', 0.01)
    monkeypatch.setattr(intrinsics, '_WAITING_SHARE', share)
    if has_info:
        cache.store(camera_info(1000, 10))
    assert [cache.find(size, is_announced=True) for size in SIZES] == [None] * len(SIZES)
    assert CountedWaits.count == waits


def test_an_info_that_comes_is_waited_for_at_each_change_of_size(
    cache: IntrinsicsCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intrinsics, '_COMPANION_WAIT_S', 60.0)  # none takes that long
    for height, width in SIZES:
        coming = threading.Thread(target=cache.store, args=(camera_info(width, height),))
        monkeypatch.setattr(CountedWaits, 'on_wait', coming.start)
        found = cache.find((height, width), is_announced=True)
        assert found is not None
        assert (found[1].height, found[1].width) == (height, width)
        coming.join()
    assert CountedWaits.count == len(SIZES)


def test_an_image_does_not_wait_for_an_info_that_nobody_publishes(cache: IntrinsicsCache) -> None:
    assert cache.find(SIZES[0], is_announced=False) is None
    assert CountedWaits.count == 0


def bad_images() -> dict[str, Image]:
    truncated = rgb_image(ramp())
    del truncated.data[-100:]
    unknown = rgb_image(ramp())
    unknown.encoding = 'hologram8'
    empty = Image(header=header(), encoding='rgb8')
    wrong_step = rgb_image(ramp())
    wrong_step.step = 10
    huge = rgb_image(ramp())
    huge.height = huge.width = 2**31
    huge.step = 2**32 - 1
    return {
        'truncated': truncated,
        'unknown': unknown,
        'empty': empty,
        'wrong_step': wrong_step,
        'huge': huge,
    }


@pytest.mark.parametrize('kind', list(bad_images()))
def test_a_bad_frame_is_counted_logged_once_and_dropped(
    graph: Graph, start_node: NodeFactory, kind: str, capfd: pytest.CaptureFixture[str]
) -> None:
    node = start_node()
    depths = graph.collect(Image, 'depth/image_rect')
    publisher = graph.publisher(Image, 'image')
    for count in (1, 2, 3):
        publisher.publish(bad_images()[kind])
        graph.wait_for_value(lambda: node.health().counts.frames_failed, count, 'failed frames')
    publisher.publish(rgb_image(ramp(), header(99)))
    depths.wait_for_stamp(header(99))
    assert len(depths.messages) == 1
    logged = capfd.readouterr().err
    assert logged.count('dropped a frame') == 1, logged
    assert 'Traceback' not in logged


def test_a_jpeg_that_lacks_a_part_is_counted_logged_once_and_dropped(
    graph: Graph, start_node: NodeFactory, capfd: pytest.CaptureFixture[str]
) -> None:
    """OpenCV decodes it, with a gray end: half of the depth would be of nothing."""
    node = start_node(image_transport='compressed')
    depths = graph.collect(Image, 'depth/image_rect')
    diagnostics = graph.collect(DiagnosticArray, '/diagnostics')
    publisher = graph.publisher(CompressedImage, 'image/compressed')
    _, whole = cv2.imencode('.jpg', ramp()[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 100])
    data = whole.tobytes()
    cut = CompressedImage(header=header(1), format='jpeg')
    cut.data.frombytes(data[: len(data) * 3 // 4] + data[-2:])
    for count in (1, 2):
        publisher.publish(cut)
        graph.wait_for_value(lambda: node.health().counts.frames_failed, count, 'failed frames')
    wait_for_status(graph, diagnostics, '2', 'failing')
    sound = CompressedImage(header=header(2), format='jpeg')
    sound.data.frombytes(data)
    publisher.publish(sound)
    depths.wait_for_stamp(header(2))
    assert len(depths.messages) == 1
    logged = capfd.readouterr().err
    assert logged.count('dropped a frame') == 1, logged


def test_an_engine_that_fails_costs_only_that_frame(
    graph: Graph, start_node: NodeFactory, engine: KnownEngine
) -> None:
    node = start_node()
    depths = graph.collect(Image, 'depth/image_rect')
    publisher = graph.publisher(Image, 'image')
    engine.error = RuntimeError('a defect')
    publisher.publish(rgb_image(ramp(), header(1)))
    graph.wait(lambda: node.health().counts.frames_failed, 'a failed frame')
    publisher.publish(rgb_image(ramp(), header(2)))
    depths.wait_for_stamp(header(2))
    assert node.health().counts.last_failure == 'RuntimeError: a defect'


def wait_for_status(
    graph: Graph, diagnostics: Collected[DiagnosticArray], level: str, text: str
) -> dict[str, str]:
    def found() -> list[dict[str, str]]:
        values = [values_of(array, 'camera') for array in list(diagnostics.messages)]
        return [v for v in values if v.get('level') == level and text in v.get('message', '')]

    graph.wait(lambda: bool(found()), f'status {level} {text!r}')
    return found()[0]
