"""Every layout on a tiny data set in its official format, whole and broken."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest
import scipy.io
from numpy.typing import NDArray

from drnet_offline.datasets.folder import FolderDataset
from drnet_offline.datasets.image_files import read_depth, read_rgb
from drnet_offline.datasets.listed import NYU_FOCAL_PX
from drnet_offline.datasets.opening import LAYOUTS, detect_layout, open_dataset
from drnet_offline.datasets.parts import select_part
from drnet_offline.datasets.sample import DepthDataset
from drnet_offline.datasets.tum import match_times
from drnet_offline.errors import DatasetError

SIZE = (12, 16)
WriteFolder = Callable[..., Path]


def make_rgb(number: int) -> NDArray[np.uint8]:
    """An image (H, W, 3) whose red is its number, green its row and blue its column."""
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    planes = [np.full(SIZE, number), rows * 10, columns * 10]
    return np.stack(planes, -1).astype(np.uint8)


def make_depth(number: int) -> NDArray[np.float64]:
    """A depth in metres by row, column and number; one hole in the corner."""
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    depth: NDArray[np.float64] = 1 + 0.1 * rows + 0.05 * columns + 0.01 * number
    depth[0, -1] = 0
    return depth


def write_rgb(path: Path, number: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), make_rgb(number)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 100])


def write_depth(path: Path, number: int, per_m: float, dtype: type = np.uint16) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), (make_depth(number) * per_m).round().astype(dtype))


def write_folder(root: Path) -> Path:
    for number in (3, 4, 7, 12):
        write_rgb(root / 'rgb' / f'{number:05d}.png', number)
        write_depth(root / 'depth' / f'{number:05d}.png', number, 1000)
    (root / 'camera.txt').write_text('100 144 8 6\n')
    (root / 'official_test_indices.txt').write_text('7\n12\n')
    return root


def write_nyu_mat(root: Path) -> Path:
    """MATLAB 7.3 as the official file: what MATLAB calls (H, W, 3, N) HDF5 calls (N, 3, W, H)."""
    root.mkdir(parents=True, exist_ok=True)
    images = np.stack([make_rgb(n) for n in range(6)], -1)  # (H, W, 3, N)
    depths = np.stack([make_depth(n) for n in range(6)], -1).astype(np.float32)  # (H, W, N)
    with h5py.File(root / 'nyu_depth_v2_labeled.mat', 'w', userblock_size=512) as file:
        file['images'] = images.T
        file['depths'] = depths.T
    splits = {'trainNdxs': np.array([[1], [2], [4], [5]]), 'testNdxs': np.array([[3], [6]])}
    scipy.io.savemat(root / 'splits.mat', splits)
    return root


def write_nyu_csv(root: Path) -> Path:
    lines = []
    for number in range(4):
        stem = f'data/nyu2_train/living_room_00{number // 2}_out/{number}'
        write_rgb(root / f'{stem}.jpg', number)
        write_depth(root / f'{stem}.png', number, 255 / 10, np.uint8)
        lines.append(f'{stem}.jpg,{stem}.png\n')
    (root / 'data/nyu2_train.csv').write_text(''.join(lines))
    write_rgb(root / 'data/nyu2_test/00000_colors.png', 9)
    write_depth(root / 'data/nyu2_test/00000_depth.png', 9, 1000)
    row = 'data/nyu2_test/00000_colors.png,data/nyu2_test/00000_depth.png\n'
    (root / 'data/nyu2_test.csv').write_text(row)
    return root


def write_nyu_sync(root: Path) -> Path:
    lines = []
    for number in range(4):
        image = f'kitchen_0028b/rgb_{number:05d}.jpg'
        depth = f'kitchen_0028b/sync_depth_{number:05d}.png'
        write_rgb(root / 'sync' / image, number)
        write_depth(root / 'sync' / depth, number, 1000)
        lines.append(f'/{image} /{depth} 518.8579\n')
    (root / 'nyudepthv2_train_files_with_gt.txt').write_text(''.join(lines))
    write_rgb(root / 'official_splits/test/bathroom/rgb_00045.jpg', 9)
    write_depth(root / 'official_splits/test/bathroom/sync_depth_00045.png', 9, 1000)
    line = 'bathroom/rgb_00045.jpg bathroom/sync_depth_00045.png 518.8579\n'
    (root / 'nyudepthv2_test_files_with_gt.txt').write_text(line)
    return root


def write_tum(root: Path) -> Path:
    root = root / 'rgbd_dataset_freiburg2_desk'
    images, depths = ['# color images\n', '# timestamp filename\n'], ['# depth maps\n']
    for number in range(4):
        time = 1305031231.5 + number / 30
        image, depth = f'rgb/{time:.6f}.png', f'depth/{time + 0.004:.6f}.png'
        write_rgb(root / image, number)
        write_depth(root / depth, number, 5000)
        images.append(f'{time:.6f} {image}\n')
        depths.append(f'{time + 0.004:.6f} {depth}\n')
    (root / 'rgb.txt').write_text(''.join(images))
    (root / 'depth.txt').write_text(''.join(depths))
    return root


WRITERS = {
    'folder': write_folder,
    'nyu_mat': write_nyu_mat,
    'nyu_csv': write_nyu_csv,
    'nyu_sync': write_nyu_sync,
    'tum': write_tum,
}
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


def names_of(dataset: DepthDataset) -> list[str]:
    return [dataset[i].name for i in range(len(dataset))]


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


def test_official_indices_count_from_one(tmp_path: Path) -> None:
    root = write_nyu_mat(tmp_path)
    assert names_of(open_dataset(root, part='train')) == ['00000', '00001', '00003', '00004']
    assert names_of(open_dataset(root, part='test')) == ['00002', '00005']
    assert open_dataset(root / 'nyu_depth_v2_labeled.mat', part='test')[1].rgb_hwc[0, 0, 0] == 5


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


def first_file(root: Path, pattern: str) -> Path:
    return min(root.rglob(pattern))


FILES = ('folder', 'nyu_csv', 'nyu_sync', 'tum')


@pytest.mark.parametrize('layout', FILES)
@pytest.mark.parametrize('pattern', ['*rgb*/**/*.?p?g', '*depth*.png'])
def test_a_missing_file_is_named(layout: str, pattern: str, tmp_path: Path) -> None:
    root = WRITERS[layout](tmp_path)
    dataset = open_dataset(root)
    image = open_dataset(root)._samples[1].image  # type: ignore[attr-defined]
    depth = dataset._samples[1].depth  # type: ignore[attr-defined]
    gone = depth if 'depth' in pattern else image
    gone.unlink()
    with pytest.raises(DatasetError, match=gone.stem):
        open_dataset(root)


@pytest.mark.parametrize('layout', FILES)
def test_a_file_cut_short_is_named(layout: str, tmp_path: Path) -> None:
    dataset = open_dataset(WRITERS[layout](tmp_path))
    for path in (dataset._samples[0].image, dataset._samples[1].depth):  # type: ignore[attr-defined]
        path.write_bytes(path.read_bytes()[:-20])
    for index, what in enumerate(('image', 'depth')):
        broken = getattr(dataset._samples[index], what)  # type: ignore[attr-defined]
        with pytest.raises(DatasetError, match=f'{broken.name} is cut short'):
            dataset[index]


@pytest.mark.parametrize('layout', FILES)
def test_sizes_that_do_not_match_are_named(layout: str, tmp_path: Path) -> None:
    dataset = open_dataset(WRITERS[layout](tmp_path))
    depth = dataset._samples[0].depth  # type: ignore[attr-defined]
    cv2.imwrite(str(depth), np.ones((5, 7), np.uint16))
    with pytest.raises(DatasetError, match=rf'\(12, 16\).*{depth.name} has \(5, 7\)'):
        dataset[0]


@pytest.mark.parametrize('pixels', [np.ones((5, 7, 3), np.uint16), np.ones((5, 7), np.uint8)])
def test_depth_of_another_type_is_named(pixels: NDArray[np.uint8], tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / 'depth.png'), pixels)
    with pytest.raises(DatasetError, match=r'depth\.png must be a single-channel 16-bit PNG'):
        read_depth(tmp_path / 'depth.png')


@pytest.mark.parametrize('content', [b'', b'no image', b'\xff\xd8 \xff\xd9'])
def test_what_is_no_image_is_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / 'a.jpg').write_bytes(content)
    with pytest.raises(DatasetError, match=r'a\.jpg is cut short, damaged or no image'):
        read_rgb(tmp_path / 'a.jpg')


def test_exif_does_not_turn_an_image_away_from_its_depth(tmp_path: Path) -> None:
    write_rgb(tmp_path / 'a.jpg', 0)
    data = (tmp_path / 'a.jpg').read_bytes()
    # An APP1 segment with one TIFF entry: orientation (0x0112) = 6, a quarter turn.
    tiff = b'II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0'
    exif = b'Exif\0\0' + tiff
    segment = b'\xff\xe1' + (len(exif) + 2).to_bytes(2, 'big') + exif
    (tmp_path / 'a.jpg').write_bytes(data[:2] + segment + data[2:])
    turned = cv2.imread(str(tmp_path / 'a.jpg'))
    assert turned is not None
    assert turned.shape[:2] == SIZE[::-1]
    assert read_rgb(tmp_path / 'a.jpg').shape[:2] == SIZE


# Layout by layout: what may be wrong with its own files.


def test_folder_wants_a_depth_for_each_image(tmp_path: Path) -> None:
    write_folder(tmp_path)
    write_rgb(tmp_path / 'rgb' / '00013.png', 1)
    with pytest.raises(DatasetError, match=r"1 images or depths lack their sibling.*'00013'"):
        FolderDataset(tmp_path)


def test_folder_refuses_two_images_of_one_name(tmp_path: Path) -> None:
    write_folder(tmp_path)
    write_rgb(tmp_path / 'rgb' / '00003.jpg', 1)
    with pytest.raises(DatasetError, match=r'00003\.jpg and .*00003\.png have the same name'):
        FolderDataset(tmp_path)


def test_folder_ignores_what_is_no_image(tmp_path: Path) -> None:
    write_folder(tmp_path)
    (tmp_path / 'rgb' / '.DS_Store').write_bytes(b'')
    (tmp_path / 'rgb' / '._00003.png').write_bytes(b'')
    (tmp_path / 'depth' / 'notes.txt').write_text('')
    assert len(FolderDataset(tmp_path)) == 4


def test_folder_without_a_camera_is_taken_for_nyus(tmp_path: Path) -> None:
    write_folder(tmp_path)
    (tmp_path / 'camera.txt').unlink()
    assert FolderDataset(tmp_path)[0].focal_px == NYU_FOCAL_PX


@pytest.mark.parametrize('text', ['', '1 2 3', '0 5 1 1', '-5 -5 1 1', 'nan 5 1 1', 'a b c d'])
def test_a_bad_camera_is_named(text: str, tmp_path: Path) -> None:
    write_folder(tmp_path)
    (tmp_path / 'camera.txt').write_text(text)
    with pytest.raises(DatasetError, match=r"camera\.txt must hold 'fx fy cx cy'"):
        FolderDataset(tmp_path)


def test_parts_of_a_folder_need_numbers(tmp_path: Path) -> None:
    write_folder(tmp_path)
    write_rgb(tmp_path / 'rgb' / 'x.png', 1)
    write_depth(tmp_path / 'depth' / 'x.png', 1, 1000)
    with pytest.raises(DatasetError, match="must be numbers, got 'x'"):
        FolderDataset(tmp_path, part='train', validation_blocks=[(3, 3)])


def test_bad_official_indices_are_named(tmp_path: Path) -> None:
    write_folder(tmp_path)
    (tmp_path / 'official_test_indices.txt').write_text('7\nseven\n')
    with pytest.raises(DatasetError, match=r'official_test_indices\.txt must hold whole numbers'):
        FolderDataset(tmp_path)


def test_parts_that_cannot_be_had() -> None:
    with pytest.raises(DatasetError, match="all, train, val, test, got 'valid'"):
        select_part(range(3), part='valid', blocks=[], test=None, where='it')
    with pytest.raises(DatasetError, match="it: part 'val' needs validation_blocks"):
        select_part(range(3), part='val', blocks=[], test=None, where='it')
    with pytest.raises(DatasetError, match='it has no official test samples'):
        select_part(range(3), part='test', blocks=[], test=None, where='it')
    with pytest.raises(DatasetError, match="it holds no samples for part 'val'"):
        select_part(range(3), part='val', blocks=[(7, 9)], test=None, where='it')


def test_blocks_are_inclusive_and_the_official_test_stays_out_of_them() -> None:
    select = {
        part: select_part([5, 6, 7, 8, 9], part=part, blocks=[(6, 8)], test={7}, where='it')
        for part in ('train', 'val', 'test')
    }
    assert select == {'train': [0, 4], 'val': [1, 3], 'test': [2]}


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


def test_tum_associations_stand_above_times_either_way_round(tmp_path: Path) -> None:
    root = write_tum(tmp_path)
    by_time = [s.depth for s in open_dataset(root)._samples]  # type: ignore[attr-defined]
    image, depth = 'rgb/1305031231.500000.png', 'depth/1305031231.504000.png'
    rows = (f'1305031231.5 {image} 1305031231.504 {depth}', f'1.504 {depth} 1.5 {image}')
    for row in rows:
        (root / 'associations.txt').write_text(f'# comment\n{row}\n')
        dataset = open_dataset(root)
        assert len(dataset) == 1
        assert dataset._samples[0].image == root / image  # type: ignore[attr-defined]
        assert dataset._samples[0].depth == by_time[0]  # type: ignore[attr-defined]


def test_times_are_matched_closest_first_and_once() -> None:
    images = [(0.000, 'a'), (0.033, 'b'), (0.066, 'c'), (0.500, 'late')]
    depths = [(0.070, 'z'), (0.015, 'x'), (0.031, 'y'), (0.047, 'w')]
    pairs = [(image, depth) for (_, image), (_, depth) in match_times(images, depths)]
    assert pairs == [('a', 'x'), ('b', 'y'), ('c', 'z')]


@pytest.mark.parametrize('line', ['1.0', 'x rgb/a.png', 'nan rgb/a.png', '1.0 rgb/a.png more'])
def test_a_bad_line_of_tum_is_named(line: str, tmp_path: Path) -> None:
    root = write_tum(tmp_path)
    (root / 'rgb.txt').write_text(line)
    with pytest.raises(DatasetError, match=r'rgb\.txt: a line must'):
        open_dataset(root)
    (root / 'associations.txt').write_text(line)
    with pytest.raises(DatasetError, match=r'associations\.txt: a line must'):
        open_dataset(root)


def test_an_unknown_tum_camera_is_named_and_camera_txt_tells_it(tmp_path: Path) -> None:
    root = write_tum(tmp_path).rename(tmp_path / 'sequence')
    with pytest.raises(DatasetError, match=r'sequence: .*add a camera\.txt'):
        open_dataset(root)
    (root / 'camera.txt').write_text('400 400 8 6')
    assert open_dataset(root)[0].focal_px == 400


def test_the_data_sets_here() -> None:
    shared = Path(__file__).parents[3] / 'shared' / 'data'
    if not shared.is_dir():
        pytest.skip('no ../shared/data beside the checkout')
    nyu, tum = open_dataset(shared / 'nyu_v2_train795'), open_dataset(shared / 'tum_fr1_rpy')
    assert (len(nyu), len(tum)) == (795, 300)
    assert nyu[0].depth_hw.shape == tum[0].depth_hw.shape == (480, 640)
    assert tum[0].focal_px == pytest.approx(516.9, abs=0.01)
    assert 0.3 < np.nanmin(tum[0].depth_hw) < np.nanmax(tum[0].depth_hw) < 10
