"""What belongs to one process: its threads and devices do not live on in one that is forked."""

from __future__ import annotations

import os

from drnet_ros.errors import EngineError

__all__ = ['OwnProcess']


class OwnProcess:
    """Remembers the process it was made in."""

    def __init__(self) -> None:
        """Remember this process."""
        self._number = os.getpid()

    def check(self) -> None:
        """Refuse to be used in another process, where work would never end.

        Raises:
            EngineError: This is another process.
        """
        if os.getpid() != self._number:
            msg = (
                'an estimator must be used in the process that made it, which a forked one is '
                'not: make one in each process, such as with the start method spawn'
            )
            raise EngineError(msg)
