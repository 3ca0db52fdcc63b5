"""Depth for Nav2, and if wanted a local costmap to look at.

    ros2 launch drnet_ros depth_for_nav2.launch.py image:=/camera/image_raw
    ros2 launch drnet_ros depth_for_nav2.launch.py image:=/camera/image_raw costmap:=true
    ros2 launch drnet_ros depth_for_nav2.launch.py bag:=RECORDING

All arguments of depth.launch.py hold: sources:=scan or sources:=odometry takes the scale from what
the robot knows. tf must lead from base_link to the frame of the images, or give extrinsics.
"""

from pathlib import Path

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch_ros.actions import Node

from drnet_ros.node.launch_nodes import (
    check_recording,
    depth_arguments,
    depth_node,
    recording,
    require_package,
    value,
    warn_of_misspelled,
)
from drnet_ros.node.launch_paths import params_path

DEPTH = Path(__file__).with_name('depth.launch.py')
CONFIG = Path(__file__).parents[1] / 'config'
NAV2_PACKAGES = ('nav2_costmap_2d', 'nav2_lifecycle_manager')
REMEDY = 'apt install ros-$ROS_DISTRO-navigation2, or leave costmap:=true out'


def generate_launch_description() -> LaunchDescription:
    """Return the arguments, the node and what it works with."""
    return LaunchDescription(
        [
            *depth_arguments('nav2_depth'),
            DeclareLaunchArgument(
                'costmap',
                default_value='false',
                choices=['true', 'false'],
                description='Start a local costmap of Nav2 alone; nav2_costmap_2d must be there.',
            ),
            DeclareLaunchArgument(
                'costmap_params_file',
                default_value=str(CONFIG / 'nav2_costmap.yaml'),
                description='Parameter file of that costmap: a path, or a name in config/.',
            ),
            # It checks what is given, so it comes before whatever would be left running.
            OpaqueFunction(function=_check),
            depth_node(DEPTH),
            OpaqueFunction(function=_others),
        ]
    )


def _check(context: LaunchContext) -> None:
    warn_of_misspelled(context, ('bag', 'costmap', 'costmap_params_file'))
    check_recording(context)
    if value(context, 'costmap') == 'false':
        return
    _costmap_params(context)
    for package in NAV2_PACKAGES:
        require_package(package, 'costmap:=true', REMEDY)


def _others(context: LaunchContext) -> list[Node]:
    nodes = recording(context)
    if value(context, 'costmap') == 'true':
        nodes += _costmap(_costmap_params(context))
    return nodes


def _costmap_params(context: LaunchContext) -> str:
    argument = 'costmap_params_file'
    return str(params_path(value(context, argument), CONFIG, argument))


def _costmap(params_file: str) -> list[Node]:
    costmap = Node(
        package='nav2_costmap_2d',
        executable='nav2_costmap_2d',
        name='local_costmap',
        namespace='local_costmap',
        parameters=[params_file],
        output='screen',
    )
    manager = Node(
        package='nav2_lifecycle_manager',
        executable='lifecycle_manager',
        name='lifecycle_manager_costmap',
        parameters=[
            {'autostart': True, 'bond_timeout': 0.0, 'node_names': ['local_costmap/local_costmap']}
        ],
        output='screen',
    )
    return [costmap, manager]
