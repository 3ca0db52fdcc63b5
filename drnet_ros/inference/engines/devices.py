"""What this machine can compute on, found out without importing a deep-learning library."""

import ctypes
import logging
import os
import re
import warnings
from collections.abc import Sequence
from importlib.util import find_spec

__all__ = ['driver_gpu_name', 'has_cuda', 'has_kernels', 'usable_cores', 'usable_gpu']

_LOG = logging.getLogger(__name__)
# What nvcc can build for: machine code (sm) or PTX (compute), of a version, which may be for one
# architecture alone (a) or for its family (f).
_TARGET = re.compile(r'(sm|compute)_(\d+)(\d)([af]?)')


def has_cuda() -> bool:
    """Whether PyTorch can compute on an NVIDIA GPU here.

    PyTorch takes seconds to import, so the driver is asked first, and PyTorch only if the driver
    has a device.

    Returns:
        True if there is a driver with a device, and PyTorch is installed and has kernels for it.
    """
    if find_spec('torch') is None or _driver_device_count() == 0:
        return False
    return usable_gpu() is not None


def usable_gpu() -> int | None:
    """Return the index of the first GPU that this PyTorch has kernels for; imports PyTorch.

    PyTorch counts every GPU of the driver as available, also one that it was not built for, on
    which the first kernel fails. If there are only such ones, a warning says so.

    Returns:
        The index, or None if there is no such GPU.
    """
    import torch  # noqa: PLC0415

    if not torch.cuda.is_available():
        return None
    with warnings.catch_warnings():
        # PyTorch says in many lines, of each GPU, what is logged below in one.
        warnings.simplefilter('ignore')
        indices = range(torch.cuda.device_count())
        capabilities = [torch.cuda.get_device_capability(index) for index in indices]
    targets = torch.cuda.get_arch_list()
    for index, capability in enumerate(capabilities):
        if has_kernels(targets, capability):
            return index
    names = [
        f'{torch.cuda.get_device_name(index)} (sm_{major}{minor})'
        for index, (major, minor) in enumerate(capabilities)
    ]
    _LOG.warning(
        'using the CPU instead of %s: PyTorch %s has kernels for %s only; install a PyTorch built '
        'for this GPU to use it',
        ' or '.join(names),
        torch.__version__,
        ' '.join(targets),
    )
    return None


def has_kernels(targets: Sequence[str], capability: tuple[int, int]) -> bool:
    """Whether code built for some architectures runs on a GPU.

    Machine code runs on GPUs of the same major version and the same or a later minor one, PTX on
    all the same or later ones (CUDA C++ Programming Guide, 'Application Compatibility'). For the
    GPUs of Tegra and Jetson that is not promised; it is tried.

    Args:
        targets: Architectures such as 'sm_86' or 'compute_90', as `torch.cuda.get_arch_list` has
            them.
        capability: Major and minor version of the GPU's compute capability.

    Returns:
        True also if none of the targets is of a known form, so that nothing speaks against it.
    """
    known = [found for target in targets if (found := _TARGET.fullmatch(target))]
    for kind, major, minor, suffix in (found.groups() for found in known):
        built_for = int(major), int(minor)
        if suffix == 'a':
            runs = capability == built_for
        elif suffix == 'f' or kind == 'sm':
            runs = capability[0] == built_for[0] and capability >= built_for
        else:
            runs = capability >= built_for
        if runs:
            return True
    return not known


def usable_cores() -> int:
    """Return how many CPU cores this process may use (fewer than there are, under taskset)."""
    if hasattr(os, 'sched_getaffinity'):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def driver_gpu_name(index: int) -> str | None:
    """Return what the driver calls a GPU; imports no library.

    Args:
        index: Its number, as CUDA counts.

    Returns:
        Such as 'Orin', or None if there is no such GPU.
    """
    if index >= _driver_device_count():
        return None
    driver = ctypes.CDLL('libcuda.so.1')
    device, name = ctypes.c_int(0), ctypes.create_string_buffer(256)
    if driver.cuDeviceGet(ctypes.byref(device), index) != 0:
        return None
    if driver.cuDeviceGetName(name, len(name), device) != 0:
        return None
    return name.value.decode(errors='replace')


def _driver_device_count() -> int:
    try:
        driver = ctypes.CDLL('libcuda.so.1')
        count = ctypes.c_int(0)
        if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
            return 0
    except (OSError, AttributeError):
        return 0
    return count.value
