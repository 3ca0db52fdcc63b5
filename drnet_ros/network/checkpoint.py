"""Weights files: a network and its metadata in one .safetensors file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from drnet_ros.errors import WeightsError
from drnet_ros.network.drnet import DRNet
from drnet_ros.network.metadata import WeightsMetadata, read_metadata, to_header

if TYPE_CHECKING:
    from pathlib import Path

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
        WeightsError: The metadata describe another network, or dtype cannot hold the values.
    """
    if metadata.network != network.config:
        msg = f'metadata describe {metadata.network}, the network is {network.config}'
        raise WeightsError(msg)
    tensors = {}
    for name, tensor in network.state_dict().items():
        if name.endswith(_BATCH_COUNTER):
            continue
        stored = tensor.detach().cpu().to(dtype).contiguous()
        if not bool(torch.isfinite(stored).all()):
            msg = f'tensor {name} has values that are not finite in {dtype}'
            raise WeightsError(msg)
        tensors[name] = stored
    part = path.with_name(path.name + '.part')
    save_file(tensors, part, metadata=to_header(metadata))
    os.replace(part, path)


def load_network(path: Path) -> tuple[DRNet, WeightsMetadata]:
    """Read a weights file.

    Args:
        path: A .safetensors file written by `save_network`.

    Returns:
        The network in eval mode, float32 on the CPU, and its metadata.

    Raises:
        WeightsError: The file cannot be read, or its tensors are not those of the network that
            its metadata name.
    """
    metadata = read_metadata(path)
    network = DRNet(metadata.network)
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        msg = f'cannot read the tensors of {path}: {error}'
        raise WeightsError(msg) from error
    expected = {
        name: tensor
        for name, tensor in network.state_dict().items()
        if not name.endswith(_BATCH_COUNTER)
    }
    wrong = sorted(
        name
        for name in expected.keys() | tensors.keys()
        if name not in expected
        or name not in tensors
        or expected[name].shape != tensors[name].shape
    )
    if wrong:
        msg = (
            f'{path} names the network {metadata.network}, but {len(wrong)} of its tensors are '
            f'missing, foreign or of another shape, first {wrong[0]!r}'
        )
        raise WeightsError(msg)
    network.load_state_dict({name: t.float() for name, t in tensors.items()}, strict=False)
    return network.eval(), metadata
