"""The engine of reference on the CPU, and the engine for NVIDIA GPUs: PyTorch."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.backends import cudnn

from drnet_ros.errors import CameraError, EngineError, WeightsError
from drnet_ros.inference.engines.cuda.failures import as_engine_error
from drnet_ros.inference.engines.cuda.pipeline import CudaPipeline
from drnet_ros.inference.engines.cuda.plan import Shape
from drnet_ros.inference.engines.cuda.runtime import CudaRuntime, Runtime
from drnet_ros.inference.engines.cuda.thread import PipelineThread
from drnet_ros.inference.engines.devices import usable_gpu
from drnet_ros.inference.engines.engine import Engine, Pending, check_batch
from drnet_ros.inference.engines.future_pending import FuturePending
from drnet_ros.inference.frames import DepthFrame, Frame
from drnet_ros.inference.limits import check_shape
from drnet_ros.inference.postprocess import PostProcessor
from drnet_ros.inference.preprocess import network_size, nominal_input_hw, resize_to_network
from drnet_ros.network.checkpoint import load_network
from drnet_ros.network.folding import fold
from drnet_ros.network.guided_filter import GuidedUpsampler

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from drnet_ros.inference.settings import Settings
    from drnet_ros.network.drnet import DRNet
    from drnet_ros.network.metadata import WeightsMetadata

__all__ = ['TorchEngine', 'TorchNetwork']

_TYPES = {'bf16': torch.bfloat16, 'fp16': torch.float16}


class TorchEngine(Engine):
    """Runs the network with PyTorch: on an NVIDIA GPU in a `CudaPipeline`, on the CPU eagerly.

    Either way one thread, which belongs to the engine, works the batches off in order.
    """

    name = 'torch'

    def __init__(
        self,
        settings: Settings,
        weights_path: Path,
        metadata: WeightsMetadata,
        *,
        runtime: Runtime | None = None,
    ) -> None:
        """Load the network onto the device.

        Args:
            settings: `device`, `precision`, `threads` and `input_size` are read; `threads` sets
                PyTorch's number of them in the whole process.
            weights_path: The weights file.
            metadata: Its metadata.
            runtime: What stands for CUDA; None for that of the device, if it is a GPU.

        Raises:
            EngineError: If the device or the precision is not available, or memory is short.
            WeightsError: If the weights cannot be loaded.
        """
        device = _device(settings.device)
        self.device = str(device)
        self.precision = _precision(device, settings.precision)
        self._area = nominal_input_hw(settings, metadata)
        self._post = PostProcessor(metadata)
        network, found = load_network(weights_path)
        # Importing PyTorch takes seconds. A metric that is NaN is equal to itself only as text.
        if found.to_json() != metadata.to_json():
            msg = f'{weights_path} must stay as it is while it is read, got another: start again'
            raise WeightsError(msg)
        self._pipeline: PipelineThread | None = None
        if runtime is not None or device.type == 'cuda':
            fold(network)
            self._pipeline = PipelineThread(lambda: self._start(network, device, runtime))
        else:
            if settings.threads:
                torch.set_num_threads(settings.threads)
            self._infer = TorchNetwork(network, metadata, device, self.precision)
            self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix='torch_engine')
        self._is_closed = False

    def _start(
        self, network: DRNet, device: torch.device, runtime: Runtime | None
    ) -> CudaPipeline:
        try:
            runtime = CudaRuntime(device) if runtime is None else runtime
            # What is made on another stream would not be waited for.
            with runtime.on(runtime.compute):
                infer = TorchNetwork(network, self._post.metadata, device, self.precision)
            is_exact = self.precision == 'fp32'
            return CudaPipeline(runtime, infer, torch.float32 if is_exact else torch.float16)
        except RuntimeError as error:
            raise as_engine_error(error, device) from error

    def network_size(self, image_hw: tuple[int, int]) -> tuple[int, int]:
        """Return the height and width at which the network sees an image."""
        return network_size(image_hw, self._area)

    def prepare(self, image_hw: tuple[int, int], settings: Settings) -> None:
        """Run the network once: libraries choose their algorithms, a graph is captured."""
        blank = np.zeros((*image_hw, 3), np.uint8)
        self.submit([Frame(blank)], settings).result()

    def prepare_async(self, image_hw: tuple[int, int], settings: Settings) -> Future[None] | None:
        """On a GPU, capture the graphs for images of this size, between frames of others."""
        check_shape(*image_hw)
        self._check_open()
        if self._pipeline is None:
            return None
        size = self.network_size(image_hw)
        blank = Frame(np.broadcast_to(np.uint8(0), (*image_hw, 3)))
        batch = [(blank, self._post.geometry(blank, size, settings))]
        shape = Shape.of(batch, settings, size)
        return self._pipeline.prepare_async(shape, len(settings.cameras))

    def submit(self, frames: Sequence[Frame], settings: Settings) -> Pending:
        """Queue the batch for the engine's thread, or launch it on the GPU."""
        size = self.network_size(check_batch(frames))
        self._check_open()
        if self._pipeline is None:
            return FuturePending(self._thread.submit(self._run, tuple(frames), settings))
        try:
            batch = [(frame, self._post.geometry(frame, size, settings)) for frame in frames]
        except CameraError as error:  # raised by the result, as on the CPU
            failed: Future[list[DepthFrame]] = Future()
            failed.set_exception(error)
            return FuturePending(failed)
        return self._pipeline.submit(batch, settings, size)

    def close(self) -> None:
        """Take no more batches; those submitted are worked off."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._pipeline is None:
            self._thread.shutdown(wait=False)
        else:
            self._pipeline.close()

    def _check_open(self) -> None:
        if self._is_closed:
            msg = 'a closed engine cannot run; create another'
            raise EngineError(msg)

    @torch.inference_mode()
    def _run(self, frames: tuple[Frame, ...], settings: Settings) -> list[DepthFrame]:
        size = self.network_size(check_batch(frames))
        images_bhwc = np.stack([resize_to_network(frame.rgb_hwc, size) for frame in frames])
        try:
            depths = self._infer(torch.from_numpy(images_bhwc).permute(0, 3, 1, 2)).numpy()
        except RuntimeError as error:  # out of memory is one too
            raise as_engine_error(error, torch.device('cpu')) from error
        return [
            self._post.finish(depth, frame, settings)
            for depth, frame in zip(depths, frames, strict=True)
        ]


class TorchNetwork:
    """A network on a device, with what it does to its input, in one precision."""

    def __init__(
        self, network: DRNet, metadata: WeightsMetadata, device: torch.device, precision: str
    ) -> None:
        """Move the network to the device, on the current stream.

        Args:
            network: The network; not to be used elsewhere any more.
            metadata: Its metadata.
            device: Where to.
            precision: 'fp32', 'bf16' or 'fp16'.
        """
        self._device = device
        self._type = _TYPES.get(precision)
        self._network = network.eval().requires_grad_(False)  # noqa: FBT003
        self._network.to(device).to(memory_format=torch.channels_last)
        if self._type is not None:
            _cast_convolutions(network, self._type)
        scale = torch.tensor(metadata.std, device=device).view(1, 3, 1, 1) * 255
        shift = torch.tensor(metadata.mean, device=device).view(1, 3, 1, 1) * 255
        self._shift, self._scale = shift, scale

    def __call__(self, rgb_bchw: Tensor) -> Tensor:
        """Compute depth; on a GPU this can be captured in a graph.

        Args:
            rgb_bchw: Images at the network's size, any type, 0 to 255, (B, 3, H, W).

        Returns:
            Metres, float32 (B, H, W).
        """
        rgb = rgb_bchw.to(torch.float32, memory_format=torch.channels_last)
        with self._arithmetic():
            depth: Tensor = self._network((rgb - self._shift) / self._scale)[0]
        return depth[:, 0].float()

    @contextmanager
    def _arithmetic(self) -> Iterator[None]:
        with ExitStack() as stack:
            if self._device.type == 'cuda':
                # fp32 means it, and TF32 has the digits of fp16; a graph keeps the algorithms
                # that are chosen by measuring before it is captured.
                flags = cudnn.flags(enabled=True, benchmark=True, allow_tf32=False)
                stack.enter_context(flags)
            if self._type is not None:
                stack.enter_context(torch.autocast(self._device.type, dtype=self._type))
            yield


def _cast_convolutions(network: DRNet, dtype: torch.dtype) -> None:
    """Cast once what autocast would cast in each run: a graph would do so in each replay."""
    kept: list[nn.Module] = [m for m in network.modules() if isinstance(m, GuidedUpsampler)]
    if network.backbone.is_stem_exact:
        kept.append(network.backbone.stages[0])
    exact = {module for each in kept for module in each.modules()}
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and module not in exact:
            module.to(dtype)


def _device(asked: str) -> torch.device:
    if asked == 'auto':
        index = usable_gpu()
        return torch.device('cpu') if index is None else torch.device('cuda', index)
    if asked == 'cpu':
        return torch.device('cpu')
    device = torch.device('cuda', torch.device(asked).index or 0)
    count = torch.cuda.device_count()
    if device.index >= count:
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
        with torch.cuda.device(device):
            is_native = torch.cuda.is_bf16_supported(including_emulation=False)
        return 'bf16' if is_native else 'fp16'
    return asked
