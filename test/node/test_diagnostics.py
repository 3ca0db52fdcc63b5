"""What /diagnostics says: figures that add up, and a level with its reasons."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future

import numpy as np
import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from known_depth import KnownEngine
from node_fixtures import EVER_S
from node_graph import (
    DEADLINE_S,
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
from rclpy.node import Node
from rclpy.publisher import Publisher
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2

from drnet_ros.errors import DeviceLostError, DeviceMemoryError
from drnet_ros.inference import CameraModel, DepthFrame, Settings
from drnet_ros.inference.camera import rays
from drnet_ros.node import depth_node, diagnostics
from drnet_ros.node.depth_node import DepthNode
from drnet_ros.node.gpu_health import GpuMonitor, GpuState
from drnet_ros.node.input_check import InputCheck
from drnet_ros.node.problem_log import ProblemLog

OK, WARN, ERROR = '0', '1', '2'


class Health:
    """Waits for what the newest status says."""

    def __init__(self, graph: Graph, name: str = 'depth_node: camera') -> None:
        self._graph = graph
        self._name = name
        self._arrays: Collected[DiagnosticArray] = graph.diagnostics()

    def wait_for(self, level: str, text: str, **values: str) -> dict[str, str]:
        found: dict[str, str] = {}

        def is_there() -> bool:
            nonlocal found
            arrays = self._arrays.messages
            found = values_of(arrays[-1], self._name) if arrays else {}
            is_level = found.get('level') == level and text in found['message']
            return is_level and found.items() >= values.items()

        self._graph.wait(is_there, f'status {level} {text!r}')
        return found

    def newest(self) -> dict[str, str]:
        """The newest status, empty if there is none yet."""
        arrays = self._arrays.messages
        return values_of(arrays[-1], self._name) if arrays else {}


@pytest.fixture
def never_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    """However late the diagnostics come, the last image is not too old for them."""
    monkeypatch.setattr(diagnostics, '_STALE_AFTER_S', EVER_S)


def publish_steadily(publisher: Publisher[Image], depths: Collected[Image], count: int) -> None:
    for sec in range(count):
        publisher.publish(rgb_image(ramp(), header(sec)))
        depths.wait_for_stamp(header(sec))


@pytest.mark.usefixtures('never_stale')
def test_running_node_is_ok_and_its_figures_add_up(graph: Graph, start_node: NodeFactory) -> None:
    start_node()
    health = Health(graph)
    depths = graph.collect(Image, 'depth/image_rect')
    graph.publisher(CameraInfo, 'camera_info').publish(camera_info())
    publisher = graph.publisher(Image, 'image')
    begun = time.monotonic()
    publish_steadily(publisher, depths, 20)
    values = health.wait_for(OK, 'running', frames_out='20')
    elapsed_s = time.monotonic() - begun
    assert values['frames_in'] == '20'
    assert (values['frames_dropped'], values['frames_failed']) == ('0', '0')
    assert float(values['rate_hz']) > 19 / elapsed_s - 0.01
    p50, p95 = (float(values[f'latency_ms_{name}']) for name in ('p50', 'p95'))
    assert 0 < p50 <= p95 < 1000 * elapsed_s
    assert (values['engine'], values['device'], values['precision']) == ('known', 'test', 'exact')
    assert values['state'] == 'active'


def test_diagnostics_come_once_a_second_in_every_state(
    graph: Graph, start_node: NodeFactory
) -> None:
    node = start_node(is_up=False, autostart=False)
    # The timer's period, not the clock: on a busy machine one comes late, and the next one sooner.
    assert 1_000_000_000 in {timer.timer_period_ns for timer in node.timers}
    arrays = graph.diagnostics()
    arrays.wait_for(3)
    assert values_of(arrays.messages[-1], 'depth_node: camera')['message'] == 'unconfigured'


def test_no_input_is_a_warning_that_names_the_topic(graph: Graph, start_node: NodeFactory) -> None:
    start_node(arguments=('-r', 'image:=/cam/image_raw'))
    health = Health(graph)
    found = health.wait_for(WARN, 'no input: /cam/image_raw has no publisher')
    assert found['message'].endswith('; see docs/troubleshooting.md')
    graph.publisher(Image, '/cam/image_raw')
    health.wait_for(WARN, 'no input: /cam/image_raw has a publisher, but no image has come')


@pytest.fixture
def driver() -> Iterator[Node]:
    """A node with a context of its own: DDS allows one type for each topic in a context."""
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node('driver', context=context)
    yield node
    node.destroy_node()
    rclpy.shutdown(context=context)


@pytest.mark.parametrize(
    ('topic', 'remapped'),
    [
        ('/cam/image/compressed', 'image to /cam/image'),
        ('/cam/jpeg', 'image/compressed to /cam/jpeg'),
    ],
)
def test_a_topic_of_another_type_is_named_with_what_helps(
    graph: Graph, start_node: NodeFactory, driver: Node, topic: str, remapped: str
) -> None:
    start_node(arguments=('-r', f'image:={topic}'))
    health = Health(graph)
    driver.create_publisher(CompressedImage, topic, 1)
    health.wait_for(
        WARN,
        f'no input: {topic} has sensor_msgs/msg/CompressedImage, no Image: set '
        f'image_transport to compressed, and remap {remapped};',
    )


@pytest.mark.usefixtures('never_stale')
@pytest.mark.parametrize(
    ('topic', 'said'),
    [
        ('camera_info', 'no camera_info: /camera_info has {}, no CameraInfo: no cloud, and'),
        ('scan', 'scan: /scan has {}, no LaserScan'),
        ('sparse_depth/camera_info', 'depth: /sparse_depth/camera_info has {}, no CameraInfo'),
    ],
)
def test_a_topic_beside_the_images_that_has_another_type_is_named(
    graph: Graph, start_node: NodeFactory, driver: Node, topic: str, said: str
) -> None:
    start_node(sparse_depth_sources=['scan', 'depth'])
    health = Health(graph)
    graph.collect(Image, 'depth/image_rect')
    driver.create_publisher(CompressedImage, topic, 1)
    images = graph.publisher(Image, 'image')
    graph.repeat_until(
        lambda: images.publish(rgb_image(ramp())),
        lambda: (
            said.format('sensor_msgs/msg/CompressedImage') in health.newest().get('message', '')
        ),
        'status',
    )


def test_raw_images_on_the_compressed_topic_are_named(
    graph: Graph, start_node: NodeFactory, driver: Node
) -> None:
    start_node(image_transport='compressed')
    health = Health(graph)
    driver.create_publisher(Image, 'image/compressed', 1)
    health.wait_for(WARN, '/image/compressed has sensor_msgs/msg/Image, no CompressedImage: set')


def test_topics_that_have_images_are_named_where_none_is_read(
    graph: Graph, start_node: NodeFactory
) -> None:
    start_node()
    health = Health(graph)
    graph.node.create_publisher(Image, '/elsewhere/image_raw', 1)
    health.wait_for(
        WARN, 'no input: /image has no publisher; there are images on /elsewhere/image_raw'
    )


@pytest.mark.usefixtures('never_stale')
@pytest.mark.parametrize(
    ('sec', 'frame_id', 'level', 'text'),
    [
        (0, 'cam', 100, 'images have no stamp: tf and what matches by time cannot use the depth'),
        (7, '', 100, 'images have no frame_id: tf and RViz cannot place the depth'),
        (7, 'cam', 0, 'images are black: is the lens covered'),
        (7, 'cam', 255, 'images are white: is the exposure too long?'),
    ],
)
def test_odd_images_become_depth_and_a_warning(
    graph: Graph, start_node: NodeFactory, sec: int, frame_id: str, level: int, text: str
) -> None:
    start_node()
    health = Health(graph)
    depths = graph.collect(Image, 'depth/image_rect')
    stamp = header(sec, 0, frame_id)
    publisher = graph.publisher(Image, 'image')
    image = rgb_image(np.full((48, 64, 3), level, np.uint8), stamp)
    graph.repeat_until(
        lambda: publisher.publish(image), lambda: text in health.newest().get('message', ''), text
    )
    assert depths.wait_for(1)[0].header == stamp


def test_names_from_messages_are_shown_short_and_printable(
    graph: Graph, start_node: NodeFactory
) -> None:
    """A frame_id that turns the text of a terminal around, and is as long as a book."""
    start_node(ground_frame='base_link')
    health = Health(graph)
    graph.collect(PointCloud2, 'obstacles')
    graph.publisher(CameraInfo, 'camera_info').publish(camera_info())
    publisher = graph.publisher(Image, 'image')
    image = rgb_image(ramp(), header(7, 0, '\u202e' + 'x' * 100_000))
    text = f'no obstacles: \\u202e{"x" * 500}'
    graph.repeat_until(
        lambda: publisher.publish(image), lambda: text in health.newest().get('message', ''), text
    )
    message = health.newest()['message']
    assert message.isprintable()
    assert len(message) < 1500
    assert ' ... (200' in message  # the frame is named twice


def test_stamps_that_go_back_matter_to_the_temporal_filter_only() -> None:
    rgb_hwc = ramp()
    for is_filtered in (False, True):
        check = InputCheck()
        stamps = [
            check.look(rgb_image(rgb_hwc, header(sec, 0)), rgb_hwc, is_filtered=is_filtered)
            for sec in (5, 6)
        ]
        assert stamps == [5_000_000_000, 6_000_000_000]
        assert check.problems() == {}
        assert (
            check.look(
                rgb_image(rgb_hwc, header(4, 500_000_000)), rgb_hwc, is_filtered=is_filtered
            )
            == 4_500_000_000
        )
        assert bool(check.problems()) is is_filtered
    assert check.problems() == {
        'order': 'stamps go back or stand still (-1.500 s): temporal_filter begins anew'
    }


def test_gaps_between_stamps_matter_to_the_temporal_filter_only() -> None:
    for is_filtered in (False, True):
        check = InputCheck()
        for sec in (5, 6, 3606):
            assert check.problems() == {}
            check.look(rgb_image(ramp(), header(sec)), ramp(), is_filtered=is_filtered)
        assert bool(check.problems()) is is_filtered
    assert check.problems() == {
        'gap': 'stamps are 3600.0 s apart, more than 1 s: temporal_filter begins anew'
    }


@pytest.mark.usefixtures('never_stale')
@pytest.mark.parametrize(
    ('focal', 'center', 'text'),
    [
        (0.8, (0.5, 0.4), 'depth is invalid in all pixels: check min_depth, max_depth, scale_'),
        (0.8, (0.5, 0.4), 'the depth image of 64 x 48 has a focal length of 0.8 px'),
        (60.0, (800.0, 24.0), 'the principal point of camera_info lies at 800, 24, far from the'),
    ],
)
def test_a_camera_that_cannot_be_right_is_a_warning(
    graph: Graph,
    start_node: NodeFactory,
    engine: KnownEngine,
    focal: float,
    center: tuple[float, float],
    text: str,
) -> None:
    engine.is_scaled = True
    start_node()
    health = Health(graph)
    graph.collect(Image, 'depth/image_rect')
    info = camera_info()
    info.k = [focal, 0.0, center[0], 0.0, focal, center[1], 0.0, 0.0, 1.0]
    info.p = [0.0] * 12
    graph.publisher(CameraInfo, 'camera_info').publish(info)
    publisher = graph.publisher(Image, 'image')
    graph.repeat_until(
        lambda: publisher.publish(rgb_image(ramp())),
        lambda: text in health.newest().get('message', ''),
        text,
    )


@pytest.mark.parametrize(
    ('center', 'is_cropped', 'is_said'),
    [
        ((31.5, 23.5), False, False),
        ((25.0, 29.0), False, False),
        ((63.5, 47.5), False, True),  # K of 128 x 96
        ((15.5, 11.5), False, True),  # K of 32 x 24
        ((63.5, 47.5), True, False),
    ],
)
def test_k_of_another_size_than_camera_info_states_is_a_warning(
    center: tuple[float, float], *, is_cropped: bool, is_said: bool
) -> None:
    check, received = InputCheck(), camera_info()
    if is_cropped:
        received.roi.width, received.roi.height = 64, 48
    check.look_at_camera_info('', (48, 64), received, CameraModel(64, 48, 60.0, 60.0, *center))
    text = check.problems().get('principal point', '')
    assert ('width and height of camera_info must be those that K is of' in text) is is_said


@pytest.mark.parametrize(('fy', 'is_said'), [(60.0, False), (85.0, False), (120.0, True)])
def test_focal_lengths_that_differ_by_far_are_a_warning(fy: float, *, is_said: bool) -> None:
    check = InputCheck()
    camera = CameraModel(64, 48, 60.0, fy, 31.5, 23.5)
    check.look_at_camera_info('', (48, 64), camera_info(), camera)
    text = check.problems().get('focal lengths', '')
    assert ('fx and fy, 60 and 120 px, differ by a factor of 2' in text) is is_said


@pytest.mark.parametrize(
    ('image_hw', 'binning', 'is_said'),
    [((48, 64), 0, True), ((24, 32), 0, False), ((24, 32), 2, True), ((12, 16), 2, False)],
)
def test_images_of_the_whole_sensor_beside_an_roi_are_a_warning(
    image_hw: tuple[int, int], binning: int, *, is_said: bool
) -> None:
    check, received = InputCheck(), camera_info()
    received.roi.width, received.roi.height, received.binning_x = 32, 24, binning
    received.binning_y = binning
    check.look_at_camera_info('', image_hw, received, None)
    text = check.problems().get('region', '')
    assert ('has an ROI, and images have the size of the whole sensor' in text) is is_said
    received.roi.width, received.roi.height = 64, 48  # the whole, as some drivers say it
    check = InputCheck()
    check.look_at_camera_info('', image_hw, received, None)
    assert not check.problems()


@pytest.mark.parametrize('encoding', ['mono8', 'rgb8'])
def test_rows_of_another_encoding_are_a_warning(encoding: str) -> None:
    check = InputCheck()
    image = rgb_image(np.full((48, 160, 3), 90, np.uint8))
    image.encoding = encoding
    check.look(image, np.full((48, 160, 3), 90, np.uint8), is_filtered=False)
    assert ('rows' in check.problems()) is (encoding == 'mono8')


@pytest.mark.parametrize(
    ('columns', 'said'),
    [(0, []), (160, []), (288, ['the cloud lacks 90% of the pixels that have depth'])],
)
def test_a_cloud_that_lacks_most_of_the_depth_is_a_warning(columns: int, said: list[str]) -> None:
    check = InputCheck()
    depth_hw = np.ones((640, 640), np.float32)
    depth_hw[:320] = np.nan
    points = np.ones((320, 320, 3), np.float32)
    points[:160] = np.nan
    points[:, :columns] = np.nan
    check.look_at_depth(DepthFrame(depth_hw, points=points), Settings(point_stride=2))
    assert [text.partition(':')[0] for text in check.problems().values()] == said


def test_a_thinned_cloud_that_lacks_most_of_the_depth_is_a_warning() -> None:
    """Barrel distortion that bends rays back: only the middle of the image has any."""
    camera = CameraModel(
        640, 480, 400.0, 400.0, 319.5, 239.5, d=(-5.0, 0.0, 0.0, 0.0), distortion_model='plumb_bob'
    )
    share = np.isnan(rays(camera)[::32, ::32, 0]).mean()
    assert share > 0.8
    depth_hw, voxels = np.ones((480, 640), np.float32), np.ones((1, 9, 3), np.float32)
    for is_rectified, said in (
        (False, [f'the cloud lacks {share:.0%} of the pixels']),
        (True, []),
    ):
        check, settings = InputCheck(), Settings(point_stride=2, image_is_rectified=is_rectified)
        check.look_at_depth(DepthFrame(depth_hw, camera, voxels=voxels), settings)
        found = [text.partition(' that have')[0] for text in check.problems().values()]
        assert found == said


def test_camera_info_that_no_image_was_matched_with_is_not_said_to_be_missing(
    graph: Graph, start_node: NodeFactory
) -> None:
    start_node()
    health = Health(graph)
    graph.collect(Image, 'depth/image_rect')
    graph.publisher(CameraInfo, 'camera_info').publish(camera_info())
    publisher = graph.publisher(Image, 'image')
    broken = rgb_image(ramp())
    broken.step = 7
    graph.repeat_until(
        lambda: publisher.publish(broken),
        lambda: (
            health.newest().get('camera_infos_in') == '1' and 'got 7' in health.newest()['message']
        ),
        'status',
    )
    assert 'camera_info' not in health.newest()['message']


def test_unset_stamps_become_times_that_go_on() -> None:
    check = InputCheck()
    stamps = [
        check.look(rgb_image(ramp(), header(0, 0)), ramp(), is_filtered=True) for _ in range(3)
    ]
    assert 0 < stamps[0] < stamps[1] < stamps[2]
    assert list(check.problems()) == ['stamp']


class Lines:
    """Takes the lines of a log."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def warning(self, line: str) -> None:
        self.lines.append(f'WARN {line}')

    def info(self, line: str) -> None:
        self.lines.append(f'INFO {line}')


def test_what_lasts_is_logged_after_5_s_again_each_minute_and_when_it_is_over() -> None:
    log = Lines()
    problems = ProblemLog(log, 'front: ')  # type: ignore[arg-type]
    for second in range(150):
        reasons = [diagnostics.Reason('no images', b'1', f'none for {second} s')]
        brief = [diagnostics.Reason('lost frames', b'1', 'losing')] if second == 20 else []
        problems.report((reasons if 10 <= second < 130 else []) + brief, float(second))
    assert log.lines == [
        'WARN front: none for 15 s',
        'WARN front: none for 75 s',
        'INFO front: over: no images',
    ]


def test_the_nodes_log_says_what_the_diagnostics_say(
    graph: Graph, start_node: NodeFactory, capfd: pytest.CaptureFixture[str]
) -> None:
    start_node()
    logged = ''

    def has_line() -> bool:
        nonlocal logged
        logged += capfd.readouterr().err
        return 'no input: /image has no publisher' in logged

    graph.wait(has_line, 'line in the log')
    (line,) = [line for line in logged.splitlines() if 'no input' in line]
    assert '[WARN]' in line


def test_stale_input_is_a_warning(graph: Graph, start_node: NodeFactory) -> None:
    start_node()
    health = Health(graph)
    graph.publisher(Image, 'image').publish(rgb_image(ramp()))
    health.wait_for(WARN, 'stale input: no image on /image for')


@pytest.mark.usefixtures('never_stale')
def test_no_subscriber_is_ok_and_said(graph: Graph, start_node: NodeFactory) -> None:
    start_node()
    health = Health(graph)
    graph.publisher(Image, 'image').publish(rgb_image(ramp()))
    health.wait_for(OK, 'idle: no subscriber to any output', frames_skipped='1')


def test_dropping_is_a_warning_with_the_share(
    graph: Graph, start_node: NodeFactory, engine: KnownEngine
) -> None:
    node = start_node()
    health = Health(graph)
    graph.collect(Image, 'depth/image_rect')
    graph.publisher(CameraInfo, 'camera_info').publish(camera_info())
    publisher = graph.publisher(Image, 'image')
    engine.may_finish.clear()
    for sec in range(1, 7):
        publisher.publish(rgb_image(ramp(), header(sec)))
        graph.wait_for_value(lambda: node.health().counts.frames_in, sec, 'images')
        if sec == 1:
            assert engine.entered.acquire(timeout=DEADLINE_S)
    engine.may_finish.set()
    assert health.wait_for(WARN, 'dropping 67% of the frames')['frames_dropped'] == '4'


def start_unready(
    graph: Graph, start_node: NodeFactory, engine: KnownEngine
) -> tuple[Future[None], Health, DepthNode]:
    """Start a node whose network is ready for images of 64 x 48 when the future is done."""
    preparation: Future[None] = Future()
    engine.preparations[48, 64] = preparation
    node = start_node()
    return preparation, Health(graph), node


@pytest.mark.usefixtures('never_stale')
def test_a_network_being_made_ready_is_said_and_is_no_slowness(
    graph: Graph, start_node: NodeFactory, engine: KnownEngine
) -> None:
    preparation, health, node = start_unready(graph, start_node, engine)
    depths = graph.collect(Image, 'depth/image_rect')
    graph.publisher(CameraInfo, 'camera_info').publish(camera_info())
    publisher = graph.publisher(Image, 'image')
    for sec in range(1, 6):
        publisher.publish(rgb_image(ramp(), header(sec)))
        graph.wait_for_value(lambda: node.health().counts.frames_in, sec, 'images')
        if sec == 1:
            health.wait_for(WARN, 'getting ready for images of 64 x 48')
    values = health.wait_for(WARN, 'getting ready for images of 64 x 48', frames_dropped='4')
    assert 'dropping' not in values['message']
    preparation.set_result(None)
    depths.wait_for_stamp(header(5))
    # Those that were dropped meanwhile are no reason to warn of afterwards either.
    health.wait_for(OK, 'running', frames_out='1', frames_dropped='4')
    graph.wait(lambda: node.health().counts.preparing_hw is None, 'end of the preparation')


def test_dropping_after_the_network_was_made_ready_is_a_warning_again(
    graph: Graph, start_node: NodeFactory, engine: KnownEngine
) -> None:
    preparation, health, node = start_unready(graph, start_node, engine)
    graph.collect(Image, 'depth/image_rect')
    publisher = graph.publisher(Image, 'image')
    engine.may_finish.clear()
    for sec in range(1, 5):
        publisher.publish(rgb_image(ramp(), header(sec)))
        graph.wait_for_value(lambda: node.health().counts.frames_in, sec, 'images')
        if sec == 1:
            graph.wait(lambda: node.health().counts.preparing_hw, 'preparation')
            preparation.set_result(None)
            assert engine.entered.acquire(timeout=DEADLINE_S)
    engine.may_finish.set()
    assert health.wait_for(WARN, 'dropping 50% of the frames')['frames_dropped'] == '2'


def test_reliability_of_the_input_is_that_in_use(graph: Graph, start_node: NodeFactory) -> None:
    start_node()
    health = Health(graph)
    health.wait_for(WARN, 'no input', input_reliability='reliable')
    graph.publisher(Image, 'image', qos('best_effort'))
    health.wait_for(WARN, 'no input', input_reliability='best_effort')


@pytest.mark.parametrize('has_good_ones', [True, False])
def test_failing_frames_are_an_error_and_a_warning_among_good_ones(
    graph: Graph, start_node: NodeFactory, has_good_ones: bool
) -> None:
    start_node()
    health = Health(graph)
    depths = graph.collect(Image, 'depth/image_rect')
    publisher = graph.publisher(Image, 'image')
    if has_good_ones:
        publish_steadily(publisher, depths, 3)
    publisher.publish(Image(encoding='hologram8', width=1, height=1, step=1))
    text = 'failing (1 of 4 frames)' if has_good_ones else 'failing (1 of 1 frames)'
    values = health.wait_for(WARN if has_good_ones else ERROR, text)
    assert "got 'hologram8'" in values['message']
    assert values['frames_failed'] == '1'


class Gpu(GpuMonitor):
    """A GPU that is how the test wants it: there is none in CI."""

    def __init__(self, state: GpuState) -> None:
        self._state = state

    def read(self) -> GpuState:
        return self._state


@pytest.mark.usefixtures('never_stale')
@pytest.mark.parametrize(
    ('state', 'level', 'text'),
    [
        (GpuState(93, 90, 5000, 8192), WARN, 'over temperature: GPU at 93 C'),
        (GpuState(85, 90, 5000, 8192, is_slowed_by_heat=True), WARN, 'over temperature'),
        (GpuState(50, 90, 100, 8192), WARN, 'GPU almost out of memory: 100 MB free'),
        (GpuState(is_lost=True), ERROR, 'GPU lost: restart the node'),
        (GpuState(50, 90, 5000, 8192), OK, 'idle: no subscriber to any output'),
    ],
)
def test_state_of_the_gpu_is_judged(
    graph: Graph,
    start_node: NodeFactory,
    monkeypatch: pytest.MonkeyPatch,
    state: GpuState,
    level: str,
    text: str,
) -> None:
    monkeypatch.setattr(depth_node, 'open_monitor', lambda _device: Gpu(state))
    start_node()
    health = Health(graph)
    graph.publisher(Image, 'image').publish(rgb_image(ramp()))
    values = health.wait_for(level, text)
    assert values.get('gpu_temperature_c') == (
        None if state.temperature_c is None else str(state.temperature_c)
    )


@pytest.mark.parametrize(
    ('error', 'is_fatal'),
    [(DeviceMemoryError('out of memory'), False), (DeviceLostError('fell off the bus'), True)],
)
def test_a_gpu_without_memory_is_an_error_and_a_lost_one_the_end(
    graph: Graph, start_node: NodeFactory, engine: KnownEngine, error: Exception, is_fatal: bool
) -> None:
    node = start_node()
    is_over = threading.Event()
    node.on_fatal = is_over.set
    health = Health(graph)
    graph.collect(Image, 'depth/image_rect')
    publisher = graph.publisher(Image, 'image')
    engine.error = error
    publisher.publish(rgb_image(ramp()))
    health.wait_for(ERROR, f'failing (1 of 1 frames): {error}')
    # The failure is counted, and so in the diagnostics, before the end is called for.
    assert is_over.wait(DEADLINE_S if is_fatal else 0.1) is is_fatal


def test_each_camera_has_a_status(graph: Graph, start_node: NodeFactory) -> None:
    start_node(cameras=['front', 'rear'])
    for name in ('front', 'rear'):
        Health(graph, f'depth_node: {name}').wait_for(
            WARN, f'no input: /{name}/image has no publisher'
        )
