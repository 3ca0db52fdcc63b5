"""Pages of a report: a verdict first, everything inline, nothing from a network."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from drnet_offline.outputs.files import encode_image
from drnet_ros.recordings.video import is_video

if TYPE_CHECKING:
    from drnet_ros.inference.arrays import UInt8Array

__all__ = [
    'PageHead',
    'html_table',
    'inline_image',
    'render_page',
    'time_in_words',
    'when_recorded',
]

_NS_PER_S = 1_000_000_000
_FIRST_YEAR = 2000  # a clock that has not been set counts from 1970 or from the start of a run


@dataclass(frozen=True, slots=True)
class PageHead:
    """What stands above all else on a page.

    Attributes:
        verdict: What came out, in sentences; the first is the most important.
        facts: What the page is about: names and values.
        thumbnail: An image of the recording, uint8 (H, W, 3) RGB, or None.
    """

    verdict: Sequence[str]
    facts: Sequence[tuple[str, str]]
    thumbnail: UInt8Array | None = None


def render_page(title: str, head: PageHead, sections: Sequence[tuple[str, str]]) -> str:
    """Return a whole page.

    Args:
        title: Of the page.
        head: What stands above all else.
        sections: Titles, and pieces of HTML; those without any are left out.
    """
    own = files('drnet_offline') / 'report'
    style = (own / 'style.css').read_text(encoding='utf-8')
    body = '\n'.join(
        f'<section><h2>{escape(name)}</h2>\n{content}</section>'
        for name, content in sections
        if content
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f'<title>{escape(title)}</title><style>{style}</style></head>\n'
        f'<body>{_header(title, head)}\n{body}\n</body></html>\n'
    )


def inline_image(rgb_hwc: UInt8Array, alt: str) -> str:
    """Return an image element that holds its pixels, uint8 (H, W, 3) RGB, as a JPEG."""
    data = base64.b64encode(encode_image('.jpg', rgb_hwc)).decode()
    return f'<img alt="{escape(alt)}" src="data:image/jpeg;base64,{data}">'


def html_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table; cells are escaped, and columns in which no row has a value left out."""
    kept = [place for place in range(len(head)) if not place or any(row[place] for row in rows)]
    top = ''.join(f'<th>{escape(head[place])}</th>' for place in kept)
    body = ''.join(
        '<tr>' + ''.join(f'<td>{escape(row[place])}</td>' for place in kept) + '</tr>'
        for row in rows
    )
    return (
        f'<div class="table"><table><thead><tr>{top}</tr></thead>'
        f'<tbody>{body}</tbody></table></div>'
    )


def time_in_words(stamp_ns: int) -> str:
    """Return when a recording began, in UTC; '' if its clock was not set.

    Args:
        stamp_ns: Its first stamp, in nanoseconds since 1970.
    """
    moment = datetime.fromtimestamp(stamp_ns // _NS_PER_S, timezone.utc)
    return f'{moment:%-d %B %Y, %H:%M} UTC' if moment.year >= _FIRST_YEAR else ''


def when_recorded(stamp_ns: int, recording: str) -> str:
    """Return when a recording began, for people.

    Args:
        stamp_ns: Its first stamp, in nanoseconds since 1970.
        recording: Its path; a video has only the date of its file.
    """
    moment = time_in_words(stamp_ns)
    if moment and is_video(Path(recording)):
        return f'{moment}, by the date of its file'
    return moment or 'at an unknown time: its clock was not set'


def _header(title: str, head: PageHead) -> str:
    image = ''
    if head.thumbnail is not None:
        image = inline_image(head.thumbnail, 'an image of the recording')
    verdict = ''.join(f'<p class="verdict">{escape(sentence)}</p>' for sentence in head.verdict)
    facts = ''.join(
        f'<dt>{escape(name)}</dt><dd>{escape(value)}</dd>' for name, value in head.facts if value
    )
    return (
        f'<header>{image}<div><h1>{escape(title)}</h1>{verdict}'
        f'<dl class="facts">{facts}</dl></div></header>'
    )
