"""Run the node under full load for a long time while everything around it misbehaves.

    make soak MINUTES=20
    python tools/soak/soak.py --minutes 20 --output soak_output

Everything is switched on: mask, rectification, filters, voxels, floor removal, laser scan, merged
cloud, and all sources of sparse depth. VGA images come at 30 Hz with their CameraInfo, sensors
send at 10 Hz, and all topics have a subscriber. Meanwhile, at random: the publisher ends and
another one starts, subscribers come and go, live parameters change (some to what must be refused),
services are called, the image size changes, hostile messages come in between, the node is
deactivated and activated.

Written are `soak.json` (summary and one sample a second), `soak.png` and `soak.md`. The exit code
is 1 if the node ended, did not answer, or left a message unaccounted for.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / 'test' / 'node'))

import rclpy
from everything_on import everything_on
from fuzz_node import start_node_program
from node_graph import Graph, Spinning
from process_resources import resources_of
from shared_memory import end_program
from soak_load import Load
from soak_report import Sample, summarise, write_report

from drnet_ros.node.environment import use_large_message_profile
from drnet_ros.node.ros_domain import claim_domain

DRAIN_S = 30.0
READY_S = 120.0


def main() -> int:
    """Run, report, and say whether all went well."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--minutes', type=float, default=20.0)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--rate', type=float, default=30.0, help='images a second')
    parser.add_argument('--output', type=Path, default=Path('soak_output'))
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    claim_domain()
    use_large_message_profile()
    rclpy.init()
    node = rclpy.create_node('soak')
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / 'log'
        process = start_node_program(log, *everything_on(Path(folder)))
        try:
            with Spinning(node):
                load = Load(Graph(node), arguments.seed, arguments.rate)
                samples = run(load, process.pid, arguments.minutes)
                load.drain(DRAIN_S)
                totals = load.totals()
                load.clean_up()
                after = resources_of(process.pid)
            stopping = time.monotonic()
        finally:
            exit_code = end_program(process)
        summary = summarise(samples, totals, log.read_bytes())
        summary['memory_mb_after_cleanup'] = round(after.memory_mb, 1)
        summary['node_exit_code'] = exit_code
        summary['shutdown_s'] = round(time.monotonic() - stopping, 2)
    write_report(arguments.output, arguments.minutes, summary, samples)
    sys.stdout.write(json.dumps(summary, indent=2) + '\n')
    return int(exit_code != 0 or summary['unaccounted'] != 0)


def run(load: Load, pid: int, minutes: float) -> list[Sample]:
    """Load the node for so long, and look at it once a second."""
    load.wait_until_ready(READY_S)
    begun = time.monotonic()
    samples: list[Sample] = []
    while (elapsed_s := time.monotonic() - begun) < 60 * minutes:
        load.step()
        if elapsed_s >= len(samples):
            seen = load.latest()
            held = resources_of(pid)
            samples.append(
                Sample(
                    seconds=round(elapsed_s, 1),
                    memory_mb=round(held.memory_mb, 1),
                    threads=held.threads,
                    handles=held.handles,
                    rate_hz=float(seen.get('rate_hz', 'nan')),
                    latency_ms_p50=float(seen.get('latency_ms_p50', 'nan')),
                    latency_ms_p95=float(seen.get('latency_ms_p95', 'nan')),
                    level=int(seen.get('level', '-1')),
                    message=seen.get('message', ''),
                )
            )
    return samples


if __name__ == '__main__':
    sys.exit(main())
