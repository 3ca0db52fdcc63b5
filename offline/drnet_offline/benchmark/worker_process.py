"""A case in a process of its own, seen from the process that compares."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from drnet_offline.errors import OfflineError
from drnet_ros.closing import Closing

if TYPE_CHECKING:
    from pathlib import Path

    from drnet_offline.benchmark.case import BenchmarkCase

__all__ = ['Built', 'Run', 'WorkerProcess']

_THREAD_VARIABLES = ('OMP_NUM_THREADS', 'MKL_NUM_THREADS', 'OPENBLAS_NUM_THREADS')


@dataclass(frozen=True, slots=True)
class Built:
    """A case that is ready.

    Attributes:
        engine: What runs it.
        device: Where.
        precision: Its arithmetic.
        network_size: Height x width at which the network sees the images.
        libraries_mb: Resident set before the network was there.
        rest_mb: Resident set after a first pass.
        peak_mb: Peak of it during a second pass, of one image.
    """

    engine: str
    device: str
    precision: str
    network_size: str
    libraries_mb: float
    rest_mb: float
    peak_mb: float

    @property
    def network_hw(self) -> tuple[int, int]:
        """Height and width at which the network sees the images."""
        height, width = self.network_size.split('x')
        return int(height), int(width)


@dataclass(frozen=True, slots=True)
class Run:
    """One turn of a case.

    Attributes:
        batch: Images in a batch.
        latencies_ms: From a batch's images to its depths, for each batch.
        peak_mb: Peak of the process's resident set.
        gpu_mb: Peak of its memory on the GPU, 0 without one.
    """

    batch: int
    latencies_ms: tuple[float, ...]
    peak_mb: float
    gpu_mb: float = 0.0

    @property
    def fps(self) -> float:
        """Images a second."""
        return 1000 * self.batch * len(self.latencies_ms) / sum(self.latencies_ms)


class WorkerProcess(Closing):
    """Starts `worker` and talks to it; a context manager that ends it.

    Args:
        case: What to measure; its engine is not 'auto'.
        cache: Folder for converted models, or None for the user's own.
    """

    def __init__(self, case: BenchmarkCase, cache: Path | None = None) -> None:
        self._subject = case
        threads = str(case.work.threads)
        environment = {**os.environ, **dict.fromkeys(_THREAD_VARIABLES, threads)}
        environment['PYTHONPATH'] = os.pathsep.join(path for path in sys.path if path)
        if cache is not None:
            environment['DRNET_CACHE_DIR'] = str(cache)
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self._process = subprocess.Popen(
            [sys.executable, '-m', 'drnet_offline.benchmark.worker'],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=environment,
            text=True,
            start_new_session=True,
        )

    def build(self, network_hw: tuple[int, int], model: Path | None) -> Built:
        """Build the network in the process.

        Args:
            network_hw: Size at which a baseline sees the images.
            model: The converted model of a baseline that runs on OpenVINO.

        Raises:
            OfflineError: It cannot run as asked for; the message says why.
        """
        case = self._subject.to_dict()
        path = None if model is None else str(model)
        answer = self._ask(do='build', case=case, network_hw=network_hw, model=path)
        names = Built.__dataclass_fields__
        return Built(**{name: answer[name] for name in names})

    def time(self, *, batch: int, seconds: float) -> Run:
        """Run the network for some seconds, at least once.

        Raises:
            OfflineError: It failed.
        """
        answer = self._ask(do='time', batch=batch, seconds=seconds)
        return Run(batch, tuple(answer['latencies_ms']), answer['peak_mb'], answer['gpu_mb'])

    def close(self) -> None:
        """End the process, and the one that converts its network if there is one.

        It is killed: in the middle of a request it would not see the end of its input, a group of
        many processes would be waited for one after the other, and none has anything to save.
        """
        if self._process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()
        self._errors.close()

    def _ask(self, **request: Any) -> dict[str, Any]:
        line = ''
        if self._process.stdin is not None and self._process.stdout is not None:
            with suppress(BrokenPipeError):  # it died: said below
                self._process.stdin.write(json.dumps(request) + '\n')
                self._process.stdin.flush()
            line = self._process.stdout.readline()
        if not line:
            msg = f'{self._subject.work.label} must stay alive while it is measured: {self._why()}'
            raise OfflineError(msg)
        answer: dict[str, Any] = json.loads(line)
        if 'error' in answer:
            raise OfflineError(answer['error'])
        return answer

    def _why(self) -> str:
        code = self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().decode(errors='replace').strip().splitlines()
        # Linux kills with 9 what takes all memory.
        reason = 'killed, out of memory?' if code == -9 else f'exit code {code}'
        return f'{reason}: {lines[-1]}' if lines else reason
