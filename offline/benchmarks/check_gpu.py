"""Checks and measures all that needs an NVIDIA GPU, in less than eight minutes: `make check-gpu`.

python offline/benchmarks/check_gpu.py [--device cuda:N] [--output FOLDER] [--minutes M]

The tests of the GPU and of the order of its work come first, then the node with all images that
it takes, the networks of others, and every backbone without and with guided filter: the paper's
Table III. What there was no time for is named. FOLDER gets gpu.json and gpu.md.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from drnet_offline.benchmark.case import Work
from drnet_offline.benchmark.paper import paper_row
from drnet_ros.inference.engines.devices import driver_gpu_name, has_cuda
from drnet_ros.network.config import BACKBONE_NAMES

ROOT = Path(__file__).resolve().parents[2]
GPU_TESTS = 'test/inference/engines/test_cuda_gpu.py'
ORDER_TESTS = 'test/inference/engines/test_cuda_order.py'
NO_GPU = 'check-gpu must have an NVIDIA GPU that PyTorch has kernels for, got none; run it on such'


@dataclass(frozen=True, slots=True)
class Step:
    """Something to run.

    Attributes:
        name: What the report calls it.
        command: The program and its arguments; a '{json}' among them is where figures go.
        limit_s: Longest time.
    """

    name: str
    command: tuple[str, ...]
    limit_s: float


@dataclass(slots=True)
class Result:
    """What came of a step.

    Attributes:
        name: Of which one.
        outcome: 'passed', 'failed' or 'no time'.
        seconds: How long it took.
        said: The last line that it wrote.
        figures: What it measured.
    """

    name: str
    outcome: str
    seconds: float = 0.0
    said: str = ''
    figures: dict[str, Any] = field(default_factory=dict)


def steps(device: str) -> Iterator[Step]:
    """Return what to run, the most important first.

    Args:
        device: The GPU, such as 'cuda:0'.
    """
    python = sys.executable
    tests = (python, '-m', 'pytest', '-q', '-p', 'no:cacheprovider')
    yield Step('tests of the GPU', (*tests, '-m', 'gpu', GPU_TESTS), 150)
    yield Step('order of streams and events', (*tests, ORDER_TESTS), 60)
    if sanitizer := shutil.which('compute-sanitizer'):
        one = (*tests, '-m', 'gpu', '-k', 'under_way', GPU_TESTS)
        yield Step('compute-sanitizer', (sanitizer, '--error-exitcode', '1', *one), 90)
    node = (python, 'offline/benchmarks/node_benchmark.py', 'default', '--rounds', '2')
    gpu = ('--set', 'engine=torch', '--set', f'device={device}', '--json', '{json}')
    yield Step('node', (*node, '--seconds', '3', *gpu), 60)
    bench = (
        *(str(Path(python).with_name('drnet')), 'bench', '--engine', 'torch', '--device', device),
        *('--no-memory', '--runs', '2', '--json', '{json}'),
    )
    for own, other in (('efficientnet_lite0', 'depth_anything_v2_small'), ('resnet50', 'rside')):
        words = ('--backbone', own, '--versus', other, '--seconds', '1')
        yield Step(f'{own} against {other}', (*bench, *words), 60)
    for backbone in BACKBONE_NAMES:
        for guided in ((), ('--guided-filter',)):
            words = ('--backbone', backbone, *guided, '--seconds', '0.2', '--max-batch', '8')
            yield Step(' '.join(('bench', backbone, *guided)), (*bench, *words), 60)


def run(step: Step, left_s: float) -> Result:
    """Run a step, if there is time.

    Args:
        step: The step.
        left_s: Time that is left for all.
    """
    if left_s <= 0:
        return Result(step.name, 'no time')
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        figures = Path(folder, 'figures.json')
        command = [word.replace('{json}', str(figures)) for word in step.command]
        try:
            done = subprocess.run(  # noqa: S603 - our own programs, no shell
                command, cwd=ROOT, capture_output=True, text=True, check=False,
                timeout=min(step.limit_s, left_s),
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return Result(step.name, 'no time', time.monotonic() - started)
        lines = (done.stdout + done.stderr).strip().splitlines() or ['']
        return Result(
            step.name,
            'failed' if done.returncode else 'passed',
            round(time.monotonic() - started, 1),
            lines[-1],
            json.loads(figures.read_text('utf-8')) if figures.is_file() else {},
        )


def report(gpu: str, results: list[Result]) -> str:
    """Return all results as Markdown.

    Args:
        gpu: What the GPU is called.
        results: What came of the steps.
    """
    lines = [f'# {gpu}', '', '| check | outcome | s | |', '|---|---|---:|---|']
    lines += [f'| {r.name} | {r.outcome} | {r.seconds:.0f} | {r.said} |' for r in results]
    for result in results:
        if default := result.figures.get('default'):
            lines += ['', *_node_table(default)]
    ratios = [ratio for result in results for ratio in result.figures.get('ratios', ())]
    if ratios:
        lines += ['', '| network | against | times as fast |', '|---|---|---:|']
        lines += [f'| {r["of"]} | {r["over"]} | {r["ratio"]:.1f} |' for r in ratios]
    columns = (
        *('backbone', 'precision', 'frames/s, batch 1', 'p50 / p95 ms'),
        *('frames/s, best (batch)', 'GPU MB, batch 1', 'paper'),
    )
    lines += ['', '480x640, from an image in bytes to its depth; *paper* is a Tesla P40.', '']
    lines += [f'| {" | ".join(columns)} |', '|---|---|---:|---:|---:|---:|---:|']
    for result in results:
        if result.name.startswith('bench') and result.figures:
            lines.append(_backbone_row(result.figures['results']))
    return '\n'.join(lines) + '\n'


def _node_table(default: dict[str, Any]) -> list[str]:
    latency = default['latency_ms']
    return [
        '| the node at its defaults, 640x480, depth and cloud | |',
        '|---|---:|',
        f'| frames/s | {default["fps"]["median"]:.1f} |',
        f'| CPU cores | {default["cores"]["median"]:.2f} |',
        f'| p50 / p95 at 30 Hz, ms | {latency["p50"]} / {latency["p95"]} |',
        f'| missed frames | {default["missed_frames"]} of {default["sent_frames"]} |',
    ]


def _backbone_row(rows: list[dict[str, Any]]) -> str:
    one, best = rows[0], max(rows, key=lambda row: float(row['fps']))
    guided = ' + guided filter' if one['guided_filter'] else ''
    paper = paper_row(Work(backbone=one['backbone'], guided_filter=one['guided_filter']))
    published = f'{paper.fps:g}, {paper.best_fps:g} ({paper.best_batch})' if paper else ''
    return (
        f'| {one["backbone"]}{guided} | {one["precision"]} | {one["fps"]:.1f} '
        f'| {one["latency_ms_p50"]:.1f} / {one["latency_ms_p95"]:.1f} '
        f'| {best["fps"]:.1f} ({best["batch"]}) | {one["gpu_mb"]:.0f} | {published} |'
    )


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--device', default='cuda:0')
    parser.add_argument('--output', type=Path, default=Path('gpu_output'))
    parser.add_argument('--minutes', type=float, default=7.5)
    options = parser.parse_args()
    if not has_cuda():
        print(NO_GPU, file=sys.stderr)
        return 1
    end_s = time.monotonic() + 60 * options.minutes
    results = []
    for step in steps(options.device):
        results.append(run(step, end_s - time.monotonic()))
        print(f'{results[-1].outcome}: {step.name}: {results[-1].said}', flush=True)
    gpu = driver_gpu_name(int(options.device.partition(':')[2] or 0)) or options.device
    options.output.mkdir(parents=True, exist_ok=True)
    record = {'gpu': gpu, 'results': [asdict(result) for result in results]}
    (options.output / 'gpu.json').write_text(json.dumps(record, indent=2) + '\n', 'utf-8')
    text = report(gpu, results)
    (options.output / 'gpu.md').write_text(text, 'utf-8')
    print(text)
    return 1 if any(result.outcome == 'failed' for result in results) else 0


if __name__ == '__main__':
    sys.exit(main())
