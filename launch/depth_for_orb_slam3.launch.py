"""Depth for ORB-SLAM3, and the RGB-D node of a ROS 2 wrapper of it.

    ros2 launch drnet_ros depth_for_orb_slam3.launch.py image:=/camera/image_raw \
        vocabulary:=ORBvoc.txt settings:=my_camera.yaml
    ros2 launch drnet_ros depth_for_orb_slam3.launch.py image:=/camera/image_raw slam:=false

All arguments of depth.launch.py hold. settings is a copy of config/orb_slam3_rgbd.yaml with the
calibration of the camera.
"""

from pathlib import Path

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from drnet_ros.node.launch_exit import fail_at_the_end
from drnet_ros.node.launch_nodes import (
    check_recording,
    depth_arguments,
    depth_node,
    recording,
    require_package,
    value,
    warn_of_misspelled,
)
from drnet_ros.node.launch_paths import existing_path

DEPTH = Path(__file__).with_name('depth.launch.py')
OWN = ('bag', 'slam', 'vocabulary', 'settings', 'package', 'executable')
SETTINGS = Path(__file__).parents[1] / 'config' / 'orb_slam3_rgbd.yaml'


def generate_launch_description() -> LaunchDescription:
    """Return the arguments, the node and what it works with."""
    return LaunchDescription(
        [
            *_arguments(),
            # It checks what is given, so it comes before whatever would be left running.
            OpaqueFunction(function=_check),
            depth_node(DEPTH),
            OpaqueFunction(function=_others),
        ]
    )


def _arguments() -> list[DeclareLaunchArgument]:
    return [
        *depth_arguments('orb_slam3_depth'),
        DeclareLaunchArgument(
            'slam',
            default_value='true',
            choices=['true', 'false'],
            description='Start ORB-SLAM3 here; false if it runs elsewhere.',
        ),
        DeclareLaunchArgument(
            'vocabulary', default_value='', description='ORBvoc.txt of ORB-SLAM3.'
        ),
        DeclareLaunchArgument(
            'settings',
            default_value=str(SETTINGS),
            description='Settings file of ORB-SLAM3; the default is for the bundled clip.',
        ),
        DeclareLaunchArgument(
            'package', default_value='orbslam3', description='Package of the wrapper.'
        ),
        DeclareLaunchArgument('executable', default_value='rgbd', description='Its RGB-D node.'),
    ]


def _check(context: LaunchContext) -> None:
    warn_of_misspelled(context, OWN)
    check_recording(context)
    if value(context, 'slam') == 'true':
        package = value(context, 'package')
        remedy = 'build a wrapper in your workspace, name it with package:=, or slam:=false'
        require_package(package, 'slam:=true, the default', remedy)
        for argument in ('vocabulary', 'settings'):
            existing_path(argument, value(context, argument))


def _others(context: LaunchContext) -> list[Node]:
    nodes = recording(context)
    if value(context, 'slam') == 'true':
        nodes.append(_slam(context))
    return nodes


def _slam(context: LaunchContext) -> Node:
    files = [
        str(existing_path(argument, value(context, argument)))
        for argument in ('vocabulary', 'settings')
    ]
    return Node(
        package=LaunchConfiguration('package'),
        executable=LaunchConfiguration('executable'),
        namespace=LaunchConfiguration('namespace'),
        arguments=files,
        remappings=[
            ('camera/rgb', LaunchConfiguration('image')),
            ('camera/depth', 'depth/image_rect'),
        ],
        output='screen',
        on_exit=fail_at_the_end,
    )
