"""Memory of this process, as Linux counts it, and of its GPU, as PyTorch does."""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress
from pathlib import Path

__all__ = ['forget_peak_mb', 'gpu_peak_mb', 'peak_mb', 'resident_mb', 'status_mb']

_KIB_PER_MB = 1024.0
_STATUS = Path('/proc/self/status')
_CLEAR = Path('/proc/self/clear_refs')
_CLEAR_PEAK = '5'


def resident_mb() -> float:
    """Return the resident set, MB of 2^20 bytes, after freed memory went back to the system."""
    with suppress(OSError, AttributeError):  # another C library keeps what it keeps
        ctypes.CDLL('libc.so.6').malloc_trim(0)
    return status_mb('VmRSS')


def forget_peak_mb() -> float:
    """Make now the peak of the resident set, and return it in MB."""
    now = resident_mb()
    with suppress(OSError):  # where that is not allowed, building the network counts too
        _CLEAR.write_text(_CLEAR_PEAK)
    torch = sys.modules.get('torch')
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    return now


def peak_mb() -> float:
    """Return the highest resident set since `forget_peak_mb`, MB."""
    return status_mb('VmHWM')


def gpu_peak_mb() -> float:
    """Return what PyTorch held most of the GPU's memory since `forget_peak_mb`, MB; 0 for none."""
    torch = sys.modules.get('torch')
    if torch is None or not torch.cuda.is_initialized():
        return 0.0
    return float(torch.cuda.max_memory_reserved()) / 2**20


def status_mb(name: str) -> float:
    """Return an entry of /proc/self/status such as 'VmRSS', the resident set as it is, MB."""
    lines = _STATUS.read_text(encoding='ascii').splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / _KIB_PER_MB
