"""Exported files compute what PyTorch does, and say how they are to be used."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import openvino as ov
import pytest
import torch
from command_line import exit_code
from full_disk import full_disk
from random_weights import random_weights

from drnet_offline.errors import OfflineError
from drnet_offline.training.export import difference_m, export_openvino
from drnet_ros.network.checkpoint import load_network
from drnet_ros.network.config import NetworkConfig
from drnet_ros.network.metadata import IMAGENET_MEAN, IMAGENET_STD, read_metadata
from drnet_ros.weights import resolve_weights

pytestmark = pytest.mark.slow

EMBEDDED = resolve_weights('embedded')
# Depths are metres: float32 sums in another order differ by some millionths.
SAME_M = 1e-4


@pytest.fixture(scope='module')
def guided(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of random values, with the guided filter."""
    path = tmp_path_factory.mktemp('guided') / 'guided.safetensors'
    config = NetworkConfig(guided_filter=True)
    return random_weights(path, config, f_training=80.0, licence='ours')


@pytest.mark.timeout(600)
def test_onnx_of_free_size_is_the_embedded_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / 'depth.onnx'
    assert exit_code(monkeypatch, 'export', '--format', 'onnx', '--output', path, '--dynamic') == 0
    assert f'{path}: any size, at most ' in capsys.readouterr().out
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ['depth.onnx']
    for size in ((96, 128), (481, 641)):
        assert difference_m(EMBEDDED, path, size) < SAME_M
    model = onnx.load(path)
    facts = {entry.key: entry.value for entry in model.metadata_props}
    metadata = read_metadata(EMBEDDED)
    assert float(facts['drnet.f_training']) == metadata.f_training
    assert tuple(map(float, facts['drnet.mean'].split())) == metadata.mean
    assert tuple(map(float, facts['drnet.std'].split())) == metadata.std
    assert facts['drnet.training_size'] == f'{metadata.input_height}x{metadata.input_width}'
    assert json.loads(facts['drnet.metadata']) == json.loads(metadata.to_json())
    assert 'uint8 (1, H, W, 3), RGB' in facts['drnet.input']


def test_onnx_of_the_guided_filter_by_hand(
    guided: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / 'guided.onnx'
    options = ['--weights', guided, '--format', 'onnx', '--output', path, '--size', '65x97']
    assert exit_code(monkeypatch, 'export', *options) == 0
    session = onnxruntime.InferenceSession(str(path), providers=['CPUExecutionProvider'])
    image = np.random.default_rng(1).integers(0, 256, (1, 65, 97, 3), dtype=np.uint8)
    (depth,) = session.run(None, {'image': image})
    network, _ = load_network(guided)
    normalised = (image / 255 - IMAGENET_MEAN) / IMAGENET_STD
    with torch.inference_mode():
        expected = network(torch.from_numpy(normalised).float().permute(0, 3, 1, 2))[0].numpy()
    assert depth.shape == (1, 1, 65, 97)
    assert depth.dtype == np.float32
    np.testing.assert_allclose(depth, expected, atol=1e-3)


@pytest.mark.parametrize(
    ('is_guided', 'size', 'shape'), [(False, None, None), (True, '65x97', (65, 97))]
)
def test_openvino(
    *,
    is_guided: bool,
    size: str | None,
    shape: tuple[int, int] | None,
    guided: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path, weights = tmp_path / 'depth.xml', guided if is_guided else EMBEDDED
    metadata = read_metadata(weights)
    options = ['--weights', weights, '--format', 'openvino', '--output', path]
    assert exit_code(monkeypatch, 'export', *options, *(['--size', size] if size else [])) == 0
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ['depth.bin', 'depth.xml']
    shape = shape or (metadata.input_height, metadata.input_width)
    # The embedded network was folded before its weights were stored as float16.
    assert difference_m(weights, path, shape) < 2e-3
    model = ov.Core().read_model(path)
    assert list(model.input('image').shape) == [1, *shape, 3]
    assert list(model.output('depth').shape) == [1, 1, *shape]
    assert float(model.get_rt_info(['drnet', 'f_training']).value) == metadata.f_training
    assert model.get_rt_info(['drnet', 'licence']).value == metadata.licence


@pytest.mark.parametrize(
    ('arguments', 'code', 'said'),
    [
        (['--format', 'tensorrt', '--output', 'x.plan'], 2, 'tensorrt'),
        (['--format', 'onnx', '--output', 'x.xml'], 2, 'must be a .onnx file'),
        (['--format', 'onnx', '--output', 'absent/x.onnx'], 2, 'in a folder that is there'),
        (['--format', 'onnx', '--output', 'x.onnx', '--size', '480'], 2, 'HxW as in 480x640'),
        (['--format', 'openvino', '--output', 'x.xml', '--dynamic'], 2, 'is for ONNX'),
        (['--format', 'onnx', '--output', 'x.onnx', '--weights', 'no.safetensors'], 1, 'error: '),
    ],
)
def test_exit_codes(
    arguments: list[str],
    code: int,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert exit_code(monkeypatch, 'export', *arguments) == code
    assert said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    path = tmp_path / 'depth.xml'
    message = rf'cannot write {path}: \d+ MB free, got: '
    with pytest.raises(OfflineError, match=message), full_disk():
        export_openvino(EMBEDDED, path, (64, 64))
    assert not list(tmp_path.iterdir())
