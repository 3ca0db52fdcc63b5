"""Launch files for rtabmap and ORB-SLAM3: what the consumers are given, and by which names.

The consumers are stand-ins: packages that write down what reaches them.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from launch_runs import (
    DEADLINE_S,
    ROOT,
    Launched,
    Start,
    environment_with,
    make_observer,
    make_start,
    needs_ros2_launch,
    wait_for,
)

from drnet_ros.inference import Settings

pytestmark = pytest.mark.slow

start = pytest.fixture(make_start, name='start')
observer = pytest.fixture(make_observer, name='observer')

CONFIG = ROOT / 'config'
CLIP = ROOT / 'offline' / 'clip' / 'room'
# Arguments of introlab/rtabmap_ros, rtabmap_launch/launch/rtabmap.launch.py at 18d6e34.
RTABMAP_ARGUMENTS = frozenset(
    re.findall(
        r'\w+',
        """
    stereo localization rtabmap_viz rviz use_sim_time log_level cfg gui_cfg rviz_cfg frame_id
    odom_frame_id map_frame_id map_topic publish_tf_map namespace database_path
    topic_queue_size queue_size qos wait_for_transform rtabmap_args launch_prefix output
    initial_pose output_goal_topic use_action_for_goal ground_truth_frame_id
    ground_truth_base_frame_id approx_sync approx_sync_max_interval rgb_topic depth_topic
    camera_info_topic stereo_namespace left_image_topic right_image_topic
    left_camera_info_topic right_camera_info_topic rgbd_sync approx_rgbd_sync subscribe_rgbd
    rgbd_topic depth_scale compressed rgb_image_transport depth_image_transport subscribe_scan
    scan_topic subscribe_scan_cloud scan_cloud_topic scan_normal_k visual_odometry icp_odometry
    odom_topic vo_frame_id publish_tf_odom odom_tf_angular_variance odom_tf_linear_variance
    odom_args odom_sensor_sync odom_guess_frame_id odom_guess_min_translation
    odom_guess_min_rotation odom_always_process_most_recent_frame imu_topic wait_imu_to_init
    always_check_imu_tf subscribe_user_data user_data_topic user_data_async_topic gps_topic
    tag_topic tag_linear_variance tag_angular_variance fiducial_topic env_sensor_topic depth
    subscribe_rgb args sync_queue_size qos_image qos_camera_info qos_scan qos_odom
    qos_user_data qos_imu qos_gps qos_env_sensor odom_log_level
        """,
    )
)
# What UZ-SLAMLab/ORB_SLAM3, src/Settings.cc at 1464d8f, requires of an RGB-D camera that is a
# distorted pinhole; 'File.version' makes it read the file this way (src/System.cc).
ORB_SLAM3_FLOATS = {
    *(f'Camera1.{name}' for name in ('fx', 'fy', 'cx', 'cy', 'k1', 'k2', 'p1', 'p2')),
    *('RGBD.DepthMapFactor', 'Stereo.ThDepth', 'Stereo.b', 'ORBextractor.scaleFactor'),
    *('Viewer.KeyFrameSize', 'Viewer.KeyFrameLineWidth', 'Viewer.GraphLineWidth'),
    *('Viewer.PointSize', 'Viewer.CameraSize', 'Viewer.CameraLineWidth', 'Viewer.ViewpointX'),
    *('Viewer.ViewpointY', 'Viewer.ViewpointZ', 'Viewer.ViewpointF'),
}
ORB_SLAM3_INTEGERS = {
    *('Camera.width', 'Camera.height', 'Camera.fps', 'Camera.RGB', 'ORBextractor.nFeatures'),
    *('ORBextractor.nLevels', 'ORBextractor.iniThFAST', 'ORBextractor.minThFAST'),
}
ORB_SLAM3_TEXTS = {'File.version', 'Camera.type'}

DEPTH_LIMITS = '--Vis/MaxDepth 6 --Kp/MaxDepth 6 --Grid/RangeMax 4'

STAND_IN = """
import json
from pathlib import Path
from launch import LaunchDescription
from launch.actions import OpaqueFunction

def write(context):
    Path(OUT).write_text(json.dumps(dict(context.launch_configurations)))

def generate_launch_description():
    return LaunchDescription([OpaqueFunction(function=write)])
"""


def written(path: Path, launched: Launched) -> Any:
    wait_for(lambda: path.exists() and path.read_text(), lambda: launched.output)
    # A launch that is interrupted while it starts a process may never end.
    launched.wait_for('active: waiting for images')
    return json.loads(path.read_text())


@needs_ros2_launch
@pytest.mark.parametrize(
    ('arguments', 'expected'),
    [
        (
            [],
            {
                'rgb_topic': '/image_rect',
                'depth_topic': '/depth/image_rect',
                'camera_info_topic': '/depth/camera_info',
                'frame_id': 'base_link',
                'visual_odometry': 'true',
                'database_path': str(Path('~/.ros/rtabmap_drnet.db').expanduser()),
                'args': f'--delete_db_on_start {DEPTH_LIMITS}',
            },
        ),
        (
            [
                'namespace:=robot',
                'rgb_topic:=/camera/image_rect',
                'visual_odometry:=false',
                'database_path:=~/house.db',
            ],
            {
                'rgb_topic': '/camera/image_rect',
                'depth_topic': '/robot/depth/image_rect',
                'camera_info_topic': '/robot/depth/camera_info',
                'visual_odometry': 'false',
                'database_path': str(Path('~/house.db').expanduser()),
                'args': DEPTH_LIMITS,
            },
        ),
    ],
    ids=['defaults and a new map', 'namespace and a map of the user'],
)
def test_rtabmap_is_given_topics_by_names_that_it_has(
    start: Start, tmp_path: Path, arguments: list[str], expected: dict[str, str]
) -> None:
    packages = ('rtabmap_launch', 'rtabmap_odom', 'rtabmap_slam')
    environment = environment_with(tmp_path / 'prefix', *packages)
    out = tmp_path / 'given.json'
    stand_in = tmp_path / 'prefix/share/rtabmap_launch/launch/rtabmap.launch.py'
    stand_in.write_text(f'OUT = {str(out)!r}\n{STAND_IN}')
    launched = start(*arguments, file='depth_for_rtabmap.launch.py', **environment)
    given = written(out, launched)
    assert given.items() >= {'approx_sync': 'false', **expected}.items()
    text = (ROOT / 'launch' / 'depth_for_rtabmap.launch.py').read_text()
    named = re.search(r'return \{\n(.*?)\n    \}', text, re.DOTALL)
    assert named is not None
    names = set(re.findall(r"^ +'(\w+)':", named[1], re.MULTILINE))
    assert {'rgb_topic', 'args', 'database_path'} <= names <= RTABMAP_ARGUMENTS
    assert {'frame_id', 'visual_odometry', 'odom_topic', 'rtabmap_viz'} <= RTABMAP_ARGUMENTS


@needs_ros2_launch
def test_a_recording_gives_rtabmap_image_depth_and_info_of_one_stamp(
    start: Start, observer: Any
) -> None:
    from rclpy.executors import SingleThreadedExecutor  # noqa: PLC0415
    from sensor_msgs.msg import CameraInfo, Image  # noqa: PLC0415

    launched = start(f'bag:={CLIP}', 'rtabmap:=false', file='depth_for_rtabmap.launch.py')
    launched.wait_for(r'active: .*/camera/image_raw')
    stamps: dict[str, list[tuple[int, int]]] = {}
    for topic, kind in (
        ('/image_rect', Image),
        ('/depth/image_rect', Image),
        ('/depth/camera_info', CameraInfo),
    ):
        found = stamps.setdefault(topic, [])
        observer.create_subscription(
            kind,
            topic,
            lambda message, found=found: found.append(
                (message.header.stamp.sec, message.header.stamp.nanosec)
            ),
            10,
        )
    executor = SingleThreadedExecutor(context=observer.context)
    executor.add_node(observer)

    def common() -> set[tuple[int, int]]:
        executor.spin_once(timeout_sec=0.1)
        return set.intersection(*map(set, stamps.values()))

    wait_for(common, lambda: f'{stamps} {launched.output}')


@needs_ros2_launch
def test_orb_slam3_is_given_its_files_and_topics(start: Start, tmp_path: Path) -> None:
    environment = environment_with(tmp_path / 'prefix', 'orbslam3')
    out = tmp_path / 'given.json'
    program = tmp_path / 'prefix/lib/orbslam3/rgbd'
    program.write_text(
        f'#!{sys.executable}\nimport json, sys, time\n'
        f'open({str(out)!r}, "w").write(json.dumps(sys.argv[1:]))\ntime.sleep({DEADLINE_S})\n'
    )
    program.chmod(0o755)
    vocabulary = tmp_path / 'ORBvoc.txt'
    vocabulary.touch()
    launched = start(
        f'vocabulary:={vocabulary}',
        'image:=/front/image_raw',
        file='depth_for_orb_slam3.launch.py',
        **environment,
    )
    given = written(out, launched)
    settings = Path(given[1])
    assert (given[0], settings.read_bytes()) == (
        str(vocabulary),
        (CONFIG / 'orb_slam3_rgbd.yaml').read_bytes(),
    )
    remapped = {given[index + 1] for index, each in enumerate(given) if each == '-r'}
    assert remapped >= {'camera/rgb:=/front/image_raw', 'camera/depth:=depth/image_rect'}


def test_settings_of_orb_slam3_are_those_that_it_reads() -> None:
    text = (CONFIG / 'orb_slam3_rgbd.yaml').read_text()
    first, _, rest = text.partition('\n')
    assert first == '%YAML:1.0'  # OpenCV's FileStorage wants it, and a strict parser does not
    values = yaml.safe_load(rest)
    assert {name for name in values if type(values[name]) is float} == ORB_SLAM3_FLOATS
    assert {name for name in values if type(values[name]) is int} == ORB_SLAM3_INTEGERS
    assert {name for name in values if type(values[name]) is str} == ORB_SLAM3_TEXTS
    assert (values['File.version'], values['Camera.type']) == ('1.0', 'PinHole')


def parameters_of(name: str) -> Settings:
    given = yaml.safe_load((CONFIG / f'{name}.yaml').read_text())['/**']['ros__parameters']
    settings = Settings.from_mapping(given)
    assert settings.to_mapping().items() >= given.items()
    return settings


def test_depth_has_the_unit_that_orb_slam3_expects() -> None:
    text = (CONFIG / 'orb_slam3_rgbd.yaml').read_text()
    values = yaml.safe_load(text.partition('\n')[2])
    settings = parameters_of('orb_slam3_depth')
    assert settings.depth_encoding == '32FC1'
    assert values['RGBD.DepthMapFactor'] == 1.0
    assert not settings.rectify
    assert not settings.refine_edges
    assert values['Stereo.ThDepth'] * values['Stereo.b'] < settings.max_depth


def test_rtabmap_uses_no_farther_depth_than_there_is() -> None:
    settings = parameters_of('rtabmap_depth')
    assert settings.rectify
    assert not settings.refine_edges
    text = (ROOT / 'launch' / 'depth_for_rtabmap.launch.py').read_text()
    farthest = dict(re.findall(r'--(\w+/(?:MaxDepth|RangeMax)) (\d+)', text))
    # RTABMAP_PARAM(Vis, MaxDepth), (Kp, MaxDepth) and (Grid, RangeMax) of rtabmap's Parameters.h.
    assert set(farthest) == {'Vis/MaxDepth', 'Kp/MaxDepth', 'Grid/RangeMax'}
    assert all(float(metres) <= settings.max_depth for metres in farthest.values())
