"""A disk that is full, as far as this process sees it."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ['LIMIT_BYTES', 'full_disk']

LIMIT_BYTES = 2000


@contextmanager
def full_disk() -> Iterator[None]:
    """Let no file grow beyond `LIMIT_BYTES` in this process; pytest's own log counts, too."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT_BYTES, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
