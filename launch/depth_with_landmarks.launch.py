"""Depth with the scale of landmarks: the map points of a SLAM or of visual-inertial odometry.

    ros2 launch drnet_ros depth_with_landmarks.launch.py sparse_points:=/rtabmap/cloud_map

All arguments of depth.launch.py hold. tf must connect the frames of landmarks and camera. The
landmarks must be metric: those of a SLAM with one camera and nothing else have no scale to give.
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
                'sparse_points',
                default_value='/landmarks',
                description='PointCloud2 or PointCloud topic of the landmarks.',
            ),
            DeclareLaunchArgument(
                'sources',
                default_value='points',
                description='Sources of sparse depth; points,odometry has both.',
            ),
            GroupAction(
                [
                    IncludeLaunchDescription(
                        PythonLaunchDescriptionSource(str(DEPTH)),
                        launch_arguments={
                            'sources': LaunchConfiguration('sources'),
                            'sparse_points': LaunchConfiguration('sparse_points'),
                        }.items(),
                    )
                ]
            ),
        ]
    )
