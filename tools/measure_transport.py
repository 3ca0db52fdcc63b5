"""Count the images that arrive over DDS, with and without the shipped Fast DDS profile.

    python tools/measure_transport.py [--frames 100] [--rate 30]

Publisher and subscriber are processes of their own, as on a robot. The subscriber is what
`depth_node` is: KEEP_LAST 1. Each line of the table is one run.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import time
from array import array

import rclpy
from rclpy.duration import Duration
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

from drnet_ros.node.environment import PROFILE_VARIABLES, use_large_message_profile

SIZES = {'640x480': (640, 480), '1920x1080': (1920, 1080)}
TOPIC = 'measured_image'


def publish(size: str, reliability: str, frames: int, rate_hz: float) -> None:
    """Publish rgb8 images at a steady rate once a subscriber is there."""
    rclpy.init()
    node = rclpy.create_node('measure_publisher')
    publisher = node.create_publisher(Image, TOPIC, _qos(reliability, depth=5))
    width, height = SIZES[size]
    image = Image(width=width, height=height, encoding='rgb8', step=3 * width)
    image.data = array('B', bytes(3 * width * height))
    while publisher.get_subscription_count() == 0:
        time.sleep(0.02)
    time.sleep(0.3)
    start = time.monotonic()
    for index in range(frames):
        time.sleep(max(0.0, start + index / rate_hz - time.monotonic()))
        image.header.stamp.sec = index
        publisher.publish(image)
    publisher.wait_for_all_acked(Duration(seconds=2))
    time.sleep(0.5)


def receive(reliability: str, frames: int) -> None:
    """Count images until the last one came, or none comes any more."""
    rclpy.init()
    node = rclpy.create_node('measure_subscriber')
    arrived: list[int] = []
    node.create_subscription(
        Image,
        TOPIC,
        lambda image: arrived.append(image.header.stamp.sec),
        _qos(reliability, depth=1),
    )
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and frames - 1 not in arrived:
        count = len(arrived)
        rclpy.spin_once(node, timeout_sec=0.1)
        if len(arrived) > count:
            deadline = time.monotonic() + 3
    sys.stdout.write(f'{len(arrived)}\n')


def _qos(reliability: str, depth: int) -> QoSProfile:
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=ReliabilityPolicy[reliability.upper()],
    )


def measure(
    size: str, reliability: str, frames: int, rate_hz: float, *, with_profile: bool
) -> int:
    """Run publisher and subscriber; return how many images arrived."""
    environment = {
        name: value for name, value in os.environ.items() if name not in PROFILE_VARIABLES
    }
    environment['ROS_DOMAIN_ID'] = str(random.randint(1, 100))  # noqa: S311
    command = [
        sys.executable,
        __file__,
        '--frames',
        str(frames),
        '--rate',
        str(rate_hz),
        '--size',
        size,
        '--reliability',
        reliability,
        '--role',
    ]
    if with_profile:
        command.insert(2, '--with-profile')
    with (
        subprocess.Popen(  # noqa: S603 - this program itself
            [*command, 'receive'], env=environment, stdout=subprocess.PIPE, text=True
        ) as subscriber,
        subprocess.Popen([*command, 'publish'], env=environment) as publisher,  # noqa: S603
    ):
        output, _ = subscriber.communicate(timeout=120)
        publisher.wait(timeout=30)
    return int(output)


def main() -> None:
    """Print the table, or play one of the roles in a run."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--frames', type=int, default=100)
    parser.add_argument('--rate', type=float, default=30.0)
    parser.add_argument('--with-profile', action='store_true')
    parser.add_argument('--role', choices=('publish', 'receive'))
    parser.add_argument('--size', choices=tuple(SIZES))
    parser.add_argument('--reliability', choices=('best_effort', 'reliable'))
    given = parser.parse_args()
    if given.with_profile:
        use_large_message_profile()
    if given.role == 'publish':
        publish(given.size, given.reliability, given.frames, given.rate)
    elif given.role == 'receive':
        receive(given.reliability, given.frames)
    else:
        sys.stdout.write(f'rgb8 at {given.rate:g} Hz, arrived of {given.frames}\n')
        for size in SIZES:
            for reliability in ('best_effort', 'reliable'):
                for with_profile in (False, True):
                    count = measure(
                        size, reliability, given.frames, given.rate, with_profile=with_profile
                    )
                    profile = 'with profile' if with_profile else 'default'
                    sys.stdout.write(f'{size:>10} {reliability:>12} {profile:>13} {count:4d}\n')
                    sys.stdout.flush()


if __name__ == '__main__':
    main()
