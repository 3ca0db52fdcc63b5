"""What the launch files of whole systems share: arguments, depth_node, a recording as camera."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ament_index_python.packages import PackageNotFoundError, get_package_prefix
from launch.actions import DeclareLaunchArgument, GroupAction, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.logging import get_logger
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from drnet_ros.errors import SettingsError
from drnet_ros.node.launch_exit import fail_at_the_end
from drnet_ros.node.launch_paths import existing_path, misspelled

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from launch import LaunchContext

__all__ = [
    'check_recording',
    'depth_arguments',
    'depth_node',
    'recording',
    'require_package',
    'value',
    'warn_of_misspelled',
]


def depth_arguments(params_file: str) -> list[DeclareLaunchArgument]:
    """Return the arguments that all of these launch files have.

    Args:
        params_file: The default of the parameter file, a name in config/.
    """
    about = {
        'params_file': (
            params_file,
            'Parameter file of depth_node: a path, or a name in config/.',
        ),
        'image': ('camera/image_raw', 'Image topic, raw images.'),
        'namespace': ('', 'Namespace of depth_node.'),
        'bag': ('', "Recording to play; '' is a live camera."),
    }
    return [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, (default, description) in about.items()
    ]


def depth_node(launch_file: Path) -> GroupAction:
    """Return what starts depth_node with those arguments.

    Args:
        launch_file: Path of depth.launch.py.
    """
    given = {name: LaunchConfiguration(name) for name in ('params_file', 'image', 'namespace')}
    source = PythonLaunchDescriptionSource(str(launch_file))
    return GroupAction([IncludeLaunchDescription(source, launch_arguments=given.items())])


def value(context: LaunchContext, argument: str) -> str:
    """Return the value of a launch argument."""
    return str(LaunchConfiguration(argument).perform(context))


def check_recording(context: LaunchContext) -> None:
    """Check that the recording is there, before anything starts.

    Raises:
        SettingsError: It is not.
    """
    if bag := value(context, 'bag'):
        existing_path('bag', bag)


def recording(context: LaunchContext) -> list[Node]:
    """Return the node that plays the recording, if there is one."""
    bag = value(context, 'bag')
    return [_as_camera(bag, context)] if bag else []


def warn_of_misspelled(context: LaunchContext, names: Collection[str]) -> None:
    """Log each launch argument that has no effect, but is near to one of those names.

    Args:
        context: That of the launch.
        names: Arguments that depth.launch.py, which looks for its own, does not have.
    """
    for line in misspelled(context.launch_configurations, names):
        get_logger('launch').warning(line)


def require_package(package: str, reason: str, remedy: str) -> None:
    """Check that a ROS package is installed, before anything starts that needs it.

    Args:
        package: Its name.
        reason: What needs it, such as 'costmap:=true'.
        remedy: What to do without it.

    Raises:
        SettingsError: It is not.
    """
    try:
        get_package_prefix(package)
    except PackageNotFoundError as error:
        msg = f'{package} must be installed for {reason}; {remedy}'
        raise SettingsError(msg) from error


def _as_camera(bag: str, context: LaunchContext) -> Node:
    """Return what plays a recording, again and again, in place of a camera driver.

    Its images and its CameraInfo go to the topics that depth_node reads.
    """
    image = value(context, 'image')
    parent, slash, _ = image.rpartition('/')
    info = context.launch_configurations.get('camera_info') or f'{parent}{slash}camera_info'
    return Node(
        package='drnet_ros',
        executable='bag_publisher',
        name='camera',
        namespace=LaunchConfiguration('namespace'),
        arguments=[str(existing_path('bag', bag)), '--decompress', '--loop', '--wait', '60'],
        remappings=[('/camera/image_raw', image), ('/camera/camera_info', info)],
        output='screen',
        on_exit=fail_at_the_end,
    )
