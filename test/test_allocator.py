"""What is freed goes back to the system in a node, and stays in a training."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

# In a process of its own: mallopt holds for all of it.
BLOCKS = """
import ctypes
from drnet_ros.allocator import keep_freed_memory, return_large_blocks

class Blocks(ctypes.Structure):
    names = 'arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost'
    _fields_ = [(name, ctypes.c_size_t) for name in names.split()]

c = ctypes.CDLL(None)
c.malloc.restype, c.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
c.free.argtypes = [ctypes.c_void_p]
c.mallinfo2.restype = Blocks
"""
LARGE_BLOCK = """
print(return_large_blocks())
c.free(c.malloc(20 << 20))  # from which glibc would learn
before = c.mallinfo2().hblks
c.malloc(12 << 20)
print(c.mallinfo2().hblks - before)
"""
FREED_BLOCK = """
print(keep_freed_memory())
before = c.mallinfo2().hblks
block = c.malloc(600 << 20)
c.free(block)
print(c.mallinfo2().hblks - before, c.mallinfo2().arena > 600 << 20, c.malloc(600 << 20) == block)
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(platform.libc_ver()[0] != 'glibc', reason='about malloc of glibc'),
]


def _run(program: str, environment: dict[str, str]) -> list[str]:
    done = subprocess.run(
        [sys.executable, '-c', BLOCKS + program],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


@pytest.mark.parametrize(
    ('environment', 'expected'),
    [({}, ['True', '1']), ({'MALLOC_ARENA_MAX': '4'}, ['False', '0'])],
    ids=['ours', 'of the user'],
)
def test_a_large_block_is_mapped_after_a_larger_one_was_freed(
    environment: dict[str, str], expected: list[str]
) -> None:
    assert _run(LARGE_BLOCK, environment) == expected


@pytest.mark.parametrize(
    ('environment', 'expected'),
    [
        ({}, ['True', '0', 'True', 'True']),
        ({'MALLOC_MMAP_THRESHOLD_': '65536'}, ['False', '0', 'False', 'True']),
    ],
    ids=['ours', 'of the user'],
)
def test_a_training_gets_the_block_again_that_it_freed(
    environment: dict[str, str], expected: list[str]
) -> None:
    assert _run(FREED_BLOCK, environment) == expected
