"""The OpenVINO model beside the embedded weights: the same network, and PyTorch not needed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import openvino as ov
import pytest
import torch
from openvino.properties import hint

from drnet_ros.inference.engines.openvino_convert import convert_network
from drnet_ros.inference.engines.openvino_portable import (
    main,
    portable_path,
    read_portable,
    write_portable,
)
from drnet_ros.network.checkpoint import load_network
from drnet_ros.network.image_to_depth import ImageToDepth
from drnet_ros.weights import resolve_weights

WITHOUT_PYTORCH = """
import sys
for name in ('torch', 'torchvision', 'timm', 'safetensors.torch'):
    sys.modules[name] = None  # importing it raises ImportError
import numpy as np
from drnet_ros.inference import DepthEstimator, Settings
with DepthEstimator(Settings(engine='openvino')) as estimator:
    depth = estimator.estimate(np.full((96, 128, 3), 90, np.uint8)).depth_hw
    print(depth.shape, np.isfinite(depth).all())
"""


@pytest.mark.parametrize('size_hw', [(96, 128), (64, 160)])
def test_it_is_the_network_of_the_weights(size_hw: tuple[int, int]) -> None:
    weights = resolve_weights('embedded')
    assert read_portable(weights) is not None
    image = np.random.default_rng(0).integers(0, 256, (1, *size_hw, 3), dtype=np.uint8)
    compiled = ov.Core().compile_model(
        convert_network(weights, size_hw), 'CPU', {hint.inference_precision: ov.Type.f32}
    )
    network, metadata = load_network(weights)
    with torch.inference_mode():
        expected = ImageToDepth(network, metadata).eval()(torch.from_numpy(image)).numpy()
    # Its weights are in half precision after batch normalisation is folded into them.
    np.testing.assert_allclose(compiled({0: image})[0], expected, atol=3e-3)


@pytest.mark.slow
def test_depth_without_pytorch(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, '-c', WITHOUT_PYTORCH],
        env={'DRNET_CACHE_DIR': str(tmp_path), 'PATH': '/usr/bin:/bin'},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == '(96, 128) True\n'


def test_a_model_of_other_weights_is_not_used(weights: str, tmp_path: Path) -> None:
    other = Path(shutil.copy(weights, tmp_path / 'other.safetensors'))
    embedded = portable_path(resolve_weights('embedded'))
    for suffix in ('.xml', '.bin'):
        shutil.copy(embedded.with_suffix(suffix), other.with_suffix(suffix))
    assert read_portable(other) is None
    portable_path(other).write_text('no model', encoding='utf-8')
    assert read_portable(other) is None


@pytest.mark.slow
def test_a_damaged_model_is_not_used(
    weights: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    own = Path(shutil.copy(weights, tmp_path / 'own.safetensors'))
    model = write_portable(own)
    assert read_portable(own) is not None
    assert not caplog.messages
    tensors = model.with_suffix('.bin')
    for path, before, after in (
        (tensors, tensors.read_bytes()[1 << 20 :][:4096], bytes(4096)),
        (model, b'strides="2, 2"', b'strides="1, 1"'),
    ):
        whole = path.read_bytes()
        assert before in whole
        path.write_bytes(whole.replace(before, after))
        assert read_portable(own) is None
        expected = f'{model} or its .bin is damaged: the weights are converted anew'
        assert caplog.messages == [expected]
        assert main(['--check', str(own)]) == 1
        path.write_bytes(whole)
        caplog.clear()
    assert main(['--check', str(own)]) == 0


def test_check_says_what_to_do(weights: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['--check']) == 0
    assert main(['--check', weights]) == 1
    assert capsys.readouterr().err.endswith(
        'must be whole and of random.safetensors: run make embedded\n'
    )
    assert main(['--check', 'gone.safetensors']) == 1
