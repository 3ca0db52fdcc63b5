"""The node as a program: signals, exit codes, and an end within two seconds.

`ros2 run drnet_ros depth_node`, or `depth_node` where rclpy came with pip.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NoReturn

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.logging import get_logger
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future
from rclpy.utilities import remove_ros_args

from drnet_ros.errors import DrnetError, one_line
from drnet_ros.node.depth_node import DepthNode
from drnet_ros.node.environment import (
    ARGUMENT_ERRORS,
    return_large_blocks,
    use_large_message_profile,
)

__all__ = ['main', 'run']

# What is under way when a signal comes, a frame or the compilation of a network, gets this long.
_STOP_TIMEOUT_S = 0.8


def run(create_node: Callable[[], DepthNode], arguments: list[str] | None = None) -> int:
    """Run a lifecycle node until SIGINT or SIGTERM; call it in the main thread.

    After that it ends the process itself: on a busy machine the libraries' own clearing up at
    exit, of things that the system frees anyway, was measured to take up to 14 s.

    Args:
        create_node: Makes the node once ROS is initialised.
        arguments: Command line without the program; None for that of this process.

    Returns:
        The exit code 1 if there never was a node, after one fatal line in the log. Otherwise the
        process ends here, with 0 after a signal and 1 after a fatal error.
    """
    given = sys.argv[1:] if arguments is None else arguments
    ended, signalled = threading.Event(), threading.Event()

    def on_signal(*_: object) -> None:
        signalled.set()
        ended.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, on_signal)
    use_large_message_profile()
    return_large_blocks()
    try:
        _parse(given)
        # Signals only wake the main thread here: rclpy's own handlers would take the context away
        # from under the worker.
        rclpy.init(args=['depth_node', *given], signal_handler_options=SignalHandlerOptions.NO)
        node = create_node()
    except (DrnetError, *ARGUMENT_ERRORS) as error:
        get_logger('depth_node').fatal(one_line(error))
        rclpy.try_shutdown()
        return 1
    spinner = _Spinner(node, ended)
    node.on_fatal = spinner.give_up
    spinner.start()
    ended.wait()
    node.is_ending = signalled.is_set()
    # A terminal's Ctrl-C also ends a conversion under way: that it failed is no fault then.
    exit_code = 0 if signalled.is_set() else spinner.exit_code
    _shut_down(node, spinner, exit_code)
    return _leave_at_once(exit_code)


def _shut_down(node: DepthNode, spinner: _Spinner, exit_code: int) -> None:
    # Libraries cannot be interrupted while they load or compile a network; then leave them behind.
    alarm = threading.Timer(_STOP_TIMEOUT_S, _leave_at_once, (exit_code,))
    alarm.daemon = True
    alarm.start()
    spinner.stop()
    if node.state != 'finalized':
        node.trigger_shutdown()
    node.destroy_node()
    rclpy.try_shutdown()


class _Spinner:
    """The executor's thread: brings the node up if it is to start by itself, then serves it."""

    def __init__(self, node: DepthNode, ended: threading.Event) -> None:
        self.exit_code = 0
        self._node = node
        self._ended = ended
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(node)
        self._stopped: Future[Any] = Future()
        self._thread = threading.Thread(target=self._run, name='executor', daemon=True)

    def start(self) -> None:
        self._thread.start()

    def give_up(self) -> None:
        """End the program with exit code 1, so that whoever started it starts it again."""
        if self._ended.is_set():  # other batches under way fail too
            return
        get_logger('depth_node').fatal(
            'the device is lost: ending with exit code 1, so that a restart can recover it'
        )
        self.exit_code = 1
        self._ended.set()

    def stop(self) -> None:
        """Wait until the callback that runs now has returned."""
        self._stopped.set_result(None)
        self._thread.join()

    def _run(self) -> None:
        try:
            if self._node.settings.autostart and not self._node.bring_up():
                self.exit_code = 1
            else:
                self._executor.spin_until_future_complete(self._stopped)
        except Exception:  # noqa: BLE001 - a bug in a callback: say all about it, and exit with 1
            get_logger('depth_node').fatal(traceback.format_exc())
            self.exit_code = 1
        finally:
            self._ended.set()


def _leave_at_once(exit_code: int) -> NoReturn:
    """End the process without waiting for threads and static objects of native code."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # whoever read it may be gone, and must not keep us
            stream.flush()
    os._exit(exit_code)


def _parse(arguments: list[str]) -> None:
    """Refuse arguments that neither ROS nor the node knows, with exit code 2."""
    parser = argparse.ArgumentParser(
        prog='depth_node',
        description='Metric depth images and point clouds from camera images.',
        usage='depth_node [-h] [--ros-args -p name:=value -r from:=to --params-file FILE ...]',
        epilog='Parameters and topics: docs/parameters.md and README.md of drnet_ros.',
    )
    parser.parse_args(remove_ros_args(['depth_node', *arguments])[1:])


def main(arguments: list[str] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM.

    Args:
        arguments: Command line without the program; None for that of this process.

    Returns:
        The exit code: 0, or 1 after a fatal error.
    """
    return run(DepthNode, arguments)


if __name__ == '__main__':
    raise SystemExit(main())
