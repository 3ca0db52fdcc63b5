"""Layout `nyu_sync`: NYU frames in the list files of BTS.

    nyudepthv2_train_files_with_gt.txt, nyudepthv2_test_files_with_gt.txt
    with lines '/SCENE/rgb_00045.jpg /SCENE/sync_depth_00045.png 518.8579'

Depth is 16-bit in mm; the last column is the focal length in pixels.
"""

from __future__ import annotations

import math
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from drnet_offline.datasets.listed import (
    ListedDataset,
    ListedSample,
    find_base,
    lists_of,
    read_lines,
    select_listed,
)
from drnet_offline.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ['NyuSyncDataset', 'find_list']

# BTS keeps the lists apart from the images and names both folders on its command line; these are
# the places where its download scripts put the images.
_BASES = ('', 'sync', 'official_splits/test', 'train', 'test', '..')


def find_list(path: Path, part: str) -> Path | None:
    """Return the list file of 'train' or 'test', None where there is none."""
    return min(path.glob(f'*{part}_files_with_gt*.txt'), default=None) if path.is_dir() else None


class NyuSyncDataset(ListedDataset):
    """The images that the list files name.

    Args:
        path: Folder with the list files, the images in it or in its sync/ and
            official_splits/test/.
        validation_blocks: Ranges of zero-based line numbers of the training list for validation.
        part: 'all', 'train', 'val' or 'test', as `parts.select_part` has it.

    Raises:
        DatasetError: A file is missing, or a line is malformed.
    """

    def __init__(
        self, path: Path, *, validation_blocks: Sequence[tuple[int, int]] = (), part: str = 'all'
    ) -> None:
        wanted = lists_of(part)
        lists = [file for name in wanted if (file := find_list(path, name))]
        if not lists:
            msg = f'no list nyudepthv2_{wanted[0]}_files_with_gt.txt in {path}'
            raise DatasetError(msg)
        super().__init__(select_listed(lists, _read_list, part, validation_blocks))


def _read_list(path: Path) -> list[ListedSample]:
    rows = []
    for number, line in enumerate(read_lines(path), 1):
        try:
            image, depth, focal = line.split()
            focal_px = float(focal)
        except ValueError:
            focal_px = math.nan
        if not (math.isfinite(focal_px) and focal_px > 0):
            msg = f"{path}, line {number}: must be 'IMAGE DEPTH FOCAL', got {line!r}"
            raise DatasetError(msg)
        rows.append((image.lstrip('/'), depth.lstrip('/'), focal_px))
    base = find_base(rows[0][0], [path.parent / name for name in _BASES])
    return [
        ListedSample(
            PurePosixPath(image).with_suffix('').as_posix(), base / image, base / depth, focal_px
        )
        for image, depth, focal_px in rows
    ]
