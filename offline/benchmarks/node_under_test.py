"""The depth node as a process whose memory and CPU time are watched, and the engine alone."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import openvino as ov

from drnet_ros.inference import Settings
from drnet_ros.inference.engines.model_cache import cache_folder
from drnet_ros.inference.engines.openvino_cache import converted_model
from drnet_ros.inference.engines.openvino_engine import choose_precision, compile_options
from drnet_ros.inference.preprocess import network_size
from drnet_ros.network.metadata import read_metadata
from drnet_ros.weights import resolve_weights

__all__ = ['BareEngine', 'NodeProcess', 'cpu_seconds']

_TICKS = os.sysconf('SC_CLK_TCK')


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process has used."""
    fields = Path(f'/proc/{pid}/stat').read_text(encoding='utf-8').rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


class NodeProcess:
    """A depth node of its own process, from the start.

    Attributes:
        started_s: When it was started, by time.monotonic().
    """

    def __init__(self, namespace: str, parameters: dict[str, str]) -> None:
        """Start it.

        Args:
            namespace: Namespace of the node, such as '/bench'.
            parameters: Parameters by name, as on a command line.
        """
        words = [w for name, value in parameters.items() for w in ('-p', f'{name}:={value}')]
        self.started_s = time.monotonic()
        self._process = subprocess.Popen(  # noqa: S603 - our own module, no shell
            [sys.executable, '-m', 'drnet_ros.node.program', '--ros-args', '--log-level',
             'warn', '-r', f'__ns:={namespace}', *words],
        )  # fmt: skip

    def rss_mb(self) -> float:
        """Return its resident memory in megabytes of 10^6 bytes."""
        pages = int(Path(f'/proc/{self._process.pid}/statm').read_text('utf-8').split()[1])
        return pages * os.sysconf('SC_PAGE_SIZE') / 1e6

    def cpu_seconds(self) -> float:
        """Return the CPU time that it has used."""
        return cpu_seconds(self._process.pid)

    def has_torch(self) -> bool:
        """Return whether it has PyTorch's library loaded."""
        maps = Path(f'/proc/{self._process.pid}/maps').read_text(encoding='utf-8')
        return 'libtorch' in maps

    def has_ended(self) -> bool:
        """Return whether it has ended by itself."""
        return self._process.poll() is not None

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()


class BareEngine:
    """The same network in OpenVINO alone: one image after the other, as fast as it goes.

    Attributes:
        size_hw: Size at which the network sees an image.
    """

    def __init__(self, settings: Settings, image_hw: tuple[int, int]) -> None:
        """Compile the model that the node uses, with the hint for the least latency.

        Args:
            settings: `weights` and `input_size` are read.
            image_hw: Height and width of the images.
        """
        weights = resolve_weights(settings.weights)
        metadata = read_metadata(weights)
        area = settings.input_size
        if area == (0, 0):
            area = metadata.input_height, metadata.input_width
        self.size_hw = network_size(image_hw, area)
        core = ov.Core()
        precision = choose_precision(core, 'auto')
        options = compile_options(precision)
        model = converted_model(weights, metadata, self.size_hw, cache_folder())
        self._request = core.compile_model(model, 'CPU', options).create_infer_request()
        noise = np.random.default_rng(0).integers(0, 256, (1, *self.size_hw, 3), dtype=np.uint8)
        self._image = noise
        self.run(0.5)

    def run(self, seconds: float) -> list[float]:
        """Run it.

        Args:
            seconds: How long.

        Returns:
            The time of each image in seconds.
        """
        times, until_s = [], time.perf_counter() + seconds
        while (start_s := time.perf_counter()) < until_s:
            self._request.infer([self._image], share_inputs=True)
            times.append(time.perf_counter() - start_s)
        return times
