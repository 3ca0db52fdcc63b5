"""Weights files: round trip, and refusal of whatever is not one."""

from __future__ import annotations

import io
import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from drnet_ros.errors import WeightsError
from drnet_ros.network.checkpoint import load_network, save_network
from drnet_ros.network.config import NetworkConfig
from drnet_ros.network.drnet import DRNet
from drnet_ros.network.metadata import WeightsMetadata, read_metadata

CONFIG = NetworkConfig(guided_filter=True, correction_kernel=3, decoder_channels=(8, 8, 4, 4))
METADATA = WeightsMetadata(
    network=CONFIG,
    input_height=64,
    input_width=96,
    f_training=80.0,
    min_depth=0.1,
    max_depth=10.0,
    licence='to be tested',
    metrics={'rmse': 0.5, 'protocol': 'eigen'},
)


@pytest.fixture(scope='module')
def network() -> DRNet:
    """Return a network whose running statistics are not the initial ones."""
    torch.manual_seed(0)
    network = DRNet(CONFIG)
    network(torch.randn(2, 3, 64, 64))
    return network.eval()


@pytest.fixture
def weights(network: DRNet, tmp_path: Path) -> Path:
    path = tmp_path / 'weights.safetensors'
    save_network(path, network, METADATA)
    return path


def rewrite(path: Path, tensors: dict[str, Tensor], metadata: WeightsMetadata = METADATA) -> None:
    save_file(tensors, path, {'drnet': metadata.to_json()})


def test_round_trip(network: DRNet, weights: Path) -> None:
    loaded, metadata = load_network(weights)
    assert metadata == METADATA == read_metadata(weights)
    assert not loaded.training
    assert all(p.requires_grad and p.device.type == 'cpu' for p in loaded.parameters())
    x = torch.randn(1, 3, 50, 70)
    with torch.no_grad():
        for depth, reference in zip(loaded(x), network(x), strict=True):
            assert torch.equal(depth, reference)
    assert list(weights.parent.iterdir()) == [weights]


@pytest.mark.slow
@pytest.mark.parametrize('backbone', ['resnet50', 'densenet161', 'efficientnet_lite2'])
def test_nothing_is_missing_in_a_loaded_network(backbone: str, tmp_path: Path) -> None:
    """Loading builds without memory, so each tensor must come from the file."""
    network = DRNet(NetworkConfig(backbone)).eval()
    path = tmp_path / 'weights.safetensors'
    save_network(path, network, replace(METADATA, network=network.config), dtype=torch.float16)
    loaded, _ = load_network(path)
    assert not any(tensor.is_meta for tensor in [*loaded.parameters(), *loaded.buffers()])
    before, after = network.state_dict(), loaded.state_dict()
    assert list(before) == list(after)
    assert {tensor.dtype for tensor in after.values()} == {torch.float32, torch.int64}


def test_half_the_size_in_float16_at_little_loss(network: DRNet, tmp_path: Path) -> None:
    paths = [tmp_path / 'whole.safetensors', tmp_path / 'half.safetensors']
    for path, dtype in zip(paths, (torch.float32, torch.float16), strict=True):
        save_network(path, network, METADATA, dtype=dtype)
    assert paths[1].stat().st_size < 0.55 * paths[0].stat().st_size
    (whole, _), (half, _) = map(load_network, paths)
    x = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        torch.testing.assert_close(half(x)[0], whole(x)[0], rtol=0.01, atol=0.02)


def test_a_loaded_network_is_independent_of_its_file(weights: Path) -> None:
    loaded, _ = load_network(weights)
    before = loaded.levels[1].reduce[0].weight.clone()  # type: ignore[index, union-attr]
    weights.write_bytes(b'\0' * weights.stat().st_size)
    assert torch.equal(loaded.levels[1].reduce[0].weight, before)  # type: ignore[index, union-attr]


def test_others_may_read_it(weights: Path) -> None:
    """Weights that root installs are read by whoever runs the node."""
    plain = weights.with_name('plain')
    plain.touch()
    assert weights.stat().st_mode == plain.stat().st_mode


def test_only_its_own_metadata(network: DRNet, tmp_path: Path) -> None:
    other = replace(METADATA, network=NetworkConfig())
    with pytest.raises(WeightsError, match=r'metadata must describe NetworkConfig.*got those of'):
        save_network(tmp_path / 'w.safetensors', network, other)


def test_values_that_a_type_cannot_hold_are_not_written(tmp_path: Path) -> None:
    network = DRNet(CONFIG)
    path = tmp_path / 'w.safetensors'
    with torch.no_grad():
        network.coarsest.bias.fill_(1e5)  # type: ignore[union-attr]
    with pytest.raises(WeightsError, match=r'coarsest\.bias must be finite to be stored as .*16'):
        save_network(path, network, METADATA, dtype=torch.float16)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there(network: DRNet, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r'cannot write .*absent'):
        save_network(tmp_path / 'absent' / 'w.safetensors', network, METADATA)


def as_pickle(whole: bytes) -> bytes:
    del whole
    return pickle.dumps({'weights': [1.0]})


def as_torch_archive(whole: bytes) -> bytes:
    del whole
    buffer = io.BytesIO()
    torch.save({'coarsest.bias': torch.zeros(1)}, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    'spoil',
    [
        as_pickle,
        as_torch_archive,
        lambda _: b'',
        lambda _: b'\xff' * 64,
        lambda whole: whole[:4],
        lambda whole: whole[:1000],
        lambda whole: whole[:-1],
        lambda whole: whole + b'\0',
        lambda _: (2**63).to_bytes(8, 'little') + b'{}',
    ],
    ids=['pickle', 'torch.save', 'empty', 'noise', 'cut in length', 'cut in header',
         'cut in tensors', 'too long', 'false length'],
)  # fmt: skip
def test_what_is_no_whole_safetensors_file(spoil: object, weights: Path) -> None:
    assert callable(spoil)
    weights.write_bytes(spoil(weights.read_bytes()))
    message = r'weights\.safetensors must be a whole \.safetensors file \(pickled.*not loaded\)'
    for read in (read_metadata, load_network):
        with pytest.raises(WeightsError, match=message):
            read(weights)


def test_no_file(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / 'absent.safetensors'):
        with pytest.raises(WeightsError, match='no weights file at'):
            load_network(path)


def test_a_safetensors_file_of_someone_else(weights: Path) -> None:
    save_file({'conv.weight': torch.zeros(3)}, weights, {'format': 'pt'})
    with pytest.raises(WeightsError, match='must hold a drnet_ros record: write weights with'):
        load_network(weights)
    save_file({'conv.weight': torch.zeros(3)}, weights)
    with pytest.raises(WeightsError, match='must hold a drnet_ros record'):
        load_network(weights)


def test_a_record_that_cannot_be_is_named_with_its_file(weights: Path) -> None:
    save_file(load_file(weights), weights, {'drnet': '{"format_version": 7}'})
    with pytest.raises(WeightsError, match=r'weights\.safetensors: .*format version 7'):
        load_network(weights)


def test_tensors_of_another_network(weights: Path) -> None:
    message = r'backbone=.resnet50.*which it names, but \d+ are missing, foreign or of another'
    rewrite(weights, load_file(weights), replace(METADATA, network=NetworkConfig('resnet50')))
    with pytest.raises(WeightsError, match=message):
        load_network(weights)


def test_a_false_claim_costs_no_memory(weights: Path) -> None:
    huge = NetworkConfig(decoder_channels=(2**20, 2**20, 2**20, 2**20))
    rewrite(weights, load_file(weights), replace(METADATA, network=huge))
    with pytest.raises(WeightsError, match='missing, foreign or of another shape'):
        load_network(weights)


@pytest.mark.parametrize('fault', ['missing', 'foreign', 'shape', 'type', 'value'])
def test_one_wrong_tensor_is_named(fault: str, weights: Path) -> None:
    tensors = load_file(weights)
    name, message = 'coarsest.bias', "1 are missing, foreign or of another .*'coarsest.bias'"
    if fault == 'missing':
        del tensors[name]
    elif fault == 'foreign':
        tensors['coarsest.gain'] = torch.zeros(1)
        message = message.replace('bias', 'gain')
    elif fault == 'shape':
        tensors[name] = torch.zeros(2)
    elif fault == 'type':
        tensors[name] = torch.zeros(1, dtype=torch.int32)
    else:
        tensors[name] = torch.tensor([float('nan')])
        message = r'tensor coarsest\.bias must be finite in .*weights\.safetensors'
    rewrite(weights, tensors)
    with pytest.raises(WeightsError, match=message):
        load_network(weights)
