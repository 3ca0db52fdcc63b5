"""Starts `depth_node`: ros2 launch drnet_ros depth.launch.py image:=/camera/image_raw.

Whatever is given is checked before anything starts: a file that is not there, or RViz that is not
installed, is one line and exit code 1.

To start several, include this file several times, each in a GroupAction of its own and with a
namespace of its own, as robot_example.launch.py does: what IncludeLaunchDescription is given
otherwise also holds for everything after it.
"""

import json
from pathlib import Path

from ament_index_python.packages import PackageNotFoundError
from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, GroupAction, OpaqueFunction
from launch.logging import get_logger
from launch.substitutions import LaunchConfiguration, SubstitutionFailure
from launch_ros.actions import Node
from launch_ros.substitutions import ExecutableInPackage

from drnet_ros.errors import SettingsError, one_line
from drnet_ros.node.environment import use_large_message_profile
from drnet_ros.node.launch_exit import fail_at_the_end
from drnet_ros.node.launch_paths import misspelled, params_path, weights_value

CONFIG = Path(__file__).parents[1] / 'config'
# By launch argument: the node's topic, and what it is.
SOURCE_TOPICS = {
    'scan': ('scan', 'LaserScan topic of the source scan.'),
    'range': ('range', 'Range topic of the source range.'),
    'sparse_points': ('sparse_points', 'PointCloud2 or PointCloud topic of the source points.'),
    'sparse_depth_image': (
        'sparse_depth/image',
        "Image topic of the source depth; its CameraInfo is camera_info in the image's namespace.",
    ),
    'odom': ('odom', 'Odometry topic of the source odometry.'),
}
# Where a launch context keeps what this file was given the last time.
GIVEN = 'drnet_ros_depth_launch_given'


def generate_launch_description() -> LaunchDescription:
    """Return the arguments and what they start; nothing is looked up before."""
    return LaunchDescription(
        [
            OpaqueFunction(function=_warn_of_arguments_left_over),
            OpaqueFunction(function=_warn_of_misspelled_arguments),
            # A group, so that environment and arguments of what includes this file stay as they
            # are, whatever the defaults here.
            GroupAction(
                [
                    *_arguments(),
                    OpaqueFunction(function=_set_environment),
                    OpaqueFunction(function=_nodes),
                ]
            ),
        ]
    )


def _arguments() -> list[DeclareLaunchArgument]:
    return [
        DeclareLaunchArgument(
            'params_file',
            default_value=str(CONFIG / 'depth.yaml'),
            description='Parameter file: a path, or a name in config/, such as resnet50.',
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
            'sources',
            default_value='',
            description="Sources of sparse depth, such as scan,odometry; '' is as in params_file.",
        ),
        DeclareLaunchArgument(
            'extrinsics',
            default_value='',
            description='How sensors are mounted, if tf does not say it, separated by semicolons: '
            "PARENT CHILD x y z qx qy qz qw; '' is as in params_file.",
        ),
        *(
            DeclareLaunchArgument(argument, default_value=topic, description=text)
            for argument, (topic, text) in SOURCE_TOPICS.items()
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
            'use_sim_time',
            default_value='',
            choices=['', 'true', 'false'],
            description="Take the time from /clock, as of a simulation; '' is as in params_file.",
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
    ]


def _warn_of_arguments_left_over(context: LaunchContext) -> None:
    """Say what a second inclusion, in the same scope as the first, has from the first."""
    given = {
        argument.name: context.launch_configurations[argument.name]
        for argument in _arguments()
        if argument.name in context.launch_configurations
    }
    before = json.loads(context.launch_configurations.get(GIVEN, '{}'))
    left_over = [f'{name}:={given[name]}' for name in before if before[name] == given.get(name)]
    if left_over:
        get_logger('depth.launch.py').warning(
            f'included again, and as before with {", ".join(left_over)}: if that is left over '
            'from the first time, put each IncludeLaunchDescription into its own GroupAction'
        )
    context.launch_configurations[GIVEN] = json.dumps(given)


def _warn_of_misspelled_arguments(context: LaunchContext) -> None:
    """Say what launch takes without a word; a name that is like none may be another file's."""
    names = [argument.name for argument in _arguments()]
    for line in misspelled(context.launch_configurations, names):
        get_logger('depth.launch.py').warning(line)


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
    remappings += [
        (topic, _value(context, argument)) for argument, (topic, _) in SOURCE_TOPICS.items()
    ]
    sparse_info = _sibling(_value(context, 'sparse_depth_image'), 'camera_info')
    remappings.append(('sparse_depth/camera_info', sparse_info))
    weights = _value(context, 'weights')
    has_rviz = _value(context, 'rviz') == 'true'
    is_respawned = _value(context, 'respawn') == 'true'
    clock = _clock(context)
    parameters: list[str | dict[str, bool | str | list[str]]] = [
        str(params_path(_value(context, 'params_file'), CONFIG)),
        *_sparse_depth(context),
        *clock,
    ]
    if weights:
        parameters.append({'weights': weights_value(weights)})
    if has_rviz:
        _require('rviz2', 'rviz2', context)
    depth_node = Node(
        package='drnet_ros',
        executable='depth_node',
        name='depth_node',
        namespace=LaunchConfiguration('namespace'),
        parameters=parameters,
        remappings=remappings,
        ros_arguments=['--log-level', LaunchConfiguration('log_level')],
        output='screen',
        respawn=is_respawned,
        respawn_delay=2.0,
        on_exit=None if is_respawned else fail_at_the_end,
    )
    rviz = Node(
        package='rviz2',
        executable='rviz2',
        namespace=LaunchConfiguration('namespace'),
        arguments=['-d', str(CONFIG / 'depth.rviz'), '-f', LaunchConfiguration('rviz_frame')],
        parameters=clock,
        remappings=remappings,
    )
    return [depth_node, rviz] if has_rviz else [depth_node]


def _clock(context: LaunchContext) -> list[dict[str, bool | str | list[str]]]:
    given = _value(context, 'use_sim_time')
    return [{'use_sim_time': given == 'true'}] if given else []


def _sparse_depth(context: LaunchContext) -> list[dict[str, bool | str | list[str]]]:
    """Return the parameters of sparse depth that arguments set."""
    return [
        {parameter: [part.strip() for part in _value(context, argument).split(separator)]}
        for argument, parameter, separator in (
            ('sources', 'sparse_depth_sources', ','),
            ('extrinsics', 'sparse_depth_extrinsics', ';'),
        )
        if _value(context, argument)
    ]


def _require(package: str, executable: str, context: LaunchContext) -> None:
    try:
        ExecutableInPackage(executable, package).perform(context)
    except (PackageNotFoundError, SubstitutionFailure) as error:
        msg = (
            f'{package} must be installed for rviz:=true, got: {one_line(error)}; '
            f'apt install ros-$ROS_DISTRO-{package}, or leave rviz:=true out'
        )
        raise SettingsError(msg) from error


def _value(context: LaunchContext, argument: str) -> str:
    return str(LaunchConfiguration(argument).perform(context))


def _sibling(topic: str, name: str) -> str:
    """Return the topic of that name in the namespace of another topic."""
    parent, slash, _ = topic.rpartition('/')
    return f'{parent}{slash}{name}'
