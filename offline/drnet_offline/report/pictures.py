"""Frames of a recording side by side: image, recorded depth, estimates and their errors."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from drnet_offline.evaluation.depth_colours import (
    add_depth_bar,
    add_error_bar,
    draw_depth,
    draw_error,
)
from drnet_offline.outputs.files import write_bytes
from drnet_offline.replay.registration import at_size
from drnet_offline.report.chart_layout import encode_figure

if TYPE_CHECKING:
    from pathlib import Path

    from drnet_offline.replay.gallery import Picture
    from drnet_ros.inference.arrays import FloatArray

__all__ = ['cells_of', 'draw_examples', 'range_of', 'titles_of', 'write_examples']

_LEAST_RANGE_M = 0.01
_TITLE_WIDTH = 34  # characters over one picture


def write_examples(path: Path, figure: Figure) -> None:
    """Write what `draw_examples` drew; the suffix of the file, .png or .jpg, says how.

    Raises:
        OfflineError: It cannot be written.
    """
    write_bytes(path, encode_figure(figure, kind=path.suffix[1:]))


def draw_examples(
    pictures: Sequence[tuple[str, Picture]], names: Sequence[str], captions: Sequence[str] = ()
) -> Figure:
    """Draw frames in rows, all depths on one scale.

    Args:
        pictures: Frames with their labels.
        names: The variants.
        captions: A line under the name of each, if given.
    """
    has_truth = any(picture.truth_hw is not None for _, picture in pictures)
    titles = titles_of(names, has_truth=has_truth, captions=captions)
    figure = Figure(
        figsize=(2.5 * len(titles) + 0.9, 2.0 * len(pictures) + 0.3), layout='constrained'
    )
    axes = figure.subplots(len(pictures), len(titles), squeeze=False)
    low, high = range_of([picture for _, picture in pictures])
    drawn: dict[str, Any] = {}
    for axis, title in zip(axes[0], titles, strict=True):
        lines = [textwrap.fill(line, _TITLE_WIDTH) for line in title.splitlines()]
        axis.set_title('\n'.join(lines), fontsize=7)
    for row, (label, picture) in zip(axes, pictures, strict=True):
        cells = cells_of(picture, has_truth=has_truth)
        for axis, (kind, pixels) in zip(row, cells, strict=True):
            axis.set(xticks=[], yticks=[])
            if pixels is None:
                continue
            if kind == 'image':
                axis.imshow(pixels)
            elif kind == 'depth':
                drawn[kind] = draw_depth(axis, pixels, low, high)
            else:
                drawn[kind] = draw_error(axis, pixels)
        row[0].set_ylabel(label, fontsize=8)
    if 'depth' in drawn:
        add_depth_bar(figure, drawn['depth'], axes, shrink=0.8, pad=0.01)
    if 'error' in drawn:
        add_error_bar(figure, drawn['error'], axes, shrink=0.8, pad=0.01)
    return figure


def titles_of(names: Sequence[str], *, has_truth: bool, captions: Sequence[str] = ()) -> list[str]:
    """Return what the cells of a frame show, in the order of `cells_of`."""
    titles = ['image', *(['recorded depth'] if has_truth else [])]
    for name, caption in zip_longest(names, captions, fillvalue=''):
        title = f'{name}\n{caption}' if caption else name
        titles += [title, *([f'error: {name}'] if has_truth else [])]
    return titles


def cells_of(picture: Picture, *, has_truth: bool) -> list[tuple[str, Any]]:
    """Return the kind ('image', 'depth' or 'error') and the pixels of each cell of a frame."""
    truth = picture.truth_hw
    cells: list[tuple[str, Any]] = [('image', picture.rgb_hwc)]
    if has_truth:
        cells.append(('depth', truth))
    for depth in picture.depths:
        cells.append(('depth', depth))
        if has_truth:
            cells.append(('error', None if truth is None else _error(depth, truth)))
    return cells


def _error(depth_hw: FloatArray, truth_hw: FloatArray) -> FloatArray | None:
    fitted = at_size(depth_hw, (truth_hw.shape[0], truth_hw.shape[1]))
    return None if fitted is None else fitted / truth_hw - np.float32(1)


def range_of(pictures: Sequence[Picture]) -> tuple[float, float]:
    """Return the nearest and the farthest depth of most pixels of some frames, in metres."""
    values = [
        depth[::4, ::4][np.isfinite(depth[::4, ::4])]
        for picture in pictures
        for depth in (picture.truth_hw, *picture.depths)
        if depth is not None
    ]
    together = np.concatenate([np.zeros(0), *values])
    if not together.size:
        return 0.0, 10.0
    low, high = np.percentile(together, [1, 99]).tolist()
    return float(low), max(float(high), float(low) + _LEAST_RANGE_M)
