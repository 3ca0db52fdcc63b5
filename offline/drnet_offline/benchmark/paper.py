"""The rows of the DRNet paper's Table III, to stand beside ours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from drnet_offline.benchmark.case import Work

__all__ = ['PaperRow', 'paper_row']


@dataclass(frozen=True, slots=True)
class PaperRow:
    """Measured by the paper's authors on a Tesla P40; they name no size of the input.

    Attributes:
        fps: Frames a second at batch 1.
        best_fps: At the best batch size.
        best_batch: That size.
        net: Memory of the network, as printed.
        image: Memory of an image, as printed.
    """

    fps: float
    best_fps: float
    best_batch: int
    net: str
    image: str


_ROWS = {
    ('rside', 'resnet50'): PaperRow(2, 2, 1, '793 Mb', '21 Gb'),
    ('rside', 'densenet161'): PaperRow(1.7, 1.7, 1, '853 Mb', '22 Gb'),
    ('rside', 'senet154'): PaperRow(1.5, 1.5, 1, '1.7 Gb', '21.9 Gb'),
    ('drnet', 'resnet50'): PaperRow(36, 69, 36, '757 Mb', '2 Gb'),
    ('drnet', 'resnet152'): PaperRow(25, 55, 19, '1067 Mb', '2.9 Gb'),
    ('drnet', 'densenet161'): PaperRow(17, 33, 14, '839 Mb', '3.2 Gb'),
    ('drnet', 'senet154'): PaperRow(6, 13, 9, '1421 Mb', '4 Gb'),
}


def paper_row(work: Work) -> PaperRow | None:
    """Return the paper's row for a network, None if it has none."""
    if work.guided_filter:
        return None
    return _ROWS.get((work.network, work.backbone))
