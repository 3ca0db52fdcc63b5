"""What this machine can compute on, found out without importing a deep-learning library."""

import ctypes
import os
from importlib.util import find_spec

__all__ = ['has_cuda', 'usable_cores']


def has_cuda() -> bool:
    """Whether PyTorch can compute on an NVIDIA GPU here.

    PyTorch takes seconds to import, so the driver is asked first, and PyTorch only if the driver
    has a device.

    Returns:
        True if there is a driver with a device, and PyTorch is installed and can use it.
    """
    if find_spec('torch') is None or _driver_device_count() == 0:
        return False
    import torch  # noqa: PLC0415

    return torch.cuda.is_available()


def usable_cores() -> int:
    """Return how many CPU cores this process may use (fewer than there are, under taskset)."""
    if hasattr(os, 'sched_getaffinity'):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _driver_device_count() -> int:
    try:
        driver = ctypes.CDLL('libcuda.so.1')
        count = ctypes.c_int(0)
        if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
            return 0
    except (OSError, AttributeError):
        return 0
    return count.value
