"""Layout `folder`: rgb/NAME.jpg|png, depth/NAME.png (uint16 mm, 0 invalid), and the camera."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drnet_offline.datasets.image_files import FileCamera, read_camera, read_cameras
from drnet_offline.datasets.listed import ListedDataset, ListedSample, read_lines
from drnet_offline.datasets.parts import select_part
from drnet_offline.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ['TEST_LIST', 'FolderDataset']

_IMAGES = ('.jpg', '.jpeg', '.png')
TEST_LIST = 'official_test_indices.txt'


class FolderDataset(ListedDataset):
    """A folder of images and depths of the same names.

    A file official_test_indices.txt, where there is one, lists the numbers of the test samples.
    A cameras.csv, where there is one, has the camera of each image, a camera.txt that of all.
    Without both, images are taken to have the field of view of NYU Depth v2.

    Args:
        root: The folder with rgb/ and depth/.
        validation_blocks: Index ranges that are for validation.
        part: 'all', 'train', 'val' or 'test', as `parts.select_part` has it.

    Attributes:
        has_camera: Whether there is one of these files.

    Raises:
        DatasetError: A folder is missing or empty, or an image lacks its depth or the reverse.
    """

    def __init__(
        self, root: Path, *, validation_blocks: Sequence[tuple[int, int]] = (), part: str = 'all'
    ) -> None:
        images = _list_files(root / 'rgb', _IMAGES)
        depths = _list_files(root / 'depth', ('.png',))
        lonely = sorted(images.keys() ^ depths.keys())
        if lonely:
            msg = f'{root}: {len(lonely)} images or depths lack their sibling, first {lonely[0]!r}'
            raise DatasetError(msg)
        names = sorted(images)
        test = _read_test_numbers(root / TEST_LIST)
        where = f'the folder {root}'
        numbers = _to_numbers(names, where) if validation_blocks or test else range(len(names))
        chosen = select_part(numbers, part=part, blocks=validation_blocks, test=test, where=where)
        kept = [names[i] for i in chosen]
        cameras = _read_cameras(root, kept)
        self.has_camera = None not in cameras.values()
        super().__init__(
            [ListedSample.of(name, images[name], depths[name], cameras[name]) for name in kept]
        )


def _read_cameras(root: Path, names: Sequence[str]) -> Mapping[str, FileCamera | None]:
    """Return the camera of each image, from cameras.csv or camera.txt; None without both."""
    cameras, camera = root / 'cameras.csv', root / 'camera.txt'
    if not cameras.is_file():
        return dict.fromkeys(names, read_camera(camera) if camera.is_file() else None)
    found = read_cameras(cameras)
    missing = sorted(set(names) - found.keys())
    if missing:
        msg = f'{cameras} lacks {len(missing)} images, first {missing[0]!r}: add their rows'
        raise DatasetError(msg)
    return found


def _to_numbers(names: Sequence[str], where: str) -> list[int]:
    for name in names:
        if not name.isdecimal():
            msg = f'{where}: parts go by number, so all names must be numbers, got {name!r}'
            raise DatasetError(msg)
    return [int(name) for name in names]


def _read_test_numbers(path: Path) -> set[int] | None:
    if not path.is_file():
        return None
    try:
        return {int(word) for line in read_lines(path) for word in line.split()}
    except ValueError as error:
        msg = f'{path} must hold whole numbers: {error}'
        raise DatasetError(msg) from error


def _list_files(folder: Path, suffixes: Sequence[str]) -> dict[str, Path]:
    if not folder.is_dir():
        msg = f'no folder {folder}: layout `folder` needs rgb/ and depth/'
        raise DatasetError(msg)
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith('.') or path.suffix.lower() not in suffixes:
            continue
        if path.stem in found:
            msg = f'{found[path.stem]} and {path} have the same name: keep one'
            raise DatasetError(msg)
        found[path.stem] = path
    return found
