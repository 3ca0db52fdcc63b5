"""Frames in a page: image, depths and errors next to each other, as many as the screen holds."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from drnet_offline.evaluation.depth_colours import MAX_ERROR, paint_error
from drnet_offline.report.page import inline_image
from drnet_offline.report.pictures import cells_of, range_of, titles_of
from drnet_ros.inference.depth import colourise

if TYPE_CHECKING:
    from drnet_offline.replay.gallery import Picture
    from drnet_ros.inference.arrays import UInt8Array

__all__ = ['frame_grid']

_STOPS = 17
_TICKS = 5
_MOST_COLUMNS = 6


def frame_grid(pictures: Sequence[tuple[str, Picture]], names: Sequence[str]) -> str:
    """Return frames below one another, all depths in one range of colours.

    Args:
        pictures: Frames with their labels; at least one.
        names: The variants.
    """
    has_truth = any(picture.truth_hw is not None for _, picture in pictures)
    titles = titles_of(names, has_truth=has_truth)
    count = len(titles)
    columns = count if count <= _MOST_COLUMNS else -(-count // 2)
    range_m = range_of([picture for _, picture in pictures])
    parts = [_bars(range_m, has_truth=has_truth)]
    for label, picture in pictures:
        figures = [
            _figure(title, kind, pixels, range_m)
            for title, (kind, pixels) in zip(
                titles, cells_of(picture, has_truth=has_truth), strict=True
            )
            if pixels is not None
        ]
        heading = escape(label.replace('\n', ', '))
        parts.append(
            f'<h3>{heading}</h3>'
            f'<div class="views" style="--columns: {columns}">{"".join(figures)}</div>'
        )
    return '\n'.join(parts)


def _figure(title: str, kind: str, pixels: Any, range_m: tuple[float, float]) -> str:
    painted: UInt8Array = pixels
    if kind == 'depth':
        painted = colourise(pixels, *range_m)
    elif kind == 'error':
        painted = paint_error(pixels)
    caption = '<br>'.join(escape(line) for line in title.split('\n'))
    return f'<figure>{inline_image(painted, title)}<figcaption>{caption}</figcaption></figure>'


def _bars(range_m: tuple[float, float], *, has_truth: bool) -> str:
    steps = np.linspace(*range_m, _STOPS, dtype=np.float32)[np.newaxis]
    depths = [f'{depth:.2f}' for depth in np.linspace(*range_m, _TICKS)]
    bars = [_bar('depth [m], black: none', colourise(steps, *range_m), depths)]
    if has_truth:
        errors = np.linspace(-MAX_ERROR, MAX_ERROR, _STOPS, dtype=np.float32)[np.newaxis]
        percents = [
            f'{error:+.0%}' if error else '0%'
            for error in np.linspace(-MAX_ERROR, MAX_ERROR, _TICKS)
        ]
        title = 'relative error: red is too far, blue too near, grey has no recorded depth'
        bars.append(_bar(title, paint_error(errors), percents))
    return f'<div class="bars">{"".join(bars)}</div>'


def _bar(title: str, colours: UInt8Array, texts: Sequence[str]) -> str:
    stops = ', '.join(f'rgb({r} {g} {b})' for r, g, b in colours[0].tolist())
    ticks = ''.join(f'<li>{text}</li>' for text in texts)
    return (
        f'<div><div class="ramp" style="background: linear-gradient(to right, {stops})"></div>'
        f'<ol>{ticks}</ol><div class="note">{escape(title)}</div></div>'
    )
