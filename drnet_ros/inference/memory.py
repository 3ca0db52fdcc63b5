"""How the process treats memory that images leave behind."""

from __future__ import annotations

import ctypes

__all__ = ['keep_freed_memory']

# Parameters of glibc's mallopt, from malloc.h.
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_MAX_MMAP_THRESHOLD = 32 << 20  # the greatest that glibc accepts


def keep_freed_memory(limit_bytes: int = 64 << 20) -> bool:
    """Let the allocator keep freed image memory for the next image.

    By default glibc gives the memory of each freed image back to the kernel, which clears it page
    by page when the next image asks for it: milliseconds for each cloud. For programs that
    handle images for as long as they run; a library must not decide this for its host.

    Args:
        limit_bytes: Most free memory to keep at the top of the heap.

    Returns:
        Whether the C library took it; other libraries than glibc have no such switch.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    mallopt.argtypes = (ctypes.c_int, ctypes.c_int)
    return bool(mallopt(_M_MMAP_THRESHOLD, _MAX_MMAP_THRESHOLD)) and bool(
        mallopt(_M_TRIM_THRESHOLD, limit_bytes)
    )
