"""A SHA-256 over the tensors of a weights file: what altered them does not run.

A disk or a program that alters tensors leaves a valid file whose depth is wrong. The sum stands in
the header of the file, apart from the record of metadata, which older versions read.
"""

from __future__ import annotations

import hashlib
import io
import json
from typing import TYPE_CHECKING, Any

from drnet_ros.errors import WeightsError

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

__all__ = ['TENSOR_SUM_KEY', 'check_tensor_sum', 'read_tensor_sum', 'with_tensor_sum']

TENSOR_SUM_KEY = 'drnet_tensors_sha256'
"""The entry of the safetensors header that holds the sum, in hexadecimal."""

_METADATA = '__metadata__'
_LENGTH_BYTES = 8


def with_tensor_sum(whole: bytes) -> bytes:
    """Return a safetensors file with the sum of its tensors in its header.

    Args:
        whole: The file, as safetensors writes it.

    Returns:
        The same file with the sum, the same bytes each time.
    """
    file = io.BytesIO(whole)
    header = _read_header(file)
    data_begin = file.tell()
    found = _tensor_sum(file, header, data_begin)
    header[_METADATA] = {**(header.get(_METADATA) or {}), TENSOR_SUM_KEY: found}
    text = json.dumps(header, separators=(',', ':'), sort_keys=True).encode()
    text += b' ' * (-len(text) % _LENGTH_BYTES)  # tensors stay aligned
    return len(text).to_bytes(_LENGTH_BYTES, 'little') + text + whole[data_begin:]


def read_tensor_sum(path: Path) -> str:
    """Return the sum of the tensors that a weights file holds, whatever its header says.

    It names each tensor with its shape, and so the network too.

    Args:
        path: A whole safetensors file.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open('rb') as file:
        header = _read_header(file)
        return _tensor_sum(file, header, file.tell())


def check_tensor_sum(path: Path) -> None:
    """Refuse a weights file whose tensors are not those that were written.

    Args:
        path: A whole safetensors file; one without a sum, of an older version, passes.

    Raises:
        WeightsError: The tensors have another sum than the header says.
        OSError: The file cannot be read.
    """
    with path.open('rb') as file:
        header = _read_header(file)
        expected = (header.get(_METADATA) or {}).get(TENSOR_SUM_KEY)
        if expected is None:
            return
        found = _tensor_sum(file, header, file.tell())
    if found != expected:
        msg = (
            f'{path} must hold the tensors that were written into it, but their SHA-256 is '
            f'{found[:12]}... and its header says {expected[:12]}...: the file is damaged or was '
            'altered, copy or write it again'
        )
        raise WeightsError(msg)


def _tensor_sum(file: BinaryIO, header: dict[str, Any], data_begin: int) -> str:
    """Return the SHA-256 of all tensors in the order of their names, in hexadecimal.

    Each counts with its name, its type, its shape and its bytes.

    Args:
        file: The safetensors file.
        header: Its header.
        data_begin: Where the bytes of the tensors begin.
    """
    digest = hashlib.sha256()
    for name in sorted(header.keys() - {_METADATA}):
        tensor = header[name]
        begin, end = tensor['data_offsets']
        digest.update(json.dumps([name, tensor['dtype'], tensor['shape']]).encode() + b'\n')
        file.seek(data_begin + begin)
        digest.update(file.read(end - begin))
    return digest.hexdigest()


def _read_header(file: BinaryIO) -> dict[str, Any]:
    length = int.from_bytes(file.read(_LENGTH_BYTES), 'little')
    header: dict[str, Any] = json.loads(file.read(length))
    return header
