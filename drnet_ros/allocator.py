"""What malloc of glibc does with freed memory: to use a fresh page costs more than an old one."""

from __future__ import annotations

import ctypes
import os

__all__ = ['keep_memory_of_frames', 'keep_memory_of_training']

# Numbers of mallopt's parameters in glibc's malloc.h.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -2, -3, -4, -8
_MB = 2**20
# A cloud of 1280x720 is one block of 15 MB. glibc takes no more than 32 MB for the threshold.
_FRAMES = {_MMAP_THRESHOLD: 32 * _MB, _TRIM_THRESHOLD: 64 * _MB, _ARENA_MAX: 2}
_TRAINING = {_MMAP_MAX: 0, _TRIM_THRESHOLD: -1, _TOP_PAD: 256 * _MB}
_OWN_SETTINGS = ('MALLOC_', 'GLIBC_TUNABLES')
# PyTorch reads it at its first allocation.
_HUGE_PAGES_OF_TORCH = 'THP_MEM_ALLOC_ENABLE'


def keep_memory_of_frames() -> bool:
    """Keep what one frame frees for the next one; call it before there are threads.

    Otherwise clouds and messages of some MB are fresh pages in each frame, which the system has to
    clear: 7 ms of CPU time of a frame of 640x480 (docs/lab/performance.md). At most 64 MB are kept
    at the end of each of two heaps, and blocks of over 32 MB go back to the system, so that images
    of changing size do not make the process grow for ever (docs/lab/reliability.md).

    Returns:
        Whether that was set: not where the user's environment tunes malloc, nor without glibc.
    """
    return _tune(_FRAMES)


def keep_memory_of_training() -> bool:
    """Keep all that is freed, in huge pages; call it before PyTorch is imported.

    A step of training frees and takes the same gigabytes again. The process stays as large as it
    was once.

    Returns:
        Whether that was set: not where the user's environment tunes malloc, nor without glibc.
    """
    if not _tune(_TRAINING):
        return False
    os.environ.setdefault(_HUGE_PAGES_OF_TORCH, '1')
    return True


def _tune(options: dict[int, int]) -> bool:
    if any(name.startswith(_OWN_SETTINGS) for name in os.environ):
        return False
    mallopt = getattr(ctypes.CDLL(None), 'mallopt', None)
    return mallopt is not None and all(mallopt(*option) for option in options.items())
