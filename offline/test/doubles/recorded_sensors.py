"""A wall whose distance is known, and what the sensors of a robot record of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from known_scenes import FOCAL, HW, ROS2, Scene, info, known_depth, message, raw

FACTOR = 1.4
COUNT = 6
CX = (HW[1] - 1) / 2
# The laser looks forward along the optical axis: its x is the optical z, its y is -x.
LASER_IN_OPTICAL = (0.5, -0.5, 0.5, 0.5)
EXTRINSICS = 'sparse_depth_extrinsics=[optical laser 0 0 0 0.5 -0.5 0.5 0.5]'


def slanted_wall() -> Scene:
    """A wall that the network takes for nearer than it is, the same in each image."""
    image = np.zeros((*HW, 3), np.uint8)
    image[..., 0] = np.arange(HW[1])
    truth = np.rint(FACTOR * 1000 * known_depth(image)).astype(np.uint16)
    scene = Scene.make(COUNT)
    return replace(scene, images=(image,) * COUNT, truths=(truth,) * COUNT)


def scan(stamp_ns: int, share: float = 1.0) -> Any:
    """What a level laser in the camera's place measures, times a share."""
    angles = np.linspace(-0.5, 0.5, 101)
    column = CX - FOCAL * np.tan(angles)
    seen = FACTOR * (1 + column / 100) / np.cos(angles)
    return message(
        ROS2,
        'LaserScan',
        stamp_ns,
        'laser',
        angle_min=-0.5,
        angle_max=0.5,
        angle_increment=0.01,
        time_increment=0.0,
        scan_time=0.0,
        range_min=0.05,
        range_max=30.0,
        ranges=(share * seen).astype(np.float32),
        intensities=np.zeros(0, np.float32),
    )


def range_finder(stamp_ns: int) -> Any:
    """A range finder along the optical axis, whose frame is that of the laser."""
    return message(
        ROS2,
        'Range',
        stamp_ns,
        'laser',
        radiation_type=1,
        field_of_view=0.05,
        min_range=0.02,
        max_range=10.0,
        range=FACTOR * (1 + CX / 100),
        variance=0.0,
    )


def cloud(stamp_ns: int) -> Any:
    """Every 4th pixel's point in the optical frame."""
    rows, columns = np.mgrid[2 : HW[0] : 4, 2 : HW[1] : 4].reshape(2, -1)
    z = FACTOR * (1 + columns / 100)
    x, y = (columns - CX) / FOCAL * z, (rows - (HW[0] - 1) / 2) / FOCAL * z
    points = np.stack((x, y, z), axis=1).astype('<f4')
    point_field = ROS2.types['sensor_msgs/msg/PointField']
    return message(
        ROS2,
        'PointCloud2',
        stamp_ns,
        'optical',
        height=1,
        width=len(points),
        fields=[point_field(name, 4 * n, 7, 1) for n, name in enumerate('xyz')],
        is_bigendian=False,
        point_step=12,
        row_step=12 * len(points),
        data=np.frombuffer(points.tobytes(), np.uint8),
        is_dense=True,
    )


def listed_cloud(stamp_ns: int) -> Any:
    """The points of `cloud` in the message that VINS-Fusion publishes."""
    points = cloud(stamp_ns).data.view('<f4').reshape(-1, 3)
    point = ROS2.types['geometry_msgs/msg/Point32']
    listed = [point(*map(float, each)) for each in points]
    return message(ROS2, 'PointCloud', stamp_ns, 'optical', points=listed, channels=[])


def transform(stamp_ns: int, ahead_m: float = 0.0) -> Any:
    """Where the laser is, as /tf_static tells it, so far ahead of the camera."""
    types = ROS2.types
    stamp = types['builtin_interfaces/msg/Time'](*divmod(stamp_ns, 10**9))
    motion = types['geometry_msgs/msg/Transform'](
        types['geometry_msgs/msg/Vector3'](0.0, 0.0, ahead_m),
        types['geometry_msgs/msg/Quaternion'](*LASER_IN_OPTICAL),
    )
    head = types['std_msgs/msg/Header'](stamp, 'optical')
    stamped = types['geometry_msgs/msg/TransformStamped'](head, 'laser', motion)
    return types['tf2_msgs/msg/TFMessage']([stamped])


def tof(stamp_ns: int) -> tuple[Any, Any]:
    """An 8 x 8 depth image of the same view, and its CameraInfo."""
    columns = np.arange(8) * 8 + 3.5
    millimetres = np.rint(1000 * FACTOR * (1 + columns / 100)).astype(np.uint16)
    depth = raw(ROS2, stamp_ns, 'optical', '16UC1', np.tile(millimetres, (8, 1)))
    return depth, info(ROS2, stamp_ns, 'optical', (8, 8), FOCAL / 8)


def odometry(stamp_ns: int) -> Any:
    """The camera stands where it is."""
    types = ROS2.types
    geometry = 'geometry_msgs/msg/'
    pose = types[f'{geometry}Pose'](
        types[f'{geometry}Point'](0.0, 0.0, 0.0),
        types[f'{geometry}Quaternion'](0.0, 0.0, 0.0, 1.0),
    )
    still = types[f'{geometry}Twist'](*[types[f'{geometry}Vector3'](0.0, 0.0, 0.0)] * 2)
    stamp = types['builtin_interfaces/msg/Time'](*divmod(stamp_ns, 10**9))
    return types['nav_msgs/msg/Odometry'](
        header=types['std_msgs/msg/Header'](stamp, 'odom'),
        child_frame_id='optical',
        pose=types[f'{geometry}PoseWithCovariance'](pose, np.zeros(36)),
        twist=types[f'{geometry}TwistWithCovariance'](still, np.zeros(36)),
    )


def with_scans(share: float = 1.0, *, is_mounted: bool = True) -> Scene:
    scene = slanted_wall()
    mount = (('/tf_static', transform(scene.stamps[0])),) if is_mounted else ()
    scans = [(('/front/scan', scan(stamp, share)),) for stamp in scene.stamps]
    return replace(scene, before=((*mount, *scans[0]), *scans[1:]))
