"""The sum over the tensors of a weights file: what it is, and that altered tensors are refused."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from random_weights import random_weights
from safetensors import safe_open
from safetensors.numpy import load_file, save, save_file

from drnet_ros.errors import WeightsError
from drnet_ros.network.checkpoint import load_network
from drnet_ros.network.config import NetworkConfig
from drnet_ros.network.metadata import read_metadata
from drnet_ros.network.tensor_sum import TENSOR_SUM_KEY, with_tensor_sum

CONFIG = NetworkConfig(decoder_channels=(8, 8, 4, 4))


@pytest.fixture(scope='module')
def written(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return random_weights(tmp_path_factory.mktemp('sum') / 'w.safetensors', CONFIG).read_bytes()


@pytest.fixture
def weights(written: bytes, tmp_path: Path) -> Path:
    path = tmp_path / 'weights.safetensors'
    path.write_bytes(written)
    return path


def header_of(path: Path) -> dict[str, str]:
    with safe_open(path, framework='numpy') as file:
        return dict(file.metadata())


def test_sum_is_that_of_names_types_shapes_and_bytes() -> None:
    tensors: dict[str, NDArray[Any]] = {
        'b': np.array([[1.5, -2.0]], np.float32),
        'a': np.array([0.25, 0.5, 4.0], np.float16),
    }
    text = b'["a", "F16", [3]]\n' + bytes.fromhex('003400380044')
    text += b'["b", "F32", [1, 2]]\n' + bytes.fromhex('0000c03f000000c0')
    for order in (('a', 'b'), ('b', 'a')):
        whole = save({name: tensors[name] for name in order}, {'drnet': 'record'})
        length = int.from_bytes((summed := with_tensor_sum(whole))[:8], 'little')
        header = json.loads(summed[8 : 8 + length])
        expected = {'drnet': 'record', TENSOR_SUM_KEY: hashlib.sha256(text).hexdigest()}
        assert header['__metadata__'] == expected
        assert length % 8 == 0
        assert summed == with_tensor_sum(whole)


def test_a_file_with_a_sum_is_read_as_before(weights: Path) -> None:
    assert len(header_of(weights)[TENSOR_SUM_KEY]) == 64
    network, metadata = load_network(weights)
    assert metadata == read_metadata(weights)
    tensors = load_file(weights)
    state = network.state_dict()
    assert all(np.array_equal(state[name].numpy(), tensors[name]) for name in tensors)


@pytest.mark.parametrize('fault', ['zeroed', 'swapped', 'one bit', 'renamed', 'half precision'])
def test_tensors_that_were_altered_are_refused(fault: str, weights: Path) -> None:
    """Each of these is a valid file of finite values and the right shapes."""
    tensors, header = load_file(weights), header_of(weights)
    largest = max(tensors, key=lambda name: tensors[name].size)
    means = sorted(name for name in tensors if name.endswith('running_mean'))
    twins = [name for name in means if tensors[name].shape == tensors[means[0]].shape]
    if fault == 'zeroed':
        tensors[largest] = np.zeros_like(tensors[largest])
    elif fault == 'swapped':
        one, two = twins[:2]
        tensors[one], tensors[two] = tensors[two], tensors[one]
    elif fault == 'one bit':
        tensors[largest].view(np.uint8).flat[0] ^= 1
    elif fault == 'renamed':
        tensors['other'] = tensors.pop(largest)
    else:
        tensors[largest] = tensors[largest].astype(np.float16)
    save_file(tensors, weights, header)
    message = (
        r'weights\.safetensors must hold the tensors that were written into it.*copy or write'
    )
    for read in (read_metadata, load_network):
        with pytest.raises(WeightsError, match=message):
            read(weights)


def test_a_block_that_a_disk_lost_is_refused(weights: Path) -> None:
    whole = bytearray(weights.read_bytes())
    whole[-8192:-4096] = bytes(4096)
    weights.write_bytes(whole)
    with pytest.raises(WeightsError, match='is damaged or was altered'):
        read_metadata(weights)


def test_files_of_older_versions_have_no_sum_and_are_read(weights: Path) -> None:
    header = header_of(weights)
    del header[TENSOR_SUM_KEY]
    save_file(load_file(weights), weights, header)
    assert load_network(weights)[1].network == CONFIG
