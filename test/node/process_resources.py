"""What a process holds, as Linux tells it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ['Resources', 'resources_of']


@dataclass(frozen=True, slots=True)
class Resources:
    """What a process holds at one moment.

    Attributes:
        memory_mb: Private and shared memory that is resident, without shared-memory files.
        threads: Threads.
        handles: Open file descriptors.
    """

    memory_mb: float
    threads: int
    handles: int


def resources_of(pid: int) -> Resources:
    """Look at a process.

    Raises:
        FileNotFoundError: If it has ended.
    """
    folder = Path('/proc') / str(pid)
    lines = (line.split(':', 1) for line in (folder / 'status').read_text().splitlines())
    status = {name: value.split() for name, value in lines}
    kilobytes = int(status['RssAnon'][0]) + int(status['RssFile'][0])
    return Resources(
        memory_mb=kilobytes / 1024,
        threads=int(status['Threads'][0]),
        handles=len(list((folder / 'fd').iterdir())),
    )
