"""The process that one case lives in, so that its memory is its own (`python -m` this module).

It answers requests, one JSON object a line, until its standard input ends:

    {"do": "build", "case": {...}, "network_hw": [h, w], "model": PATH or null}
    {"do": "time", "batch": n, "seconds": s}

Nothing heavy is imported before `build` has limited the process to its share of the cores.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drnet_offline.benchmark.case import DRNET, BenchmarkCase
from drnet_offline.benchmark.memory import forget_peak_mb, gpu_peak_mb, peak_mb, resident_mb
from drnet_ros.errors import DrnetError

if TYPE_CHECKING:
    from drnet_offline.benchmark.runners import Runner

__all__ = ['Bench', 'main']


class Bench:
    """One case, built and timed on request."""

    def __init__(self) -> None:
        self._runner: Runner | None = None
        self._images: list[Any] = []
        self._size_hw = (0, 0)

    def build(self, request: dict[str, Any]) -> dict[str, Any]:
        """Build the case and run it once or twice.

        Returns:
            What it is, and memory in MB: of the libraries, of the whole process at rest after a
            first pass, and its peak during a second one.
        """
        case = BenchmarkCase.from_dict(request['case'])
        _limit_cores(case.work.threads)
        from drnet_offline.benchmark import runners  # noqa: PLC0415

        runners.load_libraries(case.work)
        height, width = request['network_hw']
        libraries = resident_mb()
        model = Path(request['model']) if request['model'] else None
        self._runner = runners.create_runner(case, (height, width), model)
        is_baseline = case.work.network != DRNET
        # A baseline gets images that need no resizing, a DRNet resizes as on the robot.
        self._size_hw = (height, width) if is_baseline else case.size_hw
        self._run(1)
        at_rest = forget_peak_mb()
        self._run(1)
        memory = {'libraries_mb': libraries, 'rest_mb': at_rest, 'peak_mb': peak_mb()}
        return {**self._runner.about, **memory}

    def time(self, request: dict[str, Any]) -> dict[str, Any]:
        """Run for some seconds, at least once, after one pass that does not count.

        Returns:
            latencies_ms: milliseconds of each batch; peak_mb: the process's peak meanwhile;
            gpu_mb: the GPU's.
        """
        batch = request['batch']
        forget_peak_mb()
        self._run(batch)
        latencies: list[float] = []
        end = time.perf_counter() + request['seconds']
        while not latencies or time.perf_counter() < end:
            latencies.append(self._run(batch))
        return {'latencies_ms': latencies, 'peak_mb': peak_mb(), 'gpu_mb': gpu_peak_mb()}

    def _run(self, batch: int) -> float:
        """Run one batch and return its milliseconds."""
        from drnet_offline.benchmark.runners import random_images  # noqa: PLC0415

        if self._runner is None:
            msg = 'a case must be built before it is timed'
            raise ValueError(msg)
        if len(self._images) < batch:
            self._images = random_images(batch, self._size_hw)
        images = self._images[:batch]
        started = time.perf_counter()
        self._runner.run(images)
        return 1000 * (time.perf_counter() - started)


def _limit_cores(threads: int) -> None:
    """Keep this process to as many cores: every engine takes what the process may use."""
    if hasattr(os, 'sched_setaffinity'):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def main() -> int:
    """Answer requests until there are no more.

    Returns:
        The exit code, 0.
    """
    # What libraries print must not get between the answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), 'w', encoding='utf-8')
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    bench = Bench()
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = {'build': bench.build, 'time': bench.time}[request['do']](request)
        except (DrnetError, OSError) as error:
            answer = {'error': str(error)}
        answers.write(json.dumps(answer) + '\n')
        answers.flush()
    return 0


if __name__ == '__main__':
    sys.exit(main())
