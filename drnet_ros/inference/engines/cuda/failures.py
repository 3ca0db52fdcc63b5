"""What errors of PyTorch on a GPU mean."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from drnet_ros.errors import DeviceLostError, DeviceMemoryError, EngineError

if TYPE_CHECKING:
    import torch

__all__ = ['as_engine_error', 'first_line', 'is_shortage']

# The allocator, pinned memory, cuDNN and cuBLAS have each their own way to say so. A handle that
# cannot be made for want of memory is 'not initialized', and cuDNN then has no engine that fits.
_SHORTAGE = re.compile(
    r'out of memory|ALLOC(ATION)?_FAILED|(CUBLAS|CUDNN)_STATUS_NOT_INITIALIZED'
    r'|unable to find an engine|Unable to find a valid cuDNN algorithm'
)
# PyTorch's own kernels, and cuDNN or cuBLAS.
_OTHER_GPU = re.compile('no kernel image|ARCH_MISMATCH')


def as_engine_error(
    error: RuntimeError, device: torch.device, *, is_lost: bool = False
) -> EngineError:
    """Return what an error of PyTorch means to the user.

    Args:
        error: The error.
        device: Where it happened.
        is_lost: Whether nothing works on the device any more, whatever the error says.
    """
    line = first_line(error)
    if is_lost:
        return DeviceLostError(f'{device} must go on working, got: {line}; restart the node')
    if is_shortage(error):
        msg = (
            f'{device} must have enough free memory, got: {line}; lower input_size, '
            'use fewer cameras or a smaller backbone, or end what else runs there'
        )
        return DeviceMemoryError(msg)
    if _OTHER_GPU.search(str(error)):
        msg = (
            f'PyTorch must have kernels for {device}, got: {line}; set device to cpu, or '
            'install a PyTorch built for this GPU'
        )
        return EngineError(msg)
    return EngineError(f'PyTorch failed on {device}: {line}')


def is_shortage(error: RuntimeError) -> bool:
    """Whether it may work with less: after memory is freed, or with fewer frames."""
    return bool(_SHORTAGE.search(str(error)))


def first_line(error: RuntimeError) -> str:
    """Return what an error says, without the advice that follows."""
    return (str(error).splitlines() or [type(error).__name__])[0]
