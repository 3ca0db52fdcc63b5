"""The load of the soak: sensors, subscribers and people who change their minds all the time."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from everything_on import OUTPUTS, Sensors, lens
from hostile_messages import Hostile, serialized
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from node_graph import Graph, header, qos, rgb_image, values_of
from rcl_interfaces.srv import SetParameters
from rclpy.client import Client
from rclpy.parameter import Parameter
from rclpy.publisher import Publisher
from sensor_msgs.msg import CameraInfo, Image
from std_srvs.srv import Trigger

__all__ = ['Load']

DEPTH = 'depth/image_rect'
SIZES = ((480, 640), (480, 640), (480, 640), (240, 320), (720, 960))
EVENT_EVERY_S = 0.7
SENSORS_EVERY = 3  # images for one message of each sensor
# Each value of a parameter, and whether the node must accept it.
CHANGES: tuple[tuple[str, Any, bool], ...] = (
    *(('max_depth', 8.0, True), ('max_depth', 10.0, True), ('max_depth', 900.0, False)),
    *(('points', False, True), ('points', True, True), ('min_depth', 0.2, True)),
    *(('point_stride', 2, True), ('point_stride', 1, True), ('weights', 'other', False)),
    *(('depth_encoding', '16UC1', True), ('depth_encoding', '32FC1', True)),
    *(('depth_encoding', 'x', False), ('edge_threshold', 0.1, True)),
    *(('edge_threshold', 0.0, True), ('output_size', [240, 320], True)),
    *(('output_size', [0, 0], True), ('output_size', [-1, 3], False)),
    *(('point_voxel', 0.05, True), ('point_voxel', 0.0, True), ('point_voxel', 0.001, False)),
    *(('outlier_radius', 0.03, True), ('outlier_radius', 0.0, True)),
    *(('temporal_filter', 0.5, True), ('temporal_filter', 0.0, True)),
    *(('max_stddev_ratio', 0.9, True), ('max_stddev_ratio', 0.0, True)),
    *(('points_max_rate', 5.0, True), ('points_max_rate', 0.0, True)),
    *(('scan_min_height', 0.2, True), ('scan_min_height', 5.0, False)),
    *(('mask', ['/nowhere.png'], False), ('ground_tolerance', 0.1, True)),
)
FRAME_COUNTERS = ('in', 'out', 'dropped', 'failed', 'skipped', 'lost')


class Load:
    """Publishes, and does something unexpected now and then; the node's counters are summed up.

    The node counts from zero at each activation: totals are taken before each deactivation.
    """

    def __init__(self, graph: Graph, seed: int, rate_hz: float) -> None:
        self._graph = graph
        self._random = Random(seed)  # noqa: S311 - repeatable, not secret
        self._hostile = Hostile(seed)
        self._period_s = 1 / rate_hz
        self._next_image_s = self._next_event_s = 0.0
        self._hw = SIZES[0]
        noise = np.random.default_rng(seed).integers(0, 256, (48, 64, 3), np.uint8)
        self._pixels = {
            hw: np.ascontiguousarray(
                np.kron(noise, np.ones((hw[0] // 48, hw[1] // 64, 1))), np.uint8
            )
            for hw in set(SIZES)
        }
        self._events: Counter[str] = Counter()
        self._answers: Counter[str] = Counter()
        self._past: Counter[str] = Counter()
        self._sent = 0
        self._frame = 0
        self._received: Counter[str] = Counter()
        self._status: dict[str, str] = {}
        self._subscriptions: dict[str, Any] = {}
        graph.node.create_subscription(DiagnosticArray, '/diagnostics', self._on_status, qos())
        self._parameters: Client[Any, Any] = graph.node.create_client(
            SetParameters, 'depth_node/set_parameters'
        )
        self._states: Client[Any, Any] = graph.node.create_client(
            ChangeState, 'depth_node/change_state'
        )
        self._images: Publisher[Image] | None = None
        self._infos = graph.node.create_publisher(CameraInfo, 'camera_info', qos())
        self._start_publisher()
        self._sensors = Sensors(graph, seed)
        self._services: list[Client[Any, Any]] = [
            graph.node.create_client(Trigger, f'depth_node/{name}')
            for name in ('save_frame', 'calibrate_scale', 'reset_scale')
        ]
        for topic in OUTPUTS:
            self._subscribe(topic)

    def wait_until_ready(self, within_s: float) -> None:
        """Publish until depth comes back, then count from there."""
        self._graph.repeat_until(
            self._publish, lambda: self._received[DEPTH] > 3, 'depth', within_s=within_s
        )

    def step(self) -> None:
        """Do what is due now, and wait for the next thing."""
        now = time.monotonic()
        if now >= self._next_image_s:
            self._next_image_s = max(self._next_image_s + self._period_s, now)
            self._publish()
        if now >= self._next_event_s:
            self._next_event_s = now + self._random.uniform(0.5, 1.5) * EVENT_EVERY_S
            self._disturb()
        time.sleep(0.001)

    def latest(self) -> dict[str, str]:
        """What the diagnostics said last."""
        return self._status

    def drain(self, within_s: float) -> None:
        """Let the node come to rest: publish slowly until depth comes and all is accounted for."""
        self._settings_back()
        before = self._received[DEPTH]
        self._graph.repeat_until(
            self._publish,
            lambda: self._received[DEPTH] > before and self._rest() == 0,
            'rest',
            within_s=within_s,
            every_s=2.5,
        )

    def clean_up(self) -> None:
        """Take the node back to unconfigured, where it holds neither network nor publishers."""
        for transition in (Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_CLEANUP):
            request = ChangeState.Request()
            request.transition.id = transition
            answer = self._graph.call(
                ChangeState, 'depth_node/change_state', request, within_s=60.0
            )
            if not answer.success:
                msg = f'transition {transition} was refused'
                raise RuntimeError(msg)

    def totals(self) -> dict[str, Any]:
        """What was done and what the node counted since it was last activated."""
        return {
            'images_sent': self._sent,
            'received': dict(self._received),
            'events': dict(self._events),
            'answers': dict(self._answers),
            'node_since_activation': self._counted(),
            'node_totals': dict(self._past + Counter(self._counted())),
            'unaccounted': self._rest(),
        }

    def _counted(self) -> dict[str, int]:
        return {name: int(self._status.get(f'frames_{name}', 0)) for name in FRAME_COUNTERS}

    def _rest(self) -> int:
        """Images that came in and then vanished without a word."""
        counted = self._counted()
        return counted['in'] - sum(counted[how] for how in ('out', 'dropped', 'failed', 'skipped'))

    def _publish(self) -> None:
        self._frame += 1
        stamp = header(*divmod(10**9 + round(self._frame * self._period_s * 1e9), 10**9))
        if self._frame % SENSORS_EVERY == 0:
            self._sensors.publish(stamp)
        self._infos.publish(lens(*self._hw, stamp))
        if self._images is not None:
            self._sent += 1
            self._images.publish(rgb_image(self._pixels[self._hw], stamp))

    def _disturb(self) -> None:
        disturbances: tuple[tuple[str, int, Callable[[], None]], ...] = (
            ('publisher restarted', 2, self._restart_publisher),
            ('subscriber left or came', 4, self._toggle_subscriber),
            ('parameter changed', 6, self._change_parameter),
            ('size changed', 2, self._change_size),
            ('hostile image', 4, self._send_hostile),
            ('hostile camera_info', 2, self._send_hostile_info),
            ('hostile sensor message', 4, self._send_hostile_sensor),
            ('service called', 1, self._call_service),
            ('deactivated and activated', 1, self._cycle),
        )
        names = [name for name, weight, _ in disturbances for _ in range(weight)]
        chosen = self._random.choice(names)
        self._events[chosen] += 1
        next(act for name, _, act in disturbances if name == chosen)()

    def _start_publisher(self) -> None:
        self._images = self._graph.node.create_publisher(
            Image, 'image', qos(self._random.choice(('reliable', 'reliable', 'best_effort')))
        )

    def _restart_publisher(self) -> None:
        if self._images is not None:
            self._graph.node.destroy_publisher(self._images)
        self._start_publisher()

    def _toggle_subscriber(self) -> None:
        topic = self._random.choice(list(OUTPUTS))
        if topic in self._subscriptions:
            self._graph.node.destroy_subscription(self._subscriptions.pop(topic))
        else:
            self._subscribe(topic)

    def _subscribe(self, topic: str) -> None:
        self._subscriptions[topic] = self._graph.node.create_subscription(
            OUTPUTS[topic], topic, partial(self._on_result, topic), qos(depth=2)
        )

    def _change_parameter(self) -> None:
        change = self._random.choice(CHANGES)
        parameter = Parameter(change[0], value=change[1]).to_parameter_msg()
        future = self._parameters.call_async(SetParameters.Request(parameters=[parameter]))
        future.add_done_callback(partial(self._on_answer, change))

    def _on_answer(self, change: tuple[str, Any, bool], answer: Any) -> None:
        name, value, is_accepted = change
        is_set = answer.result().results[0].successful
        self._answers['right' if is_set is is_accepted else f'wrong: {name} {value}'] += 1

    def _settings_back(self) -> None:
        for topic in (DEPTH, 'points'):
            if topic not in self._subscriptions:
                self._subscribe(topic)
        self._hw = SIZES[0]

    def _change_size(self) -> None:
        self._hw = self._random.choice(SIZES)

    def _send_hostile(self) -> None:
        if self._images is not None:
            self._sent += 1
            message: Any = serialized(self._hostile.image())
            self._images.publish(message)

    def _send_hostile_info(self) -> None:
        message: Any = serialized(self._hostile.info())
        self._infos.publish(message)

    def _send_hostile_sensor(self) -> None:
        message: Any = serialized(self._hostile.image())
        self._sensors.publish_hostile(message)

    def _call_service(self) -> None:
        self._random.choice(self._services).call_async(Trigger.Request())

    def _cycle(self) -> None:
        for transition in (Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_ACTIVATE):
            request = ChangeState.Request()
            request.transition.id = transition
            self._states.call_async(request)

    def _on_status(self, array: DiagnosticArray) -> None:
        before = self._counted()
        self._status = values_of(array, 'depth_node: camera') or self._status
        if self._counted()['in'] < before['in']:  # activated anew: up to a second's are missed
            self._past += Counter(before)

    def _on_result(self, topic: str, _message: Any) -> None:
        self._received[topic] += 1
        self._graph.notify()
