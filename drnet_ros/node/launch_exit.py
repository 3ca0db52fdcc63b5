"""The exit code of `ros2 launch` where a node failed; launch itself would end with 0."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from launch.actions import OpaqueCoroutine, RegisterEventHandler
from launch.event_handlers import OnShutdown

if TYPE_CHECKING:
    from launch import LaunchContext
    from launch.events.process import ProcessExited

__all__ = ['fail_at_the_end']

# A task that has ended before launch waits for it is not looked at.
_PAUSE_S = 0.1


def fail_at_the_end(event: ProcessExited, context: LaunchContext) -> RegisterEventHandler | None:
    """Let launch end with exit code 1 after a node failed, while what else it started goes on.

    Give it to a Node as `on_exit`.

    Args:
        event: The end of the node's process.
        context: That of the launch.

    Returns:
        What launch does next; None if the node did not fail, or was ended by launch.
    """
    if event.returncode == 0 or context.is_shutdown:
        return None

    async def fail(_: LaunchContext) -> None:
        await asyncio.sleep(_PAUSE_S)
        msg = f'{event.process_name} ended with exit code {event.returncode}: see its last lines'
        raise RuntimeError(msg)

    end = OpaqueCoroutine(coroutine=fail)
    return RegisterEventHandler(OnShutdown(on_shutdown=[end]))
