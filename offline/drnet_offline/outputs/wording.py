"""Numbers of things, as sentences have them."""

from __future__ import annotations

__all__ = ['counted']


def counted(count: int, thing: str) -> str:
    """Return a number of things: '1 image', '2 images'.

    Args:
        count: The number.
        thing: What one of them is called.
    """
    return f'{count} {thing}' if count == 1 else f'{count} {thing}s'
