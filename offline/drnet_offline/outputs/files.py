"""How files are written: whole or not at all, under any name, and with the path in every error."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from drnet_offline.errors import OfflineError
from drnet_ros.errors import DISK_FULL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = [
    'cannot_write',
    'check_file',
    'check_json',
    'check_space',
    'encode_image',
    'is_stream',
    'make_folder',
    'named_disk',
    'whole_file',
    'write_bytes',
    'write_image',
    'write_text',
]

_JPEG_QUALITY = 90
# An empty file can be made on a full disk.
_PROBE_BYTES = 65536
_STREAM_FOLDERS = ('/dev', '/dev/fd', '/proc/self/fd')


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a path to write to, which takes the place of the file once all is written.

    Args:
        path: The file to be written, or written anew. Its folder is made again where it was
            deleted during hours of work.

    Yields:
        A path in the same folder, with the same suffix.

    Raises:
        OfflineError: It cannot be written. The file is then as it was before.
    """
    target = path if is_stream(path) else Path(os.path.realpath(path))  # links stay links
    part = target if is_stream(path) else target.with_name(f'.{os.getpid()}.part{path.suffix}')
    try:
        if part != target and not target.parent.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
        yield part
        if part != target:
            part.replace(target)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        if part != target:
            with suppress(OSError):
                part.unlink(missing_ok=True)


def is_stream(path: Path) -> bool:
    """Return whether a path is /dev/stdout, a device or a pipe, which no file can replace."""
    if str(path.absolute().parent) in _STREAM_FOLDERS:
        return True
    return path.exists() and not path.is_file() and not path.is_dir()


def check_file(path: Path) -> None:
    """See to it before the work that a file can be written.

    Raises:
        OfflineError: It is a folder, its folder is not there, or nothing can be written in that.
    """
    if is_stream(path):
        return
    folder = path.absolute().parent
    if not folder.is_dir():
        msg = f'there is no folder {folder}'
        raise OfflineError(msg)
    if path.is_dir():
        msg = f'{path} must be a file, got a folder: name a file in it'
        raise OfflineError(msg)
    make_folder(Path(os.path.realpath(path)).parent)


def check_json(path: Path) -> None:
    """See to it before the work that figures can be written, and in place of figures only.

    Raises:
        OfflineError: As `check_file`, or there is another file, such as a recording.
    """
    check_file(path)
    if is_stream(path) or not path.is_file():
        return
    with path.open('rb') as file:
        start = file.read(64).strip()
    if start and not start.startswith((b'{', b'[')):
        msg = f'{path} must be free or hold figures (JSON), got another file: name another output'
        raise OfflineError(msg)


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file whole or not at all.

    Raises:
        OfflineError: It cannot be written.
    """
    with whole_file(path) as part:
        part.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write a text in UTF-8, whole or not at all; bytes of odd file names in it are escaped.

    Raises:
        OfflineError: It cannot be written.
    """
    write_bytes(path, text.encode('utf-8', 'backslashreplace'))


def encode_image(suffix: str, pixels: NDArray[Any], quality: int = _JPEG_QUALITY) -> bytes:
    """Encode an image.

    Args:
        suffix: '.png' or '.jpg'.
        pixels: uint8 (H, W, 3) RGB, or uint8 or, for PNG, uint16 (H, W).
        quality: Of JPEG, up to 100.
    """
    shown = np.ascontiguousarray(pixels[..., ::-1]) if pixels.ndim == 3 else pixels
    options = [cv2.IMWRITE_JPEG_QUALITY, quality] if suffix == '.jpg' else []
    return cv2.imencode(suffix, shown, options)[1].tobytes()


def write_image(path: Path, pixels: NDArray[Any], quality: int = _JPEG_QUALITY) -> None:
    """Write an image, whole or not at all.

    Args:
        path: The file; its suffix, .png or .jpg, decides the format.
        pixels: As `encode_image` takes them.
        quality: Of JPEG, up to 100.

    Raises:
        OfflineError: It cannot be written.
    """
    write_bytes(path, encode_image(path.suffix.lower(), pixels, quality))


def make_folder(folder: Path) -> None:
    """Make a folder that results go to, and see to it before the work that files can be written.

    Raises:
        OfflineError: It cannot be made, or nothing can be written in it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from error
    write_bytes(folder / '.drnet_probe', bytes(_PROBE_BYTES))
    with suppress(OSError):
        (folder / '.drnet_probe').unlink()


@contextmanager
def named_disk(path: Path) -> Iterator[None]:
    """Name an output in the error of a full disk, which does not say where it came up.

    Args:
        path: What is being written in this `with` statement.

    Raises:
        OfflineError: The disk is full.
    """
    try:
        yield
    except OSError as error:
        if error.errno in DISK_FULL:
            raise cannot_write(path, error) from error
        raise


def check_space(path: Path, needed_bytes: int) -> None:
    """Refuse to begin what the disk has no room for.

    Args:
        path: A file that will be written, in a folder that is there.
        needed_bytes: An estimate of its size.

    Raises:
        OfflineError: Less is free.
    """
    free = shutil.disk_usage(path.absolute().parent).free
    if needed_bytes > free:
        msg = (
            f'{path} needs up to {needed_bytes / 1e9:.2f} GB, but its disk has only '
            f'{free / 1e9:.2f} GB free: free some or name another place'
        )
        raise OfflineError(msg)


def cannot_write(path: Path, error: OSError) -> OfflineError:
    """Return what is said of a file or folder that cannot be written.

    Args:
        path: What was to be written.
        error: Why it cannot be.
    """
    return OfflineError(
        f'cannot write {path}: {error.strerror or error}; free or mend this place, or name another'
    )
