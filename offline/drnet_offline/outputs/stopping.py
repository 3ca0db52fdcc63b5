"""What a command says when Ctrl-C ends it: one line with what is saved and how to go on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from drnet_offline.errors import StoppedError

__all__ = ['stopping']


@contextmanager
def stopping(describe: Callable[[], str]) -> Iterator[None]:
    """Let Ctrl-C end a `with` statement in one line.

    Args:
        describe: Says what is saved and how to go on, such as 'after 3 of 40 images: ...'.

    Raises:
        StoppedError: Ctrl-C was pressed.
    """
    try:
        yield
    except KeyboardInterrupt as error:
        raise StoppedError(describe()) from error
