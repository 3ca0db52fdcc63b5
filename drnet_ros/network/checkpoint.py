"""Weights files: a network and its metadata in one .safetensors file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from drnet_ros.errors import WeightsError
from drnet_ros.network.drnet import DRNet
from drnet_ros.network.metadata import WeightsMetadata, read_metadata, to_header
from drnet_ros.network.tensor_sum import with_tensor_sum

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

__all__ = ['load_network', 'save_network']

_BATCH_COUNTER = 'num_batches_tracked'


def save_network(
    path: Path, network: DRNet, metadata: WeightsMetadata, *, dtype: torch.dtype = torch.float32
) -> None:
    """Write a weights file; an existing one is replaced only once the new one is whole.

    Args:
        path: Where to; the folder must exist.
        network: Its parameters and running statistics are written.
        metadata: Must describe this network.
        dtype: Type of the stored floating-point tensors; float16 halves the file.

    Raises:
        WeightsError: The metadata describe another network, dtype cannot hold the values, or the
            file cannot be written.
    """
    if metadata.network != network.config:
        msg = f'metadata must describe {network.config}, got those of {metadata.network}'
        raise WeightsError(msg)
    tensors = {
        name: tensor.detach().cpu().to(dtype).contiguous()
        for name, tensor in network.state_dict().items()
        if not name.endswith(_BATCH_COUNTER)
    }
    _check_finite(tensors, f'to be stored as {dtype}')
    target = Path(os.path.realpath(path))  # links stay links
    part = target.with_name(target.name + '.part')
    try:
        # Not save_file: its files only their owner can read, whatever the umask.
        part.write_bytes(with_tensor_sum(save(tensors, metadata=to_header(metadata))))
        part.replace(target)
    except OSError as error:
        msg = f'cannot write {path}: {error}'
        raise WeightsError(msg) from error
    finally:
        part.unlink(missing_ok=True)


def load_network(path: Path) -> tuple[DRNet, WeightsMetadata]:
    """Read a weights file.

    Args:
        path: A .safetensors file written by `save_network`.

    Returns:
        The network in eval mode, float32 on the CPU, and its metadata.

    Raises:
        WeightsError: The file cannot be read, or its tensors are not those that were written, or
            not those of the network that its metadata name.
    """
    metadata = read_metadata(path)
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        msg = f'cannot read the tensors of {path}: {error}'
        raise WeightsError(msg) from error
    # Without memory: no time for random values, and a false claim of the file costs nothing.
    with torch.device('meta'):
        network = DRNet(metadata.network)
    expected = network.state_dict()
    counters = {name for name in expected if name.endswith(_BATCH_COUNTER)}
    _check_fit(tensors, {n: t for n, t in expected.items() if n not in counters}, path, metadata)
    # copy: the tensors of a file may be the file itself, mapped into memory.
    state = {name: tensor.to(torch.float32, copy=True) for name, tensor in tensors.items()}
    _check_finite(state, f'in {path}')
    state |= {name: torch.zeros((), dtype=torch.long) for name in counters}
    network.load_state_dict(state, assign=True)
    return network.eval(), metadata


def _check_fit(
    tensors: Mapping[str, Tensor],
    expected: Mapping[str, Tensor],
    path: Path,
    metadata: WeightsMetadata,
) -> None:
    wrong = sorted(
        name
        for name in expected.keys() | tensors.keys()
        if name not in expected
        or name not in tensors
        or expected[name].shape != tensors[name].shape
        or not tensors[name].is_floating_point()
    )
    if wrong:
        msg = (
            f'{path} must hold the tensors of {metadata.network}, which it names, but '
            f'{len(wrong)} are missing, foreign or of another shape or type, first {wrong[0]!r}'
        )
        raise WeightsError(msg)


def _check_finite(tensors: Mapping[str, Tensor], what: str) -> None:
    for name, tensor in tensors.items():
        if not bool(torch.isfinite(tensor).all()):
            msg = f'tensor {name} must be finite {what}, got values that are not'
            raise WeightsError(msg)
