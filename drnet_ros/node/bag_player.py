"""Publishes a recording at the pace of its recording, as far as its times make sense."""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

import rclpy
from rclpy.duration import Duration
from rclpy.logging import get_logger
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from drnet_ros.errors import DrnetError, RecordingError, one_line
from drnet_ros.messages.video_recording import open_recording
from drnet_ros.node.bag_options import parse_arguments
from drnet_ros.node.bag_outlets import Outlet, create_outlets, warn_of_unused
from drnet_ros.node.bag_pace import Pace, length_text
from drnet_ros.node.environment import log_arguments, use_large_message_profile
from drnet_ros.node.ros_arguments import split_arguments
from drnet_ros.node.ros_errors import ARGUMENT_ERRORS, ros_error_text
from drnet_ros.recordings.recording import Recording
from drnet_ros.recordings.topics import base_topic

__all__ = ['PlayOptions', 'Player', 'run']

_POLL_S = 0.05
_PROGRESS_PERIOD_S = 0.2
_DELIVERY_TIMEOUT_S = 2.0
# A recording of a single message would be published thousands of times a second.
_SHORTEST_PASS_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayOptions:
    """How to play.

    Attributes:
        rate: Speed; 2.0 is twice as fast as it was recorded.
        is_looped: Whether to begin again at the end, ten times a second at most, until stopped.
        delay_s: Time to wait before the first message, for discovery.
        wait_s: Longest time to wait, before that, until an image has subscribers.
        subscribers: How many it must have.
        longest_gap_s: Longest time without a message that is waited through; what is longer is
            cut to it.
    """

    rate: float = 1.0
    is_looped: bool = False
    delay_s: float = 0.0
    wait_s: float = 0.0
    subscribers: int = 1
    longest_gap_s: float = 10.0


class Player:
    """Publishes the messages of a recording at the pace of their recording."""

    def __init__(
        self,
        recording: Recording,
        outlets: dict[str, Outlet],
        options: PlayOptions,
        stop: threading.Event,
    ) -> None:
        """Prepare.

        Args:
            recording: What to play.
            outlets: Where the messages of each topic go.
            options: How to play.
            stop: Ends the play when set.
        """
        self._recording = recording
        self._outlets = outlets
        self._options = options
        self._stop = stop
        self._published = 0
        self._shown_s = 0.0

    def play(self) -> int:
        """Play until the end, or until stopped.

        Returns:
            How many messages were published.

        Raises:
            RecordingError: If the recording turns out to be damaged.
        """
        self._await_subscriber()
        self._stop.wait(self._options.delay_s)
        while not self._stop.is_set():
            end_s = time.monotonic() + _SHORTEST_PASS_S
            self._play_once()
            if not self._options.is_looped or self._published == 0:
                break
            self._stop.wait(max(0.0, end_s - time.monotonic()))
        self._await_delivery()
        if sys.stderr.isatty():
            sys.stderr.write('\n')
        return self._published

    def _play_once(self) -> None:
        start_s = time.monotonic()
        pace = Pace(self._options.longest_gap_s)
        for message in self._recording.messages(list(self._outlets)):
            if problem := pace.advance(message.stamp_ns):
                get_logger('bag_publisher').warning(
                    f'at {pace.position_s:.1f} s: {problem}', throttle_duration_sec=1.0
                )
            due_s = start_s + pace.position_s / self._options.rate
            if self._stop.wait(max(0.0, due_s - time.monotonic())):
                return
            self._published += self._outlets[message.topic].publish(message)
            self._show_progress(pace)

    def _await_subscriber(self) -> None:
        images = [outlet for outlet in self._outlets.values() if outlet.is_image]
        deadline = time.monotonic() + self._options.wait_s
        while time.monotonic() < deadline and not self._stop.wait(_POLL_S):
            outlets = images or self._outlets.values()
            if any(outlet.subscriber_count >= self._options.subscribers for outlet in outlets):
                return
        if self._options.wait_s and not self._stop.is_set():
            get_logger('bag_publisher').warning(
                f'no image had {self._options.subscribers} subscribers within '
                f'{self._options.wait_s:g} s; playing now'
            )

    def _await_delivery(self) -> None:
        """Stay until reliable subscribers have what was sent last."""
        deadline = time.monotonic() + _DELIVERY_TIMEOUT_S
        for outlet in self._outlets.values():
            left_s = deadline - time.monotonic()
            if self._stop.is_set() or left_s <= 0:
                return
            outlet.publisher.wait_for_all_acked(Duration(seconds=left_s))

    def _show_progress(self, pace: Pace) -> None:
        now_s = time.monotonic()
        if not sys.stderr.isatty() or now_s < self._shown_s + _PROGRESS_PERIOD_S:
            return
        self._shown_s = now_s
        sys.stderr.write(f'\r{pace.position_s:8.1f} s, {self._published} messages')
        sys.stderr.flush()


def run(stop: threading.Event, arguments: list[str] | None = None) -> int:
    """Play a recording; `bag_publisher` is the program around it.

    Args:
        stop: Ends the play when set.
        arguments: Command line without the program; None for that of this process.

    Returns:
        The exit code: 0 at the end or when stopped, 1 after a known error.
    """
    given = sys.argv[1:] if arguments is None else arguments
    use_large_message_profile()
    try:
        own, for_ros = split_arguments(given)
        options = parse_arguments(own)
        no_log, warning = log_arguments()
        rclpy.init(
            args=['bag_publisher', *for_ros, *no_log],
            signal_handler_options=SignalHandlerOptions.NO,
        )
        if warning:
            get_logger('bag_publisher').warning(warning)
        node = rclpy.create_node('bag_publisher', start_parameter_services=False)
        _run(node, options, for_ros, stop)
    except (DrnetError, *ARGUMENT_ERRORS) as error:
        get_logger('bag_publisher').fatal(ros_error_text(error))
        return 1
    finally:
        rclpy.try_shutdown()
    return 0


def _run(
    node: Node, options: argparse.Namespace, for_ros: Sequence[str], stop: threading.Event
) -> None:
    logger = node.get_logger()
    with open_recording(options.bag, options.calibration) as recording:
        recording.require(options.topics)
        outlets = create_outlets(
            node, recording.topics, chosen=options.topics, decompress=options.decompress
        )
        if not outlets:
            msg = (
                'a recording must have a topic to publish, got none whose type is installed here: '
                f'{", ".join(sorted(recording.topics)) or "it is empty"}'
            )
            raise RecordingError(msg)
        names = [base_topic(name) if each.decode else name for name, each in outlets.items()]
        warn_of_unused(node, for_ros, names)
        logger.info(
            one_line(
                f'playing {length_text(recording.duration_s)} of {options.bag}: {_names(outlets)}'
            )
        )
        count = Player(recording, outlets, _play_options(options), stop).play()
        left_out = sum(outlet.left_out for outlet in outlets.values())
        logger.info(
            f'{"stopped" if stop.is_set() else "done"} after {count} messages'
            f'{f", {left_out} left out" if left_out else ""}'
        )


def _play_options(options: argparse.Namespace) -> PlayOptions:
    return PlayOptions(
        rate=options.rate,
        is_looped=options.loop,
        delay_s=options.delay,
        wait_s=options.wait,
        subscribers=options.subscribers,
        longest_gap_s=options.longest_gap,
    )


def _names(outlets: dict[str, Outlet]) -> str:
    return ', '.join(sorted(outlet.publisher.topic_name for outlet in outlets.values()))
