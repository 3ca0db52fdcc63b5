"""SIGINT, SIGTERM and SIGHUP: whatever a program does, it ends soon after the first of them."""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import suppress
from typing import NoReturn

from drnet_ros.node.shared_memory import remove_own_segments

__all__ = ['EndSignals', 'leave_at_once']

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class EndSignals:
    """Makes SIGINT, SIGTERM and SIGHUP an event after which the process ends soon.

    SIGHUP comes when a terminal is closed; where it is ignored, as `nohup` has it, it stays so.

    Python's own part of a signal handler may be interrupted by the next signal, and does not run
    at all while the main thread is in native code. So no work is done there: the C part writes
    a byte to a pipe, and a thread of its own waits for that byte.

    Attributes:
        ended: Set once the process is to end.
        exit_code: With which it ends: 0 after a signal, else what `end` was called with.
        is_signalled: Whether a signal came before the program ended by itself.
    """

    def __init__(self, grace_s: float) -> None:
        """Take over the signals; call it in the main thread, before slow imports.

        Args:
            grace_s: How long the program may take to end in order. After that it is ended as it
                is: native code that loads or compiles a network cannot be interrupted.
        """
        self.ended = threading.Event()
        self.exit_code = 0
        self.is_signalled = False
        self._grace_s = grace_s
        self._lock = threading.Lock()
        self._came, came_in = os.pipe()
        os.set_blocking(came_in, False)
        signal.set_wakeup_fd(came_in, warn_on_full_buffer=False)
        for number in _SIGNALS:
            if number == signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
                continue
            # Not SIG_IGN: that writes no byte, and child processes would inherit it.
            signal.signal(number, lambda *_: None)
        threading.Thread(target=self._watch, name='signals', daemon=True).start()

    def end(self, exit_code: int) -> bool:
        """Begin the end; any thread may call it.

        Args:
            exit_code: The exit code, unless the end has begun already.

        Returns:
            Whether it began with this call.
        """
        with self._lock:
            if self.ended.is_set():
                return False
            self.exit_code = exit_code
            alarm = threading.Timer(self._grace_s, leave_at_once, (exit_code,))
            alarm.daemon = True
            alarm.start()
            self.ended.set()
        return True

    def _watch(self) -> None:
        os.read(self._came, 1)
        with self._lock:
            self.is_signalled = not self.ended.is_set()
        self.end(0)


def leave_at_once(exit_code: int) -> NoReturn:
    """End the process without waiting for threads and static objects of native code.

    Args:
        exit_code: Its exit code.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # whoever read it may be gone, and must not keep us
            stream.flush()
    remove_own_segments()
    os._exit(exit_code)
