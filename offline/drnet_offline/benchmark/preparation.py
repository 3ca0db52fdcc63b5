"""What must be there before a case can run: weights of random values, converted baselines."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from drnet_offline.benchmark import baselines
from drnet_offline.benchmark.baselines.building import baseline_size
from drnet_offline.benchmark.case import DRNET, RANDOM, BenchmarkCase
from drnet_offline.benchmark.counting import network_config
from drnet_offline.benchmark.worker_process import WorkerProcess
from drnet_offline.errors import OfflineError
from drnet_ros import network

if TYPE_CHECKING:
    from drnet_offline.benchmark.case import Work
    from drnet_offline.benchmark.worker_process import Built

__all__ = ['Preparation']

_F_TRAINING = 500.0


class Preparation:
    """Makes what cases need, once each; what is in its folder already is used again.

    Args:
        folder: A folder that is there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()

    def open(self, case: BenchmarkCase) -> tuple[WorkerProcess, Built]:
        """Start a process for a case and build its network there.

        Args:
            case: Its engine is not 'auto'.

        Returns:
            The process, which the caller must close, and what came out.

        Raises:
            OfflineError: It cannot run as asked for; no process is left behind.
        """
        work, cache, model, size = case.work, None, None, case.size_hw
        if work.network != DRNET:
            size = baseline_size(work.network, case.size_hw)
            if work.engine == 'openvino':
                model = self._model(work, size)
        elif work.weights == RANDOM:
            case = replace(case, work=replace(work, weights=str(self._random(work))))
            cache = self._folder
        process = WorkerProcess(case, cache)
        try:
            return process, process.build(size, model)
        except BaseException:
            process.close()
            raise

    def _random(self, work: Work) -> Path:
        guided = '_guided' if work.guided_filter else ''
        name = f'{work.backbone}{guided}_kernel{work.correction_kernel}.safetensors'
        path = self._folder / name
        # Always made: the network may have changed; the same random values make the same file.
        _write_random_weights(work, path)
        return path

    def _model(self, work: Work, size_hw: tuple[int, int]) -> Path:
        height, width = size_hw
        name = f'{work.network}_{work.backbone}_{height}x{width}_{_baselines_version()}.xml'
        path = self._folder / name
        if not path.is_file():
            _convert(work, size_hw, path)
        return path


def _baselines_version() -> str:
    """Return a short text that changes with what converts, and with what is converted."""
    digest = hashlib.sha256(version('openvino').encode() + version('torch').encode())
    for folder in (*baselines.__path__, *network.__path__):
        for source in sorted(Path(folder).glob('*.py')):
            digest.update(source.read_bytes())
    return digest.hexdigest()[:12]


def _write_random_weights(work: Work, path: Path) -> None:
    import torch  # noqa: PLC0415 - the embedded weights do without

    from drnet_ros.network.checkpoint import save_network  # noqa: PLC0415
    from drnet_ros.network.drnet import DRNet  # noqa: PLC0415
    from drnet_ros.network.metadata import WeightsMetadata  # noqa: PLC0415

    config = network_config(work)
    torch.manual_seed(0)
    metadata = WeightsMetadata(config, 480, 640, _F_TRAINING, min_depth=0.1, max_depth=10.0)
    save_network(path, DRNet(config).eval(), metadata)


def _convert(work: Work, size_hw: tuple[int, int], path: Path) -> None:
    sides = [str(side) for side in size_hw]
    command = [sys.executable, '-m', 'drnet_offline.benchmark.baselines.conversion']
    # Under another name until it is whole; OpenVINO wants the ending.
    part = path.with_name(f'part_{path.name}')
    command += [work.network, work.backbone, *sides, str(part)]
    paths = os.pathsep.join(entry for entry in sys.path if entry)
    done = subprocess.run(  # noqa: S603 - our own module, no shell
        command,
        env={**os.environ, 'PYTHONPATH': paths},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f'exit code {done.returncode}']
        msg = f'{work.label} must convert to OpenVINO: {lines[-1]}'
        raise OfflineError(msg)
    part.with_suffix('.bin').replace(path.with_suffix('.bin'))
    part.replace(path)
