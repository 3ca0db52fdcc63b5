"""Recordings whose metadata.yaml, storage files and names do not agree or are unusual."""

from __future__ import annotations

import os
import re
import resource
import shutil
import sqlite3
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import pytest
import yaml
from backports import zstd
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from drnet_ros.errors import RecordingError
from drnet_ros.recordings.recording import Recording

COUNT = 6
STRING = 'std_msgs/msg/String'
TYPES = get_typestore(Stores.LATEST)
TEXTS = [f'text {index}' for index in range(COUNT)]


def write(
    path: Path,
    plugin: StoragePlugin,
    compression: CompressionMode | None = None,
    first_ns: int = 0,
) -> Path:
    """Write COUNT strings on /text, a second apart."""
    writer = Writer(path, version=9, storage_plugin=plugin)
    if compression is not None:
        writer.set_compression(compression, CompressionFormat.ZSTD)
    with writer:
        connection = writer.add_connection('/text', STRING, typestore=TYPES)
        for index, text in enumerate(TEXTS):
            raw = TYPES.serialize_cdr(TYPES.types[STRING](data=text), STRING)
            writer.write(connection, first_ns + (index + 1) * 10**9, raw)
    return path


def read(path: Path) -> list[str]:
    with Recording(path) as recording:
        return [recording.deserialize(message).data for message in recording.messages()]


def edit(bag: Path, **changes: Any) -> None:
    """Change entries of a bag's metadata.yaml."""
    path = bag / 'metadata.yaml'
    content = yaml.safe_load(path.read_text())
    content['rosbag2_bagfile_information'] |= changes
    path.write_text(yaml.safe_dump(content))


def topics_of(bag: Path) -> list[dict[str, Any]]:
    content = yaml.safe_load((bag / 'metadata.yaml').read_text())
    topics: list[dict[str, Any]] = content['rosbag2_bagfile_information'][
        'topics_with_message_count'
    ]
    return topics


PLUGINS = pytest.mark.parametrize('plugin', [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
OTHER_QOS = {
    'history': 3,
    'depth': 0,
    'reliability': 1,
    'durability': 1,
    'deadline': {'sec': 0, 'nsec': 0},
    'lifespan': {'sec': 0, 'nsec': 0},
    'liveliness': 1,
    'liveliness_lease_duration': {'sec': 0, 'nsec': 0},
    'avoid_ros_namespace_conventions': False,
}


@PLUGINS
@pytest.mark.parametrize(
    'profiles', [[], [OTHER_QOS], yaml.safe_dump([OTHER_QOS]), 'not: [yaml', 7]
)
def test_qos_in_the_metadata_decides_nothing_about_what_is_read(
    tmp_path: Path, plugin: StoragePlugin, profiles: object
) -> None:
    bag = write(tmp_path / 'bag', plugin)
    topics = topics_of(bag)
    topics[0]['topic_metadata']['offered_qos_profiles'] = profiles
    edit(bag, topics_with_message_count=topics)
    assert read(bag) == TEXTS
    with Recording(bag) as recording:
        is_transient = isinstance(profiles, list | str) and 'durability' in str(profiles)
        assert recording.topics['/text'].is_latched is is_transient


@PLUGINS
@pytest.mark.parametrize(
    'changes',
    [
        {'storage_identifier': ''},
        {'storage_identifier': 'other'},
        {'relative_file_paths': []},
        {'topics_with_message_count': []},
        {'version': 99},
        {'starting_time': 'yesterday', 'duration': None},
    ],
)
def test_metadata_that_says_little_or_wrong_things_costs_no_message(
    tmp_path: Path, plugin: StoragePlugin, changes: dict[str, object]
) -> None:
    bag = write(tmp_path / 'bag', plugin)
    edit(bag, **changes)
    assert read(bag) == TEXTS
    with Recording(bag) as recording:
        assert (recording.start_ns, recording.end_ns) == (10**9, COUNT * 10**9)


@PLUGINS
@pytest.mark.parametrize(
    'content', [None, b'', b'- a list', b'a: [1', b'\xff\xfe\x00', 9999 * b'[']
)
def test_metadata_that_is_missing_or_damaged_costs_no_message(
    tmp_path: Path, plugin: StoragePlugin, content: bytes | None
) -> None:
    bag = write(tmp_path / 'bag', plugin)
    (bag / 'metadata.yaml').unlink()
    if content is not None:
        (bag / 'metadata.yaml').write_bytes(content)
    (bag / f'._{next(bag.glob("bag*")).name}').write_bytes(b'of a Mac')
    assert read(bag) == TEXTS


@PLUGINS
@pytest.mark.parametrize('mode', [CompressionMode.FILE, CompressionMode.MESSAGE])
@pytest.mark.parametrize('has_metadata', [True, False])
def test_compressed_storage_is_read(
    tmp_path: Path, plugin: StoragePlugin, mode: CompressionMode, has_metadata: bool
) -> None:
    bag = write(tmp_path / 'bag', plugin, mode)
    if not has_metadata:
        (bag / 'metadata.yaml').unlink()
    assert read(bag) == TEXTS


def test_a_disk_without_room_to_unpack_is_named(tmp_path: Path) -> None:
    bag = write(tmp_path / 'bag', StoragePlugin.SQLITE3, CompressionMode.FILE)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
    try:
        with pytest.raises(RecordingError, match=rf'the disk of {gettempdir()} .*: set TMPDIR to'):
            Recording(bag)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize('listed', [18, 3])
def test_another_number_listed_is_an_error_after_all_that_is_there(
    tmp_path: Path, listed: int
) -> None:
    bag = write(tmp_path / 'bag', StoragePlugin.MCAP)
    topics = topics_of(bag)
    topics[0]['message_count'] = listed
    edit(bag, topics_with_message_count=topics)
    texts: list[str] = []
    with Recording(bag) as recording:
        said = rf'lists {listed} messages of /text, {COUNT} could be read'
        with pytest.raises(RecordingError, match=said):
            texts.extend(recording.deserialize(m).data for m in recording.messages(['/text']))
    assert texts == TEXTS


@PLUGINS
@pytest.mark.parametrize('is_replaced', [True, False])
def test_a_file_that_changes_while_it_is_read_is_an_error_after_all_that_is_there(
    tmp_path: Path, plugin: StoragePlugin, is_replaced: bool
) -> None:
    bag = write(tmp_path / 'bag', plugin)
    (file,) = (path for path in bag.iterdir() if path.name != 'metadata.yaml')
    texts: list[str] = []
    with Recording(bag) as recording:
        messages = recording.messages()
        texts.append(recording.deserialize(next(messages)).data)
        if is_replaced:
            shutil.copy(file, tmp_path / 'new')
            (tmp_path / 'new').replace(file)
        else:
            with file.open('ab') as grown:
                grown.write(bytes(512))
        with pytest.raises(RecordingError, match=f'{file.name} was changed or replaced while it'):
            texts.extend(recording.deserialize(message).data for message in messages)
    assert texts == TEXTS


@PLUGINS
def test_a_file_that_is_removed_while_it_is_read_costs_nothing(
    tmp_path: Path, plugin: StoragePlugin
) -> None:
    bag = write(tmp_path / 'bag', plugin)
    with Recording(bag) as recording:
        shutil.rmtree(bag)
        assert [recording.deserialize(m).data for m in recording.messages()] == TEXTS


def test_a_topic_that_is_listed_twice_has_the_messages_of_both(tmp_path: Path) -> None:
    bag = write(tmp_path / 'bag', StoragePlugin.MCAP)
    first = topics_of(bag)[0]
    parts = [{**first, 'message_count': count} for count in (COUNT - 2, 2)]
    edit(bag, topics_with_message_count=parts)
    assert read(bag) == TEXTS


def test_split_recordings_are_read_in_order_and_a_missing_part_is_named(tmp_path: Path) -> None:
    bag = write(tmp_path / 'bag', StoragePlugin.MCAP)
    other = write(tmp_path / 'other', StoragePlugin.MCAP, first_ns=COUNT * 10**9)
    shutil.copy(other / 'other.mcap', bag / 'bag_1.mcap')
    topics = topics_of(bag)
    topics[0]['message_count'] = 2 * COUNT
    edit(bag, relative_file_paths=['bag_1.mcap', 'bag.mcap'], topics_with_message_count=topics)
    assert read(bag) == TEXTS + TEXTS
    with Recording(bag) as recording:
        stamps = [message.stamp_ns for message in recording.messages()]
    assert stamps == [(index + 1) * 10**9 for index in range(2 * COUNT)]
    (bag / 'bag_1.mcap').unlink()
    with pytest.raises(RecordingError, match=r'lists bag_1\.mcap, which is missing'):
        read(bag)


def test_a_storage_file_that_is_not_listed_is_named(tmp_path: Path) -> None:
    bag = write(tmp_path / 'bag', StoragePlugin.MCAP)
    shutil.copy(bag / 'bag.mcap', bag / 'bag_recovered.mcap')
    texts: list[str] = []
    with (
        Recording(bag) as recording,
        pytest.raises(RecordingError, match=r'has bag_recovered\.mcap, which .* does not list'),
    ):
        texts.extend(recording.deserialize(m).data for m in recording.messages())
    assert texts == TEXTS  # once, not twice


@pytest.mark.parametrize('other', ['bag copy.mcap', 'bag.mcap.zstd', 'bag.db3'])
@pytest.mark.parametrize('metadata', [None, ['other.mcap']])
def test_copies_in_a_folder_without_a_list_do_not_count_twice(
    tmp_path: Path, other: str, metadata: list[str] | None
) -> None:
    bag = write(tmp_path / 'bag', StoragePlugin.MCAP)
    if other.endswith('.zstd'):
        (bag / other).write_bytes(zstd.compress((bag / 'bag.mcap').read_bytes()))
    elif other.endswith('.db3'):
        write(tmp_path / 'converted', StoragePlugin.SQLITE3)
        shutil.copy(tmp_path / 'converted' / 'converted.db3', bag / other)
    else:
        shutil.copy(bag / 'bag.mcap', bag / other)
    if metadata is None:
        (bag / 'metadata.yaml').unlink()
    else:
        edit(bag, relative_file_paths=metadata)
    said = '|'.join(map(re.escape, (f'bag.mcap and {other} begin', f'{other} and bag.mcap begin')))
    with pytest.raises(RecordingError, match=said):
        Recording(bag)
    assert read(bag / 'bag.mcap') == TEXTS


def test_a_file_that_is_listed_twice_is_read_once(tmp_path: Path) -> None:
    bag = write(tmp_path / 'bag', StoragePlugin.MCAP)
    edit(bag, relative_file_paths=['bag.mcap', 'bag.mcap'])
    assert read(bag) == TEXTS


def test_parts_in_a_folder_without_a_list_are_read_in_order(tmp_path: Path) -> None:
    bag = write(tmp_path / 'bag', StoragePlugin.MCAP)
    other = write(tmp_path / 'other', StoragePlugin.MCAP, first_ns=COUNT * 10**9)
    shutil.copy(other / 'other.mcap', bag / 'bag_1.mcap')
    (bag / 'metadata.yaml').unlink()
    assert read(bag) == TEXTS + TEXTS


def test_a_folder_without_storage_names_what_it_has(tmp_path: Path) -> None:
    (tmp_path / 'walk.bag').touch()
    with pytest.raises(RecordingError, match=r'got none; it has the ROS 1 recording walk\.bag'):
        Recording(tmp_path)


def test_messages_that_sqlite_has_not_merged_are_said(tmp_path: Path) -> None:
    bag = write(tmp_path / 'bag', StoragePlugin.SQLITE3)
    path = next(bag.glob('*.db3'))
    database = sqlite3.connect(path)
    database.execute('PRAGMA journal_mode=WAL')
    database.execute('DELETE FROM messages WHERE id = 1')
    database.commit()
    for end in ('', '-wal'):  # as a power cut leaves them
        shutil.copy(f'{path}{end}', f'{tmp_path}/cut.db3{end}')
    database.close()
    with pytest.raises(RecordingError, match=r'still be in cut\.db3-wal'):
        read(tmp_path / 'cut.db3')


@PLUGINS
@pytest.mark.parametrize(
    'name',
    [b'with space', b'with \'quotes"', b'100%?#&=.x', b'line\nbreak', b'no \xff utf-8', b'[red]'],
)
def test_names_may_hold_any_bytes(tmp_path: Path, plugin: StoragePlugin, name: bytes) -> None:
    bag = write(tmp_path / 'bag', plugin)
    odd = tmp_path / os.fsdecode(name)
    bag.rename(odd)
    assert read(odd) == TEXTS
    file = next(odd.glob('bag*'))
    renamed = odd / (os.fsdecode(name) + file.suffix)
    file.rename(renamed)
    assert read(renamed) == TEXTS
    with pytest.raises(RecordingError, match=re.escape('which is missing')):
        read(odd)  # metadata.yaml has the old name


@PLUGINS
def test_links_to_nothing_are_named_and_pipes_are_not_waited_for(
    tmp_path: Path, plugin: StoragePlugin
) -> None:
    bag = write(tmp_path / 'bag', plugin)
    (bag / 'metadata.yaml').unlink()
    os.mkfifo(bag / 'metadata.yaml')
    assert read(bag) == TEXTS
    file = next(bag.glob('bag*'))
    part = file.with_name(f'part{file.suffix}')
    part.symlink_to('elsewhere')
    with pytest.raises(RecordingError, match=rf'{part.name} is no file, or a link to nothing'):
        read(bag)
    file.unlink()
    with pytest.raises(RecordingError, match=r'must have a \.mcap or \.db3 file, got none'):
        read(bag)
    os.mkfifo(file)
    with pytest.raises(RecordingError, match=r'must be a folder or a file, got .*: write it to a'):
        read(file)
