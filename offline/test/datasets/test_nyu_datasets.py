"""The layouts of NYU Depth v2: what may be wrong with their own files."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
from written_datasets import names_of, write_nyu_csv, write_nyu_mat, write_nyu_sync

from drnet_offline.datasets.opening import open_dataset
from drnet_offline.errors import DatasetError


def test_official_indices_count_from_one(tmp_path: Path) -> None:
    root = write_nyu_mat(tmp_path)
    assert names_of(open_dataset(root, part='train')) == ['00000', '00001', '00003', '00004']
    assert names_of(open_dataset(root, part='test')) == ['00002', '00005']
    assert open_dataset(root / 'nyu_depth_v2_labeled.mat', part='test')[1].rgb_hwc[0, 0, 0] == 5


def test_mat_that_is_cut_short_is_named(tmp_path: Path) -> None:
    path = write_nyu_mat(tmp_path) / 'nyu_depth_v2_labeled.mat'
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DatasetError, match=r'labeled\.mat is no HDF5 .* or is cut short'):
        open_dataset(tmp_path)


@pytest.mark.parametrize('wrong', ['depths', 'shape', 'type'])
def test_mat_with_other_arrays_is_named(wrong: str, tmp_path: Path) -> None:
    path = tmp_path / 'nyu_depth_v2_labeled.mat'
    with h5py.File(path, 'w') as file:
        file['images'] = np.zeros((2, 3, 16, 12), np.uint8)
        if wrong == 'shape':
            file['depths'] = np.zeros((2, 12, 16), np.float32)
        if wrong == 'type':
            file['depths'] = np.zeros((2, 16, 12), np.uint16)
    with pytest.raises(DatasetError, match=r'must hold uint8 images \(N, 3, W, H\)'):
        open_dataset(tmp_path)


def test_mat_needs_its_splits_but_for_all(tmp_path: Path) -> None:
    write_nyu_mat(tmp_path)
    (tmp_path / 'splits.mat').unlink()
    assert len(open_dataset(tmp_path)) == 6
    with pytest.raises(DatasetError, match=r'splits\.mat must be the official'):
        open_dataset(tmp_path, part='test')


@pytest.mark.parametrize('content', [b'text', b'text' * 99, b'MATLAB 5.0', None])
def test_splits_of_something_else_are_named(content: bytes | None, tmp_path: Path) -> None:
    path = write_nyu_mat(tmp_path) / 'splits.mat'
    if content is None:
        scipy.io.savemat(path, {'trainNdxs': np.arange(1, 796), 'testNdxs': np.arange(796, 1450)})
    else:
        path.write_bytes(content)
    with pytest.raises(DatasetError, match=r'splits\.mat'):
        open_dataset(tmp_path, part='train')


@pytest.mark.parametrize('line', ['a.jpg', 'a.jpg,b.png,c.png', ',b.png'])
def test_a_bad_csv_line_is_named(line: str, tmp_path: Path) -> None:
    path = write_nyu_csv(tmp_path) / 'data/nyu2_train.csv'
    path.write_text(path.read_text() + line + '\n')
    with pytest.raises(DatasetError, match=r"nyu2_train\.csv, line 5: must be 'IMAGE,DEPTH'"):
        open_dataset(tmp_path, part='train', validation_blocks=[(0, 0)])


def test_csv_is_found_from_either_folder(tmp_path: Path) -> None:
    root = write_nyu_csv(tmp_path)
    assert names_of(open_dataset(root)) == names_of(open_dataset(root / 'data'))


def test_an_empty_list_is_named(tmp_path: Path) -> None:
    path = write_nyu_csv(tmp_path) / 'data/nyu2_train.csv'
    path.write_text('\n')
    with pytest.raises(DatasetError, match=r'the list .*nyu2_train\.csv is empty'):
        open_dataset(tmp_path)


def test_images_that_are_nowhere_are_named(tmp_path: Path) -> None:
    root = write_nyu_sync(tmp_path)
    (root / 'sync').rename(root / 'elsewhere')
    with pytest.raises(DatasetError, match=r'kitchen_0028b/rgb_00000\.jpg under any of'):
        open_dataset(tmp_path)


@pytest.mark.parametrize('line', ['a.jpg b.png', 'a.jpg b.png x', 'a.jpg b.png 0', 'a b nan'])
def test_a_bad_line_of_a_list_is_named(line: str, tmp_path: Path) -> None:
    path = write_nyu_sync(tmp_path) / 'nyudepthv2_train_files_with_gt.txt'
    path.write_text(path.read_text() + line + '\n')
    with pytest.raises(DatasetError, match=r"train_files_with_gt\.txt, line 5: must be 'IMAGE"):
        open_dataset(tmp_path)
