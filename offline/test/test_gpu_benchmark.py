"""What can be said of `make bench-gpu` without a GPU."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from drnet_ros.inference.engines.devices import has_cuda

SCRIPT = Path(__file__).parents[1] / 'benchmarks' / 'gpu_benchmark.py'


@pytest.mark.skipif(has_cuda(), reason='there is a GPU, and measuring takes minutes')
def test_without_a_gpu_one_line_says_so() -> None:
    done = subprocess.run([sys.executable, SCRIPT], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout == ''
    assert done.stderr == 'no CUDA device here: nothing is measured\n'
