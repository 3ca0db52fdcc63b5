"""The node as a program: `ros2 run drnet_ros depth_node`, or `depth_node` with pip's rclpy.

Little is imported here, so that signals are taken over before the slow imports.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from drnet_ros.node.end_signals import EndSignals

if TYPE_CHECKING:
    from drnet_ros.node.depth_node import DepthNode

__all__ = ['main']

# What is under way when a signal comes, a frame or the compilation of a network, gets this long.
_GRACE_S = 0.8


def main(arguments: list[str] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM.

    Args:
        arguments: Command line without the program; None for that of this process.

    Returns:
        The exit code: 0, or 1 after a fatal error.
    """
    signals = EndSignals(_GRACE_S)
    from drnet_ros.node.execution import run  # noqa: PLC0415 - imports rclpy

    return run(_create_node, signals, arguments)


def _create_node() -> DepthNode:
    from drnet_ros.node.depth_node import DepthNode  # noqa: PLC0415 - slow; arguments come first

    return DepthNode()


if __name__ == '__main__':
    raise SystemExit(main())
