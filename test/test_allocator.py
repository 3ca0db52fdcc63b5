"""Freed memory is used again without fresh pages; what is too large goes back to the system."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(platform.libc_ver()[0] != 'glibc', reason='about malloc of glibc'),
]

# In a process of its own: mallopt holds for all of it. Ten rounds take three blocks, write to all
# of their pages and free them, in a thread other than the first, as the node's worker does.
PROGRAM = """
import ctypes, os, resource, sys, threading
from drnet_ros import allocator

print(getattr(allocator, sys.argv[1])())
c = ctypes.CDLL(None)
c.malloc.restype, c.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
c.free.argtypes = [ctypes.c_void_p]
c.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
size = int(sys.argv[2]) << 20

def work():
    for number in range(10):
        if number == 2:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        blocks = [c.malloc(size) for _ in range(3)]
        for block in blocks:
            c.memset(block, 1, size)
        for block in blocks:
            c.free(block)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)

thread = threading.Thread(target=work)
thread.start()
thread.join()
print(os.environ.get('THP_MEM_ALLOC_ENABLE'))
"""


def run_rounds(function: str, megabytes: int, **environment: str) -> tuple[bool, float, str]:
    """Return what the function returned, fresh pages per page of a block, and torch's variable."""
    clean = {name: v for name, v in os.environ.items() if name != 'THP_MEM_ALLOC_ENABLE'}
    done = subprocess.run(
        [sys.executable, '-c', PROGRAM, function, str(megabytes)],
        env={**clean, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    is_set, fresh, variable = done.stdout.split()
    pages = 8 * 3 * (megabytes << 20) / os.sysconf('SC_PAGE_SIZE')
    return is_set == 'True', int(fresh) / pages, variable


def test_the_clouds_of_a_frame_take_the_pages_of_the_frame_before() -> None:
    is_set, fresh, variable = run_rounds('keep_memory_of_frames', 14)
    assert (is_set, variable) == (True, 'None')
    assert fresh < 0.01


def test_blocks_of_more_than_32_mb_go_back_to_the_system() -> None:
    is_set, fresh, variable = run_rounds('keep_memory_of_frames', 40)
    assert (is_set, variable) == (True, 'None')
    assert fresh == pytest.approx(1, abs=0.02)


def test_training_keeps_all_that_it_frees() -> None:
    is_set, fresh, variable = run_rounds('keep_memory_of_training', 40)
    assert (is_set, variable) == (True, '1')
    assert fresh < 0.01


@pytest.mark.parametrize('function', ['keep_memory_of_frames', 'keep_memory_of_training'])
def test_settings_of_the_user_stay(function: str) -> None:
    is_set, fresh, variable = run_rounds(function, 40, MALLOC_MMAP_THRESHOLD_='100000')
    assert (is_set, variable) == (False, 'None')
    assert fresh == pytest.approx(1, abs=0.02)
