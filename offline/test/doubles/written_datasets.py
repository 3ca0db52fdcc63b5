"""Tiny data sets for tests to write: every layout in its official format."""

from __future__ import annotations

from pathlib import Path

import cv2
import h5py
import numpy as np
import scipy.io
from numpy.typing import NDArray

from drnet_offline.datasets.listed import ListedDataset
from drnet_offline.datasets.opening import open_dataset
from drnet_offline.datasets.sample import DepthDataset

SIZE = (12, 16)


def open_listed(root: Path) -> ListedDataset:
    """Opens a data set whose samples are files of their own."""
    dataset = open_dataset(root)
    assert isinstance(dataset, ListedDataset)
    return dataset


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


def names_of(dataset: DepthDataset) -> list[str]:
    return [dataset[i].name for i in range(len(dataset))]
