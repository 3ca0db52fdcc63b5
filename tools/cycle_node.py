"""Configure, activate, deactivate and clean up the real node again and again, and watch it.

    python tools/cycle_node.py [--cycles 100]

Printed is what the node held after each tenth cycle of test/node/life_cycles.py.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / 'test' / 'node'))

import rclpy
from fuzz_node import start_node_program
from life_cycles import run_cycles
from node_graph import Graph, Spinning
from shared_memory import end_program

from drnet_ros.node.environment import use_large_message_profile
from drnet_ros.node.ros_domain import claim_domain


def main() -> int:
    """Run the cycles and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--cycles', type=int, default=100)
    count = parser.parse_args().cycles
    claim_domain()
    use_large_message_profile()
    rclpy.init()
    node = rclpy.create_node('cycler')
    with tempfile.TemporaryDirectory() as folder, Spinning(node):
        process = start_node_program(Path(folder) / 'log', 'autostart:=false')
        try:
            held = list(run_cycles(Graph(node), process, count))
        finally:
            end_program(process)
    for index in sorted({0, *range(9, count, 10), count - 1}):
        seen = held[index]
        sys.stdout.write(
            f'after {index + 1} cycles: {seen.memory_mb:.1f} MB, {seen.threads} threads, '
            f'{seen.handles} handles\n'
        )
    node.destroy_node()
    rclpy.shutdown()
    return 0


if __name__ == '__main__':
    sys.exit(main())
