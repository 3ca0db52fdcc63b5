"""Charts in a page: drawn once for wide and once for narrow screens."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from io import BytesIO
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.figure import Figure

from drnet_offline.outputs.files import write_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes

__all__ = ['COLORS', 'NARROW', 'WIDE', 'Layout', 'chart', 'encode_figure']

mpl.use('Agg')

COLORS = ('#1b6ca8', '#d1495b', '#2e8b57', '#8e5ea2', '#c77d0a', '#555555')
_DPI = 100
_FINE_DPI = 150


@dataclass(frozen=True, slots=True)
class Layout:
    """For which screen a chart is drawn.

    Attributes:
        width_in: Its width in inches.
        is_narrow: Whether panels stand below one another.
    """

    width_in: float
    is_narrow: bool

    def panels(self, count: int, height_in: float) -> tuple[Figure, list[Axes]]:
        """Return a figure with some panels of a height, which share its width or stack."""
        rows, columns = (count, 1) if self.is_narrow else (1, count)
        size = (self.width_in, height_in * rows)
        figure = Figure(figsize=size, layout='constrained')
        return figure, _opened(figure.subplots(rows, columns, squeeze=False))

    def rows(self, count: int, height_in: float) -> tuple[Figure, list[Axes]]:
        """Return a figure with panels below one another that share their horizontal axis."""
        size = (self.width_in, height_in * count + 0.4)
        figure = Figure(figsize=size, layout='constrained')
        return figure, _opened(figure.subplots(count, 1, sharex=True, squeeze=False))


WIDE = Layout(9.6, is_narrow=False)
NARROW = Layout(4.8, is_narrow=True)


def chart(path: Path, draw: Callable[[Layout], Figure], alt: str, *, is_map: bool = False) -> str:
    """Draw a chart for both kinds of screen, and write that for the wide one.

    Args:
        path: The PNG file.
        draw: Draws it.
        alt: What it shows, for those who do not see it.
        is_map: Whether colours stand for values, so that they stay as they are on a dark page.

    Returns:
        HTML that holds both.

    Raises:
        OfflineError: The file cannot be written.
    """
    wide, narrow = (encode_figure(draw(layout), _FINE_DPI) for layout in (WIDE, NARROW))
    write_bytes(path, wide)
    kind = 'chart map' if is_map else 'chart lines'
    return (
        f'<picture class="{kind}"><source media="(max-width: 620px)" '
        f'srcset="{_address(narrow)}"><img alt="{escape(alt)}" src="{_address(wide)}"></picture>'
    )


def encode_figure(figure: Figure, dpi: float = _DPI, kind: str = 'png') -> bytes:
    """Return a figure as the bytes of a file, 'png' or 'jpg'."""
    buffer = BytesIO()
    figure.savefig(buffer, dpi=dpi, format=kind, facecolor=figure.get_facecolor())
    return buffer.getvalue()


def _opened(axes: Any) -> list[Axes]:
    """Return panels without a frame above and at the right."""
    panels = list(axes.ravel())
    for axis in panels:
        axis.spines[['top', 'right']].set_visible(False)
    return panels


def _address(png: bytes) -> str:
    return f'data:image/png;base64,{base64.b64encode(png).decode()}'
