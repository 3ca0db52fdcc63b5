"""Images and videos that a user names: files, and folders with all that lies in them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from drnet_offline.datasets.image_files import IMAGE_SUFFIXES, is_image
from drnet_offline.errors import DatasetError
from drnet_offline.outputs.depth_file import is_depth_file
from drnet_ros.recordings.storage import is_recording
from drnet_ros.recordings.video import VIDEO_SUFFIXES, is_video

__all__ = ['FoundInputs', 'Input', 'find_inputs']

# Pictures that neither OpenCV nor FFmpeg reads.
_UNREAD_SUFFIXES = (
    *('.heic', '.heif', '.avif', '.jxl', '.jp2'),
    *('.dng', '.cr2', '.cr3', '.nef', '.arw', '.raf', '.rw2', '.orf'),
)


@dataclass(frozen=True, slots=True)
class Input:
    """An image or a video.

    Attributes:
        path: The file.
        name: Where its results go in the output folder: its path below the folder that was named,
            without suffix.
    """

    path: Path
    name: Path


@dataclass(slots=True)
class FoundInputs:
    """What paths name.

    Attributes:
        inputs: The images and videos.
        unread: One line for each picture, and each folder, that cannot be read.
        others: How many other files there are, by suffix; what `drnet predict` wrote is not
            counted.
    """

    inputs: list[Input] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)

    def describe_others(self) -> str:
        """Return what to say of other files, '' if there are none."""
        if not self.others:
            return ''
        kinds = ', '.join(suffix or 'no suffix' for suffix in sorted(self.others))
        count = self.others.total()
        words = '1 other file is' if count == 1 else f'{count} other files are'
        return f'{words} left out ({kinds})'


def find_inputs(paths: Sequence[Path]) -> FoundInputs:
    """Return the images and videos that paths name.

    Args:
        paths: Files, taken whatever their suffix, and folders, of which all images and videos are
            taken, those of their folders too; hidden ones are not, nor what `drnet predict` wrote.

    Raises:
        DatasetError: A path is missing or a recording, a folder has neither image nor video, or
            two inputs would write the same file.
    """
    found = FoundInputs()
    for path in paths:
        if path.is_dir():
            before = len(found.inputs)
            for file in _files(path, found.unread):
                _take(found, path, file)
            if len(found.inputs) == before and not found.unread:
                _refuse_recording(path)
                kinds = ', '.join((*IMAGE_SUFFIXES, *VIDEO_SUFFIXES))
                msg = f'the folder {path} must hold images or videos ({kinds}), got none'
                raise DatasetError(msg)
        elif path.is_file():
            _refuse_recording(path)
            found.inputs.append(Input(path, Path(path.stem)))
        elif path.exists():
            msg = f'{path} must be a file or a folder, got a pipe or a device: write it to a file'
            raise DatasetError(msg)
        else:
            msg = f'there is no image, video or folder {path}'
            raise DatasetError(msg)
    _check_names(found.inputs)
    return found


def _refuse_recording(path: Path) -> None:
    if is_recording(path):
        msg = (
            f'{path} must be images or a video, got a recording: drnet show shows its depth, and '
            'drnet bag --write OUT.mcap writes it'
        )
        raise DatasetError(msg)


def _take(found: FoundInputs, folder: Path, file: Path) -> None:
    """Sort in a file of a folder."""
    name = file.relative_to(folder).with_suffix('')
    if not file.is_file():  # a pipe would be waited for
        if is_image(file) or is_video(file):
            got = 'a link to nothing' if file.is_symlink() else 'a pipe or a device'
            found.unread.append(f'{file} must be a file, got {got}')
        return
    if _is_ours(file):
        return
    if is_image(file) or is_video(file):
        found.inputs.append(Input(file, name))
    elif file.suffix.lower() in _UNREAD_SUFFIXES:
        found.unread.append(
            f'{file}: pictures of type {file.suffix} cannot be read: convert it to JPEG or PNG'
        )
    else:
        found.others[file.suffix.lower()] += 1


def _is_ours(file: Path) -> bool:
    """Whether `drnet predict` wrote a file: depth, or the preview or cloud next to it."""
    stem = file.stem.removesuffix('.preview')
    if stem == file.stem and file.suffix != '.ply':
        return is_depth_file(file)
    frames = file.with_name(stem).glob('*.png') if is_video(file) else ()
    return is_depth_file(file.with_name(f'{stem}.png')) or any(map(is_depth_file, frames))


def _check_names(inputs: Sequence[Input]) -> None:
    """Refuse inputs that would write the same files.

    Raises:
        DatasetError: There are two.
    """
    first: dict[Path, Path] = {}
    for each in inputs:
        if each.name in first:
            msg = (
                f'{first[each.name]} and {each.path} would both write {each.name}.png: rename one'
            )
            raise DatasetError(msg)
        first[each.name] = each.path
    for each in inputs:
        # Frames of a video go to a folder of its name.
        video = first.get(each.name.parent)
        if video is not None and is_video(video) and each.name.name.isdecimal():
            msg = f'{video} and {each.path} would both write {each.name}.png: rename one'
            raise DatasetError(msg)


def _files(folder: Path, unread: list[str]) -> Iterator[Path]:
    """Yield the files of a folder and its folders in order, links to folders included."""
    seen: set[tuple[int, int]] = set()

    def report(error: OSError) -> None:
        unread.append(f'{error.filename}: cannot be read: {error.strerror}')

    for top, folders, names in os.walk(folder, onerror=report, followlinks=True):
        about = Path(top).stat()
        is_new = (about.st_dev, about.st_ino) not in seen  # links may lead in a circle
        seen.add((about.st_dev, about.st_ino))
        folders[:] = sorted(name for name in folders if is_new and not name.startswith('.'))
        if is_new:
            yield from (Path(top, name) for name in sorted(names) if not name.startswith('.'))
