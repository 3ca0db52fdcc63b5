"""A client of the node under test: publishes to it, collects from it, waits for conditions."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from types import TracebackType
from typing import Any, Generic, TypeVar

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from numpy.typing import NDArray
from rclpy.client import Client
from rclpy.executors import SingleThreadedExecutor
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.task import Future
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from drnet_ros.node.depth_node import DepthNode

NodeFactory = Callable[..., DepthNode]
ProgramFactory = Callable[..., 'subprocess.Popen[str]']
MessageT = TypeVar('MessageT')

DEADLINE_S = 60.0  # of what takes milliseconds: on a busy machine, seconds


def qos(reliability: str = 'reliable', *, depth: int = 10, is_latched: bool = False) -> QoSProfile:
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=ReliabilityPolicy[reliability.upper()],
        durability=DurabilityPolicy.TRANSIENT_LOCAL if is_latched else DurabilityPolicy.VOLATILE,
    )


class Collected(Generic[MessageT]):
    """Messages of one topic, in the order of their arrival."""

    def __init__(self, graph: Graph) -> None:
        self.messages: list[MessageT] = []
        self._graph = graph

    def add(self, message: MessageT) -> None:
        self.messages.append(message)
        self._graph.notify()

    def wait_for(self, count: int) -> list[MessageT]:
        self._graph.wait(lambda: len(self.messages) >= count, f'{count} messages')
        return self.messages

    def wait_for_stamp(self, header: Header) -> MessageT:
        def found() -> list[Any]:
            return [m for m in list(self.messages) if m.header == header]  # type: ignore[attr-defined]

        self._graph.wait(lambda: bool(found()), f'a message with stamp {header.stamp}')
        message: MessageT = found()[-1]
        return message


class Spinning(AbstractContextManager['Spinning']):
    """An executor in a thread of its own."""

    def __init__(self, *nodes: Node) -> None:
        self._executor = SingleThreadedExecutor()
        for node in nodes:
            self._executor.add_node(node)
        self._stopped: Future[None] = Future()
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    def _spin(self) -> None:
        while not self._stopped.done():
            # What a test destroys meanwhile ends one round of rclpy's executor.
            with suppress(rclpy_implementation.InvalidHandle):
                self._executor.spin_until_future_complete(self._stopped)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stopped.set_result(None)
        self._thread.join(DEADLINE_S)
        self._executor.shutdown()


class Graph:
    """The test's own node, spinning in the background."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self._changed = threading.Condition()

    def notify(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def wait(
        self, condition: Callable[[], object], what: str, within_s: float = DEADLINE_S
    ) -> None:
        """Wait for a condition; it is looked at anew, as graph changes come without notice."""
        deadline = time.monotonic() + within_s
        with self._changed:
            while not condition():
                assert time.monotonic() < deadline, f'no {what} within {within_s} s'
                self._changed.wait(0.01)

    def wait_for_value(self, get: Callable[[], object], expected: object, what: str) -> None:
        """Wait until a function returns a value."""
        self.wait(lambda: get() == expected, f'{what} equal to {expected}')

    def collect(
        self, message_type: type[MessageT], topic: str, profile: QoSProfile | None = None
    ) -> Collected[MessageT]:
        """Subscribe, and wait until a publisher matches."""
        collected: Collected[MessageT] = Collected(self)
        self.node.create_subscription(message_type, topic, collected.add, profile or qos())
        self.wait(lambda: self.node.count_publishers(topic), f'publisher of {topic}')
        return collected

    def publisher(
        self,
        message_type: type[MessageT],
        topic: str,
        profile: QoSProfile | None = None,
        *,
        within_s: float = DEADLINE_S,
    ) -> Publisher[MessageT]:
        """Create a publisher, and wait until the node under test matches."""
        publisher = self.node.create_publisher(message_type, topic, profile or qos())
        self.wait(publisher.get_subscription_count, f'subscriber of {topic}', within_s)
        return publisher

    def repeat_until(
        self,
        action: Callable[[], None],
        condition: Callable[[], object],
        what: str,
        *,
        within_s: float = 60.0,
        every_s: float = 0.2,
    ) -> None:
        """Do something again and again: matched on this side is not yet matched on the other."""
        next_s = 0.0

        def attempt() -> bool:
            nonlocal next_s
            if not condition() and time.monotonic() > next_s:
                action()
                next_s = time.monotonic() + every_s
            return bool(condition())

        self.wait(attempt, what, within_s)

    def call(
        self, service: type[Any], name: str, request: Any, within_s: float = DEADLINE_S
    ) -> Any:
        """Call a service of the node under test and wait for its answer."""
        client: Client[Any, Any] = self.node.create_client(service, name)
        self.wait(client.service_is_ready, f'service {name}', within_s)
        future = client.call_async(request)
        self.wait(future.done, f'answer of {name}', within_s)
        self.node.destroy_client(client)
        return future.result()

    def diagnostics(self) -> Collected[DiagnosticArray]:
        return self.collect(DiagnosticArray, '/diagnostics')


def header(sec: int = 1, nanosec: int = 2, frame_id: str = 'optical') -> Header:
    result = Header(frame_id=frame_id)
    result.stamp.sec = sec
    result.stamp.nanosec = nanosec
    return result


def ramp(height: int = 48, width: int = 64) -> NDArray[np.uint8]:
    """An image with a different value in each pixel of a row, and in each channel."""
    columns = np.arange(width, dtype=np.uint8)[np.newaxis, :, np.newaxis]
    rows = np.arange(height, dtype=np.uint8)[:, np.newaxis, np.newaxis]
    return np.concatenate((columns + 0 * rows, 0 * columns + rows, columns + rows), axis=2)


def rgb_image(pixels: NDArray[np.uint8], stamp: Header | None = None) -> Image:
    height, width = pixels.shape[:2]
    message = Image(
        header=stamp or header(), height=height, width=width, encoding='rgb8', step=3 * width
    )
    message.data.frombytes(pixels.tobytes())
    return message


def camera_info(
    width: int = 64, height: int = 48, *, focal: float = 50.0, stamp: Header | None = None
) -> CameraInfo:
    cx, cy = (width - 1) / 2, (height - 1) / 2
    return CameraInfo(
        header=stamp or header(),
        width=width,
        height=height,
        distortion_model='plumb_bob',
        d=[0.0] * 5,
        k=[focal, 0.0, cx, 0.0, focal, cy, 0.0, 0.0, 1.0],
        r=[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        p=[focal, 0.0, cx, 0.0, 0.0, focal, cy, 0.0, 0.0, 0.0, 1.0, 0.0],
    )


def values_of(array: DiagnosticArray, name: str) -> dict[str, str]:
    """Values of one status, with its level and message."""
    for status in array.status:
        if status.name.endswith(name):
            values = {pair.key: pair.value for pair in status.values}
            return {**values, 'level': str(status.level[0]), 'message': status.message}
    return {}


def wait_for_line(process: subprocess.Popen[str], text: str) -> None:
    """Read what a program says until a line with the text."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if text in line:
            return
    pytest.fail(f'ended without {text!r}: {"".join(lines)}')
