"""Configure, activate, deactivate and clean up the real node again and again, and watch it.

The node is another process, with the embedded weights; in each cycle it computes depth for an
image.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from functools import partial
from typing import Any

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from node_graph import Collected, Graph, header, ramp, rgb_image, values_of
from process_resources import Resources, resources_of
from rclpy.client import Client
from sensor_msgs.msg import Image

__all__ = ['run_cycles']

UP = (Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE)
DOWN = (Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_CLEANUP)
GOALS = {
    Transition.TRANSITION_CONFIGURE: 'inactive',
    Transition.TRANSITION_ACTIVATE: 'active',
    Transition.TRANSITION_DEACTIVATE: 'inactive',
    Transition.TRANSITION_CLEANUP: 'unconfigured',
}
START_S = 120.0


def run_cycles(graph: Graph, process: subprocess.Popen[bytes], count: int) -> Iterator[Resources]:
    """Cycle an unconfigured node.

    Args:
        graph: A node in its domain.
        process: The node, started with autostart:=false.
        count: How often at most.

    Yields:
        What the process holds after each cycle, unconfigured again.
    """
    changer = Changer(graph)
    depths = None
    publisher = graph.node.create_publisher(Image, 'image', 5)
    for cycle in range(count):
        for transition in UP:
            changer.change(transition)
        depths = depths or graph.collect(Image, 'depth/image_rect')
        before = len(depths.messages)
        graph.repeat_until(
            partial(publisher.publish, rgb_image(ramp(), header(cycle))),
            partial(has_more, depths, before),
            'depth',
        )
        for transition in DOWN:
            changer.change(transition)
        yield resources_of(process.pid)


def has_more(depths: Collected[Image], before: int) -> bool:
    return len(depths.messages) > before


class Changer:
    """Changes the state, and believes the diagnostics too.

    On a busy machine Fast DDS may drop the answer of a service: the server waits for 0.1 s only
    until it knows who asks.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._client: Client[Any, Any] = graph.node.create_client(
            ChangeState, 'depth_node/change_state'
        )
        graph.wait(self._client.service_is_ready, 'life cycle services', START_S)
        self._diagnostics = graph.diagnostics()

    def change(self, transition: int) -> None:
        request = ChangeState.Request()
        request.transition.id = transition
        answer: Any = self._client.call_async(request)
        seen = len(self._diagnostics.messages)

        def is_there() -> bool:
            arrays = self._diagnostics.messages[seen + 1 :]  # the next may be from before
            values = values_of(arrays[-1], 'depth_node: camera') if arrays else {}
            return values.get('state') == GOALS[transition]

        self._graph.wait(lambda: answer.done() or is_there(), 'answer', START_S)
        assert not answer.done() or answer.result().success
