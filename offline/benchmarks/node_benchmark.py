"""Measures the whole depth node beside the bare engine, in one run, for docs/performance.md.

python offline/benchmarks/node_benchmark.py [default] [threads] [growth] [flood] [small] [latency]
    [cameras] [start] [sources] [memory] [--weights W] [--set NAME=VALUE] [--seconds S]
    [--rounds N] [--minutes M] [--json FILE]

The node is a process of its own, and so is the load: images over DDS in, depth and clouds over
DDS out. Turns of node and bare engine alternate, so that both see the same machine; ratios are of
turns that follow each other. The CPU share of the load itself is reported beside each figure.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import openvino as ov
import rclpy
from node_client import Client
from node_figures import evenness, quantiles, rate, rate_of_times, spread
from node_session import IMAGE_HW, Session, await_depth
from node_sources import measure_sources
from node_under_test import NodeProcess, cpu_seconds

from drnet_ros.allocator import keep_memory_of_frames
from drnet_ros.inference.engines.devices import usable_cores
from drnet_ros.node.environment import use_large_message_profile
from drnet_ros.node.ros_domain import stay_apart

LARGE, SMALL = (480, 640), (240, 320)
RATE_HZ = 30.0
CAMERA_COUNTS = (1, 2, 4, 8)
Figures = dict[str, Any]


def measure_default(session: Session) -> Figures:
    """Measure a node with its defaults: with all images that it takes, and with a 30 Hz camera."""
    bare = session.bare_engine((0, 0))
    bare_fps, fps, cores, waits, turns, sent = [], [], [], [], [], 0
    with session.node(None) as (process, client):
        for _ in range(session.rounds):
            bare_fps.append(rate_of_times(bare.run(session.seconds)))
            before = process.cpu_seconds(), time.monotonic()
            flood = client.saturate(session.seconds)
            elapsed_s = time.monotonic() - before[1]
            fps.append(rate(flood))
            cores.append((process.cpu_seconds() - before[0]) / elapsed_s)
            turns.append(client.send_at(RATE_HZ, session.seconds))
            waits += turns[-1]
            sent += round(RATE_HZ * session.seconds)
        rss = process.rss_mb()
    return {
        'fps': spread(fps),
        'bare_fps': spread(bare_fps),
        'share_of_bare': spread([n / b for n, b in zip(fps, bare_fps, strict=True)]),
        'cores': spread(cores),
        'rate_hz': RATE_HZ,
        'latency_ms': quantiles(waits),
        **evenness(turns, sent),
        'rss_mb': round(rss),
    }


def measure_threads(session: Session) -> Figures:
    """Measure nodes with one thread and with one for each core, alternately."""
    counts = sorted({1, usable_cores()})
    found: dict[int, dict[str, list[float]]] = {
        count: {'fps': [], 'cpu_ms': [], 'p50': [], 'p95': []} for count in counts
    }
    for _ in range(session.rounds):
        for count in counts:
            with session.node(None, parameters={'threads': str(count)}) as (process, client):
                before = process.cpu_seconds()
                frames = client.saturate(session.seconds)
                cpu_s = process.cpu_seconds() - before
                waits = quantiles(client.send_at(RATE_HZ, session.seconds))
            found[count]['fps'].append(rate(frames))
            found[count]['cpu_ms'].append(1e3 * cpu_s / len(frames))
            found[count]['p50'].append(waits['p50'])
            found[count]['p95'].append(waits['p95'])
    return {
        str(count): {name: spread(values) for name, values in figures.items()}
        for count, figures in found.items()
    }


def measure_growth(session: Session) -> Figures:
    """Measure the total frames per second of 1, 2, 4 and 8 cameras of a node with its defaults."""
    totals = {}
    for count in CAMERA_COUNTS:
        names = tuple(f'camera{number}' for number in range(count))
        with session.node(None, cameras=names) as (_, client):
            turns = [rate(client.saturate(session.seconds)) for _ in range(session.rounds)]
        totals[str(count)] = spread(turns)
    return {'fps_total': totals}


def measure_flood(session: Session, network_hw: tuple[int, int], *, clouds: bool) -> Figures:
    """Measure frames a second of a saturated node, and of the bare engine in turns with it."""
    bare = session.bare_engine(network_hw)
    node_fps, bare_fps, shares, waits = [], [], [], []
    with session.node(network_hw, clouds=clouds) as (process, client):
        for _ in range(session.rounds):
            bare_fps.append(rate_of_times(bare.run(session.seconds)))
            before = process.cpu_seconds(), cpu_seconds(os.getpid()), time.monotonic()
            frames = client.saturate(session.seconds)
            elapsed_s = time.monotonic() - before[2]
            node_fps.append(rate(frames))
            shares.append(
                [
                    (process.cpu_seconds() - before[0]) / elapsed_s,
                    (cpu_seconds(os.getpid()) - before[1]) / elapsed_s,
                ]
            )
            waits += frames
        rss = process.rss_mb()
    node_share, load_share = np.median(shares, axis=0)
    return {
        'network': f'{bare.size_hw[0]}x{bare.size_hw[1]}',
        'clouds': clouds,
        'node_fps': spread(node_fps),
        'bare_fps': spread(bare_fps),
        'ratio': spread([n / b for n, b in zip(node_fps, bare_fps, strict=True)]),
        'latency_ms': quantiles(waits),
        'node_cores': round(float(node_share), 2),
        'load_cores': round(float(load_share), 2),
        'rss_mb': round(rss),
    }


def measure_latency(session: Session) -> Figures:
    """Measure the time from an image to its cloud at the rate of a camera."""
    bare = session.bare_engine(LARGE)
    bare_ms, turns, sent = [], [], 0
    with session.node(LARGE) as (_, client):
        for _ in range(session.rounds):
            bare_ms.append(1e3 * median(bare.run(session.seconds)))
            frames = client.send_at(RATE_HZ, session.seconds)
            sent += round(RATE_HZ * session.seconds)
            turns.append(frames)
    limits = [1.6 * ms + 10 for ms in bare_ms]
    p95 = [quantiles(frames)['p95'] for frames in turns]
    return {
        'rate_hz': RATE_HZ,
        'bare_ms_p50': spread(bare_ms),
        'latency_ms_p50': spread([quantiles(frames)['p50'] for frames in turns]),
        'latency_ms_p95': spread(p95),
        'limit_ms': spread(limits),
        'share_of_limit': spread([a / b for a, b in zip(p95, limits, strict=True)]),
        'images_sent': sent,
        'frames_received': sum(len(frames) for frames in turns),
    }


def measure_cameras(session: Session) -> Figures:
    """Measure total frames a second of four cameras, in turns with one camera."""
    four, one = [], []
    with (
        session.node(LARGE, cameras=('a', 'b', 'c', 'd')) as (_, four_client),
        session.node(LARGE) as (_, one_client),
    ):
        for _ in range(session.rounds):
            one.append(rate(one_client.saturate(session.seconds)))
            four.append(rate(four_client.saturate(session.seconds)))
        each = [len(camera.received) for camera in four_client.cameras]
    return {
        'one_fps': spread(one),
        'four_fps_total': spread(four),
        'ratio': spread([f / o for f, o in zip(four, one, strict=True)]),
        'frames_of_each': each,
    }


def measure_start(session: Session) -> Figures:
    """Measure the time from the start of the process to the first depth, models being cached."""
    session.bare_engine((0, 0))  # converts, if nobody has so far
    seconds, has_torch = [], False
    for number in range(session.rounds):
        namespace = f'/start{number}'
        client = Client([f'{namespace}/'], IMAGE_HW, clouds=False)
        process = NodeProcess(namespace, {'weights': session.weights})
        try:
            await_depth(client, process)
            seconds.append(client.cameras[0].received[0].arrived_s - process.started_s)
            has_torch = has_torch or process.has_torch()
        finally:
            process.stop()
            client.close()
    return {'first_depth_s': spread(seconds), 'torch_imported': has_torch}


def measure_memory(session: Session) -> Figures:
    """Follow the node's memory at full load."""
    samples = []
    with session.node(LARGE) as (process, client):
        start_s = time.monotonic()
        while (elapsed_s := time.monotonic() - start_s) < 60 * session.minutes:
            fps = rate(client.saturate(5.0))
            for camera in client.cameras:
                camera.received.clear()
            samples.append((round(elapsed_s), round(process.rss_mb(), 1), round(fps, 1)))
    rss = [mb for _, mb, _ in samples]
    half = len(samples) // 2
    return {
        'minutes': session.minutes,
        'rss_mb_max': max(rss),
        'rss_mb_first_half': round(median(rss[: half or 1]), 1),
        'rss_mb_second_half': round(median(rss[half:]), 1),
        'samples_s_mb_fps': samples,
    }


MEASUREMENTS: dict[str, Callable[[Session], Figures]] = {
    'default': measure_default,
    'threads': measure_threads,
    'growth': measure_growth,
    'flood': lambda session: measure_flood(session, LARGE, clouds=True),
    'small': lambda session: measure_flood(session, SMALL, clouds=False),
    'latency': measure_latency,
    'cameras': measure_cameras,
    'start': measure_start,
    'sources': measure_sources,
    'memory': measure_memory,
}


def main() -> None:
    """Measure what was asked for, and print it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('what', nargs='*', help=f'{", ".join(MEASUREMENTS)}; default: all')
    parser.add_argument('--weights', default='embedded', help='a .safetensors file')
    parser.add_argument(
        '--set', action='append', default=[], metavar='NAME=VALUE', help='parameter of the node'
    )
    parser.add_argument('--seconds', type=float, default=5.0, help='length of a turn')
    parser.add_argument('--rounds', type=int, default=3, help='turns of each')
    parser.add_argument('--minutes', type=float, default=1.0, help='length of memory')
    parser.add_argument('--json', type=Path, help='also write the figures here')
    options = parser.parse_args()
    unknown = set(options.what) - set(MEASUREMENTS)
    if unknown:
        parser.error(f'what must be of {", ".join(MEASUREMENTS)}, got {", ".join(unknown)}')
    stay_apart()
    keep_memory_of_frames()
    use_large_message_profile()
    rclpy.init()
    session = Session(options)
    figures: Figures = {
        'machine': {
            'cores': usable_cores(),
            'load_before': os.getloadavg()[0],
            'python': platform.python_version(),
            'openvino': ov.__version__,
        }
    }
    for name in options.what or MEASUREMENTS:
        figures[name] = MEASUREMENTS[name](session)
        shown = {k: v for k, v in figures[name].items() if k != 'samples_s_mb_fps'}
        sys.stdout.write(f'{name}: {json.dumps(shown)}\n')
        sys.stdout.flush()
    rclpy.try_shutdown()
    if options.json is not None:
        options.json.write_text(json.dumps(figures, indent=2) + '\n', encoding='utf-8')


if __name__ == '__main__':
    main()
