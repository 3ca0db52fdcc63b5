"""The node with everything switched on: its parameters, its sensors, and all that it publishes."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import cv2
import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from nav_msgs.msg import Odometry
from node_graph import Graph, camera_info, qos
from rclpy.publisher import Publisher
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, LaserScan, PointCloud2, Range
from sparse_scene import BASE, LASER, OPTICAL, cloud, range_finder, tof
from std_msgs.msg import Header

__all__ = ['OUTPUTS', 'Sensors', 'everything_on', 'lens']

OUTPUTS: dict[str, type[Any]] = {
    'depth/image_rect': Image,
    'depth/camera_info': CameraInfo,
    'depth/image_rect/compressedDepth': CompressedImage,
    'depth/preview': Image,
    'depth/preview/compressed': CompressedImage,
    'depth/stddev': Image,
    'depth/scale': DiagnosticArray,
    'points': PointCloud2,
    'obstacles': PointCloud2,
    'points_merged': PointCloud2,
    'scan_out': LaserScan,
    'image_rect': Image,
}
NUMBERS = (float('nan'), float('inf'), -1.0, 0.0, 1e-30, 1e30)


def everything_on(folder: Path) -> list[str]:
    """Return parameters such as 'rectify:=true'; a mask for images of 4:3 goes into the folder."""
    mask = np.full((480, 640), 255, np.uint8)
    mask[440:, 200:440] = 0
    data = cv2.imencode('.png', mask)[1]
    (folder / 'mask.png').write_bytes(data.tobytes())
    extrinsics = (
        f'{BASE} {OPTICAL} 0 0 1.2 -0.5 0.5 -0.5 0.5',
        f'{BASE} {LASER} 0.1 0 0.2 0 0 0 1',
    )
    return [
        f'mask:=["{folder / "mask.png"}"]',
        'rectify:=true',
        'edge_threshold:=0.05',
        'outlier_radius:=0.03',
        'temporal_filter:=0.5',
        'max_stddev_ratio:=0.9',
        'point_voxel:=0.05',
        f'scan_frame:={BASE}',
        f'ground_frame:={BASE}',
        f'merged_frame:={BASE}',
        'sparse_depth_sources:=[scan, range, points, depth, odometry]',
        f'sparse_depth_extrinsics:={list(extrinsics)}',
        f'save_folder:={folder}',
    ]


def lens(height: int, width: int, stamp: Header) -> CameraInfo:
    """A wide camera with distortion, for images of this size."""
    info = camera_info(width, height, focal=0.8 * width, stamp=stamp)
    info.d = [-0.2, 0.05, 0.001, -0.001, 0.0]
    return info


class Sensors:
    """What a robot has besides its camera; in between, messages that no sensor sends."""

    def __init__(self, graph: Graph, seed: int) -> None:
        self._random = Random(seed)  # noqa: S311 - repeatable, not secret
        self._numbers = np.random.default_rng(seed)
        publisher = partial(graph.node.create_publisher, qos_profile=qos())
        self._scan: Publisher[LaserScan] = publisher(LaserScan, 'scan')
        self._range: Publisher[Range] = publisher(Range, 'range')
        self._points: Publisher[PointCloud2] = publisher(PointCloud2, 'sparse_points')
        self._depth: Publisher[Image] = publisher(Image, 'sparse_depth/image')
        self._depth_info: Publisher[CameraInfo] = publisher(CameraInfo, 'sparse_depth/camera_info')
        self._odometry: Publisher[Odometry] = publisher(Odometry, 'odom')

    def publish(self, stamp: Header) -> None:
        """Send one message of each sensor, of a moment; all see something 2 to 3 m away."""
        at_base, at_laser = (Header(stamp=stamp.stamp, frame_id=name) for name in (BASE, LASER))
        self._scan.publish(self._level_scan(at_laser))
        self._range.publish(range_finder(at_base, 2.5))
        self._points.publish(cloud(self._landmarks(), stamp))
        image, info = tof(stamp)
        self._depth_info.publish(info)
        self._depth.publish(image)
        self._odometry.publish(self._pose(stamp))

    def publish_hostile(self, image: Image | bytes) -> None:
        """Send one message that is broken in some way.

        Args:
            image: What comes as depth image.
        """
        kinds: tuple[Callable[[], None], ...] = (
            lambda: self._scan.publish(self._broken_scan()),
            lambda: self._range.publish(self._broken_range()),
            lambda: self._points.publish(self._broken_cloud()),
            lambda: self._depth.publish(image),
            lambda: self._odometry.publish(self._broken_odometry()),
        )
        self._random.choice(kinds)()

    def _level_scan(self, stamp: Header) -> LaserScan:
        ranges = self._numbers.uniform(2.0, 3.0, 181)
        return LaserScan(
            header=stamp,
            angle_min=-1.5,
            angle_max=1.5,
            angle_increment=3.0 / 180,
            range_min=0.05,
            range_max=30.0,
            ranges=ranges.tolist(),
        )

    def _landmarks(self) -> Any:
        z = self._numbers.uniform(2.0, 3.0, (60, 1))
        return np.hstack((self._numbers.uniform(-0.4, 0.4, (60, 2)) * z, z))

    def _pose(self, stamp: Header) -> Odometry:
        message = Odometry(child_frame_id=BASE)
        message.header = Header(stamp=stamp.stamp, frame_id='odom')
        message.pose.pose.position.x = 0.1 * (stamp.stamp.sec % 10 + stamp.stamp.nanosec / 1e9)
        return message

    def _number(self) -> float:
        return self._random.choice(NUMBERS)

    def _header(self) -> Header:
        frame = self._random.choice((BASE, LASER, OPTICAL, '', 'nowhere', 'x' * 10_000))
        header = Header(frame_id=frame)
        header.stamp.sec = self._random.choice((0, 1, -1, 2**31 - 1))
        header.stamp.nanosec = self._random.choice((0, 999_999_999, 2**32 - 1))
        return header

    def _broken_scan(self) -> LaserScan:
        message = self._level_scan(self._header())
        message.ranges = [self._number() for _ in range(self._random.choice((0, 1, 5, 5000)))]
        message.angle_min, message.angle_increment = self._number() % 10, self._number() % 10
        message.range_min = self._random.choice((0.05, -1.0, 50.0))
        return message

    def _broken_range(self) -> Range:
        message = range_finder(self._header(), 2.5)
        message.range, message.field_of_view = self._number() % 1e9, self._number() % 1e9
        return message

    def _broken_cloud(self) -> PointCloud2:
        message = cloud(np.full((40, 3), self._number()), self._header())
        message.width = self._random.choice((40, 0, 41, 2**32 - 1))
        message.height = self._random.choice((1, 0, 2**32 - 1))
        message.point_step = self._random.choice((12, 0, 7, 2**32 - 1))
        message.fields[self._random.randrange(3)].offset = self._random.choice((0, 9, 2**32 - 1))
        message.fields[self._random.randrange(3)].datatype = self._random.choice((0, 7, 8, 200))
        if self._random.random() < 0.3:
            message.data = array('B', self._random.randbytes(self._random.randrange(600)))
        return message

    def _broken_odometry(self) -> Odometry:
        message = Odometry(header=self._header(), child_frame_id=self._header().frame_id)
        message.pose.pose.position.x = self._number()
        message.pose.pose.orientation.w = self._number()
        return message
