"""Images and videos that a user names: files, and folders with all that lies in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from drnet_offline.datasets.image_files import IMAGE_SUFFIXES, is_image
from drnet_offline.errors import DatasetError
from drnet_ros.recordings.video import VIDEO_SUFFIXES, is_video

__all__ = ['Input', 'find_inputs']


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


def find_inputs(paths: Sequence[Path]) -> list[Input]:
    """Return the images and videos that paths name.

    Args:
        paths: Files, taken whatever their suffix, and folders, of which all images and videos are
            taken, those of their folders too; hidden ones are not.

    Raises:
        DatasetError: A path is missing, a folder has neither image nor video, or two inputs would
            write the same file.
    """
    found: list[Input] = []
    for path in paths:
        if path.is_dir():
            inside = [Input(file, file.relative_to(path).with_suffix('')) for file in _files(path)]
            if not inside:
                kinds = ', '.join((*IMAGE_SUFFIXES, *VIDEO_SUFFIXES))
                msg = f'the folder {path} must hold images or videos ({kinds}), got none'
                raise DatasetError(msg)
            found += inside
        elif path.is_file():
            found.append(Input(path, Path(path.stem)))
        else:
            msg = f'there is no image, video or folder {path}'
            raise DatasetError(msg)
    first: dict[Path, Path] = {}
    for each in found:
        if each.name in first:
            msg = (
                f'{first[each.name]} and {each.path} would both write {each.name}.png: rename one'
            )
            raise DatasetError(msg)
        first[each.name] = each.path
    return found


def _files(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.rglob('*')
        if (is_image(path) or is_video(path))
        and path.is_file()
        and not any(part.startswith('.') for part in path.relative_to(folder).parts)
    )
