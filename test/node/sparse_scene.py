"""A known scene for the sources of sparse depth: a slanted wall, what sensors see of it, frames.

The network of the tests estimates `ESTIMATE_SHARE` of the true depth. The robot's base looks along
x; the camera is at its origin, its optical frame is turned as usual.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from geometry_msgs.msg import Point32
from nav_msgs.msg import Odometry
from node_graph import camera_info, header, rgb_image
from numpy.typing import NDArray
from sensor_msgs.msg import (
    CameraInfo,
    Image,
    LaserScan,
    PointCloud,
    PointCloud2,
    PointField,
    Range,
)
from std_msgs.msg import Header

FACTOR = 1.4
FOCAL, HEIGHT, WIDTH = 50.0, 48, 64
OPTICAL, BASE, ODOM, LASER = 'optical', 'base_link', 'odom', 'laser'
# The optical frame in the base: z forward, x right, y down.
BASE_TO_OPTICAL = f'{BASE} {OPTICAL} 0 0 0 -0.5 0.5 -0.5 0.5'


def true_depth() -> NDArray[np.float32]:
    """The wall as the camera sees it: 1.4 m on the left to 2.28 m on the right."""
    red = np.arange(WIDTH, dtype=np.float32)[np.newaxis] + np.zeros((HEIGHT, 1), np.float32)
    return np.float32(FACTOR) * (1 + red / np.float32(100))


def picture() -> NDArray[np.uint8]:
    """The image: `known_depth.depth_of` reads depth / FACTOR from its red channel."""
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    image[..., 0] = np.arange(WIDTH)
    return image


def true_points() -> NDArray[np.float64]:
    """Every 4th pixel's point in the optical frame, (N, 3)."""
    rows, columns = np.mgrid[2:HEIGHT:4, 2:WIDTH:4].reshape(2, -1)
    z = true_depth()[rows, columns].astype(np.float64)
    return np.stack(
        ((columns - (WIDTH - 1) / 2) / FOCAL * z, (rows - (HEIGHT - 1) / 2) / FOCAL * z, z), axis=1
    )


def cloud(points_xyz: NDArray[Any], stamp: Header) -> PointCloud2:
    """An unorganised cloud of float32."""
    message = PointCloud2(
        header=stamp,
        height=1,
        width=len(points_xyz),
        fields=[
            PointField(name=name, offset=4 * index, datatype=PointField.FLOAT32, count=1)
            for index, name in enumerate('xyz')
        ],
        point_step=12,
        row_step=12 * len(points_xyz),
    )
    message.data.frombytes(points_xyz.astype('<f4').tobytes())
    return message


def listed_cloud(points_xyz: NDArray[Any], stamp: Header) -> PointCloud:
    """The same points in the message that VINS-Fusion publishes."""
    listed = [Point32(x=x, y=y, z=z) for x, y, z in points_xyz.astype(np.float32).tolist()]
    return PointCloud(header=stamp, points=listed)


def scan(stamp: Header, *, forward_m: float = 0.0, rays: int = 181) -> LaserScan:
    """A level scan of the wall over 180 degrees, from `forward_m` before the camera.

    The wall in the plane of the camera's rays: z = FACTOR * (1 + column / 100).
    """
    angles = np.linspace(-math.pi / 2, math.pi / 2, rays)
    ranges = np.full(rays, np.inf)
    for index, angle in enumerate(angles):
        # Camera: x right = -y of the base. The wall: z (1 - slope x / z) = start.
        slope, start = FACTOR * FOCAL / 100, FACTOR * (1 + (WIDTH - 1) / 2 / 100)
        # z = start + slope * x / z  =>  along the ray z = forward + r cos, x = -r sin.
        for r in _roots(angle, forward_m, slope, start):
            ranges[index] = min(ranges[index], r)
    return LaserScan(
        header=stamp,
        angle_min=-math.pi / 2,
        angle_max=math.pi / 2,
        angle_increment=math.pi / (rays - 1),
        range_min=0.05,
        range_max=30.0,
        ranges=ranges.tolist(),
    )


def _roots(angle: float, forward: float, slope: float, start: float) -> list[float]:
    """Positive r with z^2 = start z + slope x."""
    cos, sin = math.cos(angle), math.sin(angle)
    a = cos * cos
    b = 2 * forward * cos - start * cos + slope * sin
    c = forward * forward - start * forward
    if abs(a) < 1e-9:
        return []
    inside = b * b - 4 * a * c
    if inside < 0:
        return []
    found = [(-b + sign * math.sqrt(inside)) / (2 * a) for sign in (1, -1)]
    return [r for r in found if r > 0.05 and forward + r * cos > 0.2]


def range_finder(stamp: Header, distance: float | None = None) -> Range:
    """A range finder that looks along the base's x axis."""
    middle = FACTOR * (1 + (WIDTH - 1) / 2 / 100)
    return Range(
        header=stamp,
        radiation_type=Range.INFRARED,
        field_of_view=0.05,
        min_range=0.02,
        max_range=10.0,
        range=middle if distance is None else distance,
    )


def tof(stamp: Header) -> tuple[Image, CameraInfo]:
    """An 8 x 8 depth image in millimetres of the same view, and its CameraInfo."""
    columns = np.arange(4, WIDTH, 8)
    depth = np.rint(1000 * (true_depth()[:1, columns - 1] + true_depth()[:1, columns]) / 2)
    pixels = np.repeat(depth, 8, axis=0).astype('<u2')
    message = Image(header=stamp, height=8, width=8, encoding='16UC1', step=16)
    message.data.frombytes(pixels.tobytes())
    info = camera_info(8, 8, stamp=stamp)
    info.k = [FOCAL / 8, 0.0, 3.5, 0.0, FOCAL * 8 / HEIGHT, 3.5, 0.0, 0.0, 1.0]
    info.p = [FOCAL / 8, 0.0, 3.5, 0.0, 0.0, FOCAL * 8 / HEIGHT, 3.5, 0.0, 0.0, 0.0, 1.0, 0.0]
    return message, info


def odometry(stamp: Header, x: float = 0.0, y: float = 0.0) -> Odometry:
    """The base in the odometry's frame."""
    message = Odometry(header=stamp, child_frame_id=BASE)
    message.pose.pose.position.x = x
    message.pose.pose.position.y = y
    return message


def at(milliseconds: int, frame_id: str = OPTICAL) -> Header:
    """A header; time starts at 100 s."""
    return header(100 + milliseconds // 1000, milliseconds % 1000 * 1_000_000, frame_id)


def image(milliseconds: int) -> Image:
    return rgb_image(picture(), at(milliseconds))
