"""The reasons of the diagnostics in the node's log: once they last, and not again all the time."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rclpy.impl.rcutils_logger import RcutilsLogger

    from drnet_ros.node.diagnostics import Reason

__all__ = ['ProblemLog']

_PATIENCE_S = 5.0
_REPEAT_S = 60.0


@dataclass(slots=True)
class _Lasting:
    """A kind of problem: since when, when it was seen last, and when it was logged."""

    since_s: float
    seen_s: float
    logged_s: float | None = None


class ProblemLog:
    """Warns of what lasts for 5 s, again each minute, and says when it is over."""

    def __init__(self, logger: RcutilsLogger, source: str = '') -> None:
        """Begin with no problems.

        Args:
            logger: Where lines go.
            source: What each line starts with, such as 'front: '.
        """
        self._logger = logger
        self._source = source
        self._lasting: dict[str, _Lasting] = {}

    def report(self, reasons: Collection[Reason], now_s: float | None = None) -> None:
        """Take note of the reasons that hold now.

        Args:
            reasons: The reasons.
            now_s: The time, by time.monotonic(), which None stands for.
        """
        now_s = time.monotonic() if now_s is None else now_s
        for reason in reasons:
            lasting = self._lasting.setdefault(reason.kind, _Lasting(now_s, now_s))
            lasting.seen_s = now_s
            is_due = (
                now_s - lasting.since_s >= _PATIENCE_S
                if lasting.logged_s is None
                else now_s - lasting.logged_s >= _REPEAT_S
            )
            if is_due:
                lasting.logged_s = now_s
                self._logger.warning(f'{self._source}{reason.text}')
        for kind, lasting in list(self._lasting.items()):
            if now_s - lasting.seen_s >= _PATIENCE_S:
                del self._lasting[kind]
                if lasting.logged_s is not None:
                    self._logger.info(f'{self._source}over: {kind}')
