"""Runs the node: exit codes, and an end within two seconds."""

from __future__ import annotations

import argparse
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.logging import get_logger
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future

from drnet_ros.allocator import keep_memory_of_frames
from drnet_ros.errors import DrnetError
from drnet_ros.node import parameter_files, remappings
from drnet_ros.node.end_signals import EndSignals, leave_at_once
from drnet_ros.node.environment import log_arguments, use_large_message_profile
from drnet_ros.node.ros_arguments import split_arguments
from drnet_ros.node.ros_errors import ARGUMENT_ERRORS, ros_error_text

if TYPE_CHECKING:
    from drnet_ros.node.depth_node import DepthNode

__all__ = ['run']


def run(
    create_node: Callable[[], DepthNode], signals: EndSignals, arguments: list[str] | None = None
) -> int:
    """Run a lifecycle node until SIGINT or SIGTERM; call it in the main thread.

    After that it ends the process itself: on a busy machine the libraries' own clearing up at
    exit, of things that the system frees anyway, was measured to take up to 14 s.

    Args:
        create_node: Makes the node once ROS is initialised.
        signals: What ends it.
        arguments: Command line without the program; None for that of this process.

    Returns:
        The exit code 1 if there never was a node, after one fatal line in the log. Otherwise the
        process ends here, with 0 after a signal and 1 after a fatal error.
    """
    given = sys.argv[1:] if arguments is None else arguments
    use_large_message_profile()
    keep_memory_of_frames()
    try:
        own, for_ros = split_arguments(given)
        _parse(own)
        # Signals only wake a thread here: rclpy's own handlers would take the context away from
        # under the worker.
        no_log, warning = log_arguments()
        rclpy.init(
            args=['depth_node', *for_ros, *no_log], signal_handler_options=SignalHandlerOptions.NO
        )
        if warning:
            get_logger('depth_node').warning(warning)
        node = create_node()
        _warn_of_unused(for_ros, node)
    except (DrnetError, *ARGUMENT_ERRORS) as error:
        get_logger('depth_node').fatal(ros_error_text(error))
        signals.end(1)
        rclpy.try_shutdown()
        return signals.exit_code
    spinner = _Spinner(node, signals.end)
    node.on_fatal = spinner.give_up
    spinner.start()
    signals.ended.wait()
    # A terminal's Ctrl-C also ends a conversion under way: that it failed is no fault then.
    node.is_ending = signals.is_signalled
    spinner.stop()
    if node.state != 'finalized':
        node.trigger_shutdown()
    node.destroy_node()
    rclpy.try_shutdown()
    return leave_at_once(signals.exit_code)


def _warn_of_unused(arguments: Sequence[str], node: DepthNode) -> None:
    """Say which arguments of ROS have no effect on the node."""
    from drnet_ros.node.topic_names import names_of  # noqa: PLC0415 - slow; arguments come first

    names = names_of(node.settings.cameras)
    for line in (
        *parameter_files.given_twice(arguments),
        *parameter_files.without_effect(arguments, node.get_fully_qualified_name()),
        *remappings.without_effect(arguments, names, node),
    ):
        node.get_logger().warning(line)


class _Spinner:
    """The executor's thread: brings the node up if it is to start by itself, then serves it."""

    def __init__(self, node: DepthNode, end: Callable[[int], bool]) -> None:
        self._node = node
        self._end = end
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(node)
        self._stopped: Future[Any] = Future()
        self._thread = threading.Thread(target=self._run, name='executor', daemon=True)

    def start(self) -> None:
        self._thread.start()

    def give_up(self) -> None:
        """End the program with exit code 1, so that whoever started it starts it again."""
        if self._end(1):  # other batches under way fail too
            get_logger('depth_node').fatal(
                'the device is lost: ending with exit code 1, so that a restart can recover it'
            )

    def stop(self) -> None:
        """Wait until the callback that runs now has returned."""
        self._stopped.set_result(None)
        self._thread.join()

    def _run(self) -> None:
        exit_code = 1
        try:
            if not self._node.settings.autostart or self._node.bring_up():
                self._executor.spin_until_future_complete(self._stopped)
                exit_code = 0
        except Exception:  # noqa: BLE001 - a bug in a callback: say all about it, and exit with 1
            get_logger('depth_node').fatal(traceback.format_exc())
        finally:
            self._end(exit_code)


def _parse(arguments: list[str]) -> None:
    """Refuse arguments that neither ROS nor the node knows, with exit code 2."""
    parser = argparse.ArgumentParser(
        prog='depth_node',
        description='Metric depth images and point clouds from camera images.',
        usage='depth_node [-h] [--ros-args -p name:=value -r from:=to --params-file FILE ...]',
        epilog='Parameters and topics: docs/parameters.md and README.md of drnet_ros.',
    )
    parser.parse_args(arguments)
