"""What becomes of the objects of native libraries in a forked process.

Their threads do not live on in it, and their destructors wait for these: at the end of Python a
child that has `os.fork` and `sys.exit` would wait for ever.
"""

from __future__ import annotations

import ctypes
import os
import weakref
from typing import Any

__all__ = ['keep_when_forked']

_kept: weakref.WeakSet[Any] = weakref.WeakSet()


def keep_when_forked(native: Any) -> None:
    """See to it that a forked process never destroys an object; its memory is shared anyway.

    Args:
        native: An object of a library that has threads.
    """
    _kept.add(native)


def _keep() -> None:
    for native in list(_kept):
        # With one reference too many neither Python's end nor its collector destroys it.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(native))


os.register_at_fork(after_in_child=_keep)
