"""The command line of `bag_publisher`."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

__all__ = ['parse_arguments']


def parse_arguments(arguments: Iterable[str]) -> argparse.Namespace:
    """Parse the command line; what is wrong with it ends the process with exit code 2.

    Args:
        arguments: Without the program and the arguments of ROS.
    """
    parser = argparse.ArgumentParser(
        prog='bag_publisher',
        description='Publish the messages of a recording in real time.',
        epilog='Topics can be renamed: --ros-args -r /recorded/name:=new_name',
    )
    parser.add_argument(
        'bag',
        type=_named,
        help='rosbag2 folder, .mcap, .db3, .bag of ROS 1, a video, or the index or URL of '
        'a camera',
    )
    parser.add_argument(
        '--calibration',
        type=Path,
        metavar='YAML',
        help='intrinsics of a video or camera, for camera_info',
    )
    parser.add_argument('--rate', type=_positive, default=1.0, help='speed (default 1.0)')
    parser.add_argument(
        '--loop', action='store_true', help='begin again at the end, 10 times a second at most'
    )
    parser.add_argument(
        '--topics', nargs='+', default=[], metavar='TOPIC', help='publish only these'
    )
    parser.add_argument(
        '--longest-gap',
        type=_positive,
        default=10.0,
        metavar='S',
        help='cut longer times without a message to this, with a warning (default 10)',
    )
    parser.add_argument(
        '--decompress',
        action='store_true',
        help='publish X/compressed and X/compressedDepth as raw images on X instead; of several '
        'with messages, X itself goes first, then X/compressedDepth',
    )
    _add_start_options(parser)
    return parser.parse_args(arguments)


def _add_start_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--delay',
        type=_not_negative,
        default=0.0,
        metavar='S',
        help='wait before the first message',
    )
    parser.add_argument(
        '--wait',
        type=_not_negative,
        default=0.0,
        metavar='S',
        help='before that, wait until an image has subscribers, S seconds at most',
    )
    parser.add_argument(
        '--subscribers',
        type=_count,
        default=1,
        metavar='N',
        help='how many subscribers to wait for (default 1)',
    )


def _named(text: str) -> str:
    if not text:  # it would be the folder that the program runs in
        msg = 'is empty, as of a shell variable that is not set'
        raise argparse.ArgumentTypeError(msg)
    return text


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        msg = f'must be at least 1, got {text}'
        raise argparse.ArgumentTypeError(msg)
    return value


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float('inf'):
        msg = f'must be positive, got {text}'
        raise argparse.ArgumentTypeError(msg)
    return value


def _not_negative(text: str) -> float:
    value = float(text)
    if not 0 <= value < float('inf'):
        msg = f'must be 0 or more, got {text}'
        raise argparse.ArgumentTypeError(msg)
    return value
