"""Pages of a report: everything inline, nothing from a network."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from pathlib import Path

__all__ = ['html_table', 'inline_image', 'render_page']


def render_page(title: str, sections: Sequence[tuple[str, str]]) -> str:
    """Return a whole page from titled pieces of HTML."""
    own = files('drnet_offline') / 'report'
    style = (own / 'style.css').read_text(encoding='utf-8')
    body = '\n'.join(f'<h2>{escape(name)}</h2>\n{content}' for name, content in sections)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f'<title>{escape(title)}</title><style>{style}</style></head>\n'
        f'<body><h1>{escape(title)}</h1>\n{body}\n</body></html>\n'
    )


def inline_image(path: Path) -> str:
    """Return an image element that holds a PNG file."""
    data = base64.b64encode(path.read_bytes()).decode()
    return f'<img alt="{escape(path.stem)}" src="data:image/png;base64,{data}">'


def html_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table; cells are escaped."""
    top = ''.join(f'<th>{escape(cell)}</th>' for cell in head)
    body = ''.join(
        '<tr>' + ''.join(f'<td>{escape(cell)}</td>' for cell in row) + '</tr>' for row in rows
    )
    return f'<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>'
