"""What an adaptation shall not forget: pictures without depth, and how a change is measured."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from drnet_offline.errors import DatasetError
from drnet_offline.training.adaptation.mixing import mix
from drnet_offline.training.adaptation.pictures import ROOMS, are_pictures, check_replay_data
from drnet_offline.training.adaptation.replay_set import picture_replay
from drnet_offline.training.adaptation.scoring import mean_of, predict, score_frames
from drnet_ros.network.checkpoint import load_network


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """32 pictures, twice as wide as high, black at both ends."""
    folder = tmp_path / 'pictures'
    folder.mkdir()
    rng = np.random.default_rng(0)
    for index in range(32):
        image = np.zeros((60, 120, 3), np.uint8)
        image[:, 15:105] = rng.integers(1, 255, (60, 90, 3), np.uint8)
        cv2.imwrite(str(folder / f'{index:02d}.png'), image)
    (folder / 'notes.txt').write_text('no picture')
    return folder


def test_pictures_are_learned_and_checked_by_the_depth_of_the_old_weights(
    pictures: Path, weights: Path, tmp_path: Path
) -> None:
    old, metadata = load_network(weights)
    replay = picture_replay(pictures, (old, metadata), tmp_path / 'store', 0.25)
    learned, checked = replay.source.samples, replay.checked
    assert (len(learned), len(checked.samples)) == (24, 8)
    assert replay.source.config.weight == 0.25
    assert checked.samples[0].name == '24.png'  # the last quarter by name
    sample = learned[3]
    assert sample.rgb_hwc.shape[:2] == (metadata.input_height, metadata.input_width)
    # The middle of the picture, in the network's ratio of 3 : 2, has no black ends.
    assert sample.rgb_hwc.min() > 0
    np.testing.assert_allclose(sample.depth_hw, predict(old, metadata, sample), atol=5.1e-4)
    frames = [(checked.samples, checked.places)]
    assert mean_of(score_frames(old, metadata, frames)) == pytest.approx(0, abs=1e-3)


def test_what_is_forgotten_of_pictures_is_how_much_their_depth_changes(
    pictures: Path, weights: Path, tmp_path: Path
) -> None:
    old, metadata = load_network(weights)
    replay = picture_replay(pictures, (old, metadata), tmp_path / 'store', 0.25)
    sample = replay.checked.samples[0]
    new = mix(old, old, 0.0)
    bias = [p for name, p in new.named_parameters() if name.endswith('bias')][-1]
    bias.data += 0.05
    change = np.abs(predict(new, metadata, sample) / predict(old, metadata, sample) - 1).mean()
    frames = [(replay.checked.samples, [(0, 0.0)])]
    measured = mean_of(score_frames(new, metadata, frames))
    assert measured == pytest.approx(change, abs=1e-3)


def test_too_few_pictures_are_refused(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / 'one.png'), np.zeros((8, 8, 3), np.uint8))
    assert are_pictures(tmp_path)
    with pytest.raises(DatasetError, match='at least 24 pictures of other rooms, got 1'):
        check_replay_data(tmp_path)


def test_the_rendered_rooms_come_with_the_repository() -> None:
    check_replay_data(ROOMS)
    assert len(list(ROOMS.glob('*.jpg'))) == 94
