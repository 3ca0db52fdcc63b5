"""One run for one output: the second is refused, and learns who is at work."""

from __future__ import annotations

import fcntl
import os
import shlex
import socket
import sys
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

from drnet_offline.errors import OfflineError
from drnet_offline.outputs.files import is_stream
from drnet_ros.closing import Closing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ['OutputLock', 'locked_outputs']

_MOST_WORDS = 200


class OutputLock(Closing):
    """Holds an output for this process until it is closed or the process ends.

    The operating system holds the lock, so that it is free again after a process was killed.

    Args:
        path: The output: a folder that is there, or a file in one. The lock is a hidden file in
            that folder, and is removed at the end.

    Raises:
        OfflineError: Another process works on it, which is named; or the lock cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self._path = path / '.lock' if path.is_dir() else path.parent / f'.{path.name}.lock'
        self._handle = self._lock(path)
        words = shlex.join([os.path.basename(sys.argv[0]), *sys.argv[1:]])  # noqa: PTH119
        about = f'process {os.getpid()} on {socket.gethostname()} (`{words[:_MOST_WORDS]}`)'
        os.ftruncate(self._handle, 0)
        os.pwrite(self._handle, about.encode('utf-8', 'backslashreplace'), 0)

    def close(self) -> None:
        """Let others work on it."""
        with suppress(OSError):  # a folder that is gone holds no lock either
            self._path.unlink()
        os.close(self._handle)

    def _lock(self, path: Path) -> int:
        while True:
            try:
                handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
            except OSError as error:
                msg = f'cannot write {self._path}: {error.strerror}; name another output'
                raise OfflineError(msg) from error
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                who = os.pread(handle, 4096, 0).decode('utf-8', 'replace')
                os.close(handle)
                msg = (
                    f'{path} is being written by {who or "another process"}: wait for it, or name '
                    'another output'
                )
                raise OfflineError(msg) from error
            except OSError:  # a file system without locks: then nobody else can hold one
                return handle
            with suppress(OSError):
                if os.fstat(handle).st_ino == self._path.stat().st_ino:
                    return handle
            os.close(handle)  # its holder removed it just now: make it anew


@contextmanager
def locked_outputs(*paths: Path | None) -> Iterator[None]:
    """Hold all outputs of a command for the length of a `with` statement.

    Args:
        *paths: As `OutputLock` takes them; None is no output, and one may be named twice. What no
            file can replace, such as /dev/stdout, is not held.

    Raises:
        OfflineError: Another process works on one of them, or a lock cannot be made.
    """
    with ExitStack() as held:
        named = [path for path in paths if path is not None and not is_stream(path)]
        for path in {path.absolute(): path for path in named}.values():
            held.enter_context(OutputLock(path))
        yield
