"""`depth_node` as a program: exit codes, signals, restarts of its publisher, garbage."""

from __future__ import annotations

import itertools
import os
import re
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from node_graph import (
    Collected,
    Graph,
    NodeFactory,
    ProgramFactory,
    camera_info,
    header,
    ramp,
    rgb_image,
    wait_for_line,
)
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from shared_memory import remove_unused, segments_of
from std_msgs.msg import Header

from drnet_ros.node.execution import _Spinner

pytestmark = pytest.mark.slow

NODE = 'drnet_ros.node.program'
START_S = 60.0
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.mark.parametrize(
    ('argument', 'message'),
    [
        ('max_depth:=120.0', 'max_depth must be at most 80.0 m, got 120.0'),
        ('weights:=/nowhere.safetensors', '/nowhere.safetensors'),
        (
            'engine:=tflite',
            "engine must be one of auto, torch, openvino, onnxruntime, tensorrt, got 'tflite'",
        ),
        ('lazy:=3', 'lazy must be true or false, got 3'),
        ('use_sim_time:=yes_please', "'use_sim_time' to 'yes_please' of type 'STRING', expecting"),
    ],
)
def test_bad_parameters_or_weights_are_one_fatal_line_and_exit_code_1(
    start_program: ProgramFactory, argument: str, message: str
) -> None:
    process = start_program(NODE, '--ros-args', '-p', argument)
    output, _ = process.communicate(timeout=START_S)
    assert process.returncode == 1
    (line,) = output.splitlines()
    assert '[FATAL]' in line
    assert message in line


@pytest.mark.parametrize(
    'arguments',
    [
        ('--ros-args', '--params-file', '/nowhere.yaml'),
        ('--ros-args', '-r', 'a:=1 2'),
        ('--ros-args', '-r', 'image:=a//b'),
        ('--ros-args', '-p', 'weights:=/no\udce9.safetensors'),
        ('--ros-args', '--log-level=debug'),
        ('--ros-args', '--params-file', '/dev/null'),
    ],
)
def test_bad_ros_arguments_are_one_fatal_line_and_exit_code_1(
    start_program: ProgramFactory, arguments: tuple[str, ...]
) -> None:
    process = start_program(NODE, *arguments)
    output, _ = process.communicate(timeout=START_S)
    assert process.returncode == 1
    assert output.count('\n') == output.count('[FATAL]') == 1, output
    assert arguments[-1].replace('\udce9', '\\udce9') in output
    assert not re.search(r'\.c(pp)?:\d+|error not set|lexeme', output)


@pytest.mark.parametrize('home', ['', '/proc/nobody', None], ids=['no', 'read-only', 'log dir'])
def test_a_log_folder_that_cannot_be_written_is_a_warning(
    start_program: ProgramFactory, home: str | None
) -> None:
    logs = {'ROS_LOG_DIR': '', 'HOME': home} if home is not None else {'ROS_LOG_DIR': '/proc/no'}
    process = start_program(
        NODE, '--ros-args', '-p', 'max_depth:=120.0', environment={**logs, 'ROS_HOME': ''}
    )
    output, _ = process.communicate(timeout=START_S)
    assert process.returncode == 1
    warning, fatal = output.splitlines()
    folder = {'': '~/.ros/log', '/proc/nobody': '/proc/nobody/.ros/log', None: '/proc/no'}[home]
    assert f'no log file is written: {folder} cannot be' in warning
    assert 'set ROS_LOG_DIR to a folder that can be written' in warning
    assert 'max_depth must be at most 80.0 m' in fatal


def test_a_parameter_file_without_a_section_for_the_node_is_a_warning(
    start_program: ProgramFactory, tmp_path: Path
) -> None:
    file = tmp_path / 'my.yaml'
    file.write_text('depth_node:\n  ros__parameters: {max_depth: 2.0}\n')
    words = '--params-file', str(file), '-r', '__ns:=/robot', '-p', 'weights:=/no.safetensors'
    process = start_program(NODE, '--ros-args', *words)
    output, _ = process.communicate(timeout=START_S)
    warning, fatal = output.splitlines()
    assert '[WARN]' in warning
    assert f'nothing in {file} has an effect: it must have a section /robot/depth_node' in warning
    assert '[FATAL]' in fatal


def test_wrong_usage_is_exit_code_2(start_program: ProgramFactory) -> None:
    process = start_program(NODE, '--weights', 'x')
    output, _ = process.communicate(timeout=START_S)
    assert process.returncode == 2
    assert 'usage: depth_node' in output


def test_a_lost_device_is_one_fatal_line_however_many_batches_fail(
    start_node: NodeFactory, capfd: pytest.CaptureFixture[str]
) -> None:
    exit_codes: list[int] = []

    def end(exit_code: int) -> bool:
        exit_codes.append(exit_code)
        return len(exit_codes) == 1

    spinner = _Spinner(start_node(is_up=False, autostart=False), end)
    for _ in range(3):
        spinner.give_up()
    assert exit_codes == [1, 1, 1]
    logged = capfd.readouterr().err
    assert logged.count('[FATAL]') == logged.count('the device is lost') == 1, logged


@pytest.mark.parametrize('number', SIGNALS)
def test_signals_end_the_node_under_load_within_two_seconds(
    graph: Graph, start_program: ProgramFactory, weights: str, number: signal.Signals
) -> None:
    begun = time.monotonic()
    process = start_program(NODE, '--ros-args', '-p', f'weights:={weights}')
    wait_for_line(process, 'active: waiting for images')
    limit_s = end_limit_s(time.monotonic() - begun)
    depths = graph.collect(Image, 'depth/image_rect')
    publisher = graph.publisher(Image, 'image')
    publish = partial(publisher.publish, rgb_image(ramp(480, 640)))
    graph.repeat_until(publish, partial(has_count, depths, 2), 'depth', every_s=0.03)
    begun = time.monotonic()
    process.send_signal(number)
    output, _ = process.communicate(timeout=START_S)
    assert time.monotonic() - begun < limit_s
    assert process.returncode == 0, output
    assert 'Traceback' not in output


def end_limit_s(start_s: float) -> float:
    """How long the end may take: 2 s, but where starting took longer the machine is to blame."""
    return max(2.0, start_s)


def has_count(collected: Collected[Image], count: int) -> bool:
    return len(collected.messages) >= count


@pytest.mark.parametrize('is_for_all', [False, True], ids=['node', 'group'])
def test_signal_during_start_ends_the_node_within_two_seconds(
    graph: Graph, start_program: ProgramFactory, weights: str, tmp_path: Path, is_for_all: bool
) -> None:
    # An empty cache, so that the network is being converted when the signal comes.
    begun = time.monotonic()
    process = start_program(
        NODE,
        '--ros-args',
        '--log-level',
        'info',
        '-p',
        f'weights:={weights}',
        environment={'DRNET_CACHE_DIR': str(tmp_path / 'cache')},
    )
    graph.wait((tmp_path / 'cache').exists, 'conversion', START_S)
    limit_s = end_limit_s(time.monotonic() - begun)
    begun = time.monotonic()
    if is_for_all:  # as a terminal's Ctrl-C, the conversion's own process included
        os.killpg(process.pid, signal.SIGINT)
    else:
        process.send_signal(signal.SIGTERM)
    process.wait(timeout=START_S)  # not for the conversion's own process, which may end later
    assert time.monotonic() - begun < limit_s
    assert process.returncode == 0


STEPS = 'ready', 'rclpy.init', 'configuring', 'active'


@pytest.mark.parametrize('step', STEPS)
def test_many_signals_at_any_step_end_the_node_with_exit_code_0(
    start_program: ProgramFactory, weights: str, step: str
) -> None:
    begun = time.monotonic()
    process = start_program(NODE, '--ros-args', '--log-level', 'info', '-p', f'weights:={weights}')
    handled = Path(f'/proc/{process.pid}/status')
    while not handles_signals(handled.read_text()):
        time.sleep(0.001)
    if step == 'rclpy.init':
        while 'libfastdds' not in Path(f'/proc/{process.pid}/maps').read_text():
            time.sleep(0.01)
    elif step == 'configuring':
        while 'libopenvino' not in Path(f'/proc/{process.pid}/maps').read_text():
            time.sleep(0.01)
    elif step == 'active':
        wait_for_line(process, 'active: waiting for images')
    limit_s = end_limit_s(time.monotonic() - begun)
    begun = time.monotonic()
    numbers = itertools.cycle((signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGINT))
    for number, _ in zip(numbers, range(400), strict=False):
        process.send_signal(number)
        if process.poll() is not None:
            break
    output, _ = process.communicate(timeout=START_S)
    assert time.monotonic() - begun < limit_s
    assert process.returncode == 0, output
    assert 'Traceback' not in output


def handles_signals(status: str) -> bool:
    """Whether all three signals are caught, by the mask in /proc/PID/status."""
    caught = int(re.search(r'^SigCgt:\s*([0-9a-f]+)$', status, re.MULTILINE)[1], 16)  # type: ignore[index]
    return all(caught >> (number - 1) & 1 for number in SIGNALS)


ENDING_PROGRAM = """
import hashlib, sys
from drnet_ros.node.end_signals import EndSignals, leave_at_once

signals = EndSignals(float(sys.argv[2]))
if sys.argv[1] == 'failing':  # before the first signal, which would be why it ends
    signals.end(1)
print('ready', flush=True)
if sys.argv[1] == 'native':  # the main thread never gets to run Python again
    hashlib.pbkdf2_hmac('sha256', b'', b'', 2**31 - 1)
signals.ended.wait()
leave_at_once(signals.exit_code)
"""


@pytest.mark.parametrize(('kind', 'exit_code'), [('waiting', 0), ('failing', 1)])
def test_signals_from_many_senders_at_once_end_a_program(kind: str, exit_code: int) -> None:
    command = [sys.executable, '-c', ENDING_PROGRAM, kind, '60']
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == 'ready\n'

        def send(number: signal.Signals) -> None:
            for _ in range(100):
                process.send_signal(number)

        numbers = SIGNALS * 2
        senders = [threading.Thread(target=send, args=(number,)) for number in numbers]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        assert process.wait(START_S) == exit_code


@pytest.mark.parametrize('number', SIGNALS)
def test_a_signal_ends_a_program_whose_main_thread_is_stuck(number: signal.Signals) -> None:
    command = [sys.executable, '-c', ENDING_PROGRAM, 'native', '0.1']
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(number)
        assert process.wait(START_S) == 0


def test_a_closed_terminal_leaves_a_program_alone_that_nohup_started() -> None:
    command = ['nohup', sys.executable, '-c', ENDING_PROGRAM, 'waiting', '60']
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == 'ready\n'
        process.send_signal(signal.SIGHUP)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        process.send_signal(signal.SIGTERM)
        assert process.wait(START_S) == 0


def has_stamp(collected: Collected[Any], stamp: Header) -> bool:
    return any(message.header == stamp for message in list(collected.messages))


def test_restarts_sizes_and_garbage_do_not_stop_the_node(
    graph: Graph, start_program: ProgramFactory, weights: str
) -> None:
    process = start_program(NODE, '--ros-args', '-p', f'weights:={weights}')
    wait_for_line(process, 'active: waiting for images')
    depths = graph.collect(Image, 'depth/image_rect')
    clouds = graph.collect(PointCloud2, 'points')
    info_publisher = graph.publisher(CameraInfo, 'camera_info')
    sec = 0
    for height, width in ((96, 128), (192, 256), (96, 128)):
        publisher = graph.publisher(Image, 'image')
        info_publisher.publish(camera_info(width, height))
        sec += 1
        stamp = header(sec)
        publish = partial(publisher.publish, rgb_image(ramp(height, width), stamp))
        graph.repeat_until(publish, partial(has_stamp, depths, stamp), 'depth')
        graph.repeat_until(publish, partial(has_stamp, clouds, stamp), 'cloud')
        depth = depths.wait_for_stamp(stamp)
        assert (depth.height, depth.width) == (height, width)
        publisher.publish(Image(encoding='rgb8', width=640, height=480, step=1920))
        publisher.publish(Image(encoding='?', width=1, height=1, step=1))
        graph.node.destroy_publisher(publisher)
    cloud = clouds.wait_for_stamp(header(sec))
    assert (cloud.height, cloud.width) == (96, 128)
    assert process.poll() is None


@pytest.mark.parametrize('weights_given', ['', 'missing.safetensors'])
def test_a_node_that_ends_leaves_no_shared_memory(
    start_program: ProgramFactory, weights: str, weights_given: str
) -> None:
    process = start_program(NODE, '--ros-args', '-p', f'weights:={weights_given or weights}')
    if not weights_given:
        wait_for_line(process, 'active: waiting for images')
    own = segments_of(process.pid)
    if not weights_given:
        process.send_signal(signal.SIGINT)
    while process.poll() is None:
        own |= segments_of(process.pid)
        time.sleep(0.01)
    assert process.returncode == bool(weights_given)
    own -= segments_of(os.getpid())
    assert own
    assert not any(path.exists() for path in own)


def test_a_process_that_ends_as_it_is_leaves_no_shared_memory() -> None:
    program = """
import rclpy
from drnet_ros.node.end_signals import leave_at_once
rclpy.init()
node = rclpy.create_node('leaving')
input()
leave_at_once(3)
"""
    with subprocess.Popen([sys.executable, '-c', program], stdin=subprocess.PIPE) as process:
        deadline = time.monotonic() + START_S
        own: set[Path] = set()
        while not any(_is_segment(path) for path in own) and time.monotonic() < deadline:
            own = segments_of(process.pid) - segments_of(os.getpid())
            time.sleep(0.01)
        time.sleep(1.0)  # the rest of rclpy.create_node
        process.communicate(b'\n', timeout=START_S)
    assert process.returncode == 3
    made = [path for path in own if _is_segment(path)]
    assert len(made) == 1
    assert not any(path.exists() for path in (made[0], made[0].with_name(f'{made[0].name}_el')))


def _is_segment(path: Path) -> bool:
    """Whether it holds messages; the others are ports, of some kB."""
    return re.fullmatch(r'fast(dds|rtps)_[0-9a-f]{16}', path.name) is not None


def test_a_killed_program_leaves_no_shared_memory_of_ours(
    start_program: ProgramFactory, weights: str
) -> None:
    process = start_program(NODE, '--ros-args', '-p', f'weights:={weights}')
    wait_for_line(process, 'active: waiting for images')
    own = segments_of(process.pid) - segments_of(os.getpid())
    assert own
    process.kill()
    process.wait()
    assert all(path.exists() for path in own)
    remove_unused(own)
    assert not any(path.exists() for path in own)
    assert all(path.exists() for path in segments_of(os.getpid()))
