"""What each backbone costs: parameters, multiply-accumulates, memory (`python -m` this module).

Parameters and MACs follow from the shapes and are the same everywhere. Memory is the resident set
of a fresh process per backbone, PyTorch float32 on the CPU, one image: what the weights, and then
one pass, add to it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from drnet_offline.benchmark.counting import count_macs
from drnet_offline.benchmark.memory import peak_mb, status_mb
from drnet_ros.network.config import BACKBONE_NAMES, NetworkConfig
from drnet_ros.network.drnet import DRNet

__all__ = ['Cost', 'Memory', 'count_cost', 'main', 'measure_memory']

_WARM_UP_HW = (64, 64)


@dataclass(frozen=True, slots=True)
class Cost:
    """What follows from the shapes.

    Attributes:
        parameters: Of the whole network.
        backbone_parameters: Of the backbone alone.
        macs: Multiply-accumulates of the convolutions for one image; nothing else is counted.
        weights_mb: Size of parameters and running statistics in float32, MB of 2^20 bytes.
    """

    parameters: int
    backbone_parameters: int
    macs: int
    weights_mb: float


@dataclass(frozen=True, slots=True)
class Memory:
    """What was measured in a process of its own.

    Attributes:
        net_mb: Growth of the resident set from before the network to after a pass of 64 x 64.
        image_mb: Growth of its peak from there during a pass of one image.
    """

    net_mb: float
    image_mb: float


def count_cost(config: NetworkConfig, size_hw: tuple[int, int]) -> Cost:
    """Count from shapes alone, without memory or work.

    Args:
        config: The network.
        size_hw: Height and width of the input.
    """
    network, macs = count_macs(lambda: DRNet(config), size_hw)
    state = network.state_dict().values()
    return Cost(
        parameters=sum(p.numel() for p in network.parameters()),
        backbone_parameters=sum(p.numel() for p in network.backbone.parameters()),
        macs=macs,
        weights_mb=sum(t.numel() * 4 for t in state) / 2**20,
    )


def measure_memory(config: NetworkConfig, size_hw: tuple[int, int]) -> Memory:
    """Measure in a fresh process.

    Args:
        config: The network.
        size_hw: Height and width of the input.

    Raises:
        subprocess.CalledProcessError: The process failed; it has said why.
    """
    request = json.dumps({'network': config.to_dict(), 'size': size_hw})
    command = [sys.executable, '-m', 'drnet_offline.benchmark.network_report', '--child', request]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603
    return Memory(**json.loads(done.stdout))


def _measure_here(config: NetworkConfig, size_hw: tuple[int, int]) -> Memory:
    torch.set_num_threads(1)
    with torch.inference_mode():
        # A small network first, so that the libraries' own memory does not count; it is kept,
        # since what it left free would be used again and be missing from the measurement.
        small = DRNet(NetworkConfig(guided_filter=config.guided_filter)).eval()
        small(torch.zeros(1, 3, *_WARM_UP_HW))
        before = status_mb('VmRSS')
        network = DRNet(config).eval()
        network(torch.zeros(1, 3, *_WARM_UP_HW))
        built = status_mb('VmRSS')
        Path('/proc/self/clear_refs').write_text('5')  # peak = now
        network(torch.zeros(1, 3, *size_hw))
        peak = peak_mb()
    return Memory(net_mb=built - before, image_mb=peak - built)


def _markdown(rows: dict[str, tuple[Cost, Memory | None]]) -> str:
    lines = [
        '| backbone | parameters | of the backbone | MACs | weights | net RAM | RAM / image |',
        '|---|---:|---:|---:|---:|---:|---:|',
    ]
    for name, (cost, memory) in rows.items():
        measured = f'{memory.net_mb:.0f} MB | {memory.image_mb:.0f} MB' if memory else '- | -'
        lines.append(
            f'| {name} | {cost.parameters / 1e6:.2f} M | {cost.backbone_parameters / 1e6:.2f} M '
            f'| {cost.macs / 1e9:.2f} G | {cost.weights_mb:.0f} MB | {measured} |'
        )
    return '\n'.join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Print the table, in Markdown or JSON.

    Args:
        arguments: The command line; None for this process's.

    Returns:
        The exit code.
    """
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('--backbone', action='append', choices=BACKBONE_NAMES, help='default: all')
    parser.add_argument('--guided-filter', action='store_true')
    parser.add_argument('--size', default='480x640', help='HxW of the input in pixels')
    parser.add_argument('--no-memory', action='store_true', help='count only: takes no CPU time')
    parser.add_argument('--json', action='store_true', help='plain numbers')
    parser.add_argument('--child', help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.child:
        request = json.loads(options.child)
        memory = _measure_here(NetworkConfig.from_dict(request['network']), request['size'])
        sys.stdout.write(json.dumps(asdict(memory)))
        return 0
    try:
        height, width = (int(side) for side in options.size.split('x'))
    except ValueError:
        parser.error(f'--size must be HxW as in 480x640, got {options.size!r}')
    rows = {}
    for name in options.backbone or BACKBONE_NAMES:
        config = NetworkConfig(name, guided_filter=options.guided_filter)
        cost = count_cost(config, (height, width))
        measured = None if options.no_memory else measure_memory(config, (height, width))
        rows[name] = (cost, measured)
    plain = {n: asdict(c) | (asdict(m) if m else {}) for n, (c, m) in rows.items()}
    sys.stdout.write((json.dumps(plain, indent=2) if options.json else _markdown(rows)) + '\n')
    return 0


if __name__ == '__main__':
    sys.exit(main())
