"""One way into every layout."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drnet_offline.datasets.folder import TEST_LIST, FolderDataset
from drnet_offline.datasets.nyu_csv import NyuCsvDataset, find_csv_folder
from drnet_offline.datasets.nyu_mat import NyuMatDataset, find_mat
from drnet_offline.datasets.nyu_sync import NyuSyncDataset, find_list
from drnet_offline.datasets.tum import TumDataset
from drnet_offline.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from drnet_offline.datasets.sample import DepthDataset

__all__ = ['LAYOUTS', 'detect_layout', 'is_nyu', 'open_dataset']

LAYOUTS: Mapping[str, Callable[..., DepthDataset]] = {
    'nyu_mat': NyuMatDataset,
    'nyu_csv': NyuCsvDataset,
    'nyu_sync': NyuSyncDataset,
    'tum': TumDataset,
    'folder': FolderDataset,
}


def detect_layout(path: Path) -> str:
    """Tell the layout by the files that only it has.

    Raises:
        DatasetError: There is nothing at path, or no layout that is known.
    """
    if not path.exists():
        msg = f'there is no data set at {path}'
        raise DatasetError(msg)
    # tum before folder: a sequence has rgb/ and depth/ too, but its depth is not in mm.
    checks = {
        'nyu_mat': find_mat(path) is not None,
        'nyu_csv': find_csv_folder(path) is not None,
        'nyu_sync': any(find_list(path, part) for part in ('train', 'test')),
        'tum': any((path / name).is_file() for name in ('associations.txt', 'rgb.txt')),
        'folder': (path / 'rgb').is_dir(),
    }
    for layout, is_there in checks.items():
        if is_there:
            return layout
    msg = (
        f'{path} has none of the known layouts: nyu_depth_v2_labeled.mat, nyu2_train.csv, '
        f'nyudepthv2_train_files_with_gt.txt, associations.txt or rgb.txt, rgb/ and depth/'
    )
    raise DatasetError(msg)


def is_nyu(path: Path) -> bool:
    """Return whether a data set is NYU Depth v2: by its layout, or by its list of test images.

    Raises:
        DatasetError: There is nothing at path, or no layout that is known.
    """
    layout = detect_layout(path)
    return layout.startswith('nyu') or (layout == 'folder' and (path / TEST_LIST).is_file())


def open_dataset(
    path: Path,
    layout: str = 'auto',
    *,
    part: str = 'all',
    validation_blocks: Sequence[tuple[int, int]] = (),
) -> DepthDataset:
    """Open a data set.

    Args:
        path: The folder (or, for `nyu_mat`, the file).
        layout: A key of `LAYOUTS`, or 'auto'.
        part: 'all', 'train', 'val' or 'test', as `parts.select_part` has it.
        validation_blocks: Number ranges of the training samples that are for validation.

    Raises:
        DatasetError: The layout is unknown, or the files are missing, broken or do not match.
    """
    if layout == 'auto':
        layout = detect_layout(path)
    if layout not in LAYOUTS:
        msg = f'layout must be auto or one of {", ".join(LAYOUTS)}, got {layout!r}'
        raise DatasetError(msg)
    return LAYOUTS[layout](path, validation_blocks=validation_blocks, part=part)
