"""Large blocks go back to the system, whatever sizes were used before."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

# In a process of its own: mallopt holds for all of it.
PROGRAM = """
import ctypes
from drnet_ros.node.environment import return_large_blocks

class Blocks(ctypes.Structure):
    names = 'arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost'
    _fields_ = [(name, ctypes.c_size_t) for name in names.split()]

c = ctypes.CDLL(None)
c.malloc.restype, c.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
c.free.argtypes = [ctypes.c_void_p]
c.mallinfo2.restype = Blocks
print(return_large_blocks())
c.free(c.malloc(20 << 20))  # from which glibc would learn
before = c.mallinfo2().hblks
c.malloc(12 << 20)
print(c.mallinfo2().hblks - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != 'glibc', reason='about malloc of glibc')
@pytest.mark.parametrize(
    ('environment', 'expected'),
    [({}, ['True', '1']), ({'MALLOC_ARENA_MAX': '4'}, ['False', '0'])],
    ids=['ours', 'of the user'],
)
def test_a_large_block_is_mapped_after_a_larger_one_was_freed(
    environment: dict[str, str], expected: list[str]
) -> None:
    done = subprocess.run(
        [sys.executable, '-c', PROGRAM],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == expected
