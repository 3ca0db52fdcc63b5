"""Layout `nyu_csv`: the 50K NYU set as RSIDE and DenseDepth publish it.

    data/nyu2_train.csv    lines 'data/nyu2_train/SCENE/1.jpg,data/nyu2_train/SCENE/1.png'
    data/nyu2_test.csv     lines 'data/nyu2_test/00000_colors.png,data/nyu2_test/00000_depth.png'

Depth for training is 8-bit, 255 for 10 m, so it is known to 4 cm; for the test it is 16-bit, mm.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from drnet_offline.datasets.listed import (
    NYU_FOCAL_PX,
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

__all__ = ['NyuCsvDataset', 'find_csv_folder']

_NAMES = {'train': 'nyu2_train.csv', 'test': 'nyu2_test.csv'}
_BYTES_PER_M = 255 / 10


def find_csv_folder(path: Path) -> Path | None:
    """Return the folder of the csv files, None where there are none."""
    for folder in (path.parent if path.is_file() else path, path / 'data'):
        if any((folder / name).is_file() for name in _NAMES.values()):
            return folder
    return None


class NyuCsvDataset(ListedDataset):
    """The images that the csv files list.

    Args:
        path: Folder of the csv files, or the one above it (the archive has them in data/).
        validation_blocks: Ranges of zero-based line numbers of nyu2_train.csv for validation; its
            lines come scene by scene.
        part: 'all', 'train', 'val' or 'test', as `parts.select_part` has it.

    Raises:
        DatasetError: A file is missing, or a line is malformed.
    """

    def __init__(
        self, path: Path, *, validation_blocks: Sequence[tuple[int, int]] = (), part: str = 'all'
    ) -> None:
        folder = find_csv_folder(path)
        if folder is None:
            msg = f'no {" or ".join(_NAMES.values())} in {path}'
            raise DatasetError(msg)
        lists = [folder / _NAMES[name] for name in lists_of(part)]
        if part == 'all':
            lists = [file for file in lists if file.is_file()]
        samples = select_listed(lists, _read_csv, part, validation_blocks)
        super().__init__(samples, bytes_per_m=_BYTES_PER_M)


def _read_csv(path: Path) -> list[ListedSample]:
    rows = []
    for number, line in enumerate(read_lines(path), 1):
        cells = [cell.strip() for cell in line.split(',')]
        if len(cells) != 2 or not all(cells):
            msg = f"{path}, line {number}: must be 'IMAGE,DEPTH', got {line!r}"
            raise DatasetError(msg)
        rows.append(cells)
    base = find_base(rows[0][0], (path.parent.parent, path.parent))
    return [
        ListedSample(
            PurePosixPath(image).with_suffix('').as_posix(),
            base / image,
            base / depth,
            NYU_FOCAL_PX,
        )
        for image, depth in rows
    ]
