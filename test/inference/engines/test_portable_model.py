"""The OpenVINO model beside weights: the same network, and PyTorch not needed."""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import openvino as ov
import pytest
import torch
from openvino.properties import hint

from drnet_ros.errors import EngineError
from drnet_ros.inference import DepthEstimator, Settings
from drnet_ros.inference.engines.openvino_convert import convert_network
from drnet_ros.inference.engines.openvino_portable import (
    main,
    portable_path,
    read_portable,
    write_portable,
)
from drnet_ros.network.checkpoint import load_network, save_network
from drnet_ros.network.image_to_depth import ImageToDepth
from drnet_ros.weights import resolve_weights

STORE_DEPTH = """
import sys
import numpy as np
from drnet_ros.inference import DepthEstimator, Settings
settings = Settings(weights=sys.argv[1], engine='openvino', precision='fp32')
image = np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8)
with DepthEstimator(settings) as estimator:
    np.save(sys.argv[2], estimator.estimate(image).depth_hw)
"""
IMAGE = np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8)


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


def depth_without_pytorch(weights: str, folder: Path) -> str:
    """Let a process store folder/depth.npy that, as its children, cannot import PyTorch.

    Returns:
        What it said.
    """
    hiding = folder / 'hiding'
    hiding.mkdir(exist_ok=True)
    for name in ('torch', 'torchvision', 'timm'):
        text = f'raise ModuleNotFoundError("No module named {name}", name="{name}")'
        (hiding / f'{name}.py').write_text(text, encoding='utf-8')
    environment = {'DRNET_CACHE_DIR': str(folder / 'cache'), 'PYTHONPATH': str(hiding)}
    done = subprocess.run(
        [sys.executable, '-c', STORE_DEPTH, weights, str(folder / 'depth.npy')],
        env={**environment, 'PATH': '/usr/bin:/bin'},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stderr


@pytest.mark.slow
@pytest.mark.parametrize('name', ['embedded', 'weights', 'guided_weights'])
def test_depth_without_pytorch(
    name: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = name
    if name != 'embedded':
        weights = str(tmp_path / 'own.safetensors')
        shutil.copy(request.getfixturevalue(name), weights)
        write_portable(Path(weights))
    assert depth_without_pytorch(weights, tmp_path) == ''
    found = np.load(tmp_path / 'depth.npy')
    if name != 'embedded':
        portable_path(Path(weights)).unlink()  # PyTorch converts these
    monkeypatch.setenv('DRNET_CACHE_DIR', str(tmp_path / 'other_cache'))
    with DepthEstimator(Settings(weights=weights, engine='openvino', precision='fp32')) as robot:
        expected = robot.estimate(IMAGE).depth_hw
    assert np.isfinite(expected).mean() > 0.9
    np.testing.assert_allclose(found, expected, atol=2e-5 if name == 'guided_weights' else 0.03)


@pytest.mark.slow
def test_guides_are_those_of_this_cpu_where_pytorch_is(
    guided_weights: str, tmp_path: Path
) -> None:
    own = Path(shutil.copy(guided_weights, tmp_path / 'own.safetensors'))
    without_model = operations(convert_network(own, (96, 128)))
    write_portable(own)
    assert read_portable(own) is not None
    assert operations(convert_network(own, (96, 128))) == without_model


def operations(model: ov.Model) -> Counter[str]:
    """Return how many operations of each type a model has, without those of compressed weights."""
    names = (node.get_type_name() for node in model.get_ordered_ops())
    return Counter(name for name in names if name not in {'Constant', 'Convert'})


@pytest.mark.slow
def test_weights_without_a_model_of_theirs_say_what_to_do(weights: str, tmp_path: Path) -> None:
    other = Path(shutil.copy(weights, tmp_path / 'other.safetensors'))
    command = (
        'python -m drnet_ros.inference.engines.openvino_portable other.safetensors where it is '
        'installed, and put the .xml and .bin that it writes beside the weights'
    )
    said = depth_without_pytorch(str(other), tmp_path)
    assert said.splitlines()[-1].endswith(f'pip install torch, or run {command}')
    copy_embedded_model(other)
    said = depth_without_pytorch(str(other), tmp_path)
    assert said.count(f'{portable_path(other)} is not the model of other.safetensors') == 1
    assert said.splitlines()[-1].endswith(f'pip install torch, or run {command}')


@pytest.mark.slow
def test_the_log_says_once_that_a_model_is_of_other_weights(
    weights: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PyTorch is there, so that there is depth all the same."""
    monkeypatch.setenv('DRNET_CACHE_DIR', str(tmp_path / 'cache'))
    other = Path(shutil.copy(weights, tmp_path / 'other.safetensors'))
    copy_embedded_model(other)
    with DepthEstimator(Settings(weights=str(other), engine='openvino')) as estimator:
        for image in (IMAGE, IMAGE[:64], IMAGE):
            assert np.isfinite(estimator.estimate(image).depth_hw).all()
    (said,) = (each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING)
    assert said == (
        f'{portable_path(other)} is not the model of other.safetensors: it is not used; write it '
        'anew with python -m drnet_ros.inference.engines.openvino_portable other.safetensors'
    )


def copy_embedded_model(weights: Path) -> None:
    embedded = portable_path(resolve_weights('embedded'))
    for suffix in ('.xml', '.bin'):
        shutil.copy(embedded.with_suffix(suffix), weights.with_suffix(suffix))


def test_a_model_of_other_weights_is_not_used(weights: str, tmp_path: Path) -> None:
    other = Path(shutil.copy(weights, tmp_path / 'other.safetensors'))
    copy_embedded_model(other)
    assert read_portable(other) is None
    portable_path(other).write_text('no model', encoding='utf-8')
    assert read_portable(other) is None


@pytest.mark.slow
def test_it_is_of_the_tensors_whatever_else_the_weights_file_says(
    weights: str, tmp_path: Path
) -> None:
    own = Path(shutil.copy(weights, tmp_path / 'own.safetensors'))
    write_portable(own)
    network, metadata = load_network(own)
    save_network(own, network, replace(metadata, scale_model={'spread': 0.2}, licence='mine'))
    assert own.read_bytes() != Path(weights).read_bytes()
    assert read_portable(own) is not None
    with torch.no_grad():
        next(network.parameters()).view(-1)[0] += 1e-3
    save_network(own, network, metadata)
    assert read_portable(own) is None


@pytest.mark.slow
def test_a_program_that_uses_the_model_goes_on_while_it_is_written_anew(
    weights: str, guided_weights: str, tmp_path: Path
) -> None:
    """Its .bin is mapped into memory: written over, it would end that program by SIGBUS."""
    own = Path(shutil.copy(weights, tmp_path / 'own.safetensors'))
    tensors = write_portable(own).with_suffix('.bin')
    before = tensors.read_bytes()
    with tensors.open('rb') as mapped:
        shutil.copy(guided_weights, own)
        write_portable(own)
        assert mapped.read() == before
    assert tensors.read_bytes() != before
    assert read_portable(own) is not None
    names = {'own.safetensors', 'own.xml', 'own.bin'}
    assert {path.name for path in tmp_path.iterdir()} == names


def test_a_model_that_cannot_be_written_is_one_line(weights: str, tmp_path: Path) -> None:
    own = Path(shutil.copy(weights, tmp_path / 'own.safetensors'))
    (tmp_path / 'own.xml').mkdir()
    with pytest.raises(EngineError, match=r'^.*own\.xml must be written, got: .*own\.xml.*$'):
        write_portable(own)


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
        (said,) = (each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING)
        assert said.startswith(f'{model} or its .bin is damaged: it is not used; write it anew')
        assert main(['--check', str(own)]) == 1
        path.write_bytes(whole)
        caplog.clear()
    assert main(['--check', str(own)]) == 0


def test_check_says_what_to_do(weights: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['--check']) == 0
    assert main(['--check', weights]) == 1
    assert capsys.readouterr().err.endswith(
        'must be whole and of random.safetensors: run python -m '
        'drnet_ros.inference.engines.openvino_portable random.safetensors\n'
    )
    assert main(['--check', 'gone.safetensors']) == 1
