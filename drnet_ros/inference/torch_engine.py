"""The engine of reference: PyTorch, on the CPU or on an NVIDIA GPU."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import nullcontext
from typing import TYPE_CHECKING

import numpy as np
import torch

from drnet_ros.errors import EngineError
from drnet_ros.inference.engine import DepthFrame, Engine, Frame, Pending, check_batch
from drnet_ros.inference.postprocess import PostProcessor
from drnet_ros.inference.preprocess import network_area, network_size, resize_to_network
from drnet_ros.network.checkpoint import load_network

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from drnet_ros.inference.engine import FloatArray, UInt8Array
    from drnet_ros.inference.settings import Settings
    from drnet_ros.network.metadata import WeightsMetadata

__all__ = ['TorchEngine']

_TYPES = {'bf16': torch.bfloat16, 'fp16': torch.float16}


class TorchEngine(Engine):
    """Runs the network with eager PyTorch; a thread of its own works the batches off in order."""

    name = 'torch'

    def __init__(self, settings: Settings, weights_path: Path, metadata: WeightsMetadata) -> None:
        """Load the network onto the device.

        Args:
            settings: `device`, `precision` and `input_size` are read.
            weights_path: The weights file.
            metadata: Its metadata.

        Raises:
            EngineError: If the device or the precision is not available.
            WeightsError: If the weights cannot be loaded.
        """
        self._device = _device(settings.device)
        self.device = str(self._device)
        self.precision = _precision(self._device, settings.precision)
        self._area = network_area(settings, metadata)
        network, _ = load_network(weights_path)
        layout = torch.channels_last
        self._network = network.eval().to(self._device).to(memory_format=layout)
        scale = torch.tensor(metadata.std, device=self._device).view(1, 3, 1, 1) * 255
        shift = torch.tensor(metadata.mean, device=self._device).view(1, 3, 1, 1) * 255
        self._shift, self._scale = shift, scale
        self._finish = PostProcessor(metadata).finish
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix='torch_engine')
        self._is_closed = False

    def network_size(self, image_hw: tuple[int, int]) -> tuple[int, int]:
        """Return the height and width at which the network sees an image."""
        return network_size(image_hw, self._area)

    def prepare(self, image_hw: tuple[int, int], settings: Settings) -> None:
        """Run the network once, so that libraries choose their algorithms now."""
        blank = np.zeros((*image_hw, 3), np.uint8)
        self.submit([Frame(blank)], settings).result()

    def submit(self, frames: Sequence[Frame], settings: Settings) -> Pending:
        """Queue the batch for the engine's thread."""
        check_batch(frames)
        if self._is_closed:
            msg = 'a closed engine cannot run; create another'
            raise EngineError(msg)
        return _TorchPending(self._thread.submit(self._run, tuple(frames), settings))

    def close(self) -> None:
        """Take no more batches; those submitted are worked off."""
        self._is_closed = True
        self._thread.shutdown(wait=False)

    def _run(self, frames: tuple[Frame, ...], settings: Settings) -> list[DepthFrame]:
        size = self.network_size(check_batch(frames))
        images = np.stack([resize_to_network(frame.rgb_hwc, size) for frame in frames])
        try:
            depths = self._infer(images)
        except RuntimeError as error:  # out of memory is one too
            msg = f'PyTorch failed on {self.device}: {str(error).splitlines()[0]}'
            raise EngineError(msg) from error
        return [
            self._finish(depth, frame, settings)
            for depth, frame in zip(depths, frames, strict=True)
        ]

    @torch.inference_mode()
    def _infer(self, images_bhwc: UInt8Array) -> FloatArray:
        # (B, H, W, 3) bytes seen as (B, 3, H, W) are channels_last already.
        rgb = torch.from_numpy(images_bhwc).to(self._device).permute(0, 3, 1, 2)
        with self._autocast():
            depth = self._network((rgb.float() - self._shift) / self._scale)[0]
        depth_bhw: FloatArray = depth[:, 0].float().cpu().numpy()
        return depth_bhw

    def _autocast(self) -> AbstractContextManager[object]:
        if self.precision == 'fp32':
            return nullcontext()
        return torch.autocast(self._device.type, dtype=_TYPES[self.precision])


class _TorchPending(Pending):
    def __init__(self, future: Future[list[DepthFrame]]) -> None:
        self._future = future

    def result(self, timeout_s: float | None = None) -> list[DepthFrame]:
        """Wait for the engine's thread."""
        try:
            return self._future.result(timeout_s)
        except FutureTimeoutError as error:
            msg = f'depth was not ready within {timeout_s} s'
            raise TimeoutError(msg) from error


def _device(asked: str) -> torch.device:
    if asked == 'cpu' or (asked == 'auto' and not torch.cuda.is_available()):
        return torch.device('cpu')
    device = torch.device('cuda' if asked == 'auto' else asked)
    count = torch.cuda.device_count()
    if (device.index or 0) >= count:
        msg = (
            f'device must be available, got {asked!r} with {count} CUDA devices; '
            "use 'cpu' or 'auto'"
        )
        raise EngineError(msg)
    return device


def _precision(device: torch.device, asked: str) -> str:
    if device.type == 'cpu':
        if asked == 'fp16':
            msg = "precision must be auto, fp32 or bf16 on the CPU, got 'fp16'"
            raise EngineError(msg)
        # As the reference that others are compared with, it is exact unless told otherwise.
        return 'fp32' if asked == 'auto' else asked
    if asked == 'auto':
        return 'bf16' if torch.cuda.is_bf16_supported(including_emulation=False) else 'fp16'
    return asked
