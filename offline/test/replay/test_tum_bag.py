"""`drnet tum-to-bag`: what a sequence holds is in the recording, exactly."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from known_scenes import RunInProcess

from drnet_offline.errors import DatasetError, OfflineError
from drnet_offline.replay.decoding import read_depths, read_images
from drnet_offline.replay.tum_bag import write_tum_bag
from drnet_ros.recordings.recording import Recording
from drnet_ros.recordings.topics import choose_topics


@pytest.fixture
def sequence(tmp_path: Path) -> Path:
    root = tmp_path / 'rgbd_dataset_freiburg2_desk'
    rng = np.random.default_rng(0)
    for part in ('rgb', 'depth'):
        (root / part).mkdir(parents=True)
    rgb, depth = [], []
    for index in range(3):
        time, later = f'1305031231.5{index}5755', f'1305031231.5{index}8196'
        cv2.imwrite(str(root / f'rgb/{time}.png'), rng.integers(0, 255, (24, 32, 3), np.uint8))
        values = rng.integers(0, 50000, (24, 32), np.uint16)
        cv2.imwrite(str(root / f'depth/{later}.png'), values)
        rgb.append(f'{time} rgb/{time}.png')
        depth.append(f'{later} depth/{later}.png')
    (root / 'rgb.txt').write_text('# time file\n' + '\n'.join(rgb))
    (root / 'depth.txt').write_text('\n'.join(depth))
    (root / 'groundtruth.txt').write_text('1305031231.5331 1.2741 0.6080 1.5468 0 0 0.6 0.8\n')
    return root


@pytest.mark.parametrize('name', ['out.mcap', 'out'])
def test_what_is_in_the_sequence_is_in_the_recording(
    sequence: Path, tmp_path: Path, name: str
) -> None:
    counts = write_tum_bag(sequence, tmp_path / name)
    assert list(counts.values()) == [3, 3, 3, 1]
    with Recording(tmp_path / name) as recording:
        choice = choose_topics(recording.topics)
        images = list(read_images(recording, choice.image))
        depths = list(read_depths(recording, str(choice.depth)))
        info = recording.deserialize(next(recording.messages([str(choice.camera_info)])))
        pose = recording.deserialize(next(recording.messages(['/ground_truth'])))
    assert choice.depth == '/camera/depth_registered/image'
    assert images[1][0] == 1305031231_515755000
    assert depths[1][0] == 1305031231_518196000
    stored = cv2.imread(str(sequence / 'rgb/1305031231.515755.png'))
    assert stored is not None
    np.testing.assert_array_equal(images[1][1], stored[..., ::-1])
    raw = cv2.imread(str(sequence / 'depth/1305031231.518196.png'), cv2.IMREAD_UNCHANGED)
    assert raw is not None
    metres = np.where(raw > 0, raw.astype(np.float32) / np.float32(5000), np.nan)
    np.testing.assert_array_equal(depths[1][1], metres.astype(np.float32))
    assert (info.width, info.height, info.k[0], info.d[0]) == (32, 24, 520.9, 0.2312)
    assert (pose.pose.position.x, pose.pose.orientation.w) == (1.2741, 0.8)


def test_a_damaged_file_costs_itself_alone(
    sequence: Path, tmp_path: Path, drnet: RunInProcess
) -> None:
    broken = sequence / 'depth/1305031231.518196.png'
    broken.write_bytes(broken.read_bytes()[:60])
    (sequence / 'rgb/1305031231.505755.png').unlink()
    out = tmp_path / 'new' / 'out.mcap'
    code, said = drnet('tum-to-bag', sequence, out)
    assert code == 1
    assert f'{broken} is cut short' in said
    assert '1305031231.505755.png: No such file' in said
    assert f'2 files could not be read; {out} has the others' in said
    with Recording(out) as recording:
        counts = {name: topic.count for name, topic in recording.topics.items()}
    assert list(counts.values()) == [2, 3, 2, 1]


def test_what_cannot_be_written_is_an_error(sequence: Path, tmp_path: Path) -> None:
    (tmp_path / 'there').mkdir()
    with pytest.raises(OfflineError, match='exists already'):
        write_tum_bag(sequence, tmp_path / 'there')
    unknown = sequence.rename(tmp_path / 'mine')
    with pytest.raises(DatasetError, match='tells no camera'):
        write_tum_bag(unknown, tmp_path / 'out')
    (unknown / 'camera.txt').write_text('500 500 320')
    with pytest.raises(DatasetError, match='4 or 9 numbers'):
        write_tum_bag(unknown, tmp_path / 'out')
