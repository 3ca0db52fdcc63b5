"""The launch file, run by the real `ros2 launch` wherever that and the built package exist."""

from __future__ import annotations

import functools
import os
import re
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from launch_runs import (
    DEADLINE_S,
    LAUNCH_FILE,
    ROOT,
    Start,
    environment_with,
    is_installed,
    make_observer,
    make_start,
    needs_launch,
    needs_ros2_launch,
    wait_for,
)

pytestmark = pytest.mark.slow

start = pytest.fixture(make_start, name='start')
observer = pytest.fixture(make_observer, name='observer')
SLAM_PACKAGES = ('rtabmap_launch', 'orbslam3')
CONTRACT = {'params_file', 'image', 'camera_info', 'namespace', 'weights', 'rviz', 'log_level'}


def description() -> Any:
    from launch.launch_description_sources import (  # noqa: PLC0415
        get_launch_description_from_python_launch_file as load,
    )

    return load(str(LAUNCH_FILE))


@needs_launch
def test_arguments_of_the_contract_exist_and_are_described() -> None:
    arguments = {argument.name: argument for argument in description().get_launch_arguments()}
    assert arguments.keys() >= CONTRACT
    assert all(argument.description for argument in arguments.values())


@needs_launch
def test_default_parameters_are_the_shipped_file() -> None:
    arguments = {argument.name: argument for argument in description().get_launch_arguments()}
    (default,) = arguments['params_file'].default_value
    assert Path(default.text) == ROOT / 'config' / 'depth.yaml'
    assert Path(default.text).is_file()


@needs_ros2_launch
def test_topics_follow_the_arguments(start: Start, observer: Any) -> None:
    start('image:=/cam/image_raw', 'namespace:=robot').wait_for(r'active: .*/cam/image_raw')

    def subscribed() -> bool:
        try:
            names = observer.get_subscriber_names_and_types_by_node('depth_node', '/robot')
        except Exception as error:  # rclpy has several for a node that is not there yet
            if 'NodeName' not in type(error).__name__:
                raise
            return False
        return {'/cam/image_raw', '/cam/camera_info'} <= {name for name, _ in names}

    wait_for(subscribed, lambda: str(observer.get_topic_names_and_types()))
    published = observer.get_publisher_names_and_types_by_node('depth_node', '/robot')
    topics = {name for name, _ in published}
    assert topics >= {
        f'/robot/{name}' for name in ('depth/image_rect', 'depth/camera_info', 'points')
    }
    assert '/diagnostics' in topics


SENSORS = [
    ('scan', 'scan', 'scan', '/lidar/scan', ('/lidar/scan',)),
    ('landmarks', 'points', 'sparse_points', '/map/points', ('/map/points',)),
    ('odometry', 'odometry', 'odom', '/wheels/odom', ('/wheels/odom',)),
    ('tof', 'depth', 'sparse_depth_image', '/tof/depth', ('/tof/depth', '/tof/camera_info')),
]


@needs_ros2_launch
@pytest.mark.parametrize(('name', 'source', 'argument', 'topic', 'topics'), SENSORS)
def test_each_sensor_has_a_launch_file(
    name: str,
    source: str,
    argument: str,
    topic: str,
    topics: tuple[str, ...],
    start: Start,
    observer: Any,
) -> None:
    extrinsics = 'base optical 0 0 0 0 0 0 1'
    launched = start(
        f'{argument}:={topic}',
        'image:=/cam/image_raw',
        f'extrinsics:={extrinsics}',
        file=f'depth_with_{name}.launch.py',
    )
    launched.wait_for(r'active: .*/cam/image_raw')
    for subscribed in topics:
        wait_for(
            functools.partial(observer.count_subscribers, subscribed),
            lambda: str(observer.get_topic_names_and_types()),
        )
    for parameter_name, value in (
        ('sparse_depth_sources', source),
        ('sparse_depth_extrinsics', extrinsics),
    ):
        found = parameter(observer, '/depth_node', parameter_name)
        assert list(found.string_array_value) == [value]


@needs_ros2_launch
def test_a_launch_file_of_a_sensor_takes_other_sources_too(start: Start, observer: Any) -> None:
    start('sources:=scan,odometry', file='depth_with_scan.launch.py').wait_for('active: ')
    found = parameter(observer, '/depth_node', 'sparse_depth_sources')
    assert list(found.string_array_value) == ['scan', 'odometry']


@needs_ros2_launch
def test_camera_info_can_be_elsewhere(start: Start, observer: Any) -> None:
    start('image:=/cam/image_raw', 'camera_info:=/calibration').wait_for(r'active: ')
    wait_for(
        lambda: observer.count_subscribers('/calibration'),
        lambda: str(observer.get_topic_names_and_types()),
    )
    assert observer.count_subscribers('/cam/camera_info') == 0


@needs_ros2_launch
def test_parameters_come_from_the_file_under_a_namespace_too(
    start: Start, observer: Any, tmp_path: Path
) -> None:
    file = tmp_path / 'depth.yaml'
    shipped = (ROOT / 'config' / 'depth.yaml').read_text()
    changed, count = re.subn(r'^( +max_depth:) .*$', r'\g<1> 3.5', shipped, flags=re.MULTILINE)
    assert count == 1
    file.write_text(changed)
    start(f'params_file:={file}', 'namespace:=robot').wait_for(r'active: ')
    assert parameter(observer, '/robot/depth_node', 'max_depth').double_value == 3.5


@needs_ros2_launch
def test_weights_argument_wins_over_the_parameter_file(start: Start, tmp_path: Path) -> None:
    weights = tmp_path / 'broken.safetensors'
    weights.touch()
    launched = start('params_file:=resnet50', f'weights:={weights}')
    launched.wait_until_it_ends()
    (fatal,) = [line for line in launched.output.splitlines() if 'FATAL' in line]
    assert str(weights) in fatal
    assert 'exit code 1' in launched.output
    assert 'Traceback' not in launched.output


FAILING = """
from launch import LaunchDescription
from launch.actions import ExecuteProcess, IncludeLaunchDescription

def generate_launch_description():
    other = ExecuteProcess(cmd=['sleep', '{seconds}'], name='other')
    depth = IncludeLaunchDescription({depth!r}, launch_arguments=[('params_file', 'resnet50')])
    return LaunchDescription([other, depth])
"""


@needs_ros2_launch
def test_a_node_that_fails_makes_launch_end_with_exit_code_1(start: Start) -> None:
    launched = start('params_file:=resnet50')
    assert launched.wait_until_it_ends() == 1
    assert launched.output.count('depth_node-1 ended with exit code 1: see its last lines') == 1
    assert 'only the lite network is embedded' in launched.output
    assert 'Traceback' not in launched.output


@needs_ros2_launch
def test_what_else_was_launched_goes_on_after_a_node_has_failed(
    start: Start, tmp_path: Path
) -> None:
    file = tmp_path / 'failing.launch.py'
    file.write_text(FAILING.format(depth=str(LAUNCH_FILE), seconds=1000))
    launched = start(file=str(file))
    launched.wait_for(r'depth_node-2\]: process has died')
    time.sleep(1.0)
    assert 'other-1]: process has' not in launched.output
    launched.stop()
    assert launched.wait_until_it_ends() == 1
    assert 'depth_node-2 ended with exit code 1: see its last lines' in launched.output


@needs_ros2_launch
def test_launch_ends_with_exit_code_0_after_ctrl_c(start: Start) -> None:
    launched = start()
    launched.wait_for('active: ')
    launched.stop()
    assert launched.wait_until_it_ends() == 0


@needs_ros2_launch
@pytest.mark.parametrize(
    ('file', 'argument', 'message'),
    [
        (LAUNCH_FILE.name, 'params_file:=/nope.yaml', "found nothing at '/nope.yaml'"),
        (LAUNCH_FILE.name, 'params_file:=resnet5', 'did you mean resnet50?'),
        (LAUNCH_FILE.name, 'weights:=/nope.safetensors', 'found no file at /nope.safetensors'),
        (LAUNCH_FILE.name, 'rviz:=true', 'rviz2 must be installed for rviz:=true'),
        ('robot_example.launch.py', 'bag:=/nope', "bag must exist, found nothing at '/nope'"),
        ('robot_example.launch.py', 'bag:=. params_file:=/nope.yaml', 'params_file must exist'),
        ('depth_for_nav2.launch.py', 'bag:=/nope', "bag must exist, found nothing at '/nope'"),
        ('depth_for_nav2.launch.py', 'costmap:=true', 'nav2_costmap_2d must be installed'),
        ('depth_for_rtabmap.launch.py', 'rtabmap:=true', 'rtabmap_launch must be installed'),
        ('depth_for_orb_slam3.launch.py', 'slam:=true', 'orbslam3 must be installed'),
        ('depth_for_orb_slam3.launch.py', 'package:=drnet_ros', 'vocabulary must exist'),
    ],
)
def test_what_is_not_there_is_one_line_and_exit_code_1_before_anything_starts(
    start: Start, file: str, argument: str, message: str
) -> None:
    if 'rviz' in argument and shutil.which('rviz2'):
        pytest.skip('rviz2 is installed here')
    if 'costmap' in argument and is_installed('nav2_costmap_2d'):
        pytest.skip('Nav2 is installed here')
    if any(f'{package} must' in message and is_installed(package) for package in SLAM_PACKAGES):
        pytest.skip('it is installed here')
    launched = start(*argument.split(), file=file)
    assert launched.wait_until_it_ends() == 1
    (error,) = [line for line in launched.output.splitlines() if 'ERROR' in line]
    assert message in error
    assert 'process started' not in launched.output
    assert 'Traceback' not in launched.output


@needs_ros2_launch
def test_parameter_file_in_the_home_folder_is_found(
    start: Start, observer: Any, tmp_path: Path
) -> None:
    (tmp_path / 'my.yaml').write_text('/**:\n  ros__parameters:\n    max_depth: 2.5\n')
    start('params_file:=~/my.yaml', HOME=str(tmp_path)).wait_for(r'active: ')
    assert parameter(observer, '/depth_node', 'max_depth').double_value == 2.5


TWICE = """
import sys
from launch import LaunchDescription
from launch.actions import GroupAction, IncludeLaunchDescription, LogInfo, OpaqueFunction

def include(**arguments):
    return IncludeLaunchDescription({depth!r}, launch_arguments=arguments.items())

def show(context):
    return [LogInfo(msg='then: ' + ' '.join(sorted(context.launch_configurations)))]

def generate_launch_description():
    first = include(image='/a', namespace='one', log_level='fatal')
    second = include(namespace='two')
    if {is_grouped}:
        first, second = GroupAction([first]), GroupAction([second])
    return LaunchDescription([first, OpaqueFunction(function=show), second])
"""


@needs_ros2_launch
def test_a_misspelled_argument_is_named(start: Start) -> None:
    launched = start('weight:=/nowhere.safetensors')
    launched.wait_for(r'launch argument weight:=/nowhere\.safetensors is unknown .*mean weights\?')


@needs_ros2_launch
@pytest.mark.parametrize(
    ('file', 'argument', 'said'),
    [
        ('depth_for_nav2.launch.py', 'costmap_param_file:=/nope', 'mean costmap_params_file?'),
        ('depth_for_rtabmap.launch.py', 'rtab_map:=false', 'mean rtabmap?'),
        ('depth_for_orb_slam3.launch.py', 'vocabularly:=a.txt', 'mean vocabulary?'),
        ('robot_example.launch.py', 'image:=/cam/image', 'no effect here; give recorded_image'),
    ],
)
def test_arguments_without_effect_on_a_larger_launch_file_are_named(
    start: Start, file: str, argument: str, said: str
) -> None:
    launched = start(argument, 'bag:=/nope', file=file)
    assert launched.wait_until_it_ends() == 1
    (warning,) = [line for line in launched.output.splitlines() if 'WARN' in line]
    assert f'launch argument {argument} ' in warning
    assert said in warning


@needs_ros2_launch
@pytest.mark.parametrize('is_grouped', [True, False])
def test_included_twice_what_is_left_over_from_the_first_time_is_said(
    start: Start, tmp_path: Path, is_grouped: bool
) -> None:
    file = tmp_path / 'twice.launch.py'
    file.write_text(TWICE.format(depth=str(LAUNCH_FILE), is_grouped=is_grouped))
    launched = start(file=str(file))
    launched.wait_for(r'\[depth_node-2\]: process started')
    names = launched.wait_for(r'then: *(.*)')[1].split()
    assert not {'weights', 'respawn', 'rviz', 'camera_info'} & set(names)
    assert ('image' in names) is not is_grouped
    said = 'included again, and as before with image:=/a, log_level:=fatal'
    assert (said in launched.output) is not is_grouped
    remapped = re.findall(r'image:=\S+', Path(f'/proc/{launched.pid_of(2)}/cmdline').read_text())
    assert ('image:=/a' in ' '.join(remapped)) is not is_grouped


@needs_ros2_launch
def test_large_message_profile_is_set(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ('FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE'):
        monkeypatch.delenv(name, raising=False)
    values = start().environment_of_node().values()
    assert [value for value in values if value.endswith('config/fastdds_large_messages.xml')]


@needs_ros2_launch
def test_profile_of_the_user_is_kept(start: Start, tmp_path: Path) -> None:
    own = str(tmp_path / 'own.xml')
    shutil.copy(ROOT / 'config' / 'fastdds_large_messages.xml', own)
    values = start(FASTDDS_DEFAULT_PROFILES_FILE=own).environment_of_node()
    assert values['FASTDDS_DEFAULT_PROFILES_FILE'] == own
    assert not [value for value in values.values() if 'fastdds_large_messages' in value]


@needs_ros2_launch
def test_respawn_starts_a_node_that_died_again(start: Start) -> None:
    launched = start('respawn:=true')
    started = r'\[depth_node-1\]: process started with pid \[(\d+)\]'
    first = launched.wait_for(started + r'[\s\S]*active: ')[1]
    os.kill(int(first), signal.SIGKILL)
    again = rf'{started}[\s\S]*active: [\s\S]*{started}[\s\S]*active: '
    second = launched.wait_for(again)[2]
    assert second != first


@needs_ros2_launch
@pytest.mark.parametrize('given', ['', 'true', 'false'])
def test_the_clock_of_a_simulation_is_an_argument(start: Start, given: str) -> None:
    launched = start(*([f'use_sim_time:={given}'] if given else []))
    words = Path(f'/proc/{launched.pid_of(1)}/cmdline').read_text().split('\0')
    files = [words[i + 1] for i, word in enumerate(words) if word == '--params-file']
    said = re.findall(r'use_sim_time: (\w+)', ''.join(Path(file).read_text() for file in files))
    assert said == ([given] if given else [])
    launched.wait_for('active: ')


@needs_ros2_launch
def test_rviz_is_started_with_the_shipped_file(start: Start, tmp_path: Path) -> None:
    fake = tmp_path / 'prefix'
    (fake / 'lib' / 'rviz2').mkdir(parents=True)
    index = fake / 'share' / 'ament_index' / 'resource_index' / 'packages'
    index.mkdir(parents=True)
    (index / 'rviz2').touch()
    program = fake / 'lib' / 'rviz2' / 'rviz2'  # the real one needs a screen
    got = tmp_path / 'arguments'
    program.write_text(f'#!/bin/sh\necho "$@" > {got}.part; mv {got}.part {got}; sleep 60\n')
    program.chmod(0o755)
    path = os.pathsep.join((str(fake), os.environ['AMENT_PREFIX_PATH']))
    launched = start('rviz:=true', 'rviz_frame:=cam', AMENT_PREFIX_PATH=path)
    wait_for(lambda: got.exists() or None, lambda: launched.output)
    options = got.read_text().split()
    assert (options[0], *options[2:4]) == ('-d', '-f', 'cam')
    assert Path(options[1]).read_bytes() == (ROOT / 'config' / 'depth.rviz').read_bytes()


@needs_ros2_launch
def test_part_of_a_larger_launch_file_under_a_namespace(
    start: Start, observer: Any, tmp_path: Path
) -> None:
    from diagnostic_msgs.msg import DiagnosticArray  # noqa: PLC0415
    from rclpy.executors import SingleThreadedExecutor  # noqa: PLC0415
    from sensor_msgs.msg import Image  # noqa: PLC0415

    bag = ROOT / 'offline' / 'clip' / 'room'
    parameters = tmp_path / 'robot.yaml'
    parameters.write_text('/**/depth_node:\n  ros__parameters:\n    max_depth: 5.0\n')
    launched = start(f'bag:={bag}', f'params_file:={parameters}', file='robot_example.launch.py')
    launched.wait_for(r'active: .*/robot/camera/image_raw')
    depths: list[Any] = []
    observer.create_subscription(Image, '/robot/depth/image_rect', depths.append, 5)
    statuses: list[Any] = []
    observer.create_subscription(DiagnosticArray, '/diagnostics', statuses.append, 5)
    executor = SingleThreadedExecutor(context=observer.context)
    executor.add_node(observer)

    def is_running() -> bool:
        executor.spin_once(timeout_sec=0.1)
        return bool(depths and statuses)

    wait_for(is_running, lambda: launched.output)
    assert depths[0].encoding == '32FC1'
    assert parameter(observer, '/robot/depth_node', 'max_depth').double_value == 5.0
    assert 'launch argument' not in launched.output


@needs_ros2_launch
def test_a_recording_gives_nav2_a_scan_in_the_base_frame(start: Start, observer: Any) -> None:
    from rclpy.executors import SingleThreadedExecutor  # noqa: PLC0415
    from sensor_msgs.msg import LaserScan  # noqa: PLC0415

    clip = ROOT / 'offline' / 'clip' / 'room'
    mount = 'base_link camera_optical_frame 0 0 0.9 -0.5 0.5 -0.5 0.5'
    launched = start(f'bag:={clip}', f'extrinsics:={mount}', file='depth_for_nav2.launch.py')
    launched.wait_for(r'active: .*/camera/image_raw')
    scans: list[Any] = []
    observer.create_subscription(LaserScan, '/scan_out', scans.append, 5)
    executor = SingleThreadedExecutor(context=observer.context)
    executor.add_node(observer)

    def is_running() -> bool:
        executor.spin_once(timeout_sec=0.1)
        return bool(scans)

    wait_for(is_running, lambda: launched.output)
    assert scans[0].header.frame_id == 'base_link'
    assert scans[0].range_max == 4.0
    near = [each for each in scans[0].ranges if 0.1 < each < 4.0]
    assert len(near) > 0.1 * len(scans[0].ranges)


@needs_ros2_launch
def test_a_recording_is_played_to_where_a_node_in_a_namespace_reads(
    start: Start, observer: Any
) -> None:
    clip = ROOT / 'offline' / 'clip' / 'room'
    started = ('namespace:=robot', 'camera_info:=calibrated/info', f'bag:={clip}')
    launched = start(*started, file='depth_for_nav2.launch.py')
    launched.wait_for(r'active: .*/robot/camera/image_raw')
    for topic in ('/robot/camera/image_raw', '/robot/calibrated/info'):
        for count in (observer.count_publishers, observer.count_subscribers):
            wait_for(functools.partial(count, topic), lambda: launched.output)


@needs_ros2_launch
def test_a_parameter_file_for_the_costmap_is_found_in_the_home_folder(
    start: Start, tmp_path: Path
) -> None:
    if is_installed('nav2_costmap_2d'):
        pytest.skip('Nav2 is installed here')
    packages = ('nav2_costmap_2d', 'nav2_lifecycle_manager')
    environment = environment_with(tmp_path / 'prefix', *packages)
    for package, program in zip(packages, ('nav2_costmap_2d', 'lifecycle_manager'), strict=True):
        path = tmp_path / 'prefix' / 'lib' / package / program
        path.write_text(f'#!{sys.executable}\nimport sys\nprint("given", *sys.argv)\n')
        path.chmod(0o755)
    mine = tmp_path / 'mine.yaml'
    mine.write_text('/**:\n  ros__parameters:\n    width: 4\n')
    given = ('costmap:=true', 'costmap_params_file:=~/mine.yaml')
    environment['HOME'] = str(tmp_path)
    launched = start(*given, file='depth_for_nav2.launch.py', **environment)
    launched.wait_for(rf'given .*/nav2_costmap_2d .*--params-file {mine}\s')


def parameter(observer: Any, node: str, name: str) -> Any:
    """Return a parameter's value as the node's service gives it."""
    import rclpy  # noqa: PLC0415
    from rcl_interfaces.srv import GetParameters  # noqa: PLC0415
    from rclpy.executors import SingleThreadedExecutor  # noqa: PLC0415

    client = observer.create_client(GetParameters, f'{node}/get_parameters')
    assert client.wait_for_service(DEADLINE_S)
    executor = SingleThreadedExecutor(context=observer.context)
    executor.add_node(observer)
    future = client.call_async(GetParameters.Request(names=[name]))
    rclpy.spin_until_future_complete(observer, future, executor, DEADLINE_S)
    return future.result().values[0]
