"""Measures the torch engine on an NVIDIA GPU, for docs/performance.md.

python offline/benchmarks/gpu_benchmark.py [--weights W]... [--device cuda:N] [--seconds S]

For each weights file, image size and precision: time from submitting one image to its depth and
coloured cloud; frames a second with two batches under way, as the node has them; the same with
four cameras in a batch; and both without CUDA graphs. Every figure is the median of turns that
alternate.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import deque
from statistics import median, quantiles

import numpy as np

from drnet_ros.errors import DrnetError
from drnet_ros.inference import CameraModel, DepthEstimator, Frame, Settings
from drnet_ros.inference.engines.devices import has_cuda

SIZES = ((240, 320), (480, 640), (720, 1280))
TURNS = 5
UNDER_WAY = 2


def frames_of(size_hw: tuple[int, int], count: int) -> list[Frame]:
    """Return frames of noise that want a cloud."""
    height, width = size_hw
    camera = CameraModel(width, height, 0.8 * width, 0.8 * width, width / 2, height / 2)
    noise = np.random.default_rng(0).integers(0, 256, (count, *size_hw, 3), np.uint8)
    return [Frame(rgb, camera, points=True) for rgb in noise]


def latencies_ms(estimator: DepthEstimator, frames: list[Frame], seconds: float) -> list[float]:
    """Submit and wait, one batch at a time."""
    times = []
    end = time.perf_counter() + seconds
    while (start := time.perf_counter()) < end:
        estimator.submit(frames).result()
        times.append(1e3 * (time.perf_counter() - start))
    return times


def frame_rate(estimator: DepthEstimator, frames: list[Frame], seconds: float) -> float:
    """Fetch the oldest batch only after the next ones are submitted."""
    under_way = deque(estimator.submit(frames) for _ in range(UNDER_WAY))
    count = 0
    start = time.perf_counter()
    while time.perf_counter() - start < seconds:
        under_way.append(estimator.submit(frames))
        under_way.popleft().result()
        count += len(frames)
    rate = count / (time.perf_counter() - start)
    for pending in under_way:
        pending.result()
    return rate


def forget_graphs(estimator: DepthEstimator) -> None:
    """Let what was captured run launch by launch."""
    pipeline = estimator._engine._pipeline  # type: ignore[attr-defined]  # noqa: SLF001
    for plan in pipeline._plans.values():  # noqa: SLF001
        plan.replay = None


def measure(weights: str, device: str, precision: str, seconds: float) -> None:
    """Print one row for each size."""
    for size_hw in SIZES:
        one, four = frames_of(size_hw, 1), frames_of(size_hw, 4)
        settings = Settings(
            weights=weights, engine='torch', device=device, precision=precision, input_size=size_hw
        )
        with DepthEstimator(settings) as graphs, DepthEstimator(settings) as eager:
            for estimator in (graphs, eager):
                for frames in (one, four):
                    latencies_ms(estimator, frames, seconds / 4)
            forget_graphs(eager)
            waits: dict[DepthEstimator, list[float]] = {graphs: [], eager: []}
            rates: dict[tuple[DepthEstimator, int], list[float]] = {}
            for _ in range(TURNS):
                for estimator, times in waits.items():
                    times.extend(latencies_ms(estimator, one, seconds / TURNS))
                    for frames in (one, four):
                        rate = frame_rate(estimator, frames, seconds / TURNS)
                        rates.setdefault((estimator, len(frames)), []).append(rate)
            about = graphs.describe()
            name = f'{about["backbone"]} {about["precision"]} {size_hw[0]}x{size_hw[1]}'
            cells = [name]
            for estimator, times in waits.items():
                p95 = quantiles(times, n=20)[-1]
                cells += [f'{median(times):.2f}', f'{p95:.2f}']
                cells += [f'{median(rates[estimator, count]):.0f}' for count in (1, 4)]
            print(f'| {" | ".join(cells)} |', flush=True)


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--weights', action='append', help="'embedded' or files")
    parser.add_argument('--device', default='cuda')
    parser.add_argument('--seconds', type=float, default=5.0, help='for each figure')
    options = parser.parse_args()
    if not has_cuda():
        print('no CUDA device here: nothing is measured', file=sys.stderr)
        return 1
    import torch  # noqa: PLC0415 - only where there is a GPU

    print(f'{torch.cuda.get_device_name(options.device)}, PyTorch {torch.__version__}')
    columns = ['p50 ms', 'p95 ms', 'frames/s', 'frames/s, batch 4']
    heads = ['network', *columns, *(f'{column}, no graph' for column in columns)]
    print(f'| {" | ".join(heads)} |\n|{"---|" * len(heads)}')
    try:
        for weights in options.weights or ['embedded']:
            for precision in ('fp16', 'bf16', 'fp32'):
                measure(weights, options.device, precision, options.seconds)
    except DrnetError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
