"""A managed node: what each transition does, and what a failing one leaves behind."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from itertools import count
from pathlib import Path

import pytest
from fuzz_node import start_node_program
from known_depth import KnownEngine
from life_cycles import run_cycles
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from node_graph import DEADLINE_S, Graph, NodeFactory, header, qos, ramp, rgb_image
from process_resources import Resources, resources_of
from rclpy.lifecycle import TransitionCallbackReturn
from sensor_msgs.msg import Image
from shared_memory import end_program
from std_srvs.srv import Trigger

from drnet_ros.errors import WeightsError
from drnet_ros.inference import DepthEstimator, Settings
from drnet_ros.node import depth_node

CYCLES = 100
# Allocators keep some memory in the first cycles, more of it on a busy machine. A leak has no end.
SETTLED_CYCLES = 4
SETTLED_MB = 4.0
MOST_REAL_CYCLES = 24


def change_state(graph: Graph, transition: int) -> bool:
    request = ChangeState.Request()
    request.transition.id = transition
    return bool(graph.call(ChangeState, 'depth_node/change_state', request).success)


def state_of(graph: Graph) -> str:
    answer = graph.call(GetState, 'depth_node/get_state', GetState.Request())
    return str(answer.current_state.label)


def test_each_transition_leads_to_its_state(
    graph: Graph, start_node: NodeFactory, engine: KnownEngine
) -> None:
    start_node(is_up=False, autostart=False)
    assert state_of(graph) == 'unconfigured'
    assert graph.node.count_publishers('depth/image_rect') == 0
    assert change_state(graph, Transition.TRANSITION_CONFIGURE)
    assert state_of(graph) == 'inactive'
    graph.wait(lambda: graph.node.count_publishers('depth/image_rect'), 'publisher')
    assert graph.node.count_subscribers('image') == 0

    assert change_state(graph, Transition.TRANSITION_ACTIVATE)
    assert state_of(graph) == 'active'
    depths = graph.collect(Image, 'depth/image_rect')
    publisher = graph.publisher(Image, 'image')
    publisher.publish(rgb_image(ramp(), header(1)))
    depths.wait_for_stamp(header(1))

    assert change_state(graph, Transition.TRANSITION_DEACTIVATE)
    assert state_of(graph) == 'inactive'
    graph.wait(lambda: publisher.get_subscription_count() == 0, 'end of the subscription')
    assert not [t for t in threading.enumerate() if t.name == 'depth_worker']
    assert engine.closed_count == 0

    assert change_state(graph, Transition.TRANSITION_ACTIVATE)
    graph.wait(publisher.get_subscription_count, 'subscription')
    publisher.publish(rgb_image(ramp(), header(2)))
    depths.wait_for_stamp(header(2))

    assert change_state(graph, Transition.TRANSITION_DEACTIVATE)
    assert change_state(graph, Transition.TRANSITION_CLEANUP)
    assert state_of(graph) == 'unconfigured'
    assert engine.closed_count == 1
    graph.wait(lambda: graph.node.count_publishers('depth/image_rect') == 0, 'no publisher')
    assert change_state(graph, Transition.TRANSITION_UNCONFIGURED_SHUTDOWN)
    assert state_of(graph) == 'finalized'


def test_shutdown_from_active_stops_and_frees(
    graph: Graph, start_node: NodeFactory, engine: KnownEngine
) -> None:
    start_node()
    assert change_state(graph, Transition.TRANSITION_ACTIVE_SHUTDOWN)
    assert state_of(graph) == 'finalized'
    assert engine.closed_count == 1
    assert not [t for t in threading.enumerate() if t.name == 'depth_worker']


def test_an_engine_that_does_not_stop_is_closed_only_when_its_worker_has_ended(
    graph: Graph,
    start_node: NodeFactory,
    engine: KnownEngine,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(depth_node, '_STOP_TIMEOUT_S', 0.05)
    node = start_node()
    depths = graph.collect(Image, 'depth/image_rect')
    engine.may_finish.clear()
    graph.publisher(Image, 'image').publish(rgb_image(ramp(), header(1)))
    assert engine.entered.acquire(timeout=DEADLINE_S)
    (worker,) = (t for t in threading.enumerate() if t.name == 'depth_worker')

    assert not change_state(graph, Transition.TRANSITION_DEACTIVATE)
    assert state_of(graph) == 'unconfigured'
    assert worker.is_alive()
    assert engine.closed_count == 0
    assert change_state(graph, Transition.TRANSITION_CONFIGURE)  # another one takes its place
    assert change_state(graph, Transition.TRANSITION_CLEANUP)
    assert engine.closed_count == 1  # that one

    engine.may_finish.set()
    worker.join(DEADLINE_S)
    assert not worker.is_alive()
    assert engine.closed_count == 2
    assert not depths.messages
    assert node.bring_up()
    (line,) = (line for line in capfd.readouterr().err.splitlines() if '[ERROR]' in line)
    assert 'the engine must finish a frame within 0.05 s' in line
    assert 'it is left and freed when it ends' in line


def test_failing_configure_leaves_the_node_unconfigured_with_one_clear_line(
    graph: Graph, start_node: NodeFactory, engine: KnownEngine, capfd: pytest.CaptureFixture[str]
) -> None:
    errors = [WeightsError('weights must be there, got none')]

    def create(settings: Settings) -> DepthEstimator:
        if errors:
            raise errors.pop()
        return DepthEstimator(settings, engine=engine)

    start_node(create, is_up=False, autostart=False)
    assert not change_state(graph, Transition.TRANSITION_CONFIGURE)
    assert state_of(graph) == 'unconfigured'
    lines = [line for line in capfd.readouterr().err.splitlines() if '[depth_node]:' in line]
    assert len(lines) == 1
    assert 'weights must be there, got none' in lines[0]
    assert '[ERROR]' in lines[0]
    assert change_state(graph, Transition.TRANSITION_CONFIGURE)
    assert change_state(graph, Transition.TRANSITION_ACTIVATE)


def test_unforeseen_error_in_a_transition_is_logged_and_the_node_recovers(
    start_node: NodeFactory, engine: KnownEngine, capfd: pytest.CaptureFixture[str]
) -> None:
    errors = [RuntimeError('a defect')]

    def create(settings: Settings) -> DepthEstimator:
        if errors:
            raise errors.pop()
        return DepthEstimator(settings, engine=engine)

    node = start_node(create, is_up=False, autostart=False)
    assert node.trigger_configure() is TransitionCallbackReturn.ERROR
    assert 'RuntimeError: a defect' in capfd.readouterr().err
    assert node.state == 'unconfigured'
    assert node.bring_up()


def test_cycles_leave_nothing_behind(start_node: NodeFactory) -> None:
    engines: list[weakref.ref[KnownEngine]] = []

    def create(settings: Settings) -> DepthEstimator:
        engine = KnownEngine()
        engines.append(weakref.ref(engine))
        return DepthEstimator(settings, engine=engine)

    node = start_node(create, is_up=False, autostart=False)
    counts = []
    for _ in range(CYCLES):
        assert node.bring_up()
        node.trigger_deactivate()
        node.trigger_cleanup()
        counts.append(
            (
                len(list(node.publishers)),
                len(list(node.subscriptions)),
                len(list(node.waitables)),
                len(list(node.timers)),
                sum(thread.name == 'depth_worker' for thread in threading.enumerate()),
                len(node._managed_entities),
            )
        )
    assert len(set(counts)) == 1, counts
    # A callback of the executor's thread may hold the last one for a moment.
    deadline = time.monotonic() + DEADLINE_S
    while any(ref() for ref in engines) and time.monotonic() < deadline:
        gc.collect()
        time.sleep(0.01)
    assert [ref for ref in engines if ref() is not None] == []


@pytest.mark.slow
def test_cycles_of_the_real_engine_leak_no_memory_threads_or_handles(
    graph: Graph, tmp_path: Path
) -> None:
    process = start_node_program(tmp_path / 'log', 'autostart:=false')
    held = []
    try:
        for resources in run_cycles(graph, process, MOST_REAL_CYCLES):
            held.append(resources)
            if has_settled(held):
                break

        def is_as_before() -> bool:  # threads and handles that are about to go, go
            now = resources_of(process.pid)
            return now.threads <= held[1].threads and now.handles <= held[1].handles

        graph.wait(is_as_before, f'threads and handles gone again: {held}')
    finally:
        exit_code = end_program(process)
    assert exit_code == 0
    assert has_settled(held), held


def has_settled(held: list[Resources]) -> bool:
    """Whether the last cycles took no more memory than the one before them."""
    last = [resources.memory_mb for resources in held[-SETTLED_CYCLES - 1 :]]
    return len(last) > SETTLED_CYCLES and max(last[1:]) < last[0] + SETTLED_MB


@pytest.mark.parametrize(
    ('memory_mb', 'settled'),
    [
        ([170.0, 171.0, 171.0, 171.0], False),  # too few cycles
        ([170.0, 171.0, 171.0, 171.5, 171.0], True),
        ([100.0, 160.0, 171.0, 171.0, 171.0, 172.0, 171.0], True),
        ([170.0 + 1.5 * cycle for cycle in range(MOST_REAL_CYCLES)], False),
    ],
)
def test_a_steady_leak_never_settles(memory_mb: list[float], settled: bool) -> None:
    held = [Resources(memory_mb=value, threads=1, handles=1) for value in memory_mb]
    assert has_settled(held) is settled


def test_services_are_answered_in_each_state_while_images_come(
    graph: Graph, start_node: NodeFactory, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    values = {'sparse_depth_sources': ['points'], 'save_folder': str(tmp_path)}
    start_node(is_up=False, autostart=False, **values)
    publisher = graph.node.create_publisher(Image, 'image', qos())
    graph.node.create_subscription(Image, 'depth/image_rect', lambda _: None, qos())
    is_over = threading.Event()

    def publish() -> None:
        for second in count(1):
            if is_over.wait(0.005):
                return
            publisher.publish(rgb_image(ramp(), header(second)))

    images = threading.Thread(target=publish)
    images.start()
    try:
        answered = {'unconfigured': [False, False, False]}
        answered |= {'inactive': [False, False, True], 'active': [True, True, True]}
        for transition, state in (
            (Transition.TRANSITION_CONFIGURE, 'inactive'),
            (Transition.TRANSITION_ACTIVATE, 'active'),
            (Transition.TRANSITION_DEACTIVATE, 'inactive'),
            (Transition.TRANSITION_ACTIVATE, 'active'),
            (Transition.TRANSITION_DEACTIVATE, 'inactive'),
            (Transition.TRANSITION_CLEANUP, 'unconfigured'),
        ) * 2:
            assert change_state(graph, transition)
            assert not change_state(graph, transition)  # there is no such one from here
            assert state_of(graph) == state
            services = ('save_frame', 'calibrate_scale', 'reset_scale')
            request = Trigger.Request()
            calls = [graph.call(Trigger, f'depth_node/{name}', request) for name in services]
            assert [call.success for call in calls] == answered[state], calls
    finally:
        is_over.set()
        images.join()
    logged = capfd.readouterr().err
    assert 'Traceback' not in logged, logged
