"""Plays a recording in real time, where there is no `ros2 bag`: the program.

Little is imported here, so that signals are taken over before the slow imports.
"""

from __future__ import annotations

from drnet_ros.node.end_signals import EndSignals

__all__ = ['main']

# Opening a large recording cannot be interrupted: it gets this long after a signal.
_GRACE_S = 1.0


def main(arguments: list[str] | None = None) -> int:
    """Play a recording.

    Args:
        arguments: Command line without the program; None for that of this process.

    Returns:
        The exit code: 0 at the end or after SIGINT or SIGTERM, 1 after a known error.
    """
    signals = EndSignals(_GRACE_S)
    from drnet_ros.node.bag_player import run  # noqa: PLC0415 - imports rclpy

    return run(signals.ended, arguments)


if __name__ == '__main__':
    raise SystemExit(main())
