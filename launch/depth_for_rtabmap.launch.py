"""Depth for rtabmap, and rtabmap itself with odometry from the same images.

    ros2 launch drnet_ros depth_for_rtabmap.launch.py image:=/camera/image_raw
    ros2 launch drnet_ros depth_for_rtabmap.launch.py image:=/camera/image_raw rtabmap:=false
    ros2 launch drnet_ros depth_for_rtabmap.launch.py bag:=RECORDING frame_id:=camera_optical_frame

All arguments of depth.launch.py hold. tf must lead from frame_id to the frame of the images.
"""

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext, LaunchDescription
from launch.action import Action
from launch.actions import (
    DeclareLaunchArgument,
    GroupAction,
    IncludeLaunchDescription,
    OpaqueFunction,
)
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitution import Substitution
from launch.substitutions import LaunchConfiguration, TextSubstitution

from drnet_ros.node.launch_nodes import (
    check_recording,
    depth_arguments,
    depth_node,
    recording,
    require_package,
    value,
    warn_of_misspelled,
)

DEPTH = Path(__file__).with_name('depth.launch.py')
PACKAGES = ('rtabmap_launch', 'rtabmap_odom', 'rtabmap_slam')
REMEDY = 'apt install ros-$ROS_DISTRO-rtabmap-ros, or rtabmap:=false'
# The map is made of near depth alone: its error grows with the distance.
RTABMAP_ARGS = '--Vis/MaxDepth 6 --Kp/MaxDepth 6 --Grid/RangeMax 4'
# Not rtabmap's own default, ~/.ros/rtabmap.db: that may hold a map of the user's.
NEW_MAP = '~/.ros/rtabmap_drnet.db'
OWN = ('bag', 'rtabmap', 'rgb_topic', 'frame_id', 'visual_odometry', 'odom_topic', 'rtabmap_viz')


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
        *depth_arguments('rtabmap_depth'),
        DeclareLaunchArgument(
            'rtabmap',
            default_value='true',
            choices=['true', 'false'],
            description='Start rtabmap here; false if it runs elsewhere.',
        ),
        DeclareLaunchArgument(
            'rgb_topic',
            default_value='',
            description="Rectified images for rtabmap; '' is the image_rect of depth_node.",
        ),
        DeclareLaunchArgument(
            'frame_id', default_value='base_link', description='Frame of the robot.'
        ),
        DeclareLaunchArgument(
            'visual_odometry',
            default_value='true',
            choices=['true', 'false'],
            description='Odometry from images and depth; false takes that of odom_topic.',
        ),
        DeclareLaunchArgument(
            'odom_topic', default_value='odom', description='Odometry topic of the robot.'
        ),
        DeclareLaunchArgument(
            'rtabmap_viz',
            default_value='true',
            choices=['true', 'false'],
            description="Start rtabmap's window.",
        ),
        DeclareLaunchArgument(
            'database_path',
            default_value='',
            description=f"Map to go on with, or to begin; '' is a new one each time, {NEW_MAP}.",
        ),
        DeclareLaunchArgument(
            'rtabmap_args', default_value=RTABMAP_ARGS, description='Arguments of rtabmap.'
        ),
    ]


def _check(context: LaunchContext) -> None:
    warn_of_misspelled(context, (*OWN, 'database_path', 'rtabmap_args'))
    check_recording(context)
    if value(context, 'rtabmap') == 'true':
        for package in PACKAGES:
            require_package(package, 'rtabmap:=true, the default', REMEDY)


def _others(context: LaunchContext) -> list[Action]:
    actions: list[Action] = [*recording(context)]
    if value(context, 'rtabmap') == 'true':
        actions.append(GroupAction([_rtabmap(context)]))
    return actions


def _rtabmap(context: LaunchContext) -> IncludeLaunchDescription:
    folder = Path(get_package_share_directory('rtabmap_launch')) / 'launch'
    return IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(folder / 'rtabmap.launch.py')),
        launch_arguments=rtabmap_arguments(
            value(context, 'namespace'),
            value(context, 'rgb_topic'),
            value(context, 'database_path'),
        ).items(),
    )


def rtabmap_arguments(
    namespace: str, rgb_topic: str, database_path: str
) -> dict[str, str | LaunchConfiguration | list[Substitution]]:
    """Return the arguments of rtabmap.launch.py.

    Args:
        namespace: That of depth_node, '' for none.
        rgb_topic: Rectified images; '' are those of depth_node.
        database_path: The map; '' is a new one.
    """
    # rtabmap has a namespace of its own, so ours is written out.
    ours = f'/{namespace.strip("/")}' if namespace.strip('/') else ''
    same = ('frame_id', 'visual_odometry', 'odom_topic', 'rtabmap_viz')
    return {
        'rgb_topic': rgb_topic or f'{ours}/image_rect',
        'depth_topic': f'{ours}/depth/image_rect',
        'camera_info_topic': f'{ours}/depth/camera_info',
        # All three have the stamp of their image, bit for bit.
        'approx_sync': 'false',
        # Depth comes later than the image that it belongs to.
        'sync_queue_size': '30',
        'topic_queue_size': '30',
        'database_path': str(Path(database_path or NEW_MAP).expanduser().absolute()),
        'args': [
            TextSubstitution(text='' if database_path else '--delete_db_on_start '),
            LaunchConfiguration('rtabmap_args'),
        ],
        **{name: LaunchConfiguration(name) for name in same},
    }
