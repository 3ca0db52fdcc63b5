"""The engine of TensorRT on a double: ONNX Runtime on the CPU, which says it were TensorRT."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from drnet_ros.errors import EngineError, SettingsError
from drnet_ros.inference import DepthEstimator, Settings
from drnet_ros.inference.engines import devices

pytestmark = pytest.mark.slow

PROVIDER = 'TensorrtExecutionProvider'
MODULE = 'drnet_ros.inference.engines.tensorrt_engine'


class Gpu:
    """What the engine asks of the machine.

    Attributes:
        name: What the driver calls the GPU.
        opened: The options of each plan.
        scale: What depth is multiplied by.
        has_tensorrt: Whether the library can be loaded.
    """

    def __init__(self) -> None:
        self.name: str | None = 'Orin'
        self.opened: list[dict[str, str]] = []
        self.scale = 1.0
        self.has_tensorrt = True


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Gpu:
    double = Gpu()

    class Session(onnxruntime.InferenceSession):  # type: ignore[misc]
        def __init__(self, model: Path, options: Any, providers: list[Any]) -> None:
            self.is_plan = providers[0] != 'CPUExecutionProvider'
            if self.is_plan:
                name, chosen = providers[0]
                assert name == PROVIDER
                double.opened.append(chosen)
            super().__init__(model, options, providers=['CPUExecutionProvider'])

        def get_providers(self) -> list[str]:
            return [PROVIDER] if self.is_plan and double.has_tensorrt else super().get_providers()

        def run(self, *arguments: Any) -> list[NDArray[np.float32]]:
            scale = np.float32(double.scale if self.is_plan else 1)
            return [scale * output for output in super().run(*arguments)]

    monkeypatch.setattr(onnxruntime, 'InferenceSession', Session)
    monkeypatch.setattr(onnxruntime, 'get_available_providers', lambda: [PROVIDER])
    monkeypatch.setitem(sys.modules, 'tensorrt', SimpleNamespace(__version__='10.9.0'))
    monkeypatch.setattr(devices, 'driver_gpu_name', lambda _: double.name)
    monkeypatch.delitem(sys.modules, MODULE, raising=False)
    return double


def settings(weights: str, **values: object) -> Settings:
    return Settings.from_mapping({'weights': weights, 'engine': 'tensorrt', **values})


def test_depth_is_that_of_the_cpu_and_there_is_a_plan_for_each_size(
    gpu: Gpu, weights: str, image: NDArray[np.uint8]
) -> None:
    with DepthEstimator(settings(weights).changed(engine='onnxruntime')) as estimator:
        truth = estimator.estimate(image).depth_hw
    with DepthEstimator(settings(weights, device='cuda:1')) as estimator:
        assert estimator.describe()['device'] == 'cuda:1'
        np.testing.assert_array_equal(estimator.estimate(image).depth_hw, truth)
        wide = np.concatenate([image, image], axis=1)
        preparation = estimator.prepare_async(*wide.shape[:2])
        assert preparation is not None
        preparation.result(120)
        assert estimator.prepare_async(*wide.shape[:2]) is None
        assert np.isfinite(estimator.estimate(wide).depth_hw).any()
    shapes = [plan['trt_profile_opt_shapes'] for plan in gpu.opened]
    assert len(shapes) == 2
    assert shapes[0] == 'image:1x96x128x3'
    assert {plan['device_id'] for plan in gpu.opened} == {'1'}
    assert len({plan['trt_engine_cache_path'] for plan in gpu.opened}) == 2


def test_plans_are_kept_by_gpu_and_version(
    gpu: Gpu, weights: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cache() -> str:
        monkeypatch.delitem(sys.modules, MODULE, raising=False)
        DepthEstimator(settings(weights)).close()
        return gpu.opened[-1]['trt_engine_cache_path']

    first = cache()
    plan = Path(first, 'plan.engine')
    plan.write_bytes(b'built in minutes')
    assert cache() == first
    assert plan.read_bytes() == b'built in minutes'
    gpu.name = 'Thor'
    second = cache()
    monkeypatch.setattr(sys.modules['tensorrt'], '__version__', '10.10.0')
    assert len({first, second, cache()}) == 3


@pytest.mark.parametrize('scale', [1.02, np.nan])
def test_a_plan_of_another_scale_is_refused(gpu: Gpu, weights: str, scale: float) -> None:
    gpu.scale = scale
    with pytest.raises(EngineError, match=r'^TensorRT 10.9.0 must give the depth that the CPU'):
        DepthEstimator(settings(weights))


def test_what_is_missing_is_named(gpu: Gpu, weights: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refusal() -> str:
        monkeypatch.delitem(sys.modules, MODULE, raising=False)
        with pytest.raises(EngineError) as error:
            DepthEstimator(settings(weights))
        return str(error.value)

    gpu.has_tensorrt = False
    assert 'got providers CPUExecutionProvider; install the version' in refusal()
    monkeypatch.setattr(onnxruntime, 'get_available_providers', lambda: ['CPUExecutionProvider'])
    assert 'pip install onnxruntime-gpu in place of onnxruntime, on a Jetson as' in refusal()
    gpu.name = None
    assert 'device must be an NVIDIA GPU, got cuda:0 without one' in refusal()
    monkeypatch.setitem(sys.modules, 'tensorrt', None)
    assert refusal().startswith("engine 'tensorrt' must have tensorrt installed")
    monkeypatch.delitem(sys.modules, 'drnet_ros.inference.engines.onnxruntime_engine')
    monkeypatch.setitem(sys.modules, 'onnxruntime', None)
    named = refusal()
    assert named.startswith("engine 'tensorrt' must have onnxruntime installed")
    assert named.endswith(
        '; pip install onnxruntime-gpu tensorrt, or on a Jetson as docs/jetson.md says'
    )


def test_it_is_for_gpus_and_in_float32(weights: str, gpu: Gpu) -> None:
    with pytest.raises(SettingsError, match="engine 'tensorrt' runs on device 'cuda'"):
        settings(weights, device='cpu')
    with pytest.raises(EngineError, match='precision must be auto or fp32 on tensorrt'):
        DepthEstimator(settings(weights, precision='fp16'))
    assert not gpu.opened
