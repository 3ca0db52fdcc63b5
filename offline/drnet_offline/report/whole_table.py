"""Tables on a terminal, or in a file, with all of their figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ['print_table']

_WIDEST = 1000


def print_table(console: Console, table: Table) -> None:
    """Print a table as wide as it is: a cut figure says nothing.

    Args:
        console: Where it goes. A file counts as 80 columns wide, and terminals may be narrower.
        table: The table.
    """
    needed = console.measure(table, options=console.options.update(width=_WIDEST)).maximum
    Console(file=console.file, width=max(console.width, needed)).print(table)
