"""Depth with the scale of a small depth sensor: a time-of-flight array of 8 x 8 pixels, or larger.

    ros2 launch drnet_ros depth_with_tof.launch.py sparse_depth_image:=/tof/image

All arguments of depth.launch.py hold. The CameraInfo of the sensor is camera_info in the namespace
of its image. tf must connect the frames of both; where it does not, give
extrinsics:='CAMERA_FRAME SENSOR_FRAME x y z qx qy qz qw'.
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
                'sparse_depth_image',
                default_value='/tof/image',
                description='Depth image topic of the sensor.',
            ),
            DeclareLaunchArgument(
                'sources',
                default_value='depth',
                description='Sources of sparse depth; depth,odometry has both.',
            ),
            GroupAction(
                [
                    IncludeLaunchDescription(
                        PythonLaunchDescriptionSource(str(DEPTH)),
                        launch_arguments={
                            'sources': LaunchConfiguration('sources'),
                            'sparse_depth_image': LaunchConfiguration('sparse_depth_image'),
                        }.items(),
                    )
                ]
            ),
        ]
    )
