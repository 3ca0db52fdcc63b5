"""An example of a larger launch file that has `depth.launch.py` as one of its parts.

    ros2 launch drnet_ros robot_example.launch.py bag:=RECORDING

A robot in a separate namespace: a camera driver (here `bag_publisher` plays a recording instead),
and depth from its images, with the parameters of this robot. The node is restarted when it ends.
Replace the recording with your driver and keep the rest.
"""

from pathlib import Path

from launch import LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    GroupAction,
    IncludeLaunchDescription,
    OpaqueFunction,
)
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.logging import get_logger
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node, PushRosNamespace

from drnet_ros.node.launch_exit import fail_at_the_end
from drnet_ros.node.launch_paths import existing_path, overruled

DEPTH = Path(__file__).with_name('depth.launch.py')


def generate_launch_description() -> LaunchDescription:
    """Return the robot."""
    return LaunchDescription(
        [
            DeclareLaunchArgument('bag', description='Recording to play in place of a camera.'),
            DeclareLaunchArgument(
                'recorded_image',
                default_value='/camera/image_raw',
                description='Image topic in the recording; compressed images are decompressed.',
            ),
            DeclareLaunchArgument(
                'recorded_info',
                default_value='/camera/camera_info',
                description='CameraInfo topic in the recording.',
            ),
            DeclareLaunchArgument(
                'params_file',
                default_value=str(DEPTH.parents[1] / 'config' / 'depth.yaml'),
                description='Parameters of depth_node on this robot.',
            ),
            DeclareLaunchArgument('robot', default_value='robot', description='Its namespace.'),
            # A group: neither namespace nor parameters reach what this file is included by, or
            # what it includes after this.
            GroupAction(
                [
                    PushRosNamespace(LaunchConfiguration('robot')),
                    OpaqueFunction(function=_check),
                    # It checks its arguments, so it comes before whatever would be left running.
                    IncludeLaunchDescription(
                        PythonLaunchDescriptionSource(str(DEPTH)),
                        launch_arguments={
                            'image': 'camera/image_raw',
                            'params_file': LaunchConfiguration('params_file'),
                            'namespace': '',
                            'respawn': 'true',
                        }.items(),
                    ),
                    OpaqueFunction(function=_camera),
                ]
            ),
        ]
    )


def _check(context: LaunchContext) -> None:
    instead = {'image': 'recorded_image, the topic in the recording', 'namespace': 'robot'}
    for line in overruled(context.launch_configurations, instead):
        get_logger('robot_example.launch.py').warning(line)
    existing_path('bag', LaunchConfiguration('bag').perform(context))


def _camera(context: LaunchContext) -> list[Node]:
    bag = existing_path('bag', LaunchConfiguration('bag').perform(context))
    camera = Node(
        package='drnet_ros',
        executable='bag_publisher',
        name='camera',
        arguments=[str(bag), '--decompress', '--loop', '--wait', '60'],
        remappings=[
            (LaunchConfiguration('recorded_image'), 'camera/image_raw'),
            (LaunchConfiguration('recorded_info'), 'camera/camera_info'),
        ],
        output='screen',
        on_exit=fail_at_the_end,
    )
    return [camera]
