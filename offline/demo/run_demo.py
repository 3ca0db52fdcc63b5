"""`make demo`: the node and a bag publisher as two processes over real DDS, and what came of it.

Plays a recording (the bundled clip by default) at the pace of its recording, listens as any
consumer would, and writes report.html, summary.json, sheet.jpg and cloud.ply. If the recording has
a laser scan or odometry, page and sheet show depth with these too.
"""

from __future__ import annotations

import argparse
import math
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from drnet_offline.outputs.files import make_folder
from drnet_offline.outputs.lock import OutputLock
from drnet_offline.outputs.wording import counted
from drnet_ros.errors import DrnetError, one_line
from drnet_ros.messages.video_recording import open_recording
from drnet_ros.node.ros_domain import stay_apart
from drnet_ros.recordings.recording import Recording
from drnet_ros.recordings.topics import TopicChoice, base_topic, choose_topics

if TYPE_CHECKING:
    from collector import Collector
    from outcome import Outcome
    from rclpy.task import Future

ROOT = Path(__file__).resolve().parents[2]
CLIP = ROOT / 'offline' / 'clip' / 'room'
NAMESPACE = '/drnet_demo'
START_TIMEOUT_S = 180.0
SETTLE_TIMEOUT_S = 5.0
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
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
    for number in SIGNALS:
        signal.signal(number, lambda *_: STOP.set())
    try:
        stay_apart()
        with open_recording(options.bag, options.calibration) as recording:
            make_folder(options.output)
            choice = choose_topics(
                recording.topics,
                image=options.image_topic,
                camera_info=options.camera_info_topic,
                depth=options.depth_topic,
            )
            with OutputLock(options.output):
                outcome = _run(recording, choice, options)
    except DrnetError as error:
        console.print(f'[red]error:[/] {escape(one_line(error))}', highlight=False)
        return 1
    except StoppedError:
        console.print('stopped')
        return 130
    for number in SIGNALS:  # all is written
        signal.signal(number, signal.SIG_IGN)
    _print_outcome(outcome, options.output)
    return 1 if outcome.problems else 0


def _stop_at_once(*_: object) -> None:
    raise StoppedError


def _pause() -> None:
    """Wait a little; while there are children, signals only end the demo here, cleanly.

    Raises:
        StoppedError: A signal has come.
    """
    if STOP.wait(0.1):
        raise StoppedError


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='make demo', description=__doc__)
    parser.add_argument(
        '--bag', type=Path, default=CLIP, help='rosbag2 folder, .mcap, .db3, ROS 1 .bag or a video'
    )
    parser.add_argument(
        '--calibration', type=Path, help='YAML file with the intrinsics of a video'
    )
    parser.add_argument('--image-topic', help='raw or compressed; detected if not given')
    parser.add_argument('--camera-info-topic')
    parser.add_argument('--depth-topic', help='depth registered to the image, to compare with')
    parser.add_argument('--output', type=Path, default=ROOT / 'demo_output')
    return parser.parse_args()


def _run(recording: Recording, choice: TopicChoice, options: argparse.Namespace) -> Outcome:
    frames = recording.topics[choice.image].count
    console.print(f'recording  {recording.path}: {frames} images on {choice.image}', markup=False)
    # ROS, and PyTorch for the figures, take seconds to import: a person sees a word before.
    import rclpy  # noqa: PLC0415
    from collector import Collector  # noqa: PLC0415
    from rclpy.executors import SingleThreadedExecutor  # noqa: PLC0415
    from rclpy.signals import SignalHandlerOptions  # noqa: PLC0415
    from rclpy.task import Future  # noqa: PLC0415

    from drnet_ros.node.environment import use_large_message_profile  # noqa: PLC0415

    use_large_message_profile()
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
        from outcome import write_outcome  # noqa: PLC0415

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
            *_source_words(options),
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
        problem = _follow(collector, children, frames)
    finally:
        children.stop()
        ended.set_result(None)
        spinner.join()
        node.destroy_node()
        rclpy.try_shutdown()
    if not collector.kept:
        msg = 'no depth image arrived: the messages of the node above say why'
        raise DemoError(msg)
    # From here on there are no children, and files are written whole or not at all.
    for number in SIGNALS:
        signal.signal(number, _stop_at_once)
    if STOP.is_set():
        raise StoppedError
    columns = TextColumn('sources   '), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console) as progress:
        task = progress.add_task('sources', visible=False)

        def show(done: int, count: int) -> None:
            progress.update(task, completed=done, total=count, visible=True)

        outcome = write_outcome(recording, choice, collector, options.output, show)
    outcome.problems += [problem] if problem else []
    return outcome


def _source_words(options: argparse.Namespace) -> list[str]:
    calibration = options.calibration
    return [str(options.bag), *(['--calibration', str(calibration)] if calibration else [])]


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


def _follow(collector: Collector, children: Children, frames: int) -> str:
    """Show what arrives until all that was played is accounted for.

    Returns:
        Why not all of it was, '' if it was.
    """
    columns = (
        TextColumn('depth     '),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn('{task.fields[fps]:5.1f} frames/s'),
        TimeElapsedColumn(),
    )
    settle_by, needed = math.inf, 0
    problem = ''
    with Progress(*columns, console=console) as progress:
        task = progress.add_task('depth', total=frames, fps=0.0)
        # Two words of the node after the end: the first may have been on its way before it.
        while not (needed and collector.status_count >= needed and collector.is_settled()):
            if time.monotonic() > settle_by:
                return problem or 'the node did not account for all images: figures may be short'
            _pause()
            progress.update(task, completed=collector.frames_out, fps=collector.fps)
            if children.node.poll() is not None:
                msg = f'the node ended with exit code {children.node.returncode} while it ran'
                raise DemoError(msg)
            if needed or children.publisher is None or children.publisher.poll() is None:
                continue
            if code := children.publisher.returncode:
                problem = f'the bag publisher ended with exit code {code}: its last line says why'
            needed = collector.status_count + 2
            settle_by = time.monotonic() + SETTLE_TIMEOUT_S
    return problem


def _print_outcome(outcome: Outcome, output: Path) -> None:
    summary = outcome.summary
    console.print(
        f'result     {outcome.counts_text}, {summary["fps"]} frames/s, latency '
        f'{summary["latency_ms_p50"]} ms (p95 {summary["latency_ms_p95"]} ms)'
    )
    if summary['frames_scored']:
        frames = counted(summary['frames_scored'], 'frame')
        console.print(
            f'against recorded depth (protocol full, {frames}): '
            f'REL {summary["rel"]}, delta1 {summary["delta1"]}, RMSE {summary["rmse"]} m'
        )
    else:
        console.print(f'not compared with recorded depth: {summary["not_compared"]}', markup=False)
    for name, figures in summary['sources'].items():
        if figures['rmse'] is not None:
            said = f'REL {figures["rel"]}, delta1 {figures["delta1"]}, RMSE {figures["rmse"]} m'
            console.print(f'the same frames with the recorded {name}: {said}')
    console.print(f'written    {output}/{", ".join(outcome.written)}', markup=False)
    for problem in outcome.warnings + outcome.problems:
        console.print(f'[yellow]warning:[/] {escape(problem)}', highlight=False)
    page = (output / 'report.html').resolve().as_uri()
    console.print(f'open       {page}', markup=False, highlight=False)


if __name__ == '__main__':
    sys.exit(main())
