"""A data set of image and depth files that are known by their paths; base of the file layouts."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from drnet_offline.datasets.image_files import read_depth, read_rgb
from drnet_offline.datasets.parts import select_part
from drnet_offline.datasets.sample import DepthSample
from drnet_offline.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from drnet_offline.datasets.image_files import FileCamera

__all__ = [
    'NYU_FOCAL_PX',
    'ListedDataset',
    'ListedSample',
    'check_files',
    'find_base',
    'lists_of',
    'read_lines',
    'select_listed',
]

NYU_FOCAL_PX = math.sqrt(518.8579 * 519.4696)
"""Colour camera of NYU Depth v2 at 640x480."""
_NYU_WIDTH = 640
_MOST_OFF_CENTRE = 0.2  # as `CameraModel` has it


@dataclass(frozen=True, slots=True)
class ListedSample:
    """Where a sample lies.

    Attributes:
        name: For messages and reports.
        image: Path of the image.
        depth: Path of the depth.
        focal_px: Focal length at the image's size, pixels; None is the field of view of the color
            camera of NYU Depth v2.
        centre_px: Principal point, column and row, of a camera that must be of that size.
    """

    name: str
    image: Path
    depth: Path
    focal_px: float | None
    centre_px: tuple[float, float] | None = None

    @classmethod
    def of(cls, name: str, image: Path, depth: Path, camera: FileCamera | None) -> ListedSample:
        """Return a sample with the camera of a file, None if there is none."""
        if camera is None:
            return cls(name, image, depth, None)
        return cls(name, image, depth, camera.focal_px, camera.centre_px)

    def check_size(self, height: int, width: int) -> None:
        """Refuse the camera of images of another size, whose focal length is another one.

        Raises:
            DatasetError: The principal point is far from the middle.
        """
        if self.centre_px is None:
            return
        column, row = self.centre_px
        if max(abs(column / width - 0.5), abs(row / height - 0.5)) > _MOST_OFF_CENTRE:
            msg = (
                f'the camera of {self.image} must be of images of {width} x {height}, got one '
                f'with cx {column:g} and cy {row:g}: scale fx, fy, cx and cy to this size; of '
                'cropped images give 0 for cx and cy'
            )
            raise DatasetError(msg)


class ListedDataset:
    """Images and depths by their paths.

    Args:
        samples: Where they are.
        units_per_m: What 16-bit depth is divided by.
        bytes_per_m: What 8-bit depth is divided by; None refuses it.

    Attributes:
        samples: Where they are.

    Raises:
        DatasetError: A file is missing.
    """

    def __init__(
        self,
        samples: Sequence[ListedSample],
        *,
        units_per_m: float = 1000.0,
        bytes_per_m: float | None = None,
    ) -> None:
        check_files(path for sample in samples for path in (sample.image, sample.depth))
        self.samples = tuple(samples)
        self._units_per_m = units_per_m
        self._bytes_per_m = bytes_per_m

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.samples)

    def __getitem__(self, index: int) -> DepthSample:
        """Read one sample.

        Raises:
            DatasetError: A file is damaged, or image and depth differ in size.
        """
        sample = self.samples[index]
        rgb = read_rgb(sample.image)
        depth = read_depth(
            sample.depth, units_per_m=self._units_per_m, bytes_per_m=self._bytes_per_m
        )
        if rgb.shape[:2] != depth.shape:
            msg = f'{sample.image} has size {rgb.shape[:2]}, {sample.depth} has {depth.shape}'
            raise DatasetError(msg)
        sample.check_size(*depth.shape)
        focal_px = sample.focal_px
        if focal_px is None:
            focal_px = NYU_FOCAL_PX * rgb.shape[1] / _NYU_WIDTH
        return DepthSample(sample.name, rgb, depth, focal_px)


def select_listed(
    lists: Sequence[Path],
    read: Callable[[Path], list[ListedSample]],
    part: str,
    blocks: Sequence[tuple[int, int]],
) -> list[ListedSample]:
    """Return the samples of a part, of a data set that lists training and test apart.

    Args:
        lists: The files that `lists_of` names for the part, as far as they are there; at least
            one.
        read: Reads one of them.
        part: 'all', 'train', 'val' or 'test'.
        blocks: Ranges of zero-based line numbers of the training list that are for validation.

    Raises:
        DatasetError: A list is missing or malformed, or the part is empty.
    """
    samples = [sample for file in lists for sample in read(file)]
    numbers = range(len(samples))
    test = numbers if part == 'test' else None
    kept = select_part(numbers, part=part, blocks=blocks, test=test, where=f'{lists[0]}')
    return [samples[i] for i in kept]


def lists_of(part: str) -> tuple[str, ...]:
    """Return which of the lists 'train' and 'test' a part comes from."""
    return {'train': ('train',), 'val': ('train',), 'test': ('test',)}.get(part, ('train', 'test'))


def check_files(paths: Iterable[Path]) -> None:
    """Refuse a list with missing files; each folder is read once, not each file asked for.

    Raises:
        DatasetError: Files are missing; the first is named.
    """
    wanted = defaultdict(set)
    for path in paths:
        wanted[path.parent].add(path.name)
    missing = []
    for folder, names in wanted.items():
        there = {p.name for p in folder.iterdir()} if folder.is_dir() else set()
        missing += [folder / name for name in names - there]
    if missing:
        msg = f'{len(missing)} files are missing, first {min(missing)}: fetch the data set again'
        raise DatasetError(msg)


def read_lines(path: Path) -> list[str]:
    """Read the lines of a list file that are not empty and no comments (#).

    Raises:
        DatasetError: The file is missing, no text, or has no such lines.
    """
    try:
        lines = [line.strip() for line in path.read_text(encoding='utf-8').splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        msg = f'cannot read the list {path}: {error}'
        raise DatasetError(msg) from error
    kept = [line for line in lines if line and not line.startswith('#')]
    if not kept:
        msg = f'the list {path} is empty'
        raise DatasetError(msg)
    return kept


def find_base(relative: str, bases: Sequence[Path]) -> Path:
    """Return the folder that a list's paths start from: archives are unpacked in several ways.

    Args:
        relative: The list's first path.
        bases: Folders to try, the most likely first.

    Raises:
        DatasetError: The file lies under none of them.
    """
    for base in bases:
        if (base / relative).is_file():
            return base
    tried = ', '.join(str(base) for base in bases)
    msg = f'found no {relative} under any of {tried}: unpack the images beside their list'
    raise DatasetError(msg)
