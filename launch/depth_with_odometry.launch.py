"""Depth with the scale of the robot's own motion: wheel or visual-inertial odometry.

    ros2 launch drnet_ros depth_with_odometry.launch.py image:=/camera/image_raw odom:=/odom

All arguments of depth.launch.py hold. tf must connect child_frame_id of the odometry and the frame
of the camera; where it does not, give extrinsics:='BASE_FRAME CAMERA_FRAME x y z qx qy qz qw'.
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
            DeclareLaunchArgument('odom', default_value='/odom', description='Odometry topic.'),
            DeclareLaunchArgument(
                'sources',
                default_value='odometry',
                description='Sources of sparse depth; odometry,scan has both.',
            ),
            GroupAction(
                [
                    IncludeLaunchDescription(
                        PythonLaunchDescriptionSource(str(DEPTH)),
                        launch_arguments={
                            'sources': LaunchConfiguration('sources'),
                            'odom': LaunchConfiguration('odom'),
                        }.items(),
                    )
                ]
            ),
        ]
    )
