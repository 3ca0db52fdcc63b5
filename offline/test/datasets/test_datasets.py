"""Every layout on a tiny data set in its official format, whole and broken."""

from __future__ import annotations

import math
import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
from written_datasets import WRITERS, make_depth, make_rgb, names_of, open_listed

from drnet_offline.datasets.listed import NYU_FOCAL_PX
from drnet_offline.datasets.opening import LAYOUTS, detect_layout, open_dataset
from drnet_offline.datasets.parts import select_part
from drnet_offline.errors import DatasetError

BLOCKS = {
    'folder': (4, 4),
    'nyu_mat': (1, 3),
    'nyu_csv': (2, 3),
    'nyu_sync': (2, 3),
    'tum': (0, 1),
}
PARTS = {
    'folder': {'all': 4, 'train': 1, 'val': 1, 'test': 2},
    'nyu_mat': {'all': 6, 'train': 2, 'val': 2, 'test': 2},
    'nyu_csv': {'all': 5, 'train': 2, 'val': 2, 'test': 1},
    'nyu_sync': {'all': 5, 'train': 2, 'val': 2, 'test': 1},
    'tum': {'all': 4, 'train': 2, 'val': 2},
}
EVERY = pytest.mark.parametrize('layout', WRITERS)
FILES = ('folder', 'nyu_csv', 'nyu_sync', 'tum')


def test_every_layout_is_tested() -> None:
    assert WRITERS.keys() == LAYOUTS.keys()


@EVERY
def test_samples_are_what_was_written(layout: str, tmp_path: Path) -> None:
    root = WRITERS[layout](tmp_path)
    assert detect_layout(root) == layout
    dataset = open_dataset(root)
    # What one step of the stored depth is worth: 8-bit training depth is coarse.
    step = 10 / 255 if layout == 'nyu_csv' else 1e-3
    for index in range(len(dataset)):
        sample = dataset[index]
        assert sample.rgb_hwc.dtype == np.uint8
        assert sample.depth_hw.dtype == np.float32
        assert sample.rgb_hwc.flags.c_contiguous
        assert sample.depth_hw.flags.c_contiguous
        number = round(float(sample.rgb_hwc[..., 0].mean()))
        difference = sample.rgb_hwc.astype(int) - make_rgb(number)
        assert np.abs(difference).max() <= (12 if 'nyu_c' in layout or 'sync' in layout else 0)
        expected = make_depth(number)
        expected[0, -1] = np.nan
        np.testing.assert_allclose(sample.depth_hw, expected, atol=step / 2 + 1e-6)


@EVERY
def test_parts_are_apart_and_whole(layout: str, tmp_path: Path) -> None:
    root = WRITERS[layout](tmp_path)
    parts = {
        part: names_of(open_dataset(root, layout, part=part, validation_blocks=[BLOCKS[layout]]))
        for part in PARTS[layout]
    }
    assert {part: len(names) for part, names in parts.items()} == PARTS[layout]
    together = [name for part, names in parts.items() if part != 'all' for name in names]
    assert sorted(together) == sorted(parts['all'])


@pytest.mark.parametrize(
    ('layout', 'focal_px'),
    [
        ('folder', 120.0),
        ('nyu_mat', NYU_FOCAL_PX),
        ('nyu_csv', NYU_FOCAL_PX),
        ('nyu_sync', 518.8579),
        ('tum', math.sqrt(520.9 * 521.0)),
    ],
)
def test_focal_lengths(layout: str, focal_px: float, tmp_path: Path) -> None:
    assert open_dataset(WRITERS[layout](tmp_path))[0].focal_px == pytest.approx(focal_px)


@EVERY
def test_a_data_set_travels_to_a_loader_process(layout: str, tmp_path: Path) -> None:
    dataset = open_dataset(WRITERS[layout](tmp_path))
    first = dataset[0]
    again = pickle.loads(pickle.dumps(dataset))[0]  # noqa: S301 - our own
    np.testing.assert_array_equal(first.rgb_hwc, again.rgb_hwc)
    np.testing.assert_array_equal(first.depth_hw, again.depth_hw)


@EVERY
def test_what_is_no_data_set_of_the_layout_is_refused(layout: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=str(tmp_path)):
        open_dataset(tmp_path, layout)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r'no data set at .*absent'):
        open_dataset(tmp_path / 'absent')
    with pytest.raises(
        DatasetError, match=r'none of the known layouts.*nyu_depth_v2_labeled\.mat'
    ):
        open_dataset(tmp_path)
    with pytest.raises(DatasetError, match=r"one of .*tum.*, got 'kitti'"):
        open_dataset(tmp_path, 'kitti')


@pytest.mark.parametrize('layout', FILES)
@pytest.mark.parametrize('pattern', ['*rgb*/**/*.?p?g', '*depth*.png'])
def test_a_missing_file_is_named(layout: str, pattern: str, tmp_path: Path) -> None:
    root = WRITERS[layout](tmp_path)
    sample = open_listed(root).samples[1]
    gone = sample.depth if 'depth' in pattern else sample.image
    gone.unlink()
    with pytest.raises(DatasetError, match=gone.stem):
        open_dataset(root)


@pytest.mark.parametrize('layout', FILES)
def test_a_file_cut_short_is_named(layout: str, tmp_path: Path) -> None:
    dataset = open_listed(WRITERS[layout](tmp_path))
    for path in (dataset.samples[0].image, dataset.samples[1].depth):
        path.write_bytes(path.read_bytes()[:-20])
    for index, what in enumerate(('image', 'depth')):
        broken = getattr(dataset.samples[index], what)
        with pytest.raises(DatasetError, match=f'{broken.name} is cut short'):
            dataset[index]


@pytest.mark.parametrize('layout', FILES)
def test_sizes_that_do_not_match_are_named(layout: str, tmp_path: Path) -> None:
    dataset = open_listed(WRITERS[layout](tmp_path))
    depth = dataset.samples[0].depth
    cv2.imwrite(str(depth), np.ones((5, 7), np.uint16))
    with pytest.raises(DatasetError, match=rf'\(12, 16\).*{depth.name} has \(5, 7\)'):
        dataset[0]


def test_parts_that_cannot_be_had() -> None:
    with pytest.raises(DatasetError, match="all, train, val, test, got 'valid'"):
        select_part(range(3), part='valid', blocks=[], test=None, where='it')
    with pytest.raises(DatasetError, match="it: part 'val' needs validation_blocks"):
        select_part(range(3), part='val', blocks=[], test=None, where='it')
    with pytest.raises(DatasetError, match='it has no official test samples'):
        select_part(range(3), part='test', blocks=[], test=None, where='it')
    with pytest.raises(DatasetError, match=r"for part 'val': its numbers are 0 to 2, and "):
        select_part(range(3), part='val', blocks=[(7, 9)], test=None, where='it')


def test_blocks_are_inclusive_and_the_official_test_stays_out_of_them() -> None:
    select = {
        part: select_part([5, 6, 7, 8, 9], part=part, blocks=[(6, 8)], test={7}, where='it')
        for part in ('train', 'val', 'test')
    }
    assert select == {'train': [0, 4], 'val': [1, 3], 'test': [2]}


def test_the_data_sets_here() -> None:
    shared = Path(__file__).parents[4] / 'shared' / 'data'
    if not shared.is_dir():
        pytest.skip('no ../shared/data beside the checkout')
    nyu, tum = open_dataset(shared / 'nyu_v2_train795'), open_dataset(shared / 'tum_fr1_rpy')
    assert (len(nyu), len(tum)) == (795, 300)
    assert nyu[0].depth_hw.shape == tum[0].depth_hw.shape == (480, 640)
    assert tum[0].focal_px == pytest.approx(516.9, abs=0.01)
    assert 0.3 < np.nanmin(tum[0].depth_hw) < np.nanmax(tum[0].depth_hw) < 10
