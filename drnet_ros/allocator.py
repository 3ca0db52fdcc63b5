"""What glibc's malloc does with freed memory: a node gives it back, a training keeps it."""

from __future__ import annotations

import ctypes
import os

__all__ = ['keep_freed_memory', 'return_large_blocks']

# Numbers of mallopt's parameters in glibc's malloc.h.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -2, -3, -4, -8
_MB = 2**20
_MOST = 2**31 - 1
_RETURNED = {_MMAP_THRESHOLD: 8 * _MB, _TRIM_THRESHOLD: 16 * _MB, _ARENA_MAX: 2}
_KEPT = {_MMAP_MAX: 0, _TRIM_THRESHOLD: _MOST, _TOP_PAD: 256 * _MB, _ARENA_MAX: 2}
_OWN_SETTINGS = ('MALLOC_', 'GLIBC_TUNABLES')
# PyTorch asks for huge pages for its tensors if this is set before the first one.
_HUGE_PAGES = 'THP_MEM_ALLOC_ENABLE'


def return_large_blocks() -> bool:
    """Make free() give blocks of over 8 MB back to the system; call it before there are threads.

    Left alone, glibc learns from the first cloud that is freed to take blocks of up to 32 MB from
    its heaps, of which each thread may have one. Images of changing size leave holes there that
    fit nothing: docs/reliability.md has what was measured.

    Returns:
        Whether that was set: not where the user's environment tunes malloc, nor without glibc.
    """
    return _set(_RETURNED)


def keep_freed_memory() -> bool:
    """Make free() keep what it gets, on huge pages; call it before PyTorch makes a tensor.

    A training step frees some hundred blocks of megabytes and asks for them again. By default each
    comes from the system anew, and page faults take a third of the time of both cores.

    Returns:
        Whether that was set: not where the user's environment tunes malloc, nor without glibc.
    """
    os.environ.setdefault(_HUGE_PAGES, '1')
    return _set(_KEPT)


def _set(options: dict[int, int]) -> bool:
    if any(name.startswith(_OWN_SETTINGS) for name in os.environ):
        return False
    mallopt = getattr(ctypes.CDLL(None), 'mallopt', None)
    return mallopt is not None and all(mallopt(*option) for option in options.items())
