"""Run a case on images, in the process that this is: called by `worker` only."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np

from drnet_offline.benchmark.case import DRNET
from drnet_offline.errors import OfflineError
from drnet_ros.inference import DepthEstimator, Settings
from drnet_ros.inference.engines.devices import usable_gpu
from drnet_ros.inference.frames import Frame

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from drnet_offline.benchmark.case import BenchmarkCase, Work

__all__ = ['Runner', 'create_runner', 'load_libraries', 'random_images']


class Runner(ABC):
    """A network that is ready to run.

    Attributes:
        about: engine, device, precision and network_size, in words.
    """

    about: dict[str, str]

    @abstractmethod
    def run(self, images: Sequence[NDArray[np.uint8]]) -> None:
        """Take a batch of images, uint8 (H, W, 3), to depths in arrays on the CPU, and wait."""


class DrnetRunner(Runner):
    """A DRNet behind the interface that the node uses: image in, finished depth frame out."""

    def __init__(self, case: BenchmarkCase) -> None:
        work = case.work
        settings = Settings(
            weights=work.weights,
            engine=work.engine,
            device=work.device,
            precision=work.precision,
            input_size=case.size_hw,
        )
        self._estimator = DepthEstimator(settings)
        self.about = self._estimator.describe()

    def run(self, images: Sequence[NDArray[np.uint8]]) -> None:
        """Submit the batch and wait for its depth frames."""
        self._estimator.submit([Frame(image) for image in images]).result()


class TorchBaseline(Runner):
    """A baseline in eager PyTorch, as published: no channels_last, which is slower for them."""

    def __init__(self, work: Work, size_hw: tuple[int, int]) -> None:
        import torch  # noqa: PLC0415 - not where OpenVINO runs

        from drnet_offline.benchmark.baselines.building import build_baseline  # noqa: PLC0415
        from drnet_ros.network.metadata import IMAGENET_MEAN, IMAGENET_STD  # noqa: PLC0415

        device = work.device
        if device == 'auto':
            gpu = usable_gpu()
            device = 'cpu' if gpu is None else f'cuda:{gpu}'
        is_cuda = device.startswith('cuda')
        precision = ('fp16' if is_cuda else 'fp32') if work.precision == 'auto' else work.precision
        self._torch = torch
        self._dtype = {'bf16': torch.bfloat16, 'fp16': torch.float16}.get(precision)
        self._device = torch.device(device)
        self._network = build_baseline(work.network, work.backbone).to(self._device)
        self._shift = torch.tensor(IMAGENET_MEAN, device=device).view(1, 3, 1, 1) * 255
        self._scale = torch.tensor(IMAGENET_STD, device=device).view(1, 3, 1, 1) * 255
        self.about = _about('torch', device, precision, size_hw)

    def run(self, images: Sequence[NDArray[np.uint8]]) -> None:
        """Run the batch in one pass."""
        torch = self._torch
        autocast: Any = nullcontext()
        if self._dtype is not None:
            autocast = torch.autocast(self._device.type, dtype=self._dtype)
        with torch.inference_mode(), autocast:
            rgb = torch.from_numpy(np.stack(images)).to(self._device).permute(0, 3, 1, 2)
            rgb = ((rgb.float() - self._shift) / self._scale).contiguous()
            self._network(rgb).float().cpu().numpy()


class OpenvinoBaseline(Runner):
    """A converted baseline in OpenVINO, compiled and run as the node's engine does."""

    def __init__(self, work: Work, size_hw: tuple[int, int], model: Path) -> None:
        import openvino as ov  # noqa: PLC0415 - not where PyTorch runs

        from drnet_ros.inference.engines.openvino_engine import choose_precision, compile_options  # noqa: PLC0415

        core = ov.Core()
        precision = choose_precision(core, work.precision)
        options = compile_options(precision)
        self._compiled = core.compile_model(model, 'CPU', options)
        self._requests: list[Any] = []
        self.about = _about('openvino', 'cpu', precision, size_hw)

    def run(self, images: Sequence[NDArray[np.uint8]]) -> None:
        """Queue the images one by one, as the engine does, and copy the depths out."""
        while len(self._requests) < len(images):
            self._requests.append(self._compiled.create_infer_request())
        started = self._requests[: len(images)]
        for request, image in zip(started, images, strict=True):
            request.start_async(image[None], share_inputs=True)
        for request in started:
            request.wait()
            request.get_output_tensor(0).data.copy()


def create_runner(case: BenchmarkCase, network_hw: tuple[int, int], model: Path | None) -> Runner:
    """Build a case's network, compiled where its engine compiles.

    Args:
        case: What to run; its engine is not 'auto'.
        network_hw: Size at which a baseline sees the images.
        model: The converted model of a baseline that runs on OpenVINO.

    Raises:
        DrnetError: It cannot run as asked for.
    """
    work = case.work
    if work.network == DRNET:
        return DrnetRunner(case)
    if work.engine == 'torch':
        return TorchBaseline(work, network_hw)
    if model is None:
        msg = f'{work.network} must be converted before it runs on OpenVINO'
        raise OfflineError(msg)
    return OpenvinoBaseline(work, network_hw, model)


def load_libraries(work: Work) -> None:
    """Import and start what the case runs on, so that only the network comes on top."""
    if work.engine == 'torch':
        import timm  # noqa: F401, PLC0415
        import torch  # noqa: PLC0415
        import torchvision  # noqa: F401, PLC0415

        if work.network == 'depth_anything_v2_small':
            from transformers import DepthAnythingForDepthEstimation  # noqa: F401, PLC0415
        torch.set_num_threads(work.threads)
        with torch.inference_mode():
            torch.nn.Conv2d(3, 16, 3)(torch.zeros(1, 3, 32, 32))
        return
    if work.engine == 'onnxruntime':
        import onnxruntime  # noqa: F401, PLC0415

        return
    import openvino as ov  # noqa: PLC0415
    from openvino import opset13 as operators  # noqa: PLC0415

    image = operators.parameter([1, 3, 32, 32], ov.Type.f32)
    kernel = operators.constant(np.ones((16, 3, 3, 3), np.float32))
    convolved = operators.convolution(image, kernel, [1, 1], [0, 0], [0, 0], [1, 1])
    ov.Core().compile_model(ov.Model([convolved], [image]), 'CPU')([np.zeros((1, 3, 32, 32))])


def random_images(count: int, size_hw: tuple[int, int]) -> list[NDArray[np.uint8]]:
    """Return noise images, uint8 (H, W, 3), the same each time."""
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (*size_hw, 3), dtype=np.uint8) for _ in range(count)]


def _about(engine: str, device: str, precision: str, size_hw: tuple[int, int]) -> dict[str, str]:
    size = f'{size_hw[0]}x{size_hw[1]}'
    return {'engine': engine, 'device': device, 'precision': precision, 'network_size': size}
