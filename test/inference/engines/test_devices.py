"""Which GPU 'auto' takes. The GPUs are stand-ins: what PyTorch says of some it cannot run on."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from drnet_ros.inference import DepthEstimator, Settings
from drnet_ros.inference.engines import devices
from drnet_ros.inference.engines.factory import create_engine
from drnet_ros.inference.engines.torch_engine import _device
from drnet_ros.network.metadata import read_metadata

WHEEL = ['sm_75', 'sm_80', 'sm_86', 'sm_90', 'sm_100', 'sm_120']
GTX_1080 = ('NVIDIA GeForce GTX 1080', (6, 1))
V100 = ('Tesla V100', (7, 0))
RTX_4090 = ('NVIDIA GeForce RTX 4090', (8, 9))


def _plug_in(patch: pytest.MonkeyPatch, gpus: Sequence[tuple[str, tuple[int, int]]]) -> None:
    def capability(index: int) -> tuple[int, int]:
        warnings.warn('this PyTorch\nis not for this GPU', stacklevel=2)  # as PyTorch does
        return gpus[index][1]

    patch.setattr(devices, '_driver_device_count', lambda: len(gpus))
    patch.setattr(torch.cuda, 'is_available', lambda: bool(gpus))
    patch.setattr(torch.cuda, 'device_count', lambda: len(gpus))
    patch.setattr(torch.cuda, 'get_device_capability', capability)
    patch.setattr(torch.cuda, 'get_device_name', lambda index: gpus[index][0])
    patch.setattr(torch.cuda, 'get_arch_list', lambda: WHEEL)


@pytest.mark.parametrize(
    ('targets', 'capability', 'runs'),
    [
        (WHEEL, (6, 1), False),
        (WHEEL, (7, 0), False),
        (WHEEL, (7, 2), False),
        (WHEEL, (7, 5), True),
        (WHEEL, (8, 7), True),
        (WHEEL, (8, 9), True),
        (WHEEL, (10, 3), True),
        (WHEEL, (11, 0), False),
        (WHEEL, (12, 1), True),
        (['sm_86'], (8, 0), False),
        (['sm_86', 'compute_86'], (9, 0), True),
        (['sm_86', 'compute_86'], (8, 0), False),
        (['compute_120'], (10, 0), False),
        (['sm_90a'], (9, 0), True),
        (['compute_90a'], (10, 0), False),
        (['compute_100f'], (10, 3), True),
        (['compute_100f'], (12, 0), False),
        ([], (6, 1), True),
        (['gfx90a'], (9, 0), True),
    ],
)
def test_kernels_run_on_what_they_are_built_for(
    targets: list[str], capability: tuple[int, int], runs: bool
) -> None:
    assert devices.has_kernels(targets, capability) == runs


@pytest.mark.parametrize('gpu', [GTX_1080, V100])
def test_auto_is_the_cpu_beside_a_gpu_without_kernels(
    weights: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
    recwarn: pytest.WarningsRecorder, gpu: tuple[str, tuple[int, int]],
) -> None:  # fmt: skip
    _plug_in(monkeypatch, [gpu])
    path = Path(weights)
    with caplog.at_level(logging.WARNING):
        engine = create_engine(Settings(weights=weights), path, read_metadata(path))
    engine.close()
    assert (engine.name, engine.device) == ('openvino', 'cpu')
    (record,) = caplog.records
    name, (major, minor) = gpu
    assert f'instead of {name} (sm_{major}{minor}): PyTorch' in record.getMessage()
    assert 'sm_75 sm_80' in record.getMessage()
    assert not [each for each in recwarn if 'not for this GPU' in str(each.message)]


def test_the_torch_engine_goes_to_the_cpu_as_well(
    weights: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    _plug_in(monkeypatch, [GTX_1080])
    with DepthEstimator(Settings(weights=weights, engine='torch')) as estimator:
        assert estimator.describe()['device'] == 'cpu'
    assert caplog.text.count(GTX_1080[0]) == 1


def test_auto_is_the_first_gpu_with_kernels(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    _plug_in(monkeypatch, [GTX_1080, RTX_4090])
    assert devices.has_cuda()
    assert _device('auto') == torch.device('cuda', 1)
    assert _device('cuda') == torch.device('cuda', 0)
    assert not caplog.records


def test_a_driver_that_pytorch_cannot_use_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    _plug_in(monkeypatch, [])
    monkeypatch.setattr(devices, '_driver_device_count', lambda: 1)
    assert not devices.has_cuda()
    assert _device('auto') == torch.device('cpu')
