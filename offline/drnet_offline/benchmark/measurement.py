"""Runs cases in turns and says what came out, with its spread."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drnet_offline.benchmark.case import BenchmarkCase
    from drnet_offline.benchmark.counting import Count
    from drnet_offline.benchmark.worker_process import Built, Run

__all__ = ['Measured', 'Memory', 'Ratio', 'Timed', 'compare', 'interleave']


class Timed(Protocol):
    """What can be timed."""

    def time(self, *, batch: int, seconds: float) -> Run:
        """Run for some seconds, at least once."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Memory of a network on the CPU, measured in processes of its own, MB of 2^20 bytes.

    Attributes:
        net_mb: What the network adds to the resident set of a process that has its libraries
            loaded, after one pass of a 64x64 image.
        image_mb: How far the peak during a pass of one whole image rises above that.
    """

    net_mb: float
    image_mb: float


@dataclass(frozen=True, slots=True)
class Measured:
    """A case's figures at one batch size.

    Attributes:
        case: What was measured.
        built: What it turned out to be.
        count: Its parameters and multiply-accumulates.
        memory: Its memory, None if not asked for.
        runs: Its turns, in order; all of the same batch size.
    """

    case: BenchmarkCase
    built: Built
    count: Count
    memory: Memory | None
    runs: tuple[Run, ...]

    @property
    def name(self) -> str:
        """What was measured, in what engine and arithmetic."""
        return f'{self.case.work.label}, {self.built.engine} {self.built.precision}'

    @property
    def batch(self) -> int:
        """Images in a batch."""
        return self.runs[0].batch

    @property
    def fps(self) -> float:
        """Images a second: the median of the runs."""
        return median(run.fps for run in self.runs)

    @property
    def fps_range(self) -> tuple[float, float]:
        """Images a second of the slowest and the fastest run."""
        rates = [run.fps for run in self.runs]
        return min(rates), max(rates)

    @property
    def rss_mb(self) -> float:
        """Highest resident set of the whole process while it was timed, libraries included."""
        return max(run.peak_mb for run in self.runs)

    @property
    def gpu_mb(self) -> float:
        """Most memory of the GPU that PyTorch held while it was timed, 0 without one."""
        return max(run.gpu_mb for run in self.runs)

    def latency_ms(self, percent: float) -> float:
        """Return a percentile of the time from a batch's images to its depths."""
        return float(np.percentile([ms for run in self.runs for ms in run.latencies_ms], percent))

    @property
    def pixels(self) -> int:
        """Pixels of the image as the network sees it."""
        height, width = self.built.network_hw
        return height * width

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        work, (height, width) = self.case.work, self.case.size_hw
        fps_min, fps_max = self.fps_range
        record: dict[str, Any] = {
            'network': work.network,
            'backbone': work.backbone,
            'guided_filter': work.guided_filter,
            'weights': work.weights,
            'engine': self.built.engine,
            'device': self.built.device,
            'precision': self.built.precision,
            'threads': work.threads,
            'size': f'{height}x{width}',
            'network_size': self.built.network_size,
            'batch': self.batch,
            'fps': self.fps,
            'fps_min': fps_min,
            'fps_max': fps_max,
            'fps_runs': [run.fps for run in self.runs],
            'passes': sum(len(run.latencies_ms) for run in self.runs),
            'latency_ms_p50': self.latency_ms(50),
            'latency_ms_p95': self.latency_ms(95),
            'params': self.count.params,
            'macs': self.count.macs,
            'rss_mb': self.rss_mb,
            'gpu_mb': self.gpu_mb,
        }
        if self.memory is not None:
            record |= {'net_mb': self.memory.net_mb, 'image_mb': self.memory.image_mb}
        return record


@dataclass(frozen=True, slots=True)
class Ratio:
    """How much faster one case is than another, from turns taken side by side.

    Attributes:
        first: The one.
        second: The other.
        values: Frames a second of the first over those of the second, turn by turn.
    """

    first: Measured
    second: Measured
    values: tuple[float, ...]

    @property
    def value(self) -> float:
        """The median of the turns."""
        return median(self.values)

    @property
    def of_best(self) -> float:
        """The ratio of the best turns: others on the machine can only slow a turn down."""
        return self.first.fps_range[1] / self.second.fps_range[1]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        record: dict[str, Any] = {'of': self.first.name, 'over': self.second.name}
        return record | {
            'size': '{}x{}'.format(*self.first.case.size_hw),
            'batch': self.first.batch,
            'ratio': self.value,
            'ratio_min': min(self.values),
            'ratio_max': max(self.values),
            'ratio_of_best': self.of_best,
            'runs': len(self.values),
        }


def interleave(
    cases: Sequence[Timed], *, runs: int, batch: int, seconds: float
) -> list[tuple[Run, ...]]:
    """Let cases run in turns: A B, A B, A B.

    What slows the machine down for a while, such as heat or another process, so slows all of them.

    Args:
        cases: They run one at a time, in this order.
        runs: Turns of each.
        batch: Images in a batch.
        seconds: Length of a turn, at least.

    Returns:
        The runs of each case.
    """
    results: list[list[Run]] = [[] for _ in cases]
    for _ in range(runs):
        for result, case in zip(results, cases, strict=True):
            result.append(case.time(batch=batch, seconds=seconds))
    return [tuple(result) for result in results]


def compare(first: Measured, second: Measured) -> Ratio:
    """Return the ratio of two cases that were measured in turns."""
    pairs = zip(first.runs, second.runs, strict=True)
    return Ratio(first, second, tuple(a.fps / b.fps for a, b in pairs))
