"""Fast DDS' shared memory of this process, which outlives a process that ends as it is."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

__all__ = ['remove_own_segments']

# Fast DDS keeps the lock of each segment that it has made open; fastrtps until Jazzy.
_LOCK = re.compile(r'(/dev/shm/fast(?:dds|rtps)_[0-9a-f]{16})_el')


def remove_own_segments() -> None:
    """Remove the segments that this process made: 64 MB for each participant.

    Others that read them keep what they have mapped. Call it only where the process ends now.
    """
    with suppress(OSError):  # there is no /proc
        for file in Path('/proc/self/fd').iterdir():
            with suppress(OSError):  # closed meanwhile
                lock = file.readlink()
                if found := _LOCK.fullmatch(str(lock)):
                    Path(found[1]).unlink()
                    lock.unlink()
