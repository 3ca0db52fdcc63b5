"""Send the live node thousands of hostile messages, and account for every one of them.

    python tools/fuzz.py [--messages 10000] [--seed 1] [--rate 200] [--json FILE]

What is sent and counted is that of test/node/fuzz_node.py. Everything is switched on in the node,
all topics have a subscriber, and its sensors send hostile messages besides. The exit code is 1 if
a message is left unaccounted for.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / 'test' / 'node'))

import rclpy
from everything_on import OUTPUTS, Sensors, everything_on
from fuzz_node import FuzzResult, fuzz, start_node_program
from node_graph import Graph, Spinning, qos
from shared_memory import end_program

from drnet_ros.node.environment import use_large_message_profile
from drnet_ros.node.ros_domain import claim_domain


def main() -> int:
    """Run both transports, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--messages', type=int, default=10_000, help='in all')
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--rate', type=float, default=200.0, help='messages a second')
    parser.add_argument('--json', type=Path, help='write the result here')
    arguments = parser.parse_args()
    claim_domain()
    use_large_message_profile()
    rclpy.init()
    results = [run_program(transport, arguments) for transport in ('raw', 'compressed')]
    text = json.dumps([asdict(result) for result in results], indent=2)
    sys.stdout.write(text + '\n')
    if arguments.json:
        arguments.json.write_text(text + '\n')
    rclpy.shutdown()
    return int(any(result.unaccounted or result.unaccounted_infos for result in results))


def run_program(transport: str, arguments: argparse.Namespace) -> FuzzResult:
    """Start a node, send it its half of the messages, and end it."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / 'log'
        process = start_node_program(
            log, f'image_transport:={transport}', *everything_on(Path(folder))
        )
        node = rclpy.create_node('fuzzer')
        try:
            with Spinning(node):
                graph = Graph(node)
                for topic, kind in OUTPUTS.items():
                    node.create_subscription(kind, topic, lambda _: None, qos(depth=2))
                return fuzz(
                    graph,
                    process,
                    log,
                    transport=transport,
                    messages=arguments.messages // 2,
                    seed=arguments.seed,
                    rate_hz=arguments.rate,
                    sensors=Sensors(graph, arguments.seed),
                )
        finally:
            node.destroy_node()
            end_program(process)


if __name__ == '__main__':
    sys.exit(main())
