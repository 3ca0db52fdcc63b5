"""Where the program `drnet` begins."""

from __future__ import annotations

import signal

__all__ = ['main']


def main() -> None:
    """Run the command line; Ctrl-C during its imports ends the process without a traceback.

    SIGTERM, and SIGHUP when the terminal is closed, end a command as Ctrl-C does.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from drnet_offline.commands.cli import main as run  # noqa: PLC0415

    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:  # `nohup` has SIGHUP ignored
            signal.signal(number, signal.default_int_handler)
    run()
