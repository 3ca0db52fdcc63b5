"""Layout `tum`: a sequence of the TUM RGB-D benchmark (Sturm et al., IROS 2012).

associations.txt ('TIME rgb/FILE TIME depth/FILE'), or rgb.txt and depth.txt ('TIME FILE'), which
are then matched by time. Depth is 16-bit, 5000 for 1 m, 0 invalid.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from drnet_offline.datasets.image_files import FileCamera, read_camera
from drnet_offline.datasets.listed import ListedDataset, ListedSample, read_lines
from drnet_offline.datasets.matching import match_stamps
from drnet_offline.datasets.parts import select_part
from drnet_offline.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = [
    'MAX_GAP_S',
    'UNITS_PER_M',
    'TumDataset',
    'camera_by_name',
    'match_times',
    'read_stamped',
    'to_ns',
]

UNITS_PER_M = 5000.0
MAX_GAP_S = 0.02
"""Largest distance in time of an image and its depth, as the benchmark's associate.py has it."""

# K (fx, fy, cx, cy) and D of the color cameras, from the benchmark's page on file formats.
_CAMERAS = {
    '1': ((517.3, 516.5, 318.6, 255.3), (0.2624, -0.9531, -0.0054, 0.0026, 1.1633)),
    '2': ((520.9, 521.0, 325.1, 249.7), (0.2312, -0.7849, -0.0033, -0.0001, 0.9172)),
    '3': ((535.4, 539.2, 320.1, 247.6), ()),
}

Stamped = tuple[float, str]


class TumDataset(ListedDataset):
    """A recorded sequence.

    Args:
        root: The folder of the sequence. Its camera.txt ('fx fy cx cy') stands above the
            benchmark's figures, which go by its name (freiburg1, fr2, ...).
        validation_blocks: Ranges of zero-based frame numbers for validation.
        part: 'all', 'train' or 'val': there are no official test frames.

    Raises:
        DatasetError: A file is missing or malformed, or the camera is unknown.
    """

    def __init__(
        self, root: Path, *, validation_blocks: Sequence[tuple[int, int]] = (), part: str = 'all'
    ) -> None:
        if (root / 'associations.txt').is_file():
            pairs = _read_associations(root / 'associations.txt')
        else:
            images, depths = read_stamped(root / 'rgb.txt'), read_stamped(root / 'depth.txt')
            pairs = match_times(images, depths)
        where = f'the sequence {root}'
        frames = range(len(pairs))
        kept = select_part(frames, part=part, blocks=validation_blocks, test=None, where=where)
        camera = _find_camera(root)
        samples = []
        for (time, image), (_, depth) in (pairs[i] for i in kept):
            samples.append(ListedSample.of(f'{time:.6f}', root / image, root / depth, camera))
        super().__init__(samples, units_per_m=UNITS_PER_M)


def match_times(
    images: Sequence[Stamped], depths: Sequence[Stamped], max_gap_s: float = MAX_GAP_S
) -> list[tuple[Stamped, Stamped]]:
    """Pair images with depths: the closest in time first, each at most once.

    Returns:
        The pairs in order of the images' times.
    """
    images, depths = sorted(images), sorted(depths)
    pairs = match_stamps(
        [to_ns(time) for time, _ in images], [to_ns(time) for time, _ in depths], to_ns(max_gap_s)
    )
    return [(images[image], depths[depth]) for image, depth in pairs.items()]


def to_ns(time_s: float) -> int:
    """Return a time of the benchmark's files in ns, exactly."""
    # Six decimals are what the files have; a float of such a time holds seven.
    return round(time_s * 1e6) * 1000


def _parse_time(word: str, path: Path, line: str) -> float:
    try:
        time = float(word)
    except ValueError:
        time = math.nan
    if not math.isfinite(time):
        msg = f'{path}: a line must begin with the time in seconds, got {line!r}'
        raise DatasetError(msg)
    return time


def read_stamped(path: Path) -> list[Stamped]:
    """Read a list of 'TIME FILE' lines: seconds, and a path below the list's folder.

    Raises:
        DatasetError: The list is missing or malformed.
    """
    stamped = []
    for line in read_lines(path):
        words = line.split()
        if len(words) != 2:
            msg = f"{path}: a line must be 'TIME FILE', got {line!r}"
            raise DatasetError(msg)
        stamped.append((_parse_time(words[0], path, line), words[1]))
    return stamped


def _read_associations(path: Path) -> list[tuple[Stamped, Stamped]]:
    pairs = []
    for line in read_lines(path):
        words = line.split()
        if len(words) != 4:
            msg = f"{path}: a line must be 'TIME IMAGE TIME DEPTH', got {line!r}"
            raise DatasetError(msg)
        first = (_parse_time(words[0], path, line), words[1])
        second = (_parse_time(words[2], path, line), words[3])
        # associate.py is run either way round.
        pairs.append((second, first) if words[1].startswith('depth') else (first, second))
    return pairs


def camera_by_name(root: Path) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return K (fx, fy, cx, cy in pixels) and D of the camera that a sequence's folder names.

    Raises:
        DatasetError: It names none.
    """
    found = re.search(r'(?:freiburg|fr)([123])', root.resolve().name)
    if found is None:
        msg = (
            f"{root}: the folder's name tells no camera (freiburg1, freiburg2, freiburg3): add a "
            f"camera.txt with 'fx fy cx cy' in pixels"
        )
        raise DatasetError(msg)
    return _CAMERAS[found.group(1)]


def _find_camera(root: Path) -> FileCamera:
    if (root / 'camera.txt').is_file():
        return read_camera(root / 'camera.txt')
    (fx, fy, *_), _ = camera_by_name(root)
    return FileCamera(math.sqrt(fx * fy))
