"""What killed programs leave in /dev/shm, and its removal: ours only."""

from __future__ import annotations

import re
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

__all__ = ['end_program', 'remove_unused', 'segments_of']

_MAPPED = re.compile(r'(/dev/shm/fast(?:dds|rtps)_\w+)')  # rtps until Jazzy


def end_program(process: subprocess.Popen[Any], grace_s: float = 20.0) -> int:
    """Ask a program to end, and kill it if it does not; return its exit code.

    Fast DDS leaves the shared memory of a killed process where it is, 64 MB with our profile.
    What this one used, and nobody uses any more, is removed.
    """
    segments = segments_of(process.pid)
    process.terminate()
    try:
        process.wait(grace_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    remove_unused(segments)
    return int(process.returncode)


def segments_of(pid: int) -> set[Path]:
    """Return Fast DDS' shared-memory files that a process has mapped; none if it has ended."""
    try:
        maps = (Path('/proc') / str(pid) / 'maps').read_text(errors='replace')
    except OSError:
        return set()
    return {Path(path) for path in _MAPPED.findall(maps)}


def remove_unused(segments: set[Path]) -> None:
    """Remove those files that no process has mapped now."""
    used: set[Path] = set()
    for folder in Path('/proc').glob('[0-9]*'):
        used |= segments_of(int(folder.name))
    for path in segments - used:
        for left in (path, path.with_name(f'{path.name}_el')):
            with suppress(FileNotFoundError):
                left.unlink()
