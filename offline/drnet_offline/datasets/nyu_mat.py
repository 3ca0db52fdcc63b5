"""Layout `nyu_mat`: the official nyu_depth_v2_labeled.mat (HDF5) with splits.mat.

MATLAB stores columns first, so HDF5 readers see images as uint8 (N, 3, W, H) and depths as float32
(N, W, H) metres. splits.mat (MATLAB v5) holds trainNdxs and testNdxs, counted from 1.
"""

from __future__ import annotations

import os
import zlib
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import scipy.io
import scipy.io.matlab

from drnet_offline.datasets.listed import NYU_FOCAL_PX
from drnet_offline.datasets.parts import select_part
from drnet_offline.datasets.sample import DepthSample
from drnet_offline.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ['NyuMatDataset', 'find_mat']

_NAME = 'nyu_depth_v2_labeled.mat'

# What scipy raises for a .mat file of another version, of another kind, or cut short.
_UNREADABLE = (NotImplementedError, scipy.io.matlab.MatReadError, zlib.error)


def find_mat(path: Path) -> Path | None:
    """Return the labelled .mat file, None where there is none."""
    if path.is_file():
        return path if path.suffix == '.mat' else None
    return path / _NAME if (path / _NAME).is_file() else None


class NyuMatDataset:
    """The official file, read image by image.

    Args:
        path: nyu_depth_v2_labeled.mat, or the folder with it; splits.mat lies beside it and is
            needed for every part but 'all'.
        validation_blocks: Ranges of zero-based indices that are for validation.
        part: 'all', 'train', 'val' or 'test', as `parts.select_part` has it.

    Raises:
        DatasetError: A file is missing, or is not what it should be.
    """

    def __init__(
        self, path: Path, *, validation_blocks: Sequence[tuple[int, int]] = (), part: str = 'all'
    ) -> None:
        found = find_mat(path)
        if found is None:
            msg = f'no {_NAME} at {path}: fetch it from the NYU Depth v2 page'
            raise DatasetError(msg)
        self._path = found
        self._file: Any = None
        self._process = -1
        count = self._check_arrays()
        test = None if part == 'all' else _read_test_indices(found.parent / 'splits.mat', count)
        self._indices = select_part(
            range(count), part=part, blocks=validation_blocks, test=test, where=f'{found}'
        )

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self._indices)

    def __getitem__(self, index: int) -> DepthSample:
        """Read one sample.

        Raises:
            DatasetError: The file is damaged there.
        """
        number = self._indices[index]
        file = self._open()
        try:
            image, depth = file['images'][number], file['depths'][number]
        except (OSError, KeyError) as error:
            msg = f'{self._path}: cannot read image {number}: {error}'
            raise DatasetError(msg) from error
        rgb_hwc = np.ascontiguousarray(image.transpose(2, 1, 0))  # (3, W, H) -> (H, W, 3)
        depth_hw = np.ascontiguousarray(depth.T, np.float32)  # (W, H) -> (H, W)
        depth_hw[~(depth_hw > 0)] = np.nan
        return DepthSample(f'{number:05d}', rgb_hwc, depth_hw, NYU_FOCAL_PX)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the open file behind: a loader process opens its own."""
        return {**self.__dict__, '_file': None, '_process': -1}

    def _open(self) -> Any:
        # HDF5 handles must not be shared with a forked process.
        if self._process != os.getpid():
            try:
                self._file = h5py.File(self._path, 'r')
            except OSError as error:
                msg = f'{self._path} is no HDF5 (MATLAB 7.3) file, or is cut short: {error}'
                raise DatasetError(msg) from error
            self._process = os.getpid()
        return self._file

    def _check_arrays(self) -> int:
        file = self._open()
        shapes = {name: getattr(file.get(name), 'shape', None) for name in ('images', 'depths')}
        types = {name: str(getattr(file.get(name), 'dtype', '')) for name in shapes}
        images, depths = shapes['images'], shapes['depths']
        is_sound = (
            images is not None
            and len(images) == 4
            and images[1] == 3
            and depths == (images[0], *images[2:])
            and types == {'images': 'uint8', 'depths': 'float32'}
        )
        if not is_sound or images is None:
            msg = (
                f'{self._path} must hold uint8 images (N, 3, W, H) and float32 depths (N, W, H), '
                f'got {types["images"]} {images} and {types["depths"]} {depths}'
            )
            raise DatasetError(msg)
        # A handle of the parent would be copied into forked loader processes.
        file.close()
        self._process = -1
        return int(images[0])


def _read_test_indices(path: Path, count: int) -> set[int]:
    """Return the zero-based test indices, checked against the training ones."""
    try:
        splits = scipy.io.loadmat(str(path))
        train, test = (splits[name].ravel().astype(int) - 1 for name in ('trainNdxs', 'testNdxs'))
    except (OSError, LookupError, TypeError, ValueError, *_UNREADABLE) as error:
        msg = f'{path} must be the official splits.mat with trainNdxs and testNdxs: {error}'
        raise DatasetError(msg) from error
    if sorted([*train, *test]) != list(range(count)):
        msg = f'{path} does not split the {count} images of {_NAME}: it belongs to another file'
        raise DatasetError(msg)
    return {int(index) for index in test}
