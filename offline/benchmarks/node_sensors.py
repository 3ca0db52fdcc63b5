"""What the robot of a benchmark sends besides its images, and stamps of serialised messages."""

from __future__ import annotations

import struct
import time
from typing import TYPE_CHECKING

from nav_msgs.msg import Odometry
from sensor_msgs.msg import LaserScan

if TYPE_CHECKING:
    from node_robot import Robot
    from rclpy.node import Node

__all__ = ['STAMP', 'STAMP_OFFSET', 'Sensors', 'stamp_bytes', 'stamped']

STAMP = struct.Struct('<iI')
"""Seconds and nanoseconds, as CDR has them."""

STAMP_OFFSET = 4
"""CDR: four bytes that name the encoding, then the stamp of the header."""

_SCAN_PERIOD_S = 0.1


class Sensors:
    """What a robot sends beside its images: a scan ten times a second, and odometry."""

    def __init__(self, node: Node, prefix: str, robot: Robot) -> None:
        """Publish.

        Args:
            node: The node that publishes.
            prefix: What topics start with.
            robot: The messages.
        """
        self._robot = robot
        self._scans = node.create_publisher(LaserScan, f'{prefix}scan', 10)
        self._poses = node.create_publisher(Odometry, f'{prefix}odom', 50)
        self._scanned_s = 0.0

    def before_image(self, number: int, stamp: bytes) -> None:
        """Publish odometry at the stamp of an image, and a scan if one is due."""
        step = number % len(self._robot.images)
        self._poses.publish(stamped(self._robot.poses[step], stamp))
        if (now_s := time.monotonic()) - self._scanned_s >= _SCAN_PERIOD_S:
            self._scanned_s = now_s
            self._scans.publish(stamped(self._robot.scans[step], stamp))

    def between_images(self, number: int) -> None:
        """Publish odometry half-way between an image and the next one."""
        step = number % len(self._robot.images)
        self._poses.publish(stamped(self._robot.poses_between[step], stamp_bytes(time.time_ns())))


def stamp_bytes(time_ns: int) -> bytes:
    """Return a time as the stamp of a serialised message."""
    return STAMP.pack(*divmod(time_ns, 1_000_000_000))


def stamped(message: bytes, stamp: bytes) -> bytes:
    """Return a serialised message with another stamp."""
    return b''.join(
        (message[:STAMP_OFFSET], stamp, memoryview(message)[STAMP_OFFSET + STAMP.size :])
    )
