"""Starts `depth_node`: ros2 launch drnet_ros depth.launch.py image:=/camera/image_raw."""

from pathlib import Path

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, GroupAction, OpaqueFunction
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from drnet_ros.node.environment import use_large_message_profile

CONFIG = Path(__file__).parents[1] / 'config'


def generate_launch_description() -> LaunchDescription:
    """Return the arguments and what they start; nothing is looked up before."""
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                'params_file',
                default_value=str(CONFIG / 'depth.yaml'),
                description='Parameter file of the node; config/ has one file for each backbone.',
            ),
            DeclareLaunchArgument(
                'image',
                default_value='image',
                description='Image topic; image_transport compressed reads TOPIC/compressed.',
            ),
            DeclareLaunchArgument(
                'camera_info',
                default_value='',
                description="CameraInfo topic; '' is camera_info in the image's namespace.",
            ),
            DeclareLaunchArgument(
                'namespace',
                default_value='',
                description='Namespace of the node and of all topics without a leading slash.',
            ),
            DeclareLaunchArgument(
                'weights',
                default_value='',
                description="Weights file or 'embedded'; '' is that of params_file.",
            ),
            DeclareLaunchArgument(
                'rviz',
                default_value='false',
                choices=['true', 'false'],
                description='Start RViz with images and points; RViz must be installed.',
            ),
            DeclareLaunchArgument(
                'rviz_frame',
                default_value='camera_color_optical_frame',
                description='Fixed frame of RViz: frame_id of the images or one that tf knows.',
            ),
            DeclareLaunchArgument(
                'log_level',
                default_value='info',
                choices=['debug', 'info', 'warn', 'error', 'fatal'],
                description='Lowest severity of the messages that are logged.',
            ),
            DeclareLaunchArgument(
                'respawn',
                default_value='false',
                choices=['true', 'false'],
                description='Restart the node two seconds after it ends.',
            ),
            # A group, so that the environment of whatever includes this file stays as it is.
            GroupAction(
                [OpaqueFunction(function=_set_environment), OpaqueFunction(function=_nodes)]
            ),
        ]
    )


def _set_environment(_context: LaunchContext) -> None:
    """Let RViz receive large messages too; a launch context's environment is the process's."""
    use_large_message_profile()


def _nodes(context: LaunchContext) -> list[Node]:
    image = _value(context, 'image')
    remappings = [
        ('image', image),
        ('image/compressed', f'{image}/compressed'),
        ('camera_info', _value(context, 'camera_info') or _sibling(image, 'camera_info')),
    ]
    weights = _value(context, 'weights')
    depth_node = Node(
        package='drnet_ros',
        executable='depth_node',
        name='depth_node',
        namespace=LaunchConfiguration('namespace'),
        parameters=[
            LaunchConfiguration('params_file'),
            *([{'weights': weights}] if weights else []),
        ],
        remappings=remappings,
        ros_arguments=['--log-level', LaunchConfiguration('log_level')],
        output='screen',
        respawn=_value(context, 'respawn') == 'true',
        respawn_delay=2.0,
    )
    rviz = Node(
        package='rviz2',
        executable='rviz2',
        namespace=LaunchConfiguration('namespace'),
        arguments=['-d', str(CONFIG / 'depth.rviz'), '-f', LaunchConfiguration('rviz_frame')],
        remappings=remappings,
        condition=IfCondition(LaunchConfiguration('rviz')),
    )
    return [depth_node, rviz]


def _value(context: LaunchContext, argument: str) -> str:
    return str(LaunchConfiguration(argument).perform(context))


def _sibling(topic: str, name: str) -> str:
    """Return the topic of that name in the namespace of another topic."""
    parent, slash, _ = topic.rpartition('/')
    return f'{parent}{slash}{name}'
