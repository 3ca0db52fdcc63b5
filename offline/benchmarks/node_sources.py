"""What sparse depth costs the whole node: its rate with a source of scale, and without one."""

from __future__ import annotations

from contextlib import ExitStack
from statistics import median
from typing import TYPE_CHECKING, Any

from diagnostic_msgs.msg import DiagnosticArray
from node_figures import evenness, quantiles, rate, spread
from node_robot import read_robot

if TYPE_CHECKING:
    from node_client import Client, Received
    from node_session import Session

__all__ = ['measure_sources']

ALONE = 'image alone'
KINDS: dict[str, tuple[str, ...]] = {ALONE: (), 'scan': ('scan',), 'odometry': ('odometry',)}
RATE_HZ = 30.0


def measure_sources(session: Session) -> dict[str, Any]:
    """Measure a node with a scan and one with odometry, in turns with one without a source.

    All nodes get the images and sensor data of the robot of the clip. Ratios are of turns that
    follow one another; their order changes from round to round.
    """
    robot = read_robot()
    fps: dict[str, list[float]] = {name: [] for name in KINDS}
    cpu_ms: dict[str, list[float]] = {name: [] for name in KINDS}
    waits: dict[str, list[list[Received]]] = {name: [] for name in KINDS}
    with ExitStack() as running:
        nodes = {
            name: running.enter_context(session.node(None, robot=robot, sources=sources))
            for name, sources in KINDS.items()
        }
        points = {name: used_points(client) for name, (_, client) in nodes.items() if KINDS[name]}
        for number in range(session.rounds):
            for name in list(KINDS)[:: -1 if number % 2 else 1]:
                process, client = nodes[name]
                before_s = process.cpu_seconds()
                frames = client.saturate(session.seconds)
                fps[name].append(rate(frames))
                cpu_ms[name].append(1e3 * (process.cpu_seconds() - before_s) / max(1, len(frames)))
        for _ in range(session.rounds):
            for name, (_, client) in nodes.items():
                waits[name].append(client.send_at(RATE_HZ, session.seconds))
    sent = session.rounds * round(RATE_HZ * session.seconds)
    found: dict[str, Any] = {}
    for name in KINDS:
        ratios = [one / alone for one, alone in zip(fps[name], fps[ALONE], strict=True)]
        latency = quantiles([frame for turn in waits[name] for frame in turn])
        found[name] = {
            'fps': spread(fps[name]),
            'ratio': spread(ratios),
            'cpu_ms': spread(cpu_ms[name]),
            'latency_ms': latency,
            **evenness(waits[name], sent),
            'points': points.get(name, 0),
        }
    return {'rate_hz': RATE_HZ, 'of': found}


def used_points(client: Client) -> float:
    """Return the median number of points that depth rests on.

    Raises:
        SystemExit: If there are none: nothing would be measured.
    """
    client.saturate(2.0)
    messages = client.listen(DiagnosticArray, 'depth/scale', 2.0)
    counts = [
        int(value.value)
        for message in messages
        for value in message.status[0].values
        if value.key == 'points'
    ]
    if not counts or not median(counts):
        message = 'error: the node uses no points of its source, so that its cost is not measured'
        raise SystemExit(message)
    return median(counts)
