"""A process that trains lets the threads that wait sleep, unless the user wants something else."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

CLIP = Path(__file__).parents[2] / 'clip' / 'room'

pytestmark = pytest.mark.slow

# The commands end where they would load PyTorch: what OpenMP finds then is printed by itself.
PROGRAM = """
import sys, types
from pathlib import Path

class Stop(types.ModuleType):
    def __getattr__(self, name):
        import torch
        raise SystemExit(0)

for name in ('drnet_offline.training.run', 'drnet_offline.training.adaptation.outputs'):
    sys.modules[name] = Stop(name)
from drnet_offline.commands.program import main
main()
"""


def spins(folder: Path, *arguments: str, **environment: str) -> str:
    """Return how often a waiting thread of OpenMP looks again before it sleeps, in a command."""
    done = subprocess.run(
        [sys.executable, '-c', PROGRAM, *arguments, '--output', str(folder / 'out')],
        env={**os.environ, 'OMP_DISPLAY_ENV': 'verbose', **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.findall(r"GOMP_SPINCOUNT = '(\w+)'", done.stderr)
    assert found, done.stderr + done.stdout
    return str(found[-1])


def test_threads_of_a_training_that_wait_sleep(data: Path, tmp_path: Path) -> None:
    assert spins(tmp_path, 'train', '--config', 'lite2', '--data', str(data)) == '0'


def test_threads_of_an_adaptation_that_wait_sleep(tmp_path: Path) -> None:
    assert spins(tmp_path, 'adapt', str(CLIP)) == '0'


def test_what_the_user_set_stays(tmp_path: Path) -> None:
    assert spins(tmp_path, 'adapt', str(CLIP), GOMP_SPINCOUNT='77') == '77'
