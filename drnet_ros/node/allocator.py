"""How the C library keeps memory that images and clouds have used."""

from __future__ import annotations

import ctypes
import os

__all__ = ['return_large_blocks']

# Numbers of mallopt's parameters in glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
_MB = 2**20
_OPTIONS = {_MMAP_THRESHOLD: 8 * _MB, _TRIM_THRESHOLD: 16 * _MB, _ARENA_MAX: 2}
_OWN_SETTINGS = ('MALLOC_', 'GLIBC_TUNABLES')


def return_large_blocks() -> bool:
    """Make free() give blocks of over 8 MB back to the system; call it before there are threads.

    Left alone, glibc learns from the first cloud that is freed to take blocks of up to 32 MB from
    its heaps, of which each thread may have one. Images of changing size leave holes there that
    fit nothing: docs/reliability.md has what was measured.

    Returns:
        Whether that was set: not where the user's environment tunes malloc, nor without glibc.
    """
    if any(name.startswith(_OWN_SETTINGS) for name in os.environ):
        return False
    mallopt = getattr(ctypes.CDLL(None), 'mallopt', None)
    return mallopt is not None and all(mallopt(*option) for option in _OPTIONS.items())
