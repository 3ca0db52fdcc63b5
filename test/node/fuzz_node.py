"""Send the live node hostile messages, and account for every one of them.

Half of the messages are images (or bytes that are none), raw in one run and compressed in a second
one; of the rest, half are images of which the middleware has to drop some, half CameraInfos. The
node is a process of its own with the embedded weights. It must neither end nor hang nor grow, and
its counters must add up to what was sent.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from everything_on import Sensors, lens
from hostile_messages import Hostile, serialized
from node_graph import Graph, camera_info, header, qos, ramp, rgb_image, values_of
from process_resources import Resources, resources_of
from rclpy.publisher import Publisher
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

__all__ = ['FuzzResult', 'fuzz', 'start_node_program']

INFO_SHARE = 4  # one message in so many is a CameraInfo
SENSOR_SHARE = 5  # after so many comes one of a sensor
WARM_UP = 200
SETTLE_S = 60.0
LOWEST_RATE_HZ = 10.0
START_S = 120.0


@dataclass(frozen=True, slots=True)
class FuzzResult:
    """What became of the messages, and of the node.

    Attributes:
        transport: 'raw' or 'compressed'.
        images: Image messages sent.
        infos: CameraInfo messages sent.
        counts: The node's own counters.
        unaccounted: Images that no counter tells of.
        unaccounted_infos: CameraInfos that no counter tells of.
        before: What the node held after the first messages.
        after: What it held at the end.
        log_lines: Lines that it logged.
        log_bytes: Bytes that it logged.
        seconds: How long it took.
    """

    transport: str
    images: int
    infos: int
    counts: dict[str, int]
    unaccounted: int
    unaccounted_infos: int
    before: Resources
    after: Resources
    log_lines: int
    log_bytes: int
    seconds: float


def start_node_program(log: Path, *parameters: str) -> subprocess.Popen[bytes]:
    """Start the node with parameters such as 'lazy:=false'; its log goes to a file."""
    arguments = [argument for parameter in parameters for argument in ('-p', parameter)]
    with log.open('wb') as output:
        return subprocess.Popen(
            [sys.executable, '-m', 'drnet_ros.node.program', '--ros-args', *arguments],
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def fuzz(
    graph: Graph,
    process: subprocess.Popen[bytes],
    log: Path,
    *,
    transport: str,
    messages: int,
    seed: int,
    rate_hz: float,
    sensors: Sensors | None = None,
) -> FuzzResult:
    """Send hostile messages to a running node program.

    Args:
        graph: The sender's node.
        process: The node.
        log: Where it logs to.
        transport: 'raw' or 'compressed', as its parameter says.
        messages: How many to send.
        seed: Same seed, same messages.
        rate_hz: How many a second at most; fewer while the node leaves out over a fifth of them.
        sensors: Sends hostile messages of the sources of sparse depth besides, which are not
            counted. Each hostile CameraInfo is followed by a good one, since a node that rectifies
            computes nothing without.
    """
    sender = _Sender(graph, transport, seed, has_camera=sensors is not None)
    sender.say_hello()
    begun = time.monotonic()
    before = resources_of(process.pid)
    pace, hostile = _Pace(rate_hz), Hostile(seed)
    for index in range(messages):
        sender.send()
        if sensors is not None and index % SENSOR_SHARE == 0:
            sensors.publish_hostile(serialized(hostile.image()))
        if index == WARM_UP:
            before = resources_of(process.pid)
        assert process.poll() is None, f'the node ended: {log.read_text()[-3000:]}'
        time.sleep(pace.interval_s(sender.counts()))
    sender.say_goodbye()
    said = log.read_bytes()
    return FuzzResult(
        transport=transport,
        images=sender.images - sender.unseen_images,
        infos=sender.infos - sender.unseen_infos,
        counts=sender.counts(),
        unaccounted=sender.unaccounted(),
        unaccounted_infos=sender.unaccounted_infos(),
        before=before,
        after=resources_of(process.pid),
        # Fast DDS itself prints one for each length that is a lie.
        log_lines=len(re.findall(rb'\n(?!sequence size exceeds)', said)),
        log_bytes=len(said),
        seconds=round(time.monotonic() - begun, 1),
    )


class _Pace:
    """As fast as the node looks at most messages: a replaced one tests nothing but the count."""

    def __init__(self, limit_hz: float) -> None:
        self._limit_hz = self._rate_hz = limit_hz
        self._seen: dict[str, int] = {}

    def interval_s(self, counts: dict[str, int]) -> float:
        if counts != self._seen and self._seen:
            grown = {name: count - self._seen[name] for name, count in counts.items()}
            missed = grown['frames_dropped'] + grown['frames_lost']
            is_late = 5 * missed > grown['frames_in'] + grown['frames_lost']
            self._rate_hz *= 0.7 if is_late else 1.15
            self._rate_hz = min(self._limit_hz, max(LOWEST_RATE_HZ, self._rate_hz))
        self._seen = counts
        return 1 / self._rate_hz


class _Sender:
    """Sends, and compares with what the node says in its diagnostics."""

    def __init__(self, graph: Graph, transport: str, seed: int, *, has_camera: bool) -> None:
        self._graph = graph
        self._transport = transport
        self._has_camera = has_camera
        self._hostile = Hostile(seed)
        self._turn = 0
        self.images = self.infos = 0
        # Sent before the node had found the publisher.
        self.unseen_images = self.unseen_infos = 0
        is_raw = transport == 'raw'
        self._image_publisher: Publisher[Any] = graph.publisher(
            Image if is_raw else CompressedImage,
            'image' if is_raw else 'image/compressed',
            qos(depth=10),
            within_s=START_S,
        )
        # There once the node subscribes to images.
        self._diagnostics = graph.diagnostics()
        self._depths = graph.collect(Image, 'depth/image_rect')
        self._info_publisher: Publisher[Any] = graph.publisher(CameraInfo, 'camera_info')

    def send(self) -> None:
        self._turn += 1
        if self._turn % INFO_SHARE == 0:
            self._send_info(self._hostile.info())
            if self._has_camera:
                self._send_info(lens(48, 64, header()))
        elif self._transport == 'raw':
            self._send_image(self._hostile.image())
        else:
            self._send_image(self._hostile.compressed())
        # The list would be what grows.
        del self._depths.messages[:-3], self._diagnostics.messages[:-3]

    def say_hello(self) -> None:
        """Send good messages until both kinds have come in: what came before is not counted."""
        self._repeat(
            lambda: (
                self.counts().get('frames_in', 0) > 0
                and self.counts().get('camera_infos_in', 0) > 0
            )
        )
        self._settle()
        counts = self.counts()
        self.unseen_images = self.images - counts['frames_in'] - counts['frames_lost']
        self.unseen_infos = self.infos - counts['camera_infos_in'] - counts['camera_infos_lost']

    def say_goodbye(self) -> None:
        """Send good messages until depth comes and every message is accounted for."""
        stamp = header(4711)
        self._repeat(
            lambda: (
                any(depth.header == stamp for depth in list(self._depths.messages))
                and self.unaccounted() == self.unaccounted_infos() == 0
            )
        )

    def counts(self) -> dict[str, int]:
        arrays = self._diagnostics.messages
        values = values_of(arrays[-1], 'depth_node: camera') if arrays else {}
        return {
            name: int(value)
            for name, value in values.items()
            if name.startswith(('frames_', 'camera_infos_'))
        }

    def unaccounted(self) -> int:
        """Images that never came in by any account, or came in and then vanished."""
        counts = self.counts()
        came = counts['frames_in'] + counts['frames_lost']
        ended = sum(counts[f'frames_{how}'] for how in ('out', 'dropped', 'failed', 'skipped'))
        missing = self.images - self.unseen_images - came
        return abs(missing) + abs(counts['frames_in'] - ended)

    def unaccounted_infos(self) -> int:
        counts = self.counts()
        came = counts['camera_infos_in'] + counts['camera_infos_lost']
        return abs(self.infos - self.unseen_infos - came)

    def _repeat(self, condition: Callable[[], object]) -> None:
        self._graph.repeat_until(
            self._send_good, condition, 'sign of life', within_s=SETTLE_S, every_s=2.5
        )

    def _settle(self) -> None:
        """Wait for diagnostics that were made after the last message was taken in."""
        seen = len(self._diagnostics.messages)
        self._graph.wait(lambda: len(self._diagnostics.messages) >= seen + 3, 'diagnostics')

    def _send_good(self) -> None:
        image = rgb_image(ramp(), header(4711))
        if self._transport == 'compressed':
            image = self._hostile.good_compressed(header(4711))
        self._send_image(image)
        self._send_info(camera_info())

    def _send_image(self, message: Image | CompressedImage | bytes) -> None:
        self.images += 1
        self._image_publisher.publish(serialized(message))

    def _send_info(self, message: CameraInfo) -> None:
        self.infos += 1
        self._info_publisher.publish(serialized(message))
