"""What went wrong with single items of a long run, which goes on with the others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from drnet_offline.errors import DatasetError, OfflineError
from drnet_ros.errors import CameraError, ImageError, one_line

__all__ = ['Problems']

_MOST_SHOWN = 20


class Problems:
    """Collects errors of single items, to be listed at the end.

    Attributes:
        lines: One line for each.
    """

    def __init__(self) -> None:
        self.lines: list[str] = []

    @contextmanager
    def collected(self) -> Iterator[None]:
        """Keep an error of the item worked on in this `with` statement; others pass through."""
        try:
            yield
        except (CameraError, DatasetError, ImageError) as error:
            self.lines.append(one_line(error))

    def check(self, consequence: str) -> None:
        """List on stderr what was collected.

        Args:
            consequence: What follows from it, such as '3 of 40 images have no depth'.

        Raises:
            OfflineError: Something was; it says the consequence.
        """
        if not self.lines:
            return
        console = Console(stderr=True, soft_wrap=True, markup=False, highlight=False)
        for line in self.lines[:_MOST_SHOWN]:
            console.print(f'- {line}')
        if len(self.lines) > _MOST_SHOWN:
            console.print(f'- and {len(self.lines) - _MOST_SHOWN} more')
        raise OfflineError(consequence)
