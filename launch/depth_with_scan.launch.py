"""Depth with the scale of a 2D lidar.

    ros2 launch drnet_ros depth_with_scan.launch.py image:=/camera/image_raw scan:=/scan

All arguments of depth.launch.py hold. tf must connect the frames of lidar and camera; where it
does not, give extrinsics:='CAMERA_FRAME LIDAR_FRAME x y z qx qy qz qw'.
"""

from pathlib import Path

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, GroupAction, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration

DEPTH = Path(__file__).with_name('depth.launch.py')


def generate_launch_description() -> LaunchDescription:
    """Return the arguments of this sensor, and depth.launch.py with its own ones."""
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                'scan', default_value='/scan', description='LaserScan topic of the lidar.'
            ),
            DeclareLaunchArgument(
                'sources',
                default_value='scan',
                description='Sources of sparse depth; scan,odometry has both.',
            ),
            GroupAction(
                [
                    IncludeLaunchDescription(
                        PythonLaunchDescriptionSource(str(DEPTH)),
                        launch_arguments={
                            'sources': LaunchConfiguration('sources'),
                            'scan': LaunchConfiguration('scan'),
                        }.items(),
                    )
                ]
            ),
        ]
    )
