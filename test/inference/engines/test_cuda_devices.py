"""Where every tensor of the frame path on a GPU is, and of what type, without a GPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode, unset_fake_temporarily
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from drnet_ros.inference import CameraModel, Frame, Settings
from drnet_ros.inference.engines.cuda.pipeline import CudaPipeline
from drnet_ros.inference.engines.torch_engine import TorchNetwork
from drnet_ros.inference.postprocess import PostProcessor
from drnet_ros.network.config import NetworkConfig
from drnet_ros.network.drnet import DRNet
from drnet_ros.network.folding import fold
from drnet_ros.network.metadata import WeightsMetadata

pytestmark = pytest.mark.slow

GPU = torch.device('cuda', 0)
CAMERA = CameraModel(80, 60, 50.0, 50.0, 39.5, 29.5)
NETWORK_HW = (32, 64)


class _FakeRuntime:
    """Streams and events that do nothing; pinned memory is real, device memory is not."""

    def __init__(self) -> None:
        self.device = GPU
        self.upload, self.compute, self.download = (
            SimpleNamespace(wait_event=lambda _: None) for _ in range(3)
        )

    def on(self, stream: Any) -> AbstractContextManager[object]:
        return nullcontext(stream)

    def event(self) -> Any:
        return SimpleNamespace(record=lambda _: None, query=lambda: True, synchronize=lambda: None)

    def pinned(self, count: int, dtype: torch.dtype) -> Tensor:
        with unset_fake_temporarily():
            return torch.zeros(count, dtype=dtype)

    def mark(self, tensor: Tensor, stream: Any) -> None:
        assert tensor.device == GPU
        assert stream is not self.compute

    def capture(self, work: Callable[[], None]) -> Callable[[], None]:
        return work

    def release(self) -> None:
        pass

    def is_alive(self) -> bool:
        return True


class _Traffic(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes what goes between host and device, and whatever else the host computes."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.copies: list[tuple[str, str]] = []
        self.on_host: list[str] = []
        self.convolved: set[torch.dtype] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        places = {leaf.device.type for leaf in tree_leaves((args, result)) if _is_tensor(leaf)}
        if places == {'cpu', 'cuda'}:
            assert func in {torch.ops.aten.copy_.default, torch.ops.aten._to_copy.default}
            source = args[1] if func is torch.ops.aten.copy_.default else args[0]
            self.copies.append((source.device.type, str(source.dtype)))
        elif places == {'cpu'} and not func.is_view and func.namespace == 'aten':
            self.on_host.append(str(func))
        if func is torch.ops.aten.conv2d.default:
            self.convolved.add(args[0].dtype)
        return result


def _is_tensor(leaf: object) -> bool:
    return isinstance(leaf, Tensor)


def _move(self: nn.Module, *args: Any, memory_format: Any = None) -> nn.Module:
    """Stand in for `nn.Module.to`, which cannot exchange tensors that are not there."""
    kept = torch.preserve_format if memory_format is None else memory_format
    for module in self.modules():
        tensors: Any
        for tensors in (module._parameters, module._buffers):
            for name, tensor in tensors.items():
                if tensor is None or not tensor.is_floating_point():
                    continue
                layout = kept if tensor.dim() == 4 else torch.preserve_format
                moved = tensor.detach().to(*args, memory_format=layout)
                is_parameter = isinstance(tensor, nn.Parameter)
                tensors[name] = nn.Parameter(moved, requires_grad=False) if is_parameter else moved
    return self


@pytest.fixture
def on_fake_gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(nn.Module, 'to', _move)
    # Else autocast does nothing where there is no GPU.
    monkeypatch.setattr(torch.cuda.amp.common, 'amp_definitely_not_available', lambda: False)
    monkeypatch.setattr(torch.cuda, 'is_bf16_supported', lambda: True)
    as_array = Tensor.numpy

    def as_real_array(tensor: Tensor) -> Any:
        with unset_fake_temporarily():
            return as_array(tensor)

    monkeypatch.setattr(Tensor, 'numpy', as_real_array)
    with FakeTensorMode(allow_non_fake_inputs=True):
        yield


@pytest.mark.usefixtures('on_fake_gpu')
@pytest.mark.parametrize('guided_filter', [False, True])
@pytest.mark.parametrize('precision', ['fp32', 'fp16', 'bf16'])
@pytest.mark.parametrize('output_size', [(0, 0), (48, 48)])
def test_a_frame_goes_up_once_and_down_once(
    precision: str, guided_filter: bool, output_size: tuple[int, int]
) -> None:
    metadata = WeightsMetadata(
        network=NetworkConfig(guided_filter=guided_filter), input_height=32, input_width=64,
        f_training=50.0, min_depth=0.1, max_depth=10.0,
    )  # fmt: skip
    with GPU:
        network = DRNet(metadata.network).eval()
        fold(network)
    resize_type = torch.float32 if precision == 'fp32' else torch.float16
    infer = TorchNetwork(network, metadata, GPU, precision)
    for parameter in network.parameters():
        assert parameter.device == GPU
        if parameter.dim() == 4:
            assert parameter.is_contiguous(memory_format=torch.channels_last)
    pipeline = CudaPipeline(_FakeRuntime(), infer, resize_type)
    settings = Settings(edge_threshold=0.1, point_stride=2, output_size=output_size)
    image = np.zeros((60, 80, 3), np.uint8)
    frames = [Frame(image, CAMERA, points=True), Frame(image), Frame(image, CAMERA, points=True)]
    post = PostProcessor(metadata)
    batch = [(frame, post.geometry(frame, NETWORK_HW, settings)) for frame in frames]
    for _ in range(3):  # once round the ring, whose slots are allocated now
        pipeline.submit(batch, settings, NETWORK_HW).result()
    with _Traffic() as traffic:
        done = pipeline.submit(batch, settings, NETWORK_HW).result()
    assert traffic.copies == [('cpu', 'torch.uint8'), ('cuda', 'torch.float32')]
    assert traffic.on_host == []
    half = {'fp16': torch.float16, 'bf16': torch.bfloat16}
    exact = {torch.float32} if guided_filter or precision == 'fp32' else set()
    assert traffic.convolved >= {half.get(precision, torch.float32)} | exact
    height, width = (60, 80) if output_size == (0, 0) else output_size
    assert [frame.depth_hw.shape for frame in done] == [(height, width)] * 3
    cloud = (height // 2, width // 2, 4)
    shapes = [None if frame.points is None else frame.points.shape for frame in done]
    assert shapes == [cloud, None, cloud]


@pytest.mark.usefixtures('on_fake_gpu')
def test_what_a_gpu_could_not_do_is_found() -> None:
    on_device, on_host = torch.zeros(4, device=GPU), torch.zeros(4)
    with pytest.raises(RuntimeError, match='same device'):
        on_device.add(on_host)
    with pytest.raises(RuntimeError, match='_local_scalar_dense'):
        on_device.sum().item()
    with _Traffic() as traffic:
        on_device.cpu().add(1)
    assert traffic.copies == [('cuda', 'torch.float32')]
    assert traffic.on_host == ['aten.add.Tensor']
