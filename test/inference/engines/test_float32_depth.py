"""Depth is summed in float32 by every engine, whatever the network computes in."""

from __future__ import annotations

import logging
import re
import shutil
import sys
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import openvino as ov
import pytest
import torch
from numpy.typing import NDArray
from openvino import opset13
from openvino.properties import hint
from torch import nn
from torch.nn import functional

from drnet_ros.errors import EngineError
from drnet_ros.inference import DepthEstimator, Settings
from drnet_ros.inference.engines import openvino_convert, openvino_engine
from drnet_ros.inference.engines.model_cache import cache_folder
from drnet_ros.inference.engines.openvino_cache import converted_model
from drnet_ros.inference.engines.openvino_float32 import is_depth_in_float32
from drnet_ros.inference.engines.openvino_guides import PixelwiseGuide
from drnet_ros.inference.engines.openvino_portable import write_portable
from drnet_ros.inference.engines.openvino_rewrites import rewrite_model
from drnet_ros.network.checkpoint import load_network
from drnet_ros.network.guided_filter import GuidedUpsampler
from drnet_ros.network.image_to_depth import ImageToDepth
from drnet_ros.network.metadata import read_metadata
from drnet_ros.weights import EMBEDDED

pytestmark = pytest.mark.slow

SIZE = (96, 128)
TYPES = {'fp32': ov.Type.f32, 'bf16': ov.Type.bf16, 'fp16': ov.Type.f16}


def _depth(weights: str, image: NDArray[np.uint8], **values: object) -> NDArray[np.float32]:
    limits = {'min_depth': 0.001, 'max_depth': 80.0}
    values = {'weights': weights, 'device': 'cpu', 'input_size': SIZE, **limits, **values}
    try:
        estimator = DepthEstimator(Settings.from_mapping(values))
    except EngineError as refusal:  # this CPU does not compute in that precision
        pytest.skip(str(refusal))
    with estimator:
        return estimator.estimate(image).depth_hw


def _noise_m(depth: NDArray[np.float32], truth: NDArray[np.float32]) -> float:
    """Return the error that a mean over 3x3 pixels does not hold: what makes a wall rough."""
    error = depth - truth
    rough = (error - cv2.blur(error, (3, 3)))[2:-2, 2:-2]
    return float(np.sqrt(np.nanmean(np.square(rough))))


@pytest.mark.parametrize(
    ('engine', 'precision'), [('openvino', 'bf16'), ('openvino', 'fp16'), ('onnxruntime', 'fp32')]
)
def test_depth_is_no_rougher_than_its_features_make_it(
    image: NDArray[np.uint8], engine: str, precision: str
) -> None:
    depth = _depth(EMBEDDED, image, engine=engine, precision=precision)
    truth = _depth(EMBEDDED, image, engine='torch', precision='fp32')
    # PyTorch's autocast rounds features and never depth, which is float32 by `DRNet.forward`.
    summed_m = _noise_m(_depth(EMBEDDED, image, engine='torch', precision='bf16'), truth)
    rounded_m = _noise_m(torch.from_numpy(truth).bfloat16().float().numpy(), truth)
    assert rounded_m > 2 * summed_m, 'the test would not see depth that is rounded once'
    assert _noise_m(depth, truth) < 1.2 * summed_m


@pytest.fixture(scope='module')
def guided_model(guided_weights: str) -> Path:
    path = Path(guided_weights)
    return converted_model(path, read_metadata(path), SIZE, cache_folder())


def _compiled(model: Path | ov.Model, precision: str) -> ov.CompiledModel:
    core = ov.Core()
    if precision != 'fp32' and precision.upper() not in core.get_property(
        'CPU', 'OPTIMIZATION_CAPABILITIES'
    ):
        pytest.skip(f'this CPU does not compute in {precision}')
    return core.compile_model(model, 'CPU', {hint.inference_precision: TYPES[precision]})


@pytest.mark.parametrize('precision', ['bf16', 'fp16'])
def test_a_compiled_model_shows_whether_its_depth_is_float32(
    weights: str, guided_model: Path, tmp_path: Path, precision: str
) -> None:
    assert is_depth_in_float32(_compiled(guided_model, precision))
    path = Path(weights)
    model = converted_model(path, read_metadata(path), SIZE, cache_folder())
    assert is_depth_in_float32(_compiled(model, precision))
    text = model.read_text(encoding='utf-8')
    plain = tmp_path / 'plain.xml'
    plain.write_text(re.sub('<attribute name="DisablePrecision[^>]*>', '', text), encoding='utf-8')
    plain.with_suffix('.bin').write_bytes(model.with_suffix('.bin').read_bytes())
    assert not is_depth_in_float32(_compiled(plain, precision))


@torch.inference_mode()
def test_the_filter_of_a_bf16_network_gives_what_float32_gives_for_the_same_depth(
    guided_weights: str, guided_model: Path, image: NDArray[np.uint8]
) -> None:
    model = ov.Core().read_model(guided_model)
    results = {node.get_friendly_name().split('/', 2)[-1]: node for node in model.get_ops()}
    for level in range(5):
        filtered = f'__module.network.levels.{level}.guided/aten::'
        model.add_outputs(results[f'{filtered}add/Add_2'].output(0))
        model.add_outputs(results[f'{filtered}mean/ReduceMean_1'].input_value(0))
    plain = _compiled(guided_model, 'bf16')([image[None]])[0]
    depth, *levels = _compiled(model, 'bf16')([image[None]]).values()
    # With more outputs OpenVINO fuses less: features are rounded elsewhere, depth is the same.
    np.testing.assert_allclose(depth, plain, atol=0.01)
    network, metadata = load_network(Path(guided_weights))
    shift, scale = (torch.tensor(v).view(1, 3, 1, 1) * 255 for v in (metadata.mean, metadata.std))
    rgb = (torch.from_numpy(image).permute(2, 0, 1)[None].float() - shift) / scale
    for level, stride in enumerate((16, 8, 4, 2, 1)):
        guided = network.get_submodule(f'levels.{level}.guided')
        low, got = (torch.from_numpy(levels[2 * level + at].copy()) for at in (1, 0))
        guide_image = functional.avg_pool2d(rgb, stride)
        assert float((guided(low, guide_image) - got).abs().max()) < 1e-3


def test_without_the_attribute_all_is_computed_in_float32_and_a_warning_says_so(
    weights: str, image: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    truth = _depth(weights, image, engine='openvino', precision='fp32')
    monkeypatch.setattr(openvino_engine, 'is_depth_in_float32', lambda _: False)
    with caplog.at_level(logging.WARNING):
        depth = _depth(weights, image, engine='openvino', precision='bf16')
    np.testing.assert_array_equal(depth, truth)
    # A node of another test may have asked for INFO.
    (record,) = (r for r in caplog.records if r.levelno >= logging.WARNING)
    assert 'does not keep the sums of depth in float32' in record.getMessage()


class _Upsampled(nn.Module):
    def __init__(self, ratio: int) -> None:
        super().__init__()
        self.ratio = float(ratio)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.interpolate(
            x, scale_factor=self.ratio, mode='bilinear', align_corners=False
        )


@pytest.mark.parametrize(
    ('module', 'channels', 'replaced'),
    [
        (_Upsampled(2), 1, 'Interpolate'),
        (_Upsampled(4), 4, 'Interpolate'),
        (nn.AvgPool2d(2), 3, 'AvgPool'),
        (nn.AvgPool2d(3, 1, 1, count_include_pad=False), 1, 'AvgPool'),
        (nn.MaxPool2d(3, 1, 1), 1, 'MaxPool'),
        (nn.ReplicationPad2d((1, 2, 0, 1)), 1, 'Pad'),
    ],
)
def test_rewritten_operations_give_what_pytorch_gives(
    module: nn.Module, channels: int, replaced: str
) -> None:
    x = torch.randn(1, channels, 6, 8, generator=torch.Generator().manual_seed(0))
    model = ov.convert_model(module, example_input=x, input=[tuple(x.shape)])
    before = {node.get_type_info().version_id for node in model.get_ops() if _is(node, replaced)}
    rewrite_model(model)
    after = {node.get_type_info().version_id for node in model.get_ops() if _is(node, replaced)}
    assert before
    assert not before & after
    got = _compiled(model, 'fp32')([x.numpy()])[0]
    np.testing.assert_allclose(got, module(x).numpy(), rtol=1e-5, atol=1e-6)


def _is(node: ov.Node, type_name: str) -> bool:
    return bool(node.get_type_name() == type_name)


@torch.inference_mode()
def test_a_guide_of_single_channels_gives_what_its_convolutions_give() -> None:
    torch.manual_seed(0)
    guide = GuidedUpsampler(2).guide
    norm = cast('Any', guide[1])
    for values in (norm.running_mean, norm.weight, norm.bias):
        values.normal_()
    norm.running_var.uniform_(0.5, 2.0)
    rgb = torch.randn(2, 3, 5, 7)
    truth = guide.eval()(rgb)
    torch.testing.assert_close(PixelwiseGuide(guide)(rgb), truth, rtol=1e-4, atol=1e-5)


@torch.inference_mode()
@pytest.mark.parametrize('is_fast', [False, True])
def test_guides_are_in_a_form_that_the_cpu_can_compute(
    guided_weights: str, image: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch, is_fast: bool
) -> None:
    asked: list[ov.Model] = []

    def can_run(model: ov.Model) -> bool:
        asked.append(model)
        return is_fast

    monkeypatch.setattr(openvino_convert, '_can_run', can_run)
    path = Path(guided_weights)
    portable = openvino_convert.convert_network(path, SIZE, is_portable=True)
    assert not asked
    model = openvino_convert.convert_network(path, SIZE)
    assert len(asked) == 1
    assert (model is asked[0]) == is_fast
    # Each of five levels has a guide of three and one products for each of 16 channels.
    assert _count(asked[0], 'Multiply') - _count(portable, 'Multiply') >= 5 * 16 * 4 - 5
    assert _count(model, 'Multiply') == _count(asked[0] if is_fast else portable, 'Multiply')
    network, metadata = load_network(path)
    small = cv2.resize(image, SIZE[::-1])[None]
    expected = ImageToDepth(network, metadata).eval()(torch.from_numpy(small)).numpy()
    got = _compiled(portable, 'fp32')([small])[0]
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)


def test_a_guided_model_beside_its_weights_needs_no_pytorch(
    guided_weights: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = Path(shutil.copy(guided_weights, tmp_path))
    write_portable(weights)
    monkeypatch.setitem(sys.modules, 'drnet_ros.inference.engines.openvino_trace', None)
    model = openvino_convert.convert_network(weights, SIZE)
    assert tuple(model.output(0).shape) == (1, 1, *SIZE)
    with pytest.raises(EngineError, match='must be installed to convert'):
        openvino_convert.convert_network(Path(guided_weights), SIZE)


def _count(model: ov.Model, type_name: str) -> int:
    return sum(_is(node, type_name) for node in model.get_ops())


def test_a_model_that_openvino_cannot_compile_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    x = opset13.parameter([1, 3, 8, 8], ov.Type.f32)
    model = ov.Model([opset13.relu(x)], [x])
    assert openvino_convert._can_run(model)

    def refuse(*_: object) -> None:
        msg = 'not enough registers'
        raise RuntimeError(msg)

    monkeypatch.setattr(ov.Core, 'compile_model', refuse)
    assert not openvino_convert._can_run(model)
