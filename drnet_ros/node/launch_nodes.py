"""What the launch files of whole systems share: packages that must be there, and a camera."""

from __future__ import annotations

from ament_index_python.packages import PackageNotFoundError, get_package_prefix
from launch_ros.actions import Node

from drnet_ros.errors import SettingsError
from drnet_ros.node.launch_exit import fail_at_the_end
from drnet_ros.node.launch_paths import existing_path

__all__ = ['recording_as_camera', 'require_package']


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


def recording_as_camera(bag: str, image: str) -> Node:
    """Return the node that plays a recording, again and again, in place of a camera driver.

    Args:
        bag: The recording, '~' allowed.
        image: Topic that its images go to; the CameraInfo goes to its sibling camera_info.

    Raises:
        SettingsError: There is no such recording.
    """
    parent, slash, _ = image.rpartition('/')
    return Node(
        package='drnet_ros',
        executable='bag_publisher',
        name='camera',
        arguments=[str(existing_path('bag', bag)), '--decompress', '--loop', '--wait', '60'],
        remappings=[
            ('/camera/image_raw', image),
            ('/camera/camera_info', f'{parent}{slash}camera_info'),
        ],
        output='screen',
        on_exit=fail_at_the_end,
    )
