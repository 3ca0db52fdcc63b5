"""The files of a rosbag2, and what its metadata.yaml lists.

The storage files describe themselves: topics, types, QoS and counts. metadata.yaml repeats this,
and may be missing, out of date or edited. So messages are read by what the storage files say, and
metadata.yaml only tells what else must be there.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from os import fsencode
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory, gettempdir
from typing import Any
from urllib.parse import quote

from backports import zstd
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from drnet_ros.errors import DISK_FULL, RecordingError

__all__ = [
    'RECORDING_SUFFIXES',
    'Storage',
    'check_parts',
    'decompressed',
    'find_storage',
    'is_recording',
]

_METADATA = 'metadata.yaml'
_SUFFIXES = ('.mcap', '.db3')
RECORDING_SUFFIXES = (*_SUFFIXES, '.bag')
_COMPRESSED = '.zstd'
_ZSTD_MAGIC = b'\x28\xb5\x2f\xfd'
_TRANSIENT_LOCAL = {'transient_local', 1}


@dataclass(frozen=True, slots=True)
class Storage:
    """What a recording consists of.

    Attributes:
        files: The files with its messages, as they can be opened.
        listed: Number of messages by topic, as metadata.yaml lists them; empty without one.
        latched: Topics that metadata.yaml lists as transient local.
        unlisted: Names of the files in a folder where nothing says that they belong together.
        problems: Why not all that belongs to the recording can be read.
    """

    files: tuple[Path, ...]
    listed: Mapping[str, int] = field(default_factory=dict)
    latched: frozenset[str] = frozenset()
    unlisted: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def is_recording(path: Path) -> bool:
    """Whether a path looks like a recording, by its name or by what lies in the folder.

    Args:
        path: A file or a folder, which need not be there.
    """
    if path.is_dir():
        return (path / _METADATA).is_file() or any(
            any(path.glob(f'*{suffix}')) for suffix in _SUFFIXES
        )
    return path.suffix.lower() in RECORDING_SUFFIXES


def find_storage(path: Path, opened: ExitStack) -> Storage:
    """Find the files of a recording.

    Args:
        path: Folder of a rosbag2, or one file.
        opened: Removes what is unpacked when it is closed.

    Returns:
        The files, with those compressed as a whole unpacked.

    Raises:
        RecordingError: If a folder has no storage file, or the path is a pipe or a device.
    """
    if path.exists() and not path.is_dir() and not path.is_file():
        msg = f'a recording must be a folder or a file, got {path}: write it to a file'
        raise RecordingError(msg)
    if not path.is_dir():
        return Storage((_openable(path, opened),), problems=_write_ahead_log(path))
    there, problems = _files(path)
    about = _read_metadata(path / _METADATA)
    listed = (PurePosixPath(str(name)).name for name in _items(about, 'relative_file_paths'))
    names = list(dict.fromkeys(listed))
    problems += [
        f'{_METADATA} lists {name}, which is missing' for name in names if name not in there
    ]
    problems += [
        f'it has {name}, which {_METADATA} does not list: `ros2 bag reindex` lists it'
        for name in there
        if names and name not in names
    ]
    found = [there[name] for name in names if name in there]
    files = found or list(there.values())
    if not files:
        raise RecordingError(_no_storage(path))
    problems += [text for file in files for text in _write_ahead_log(file)]
    topics = list(_topics(about))
    return Storage(
        tuple(_openable(file, opened) for file in files),
        _counts(topics),
        frozenset(name for name, _, is_latched in topics if is_latched),
        () if found else tuple(there),
        tuple(problems),
    )


def _files(folder: Path) -> tuple[dict[str, Path], list[str]]:
    """Return the storage files of a folder by name, and what has such a name and is no file."""
    entries = [
        entry
        for entry in sorted(folder.iterdir())
        if entry.name.removesuffix(_COMPRESSED).endswith(_SUFFIXES)
        and not entry.name.startswith('.')
    ]
    # A pipe would be waited for.
    there = {entry.name: entry for entry in entries if entry.is_file()}
    others = [entry.name for entry in entries if entry.name not in there]
    return there, [f'{name} is no file, or a link to nothing' for name in others]


def check_parts(path: Path, storage: Storage, readers: Sequence[Any]) -> None:
    """Refuse copies of one file, whose messages would count twice.

    Only metadata.yaml says which files are the parts of one recording. Without it, files that
    begin with the same message are taken for copies: a mended one, or one of a file manager.

    Args:
        path: The folder.
        storage: Its files.
        readers: The open reader of each of them.

    Raises:
        RecordingError: If two files begin at the same time.
    """
    starts: dict[int, str] = {}
    for name, reader in zip(storage.unlisted, readers, strict=False):
        if not reader.message_count:
            continue
        first = starts.setdefault(reader.start_time, name)
        if first != name:
            msg = (
                f'{path} has no list of its files, and {first} and {name} begin at the same '
                'time, as copies do: name the file to read'
            )
            raise RecordingError(msg)


def decompressed(data: bytes) -> bytes:
    """Return a message as it was before rosbag2 compressed it; others come back unchanged.

    Args:
        data: A serialised message. CDR starts with two small bytes, never with zstd's magic.
    """
    return zstd.decompress(data) if data[:4] == _ZSTD_MAGIC else data


def _no_storage(path: Path) -> str:
    bags = sorted(file.name for file in path.glob('*.bag'))
    advice = (
        f'it has the ROS 1 recording {bags[0]}: name that file' if bags else 'name another folder'
    )
    return f'the folder {path} must have a .mcap or .db3 file, got none; {advice}'


def _openable(path: Path, opened: ExitStack) -> Path:
    """Return a path that the readers can open: unpacked, and plain enough for a URI."""
    is_compressed = path.suffix == _COMPRESSED
    plain = path.name.removesuffix(_COMPRESSED)
    # SQLite is given a URI, in which '?', '#', '%' and bytes that are no UTF-8 mean other things.
    is_odd = plain.endswith('.db3') and quote(fsencode(path.absolute())) != str(path.absolute())
    if not (is_compressed or is_odd):
        return path
    folder = Path(opened.enter_context(TemporaryDirectory(prefix='drnet_recording_')))
    found = folder / f'storage{PurePosixPath(plain).suffix}'
    if is_compressed:
        _unpack(path, found)
    else:
        found.symlink_to(path.absolute())
    return found


def _unpack(path: Path, found: Path) -> None:
    try:
        with zstd.open(path, 'rb') as packed, found.open('wb') as unpacked:
            shutil.copyfileobj(packed, unpacked)
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        msg = (
            f'{path} must be unpacked to be read, and the disk of {gettempdir()} has no room for '
            'it: set TMPDIR to a folder with more'
        )
        raise RecordingError(msg) from error


def _write_ahead_log(path: Path) -> tuple[str, ...]:
    """Say that SQLite keeps messages in a second file, which is not read."""
    log = path.with_name(f'{path.name}-wal')
    if path.suffix != '.db3' or not log.is_file() or not log.stat().st_size:
        return ()
    advice = f"`sqlite3 {path.name} 'PRAGMA wal_checkpoint'` adds them"
    return (f'messages may still be in {log.name}, as after a power cut: {advice}',)


def _read_metadata(path: Path) -> dict[str, Any]:
    """Return what metadata.yaml says; empty if it is missing or damaged, as after a power cut."""
    if not path.is_file():
        return {}
    try:
        content = YAML(typ='safe').load(path.read_bytes())
    except (OSError, YAMLError, ValueError, RecursionError):
        return {}
    about = content.get('rosbag2_bagfile_information') if isinstance(content, dict) else None
    return about if isinstance(about, dict) else {}


def _counts(topics: Sequence[tuple[str, int, bool]]) -> dict[str, int]:
    """Return how many messages topics have; one of two types is listed twice."""
    counts: Counter[str] = Counter()
    for name, count, _ in topics:
        counts[name] += count
    return dict(counts)


def _items(about: Mapping[str, Any], name: str) -> list[Any]:
    found = about.get(name)
    return found if isinstance(found, list) else []


def _topics(about: Mapping[str, Any]) -> Iterator[tuple[str, int, bool]]:
    """Yield name, number of messages and durability of each topic listed."""
    for item in _items(about, 'topics_with_message_count'):
        with suppress(KeyError, TypeError, ValueError, AttributeError, YAMLError):
            # What is not said cannot be compared.
            topic, count = item['topic_metadata'], int(item['message_count'])
            yield str(topic['name']), count, _is_latched(topic)


def _is_latched(topic: Mapping[str, Any]) -> bool:
    profiles = topic.get('offered_qos_profiles') or []
    if isinstance(profiles, str):  # before version 9 of the format: YAML within YAML
        profiles = YAML(typ='safe').load(profiles) or []
    return any(profile.get('durability') in _TRANSIENT_LOCAL for profile in profiles)
