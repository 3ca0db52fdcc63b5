"""`make demo`: the node and a bag publisher as two processes over real DDS, and what came of it.

Plays a recording (the bundled clip by default) at the pace of its recording, listens as any
consumer would, and writes summary.json, sheet.jpg and cloud.ply.
"""

from __future__ import annotations

import argparse
import math
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rclpy
from collector import Collector
from outcome import write_outcome
from rclpy.executors import SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from drnet_ros.errors import DrnetError
from drnet_ros.node.environment import use_large_message_profile
from drnet_ros.recordings.recording import Recording
from drnet_ros.recordings.topics import TopicChoice, base_topic, choose_topics

ROOT = Path(__file__).resolve().parents[2]
CLIP = ROOT / 'offline' / 'clip' / 'room'
NAMESPACE = '/drnet_demo'
START_TIMEOUT_S = 180.0
SETTLE_TIMEOUT_S = 5.0
STOP = threading.Event()

console = Console(soft_wrap=True)


class StoppedError(Exception):
    """A signal asked the demo to end."""


class DemoError(DrnetError):
    """The demo cannot go on; the message says why."""


@dataclass(slots=True)
class Children:
    """The two processes of the demo.

    Attributes:
        node: The depth node.
        publisher: The bag publisher, None until it is started.
    """

    node: subprocess.Popen[bytes]
    publisher: subprocess.Popen[bytes] | None = None

    def stop(self) -> None:
        """End what still runs."""
        for process in (self.publisher, self.node):
            if process is None or process.poll() is not None:
                continue
            process.terminate()
            try:
                process.wait(5.0)
            except subprocess.TimeoutExpired:
                process.kill()


def main() -> int:
    """Run the demo; 0 on success, 1 with one clear line on a known error."""
    options = _parse()
    # A domain of our own on this machine only: a demo must not talk to somebody's robot.
    os.environ.setdefault('ROS_DOMAIN_ID', str(1 + os.getpid() % 100))
    os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    use_large_message_profile()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: STOP.set())
    try:
        with Recording(options.bag) as recording:
            choice = choose_topics(
                recording.topics,
                image=options.image_topic,
                camera_info=options.camera_info_topic,
                depth=options.depth_topic,
            )
            _run(recording, choice, options.output)
    except DrnetError as error:
        console.print(f'[red]error:[/] {escape(str(error))}', highlight=False)
        return 1
    except StoppedError:
        console.print('stopped')
        return 130
    return 0


def _pause() -> None:
    """Wait a little; signals only end the demo here, where it can be ended cleanly.

    Raises:
        StoppedError: A signal has come.
    """
    if STOP.wait(0.1):
        raise StoppedError


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='make demo', description=__doc__)
    parser.add_argument(
        '--bag', type=Path, default=CLIP, help='rosbag2 folder, .mcap, .db3 or ROS 1 .bag'
    )
    parser.add_argument('--image-topic', help='raw or compressed; detected if not given')
    parser.add_argument('--camera-info-topic')
    parser.add_argument('--depth-topic', help='depth registered to the image, to compare with')
    parser.add_argument('--output', type=Path, default=ROOT / 'demo_output')
    return parser.parse_args()


def _run(recording: Recording, choice: TopicChoice, output: Path) -> None:
    frames = recording.topics[choice.image].count
    console.print(f'recording  {recording.path}: {frames} images on {choice.image}')
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node('drnet_demo')
    collector = Collector(node, base_topic(choice.image), NAMESPACE)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    # Beside the progress bar, so that nothing waits for the screen.
    ended: Future[None] = Future()
    spinner = threading.Thread(target=executor.spin_until_future_complete, args=(ended,))
    spinner.start()
    children = Children(_start('depth_node', *_node_arguments(choice)))
    try:
        started_s = time.monotonic()
        _await_active(collector, children.node)
        status = collector.status
        console.print(
            f'node       active after {time.monotonic() - started_s:.1f} s: '
            f'{status["engine"]} on {status["device"]} ({status["precision"]}), '
            f'{status["backbone"]} at {status["network_size"]}'
        )
        topics = [t for t in (choice.image, choice.camera_info) if t is not None]
        children.publisher = _start(
            'bag_publisher',
            str(recording.path),
            '--decompress',
            # The node and the collector: what is sent before both are there is lost.
            '--subscribers',
            '2',
            '--wait',
            '10',
            '--delay',
            '0.5',
            '--topics',
            *topics,
        )
        _follow(collector, children, frames)
    finally:
        children.stop()
        ended.set_result(None)
        spinner.join()
        node.destroy_node()
        rclpy.try_shutdown()
    if not collector.kept:
        msg = 'no depth image arrived: the messages of the node above say why'
        raise DemoError(msg)
    _print_summary(write_outcome(recording, choice, collector, output), output)


def _node_arguments(choice: TopicChoice) -> list[str]:
    remaps = [f'image:={base_topic(choice.image)}', f'__ns:={NAMESPACE}']
    if choice.camera_info is not None:
        remaps.append(f'camera_info:={choice.camera_info}')
    return ['--ros-args', *(word for remap in remaps for word in ('-r', remap))]


def _start(command: str, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([Path(sys.executable).parent / command, *arguments])  # noqa: S603


def _await_active(collector: Collector, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    with console.status('starting the node (the first start compiles the network)'):
        while not collector.is_active():
            _pause()
            if process.poll() is not None:
                msg = f'the node ended with exit code {process.returncode}; its last line says why'
                raise DemoError(msg)
            if time.monotonic() > deadline:
                msg = f'the node did not become active within {START_TIMEOUT_S:.0f} s'
                raise DemoError(msg)


def _follow(collector: Collector, children: Children, frames: int) -> None:
    columns = (
        TextColumn('depth     '),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn('{task.fields[fps]:5.1f} frames/s'),
        TimeElapsedColumn(),
    )
    settle_by = math.inf
    with Progress(*columns, console=console) as progress:
        task = progress.add_task('depth', total=frames, fps=0.0)
        while time.monotonic() < settle_by and not (
            math.isfinite(settle_by) and collector.is_settled()
        ):
            _pause()
            progress.update(task, completed=collector.frames_out, fps=collector.fps)
            if children.node.poll() is not None:
                msg = f'the node ended with exit code {children.node.returncode} while it ran'
                raise DemoError(msg)
            if children.publisher is not None and (code := children.publisher.poll()) is not None:
                if code:
                    msg = f'the bag publisher ended with exit code {code}'
                    raise DemoError(msg)
                settle_by = min(settle_by, time.monotonic() + SETTLE_TIMEOUT_S)


def _print_summary(summary: dict[str, Any], output: Path) -> None:
    console.print(
        f'result     {summary["frames_out"]} of {summary["frames_published"]} frames, '
        f'{summary["frames_dropped"]} dropped, {summary["fps"]} frames/s, latency '
        f'{summary["latency_ms_p50"]} ms (p95 {summary["latency_ms_p95"]} ms)'
    )
    if summary['frames_scored']:
        console.print(
            f'against recorded depth (protocol full, {summary["frames_scored"]} frames): '
            f'RMSE {summary["rmse"]} m, delta1 {summary["delta1"]}'
        )
    console.print(f'written    {output}/summary.json, sheet.jpg, cloud.ply')


if __name__ == '__main__':
    sys.exit(main())
