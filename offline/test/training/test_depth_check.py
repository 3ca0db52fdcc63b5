"""Data that nothing can be learned from: without depth, or with depth in another unit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from known_scenes import RunInProcess
from small_training import configure

from drnet_offline.datasets.sample import DepthSample
from drnet_offline.errors import DatasetError
from drnet_offline.training.depth_check import check_depth
from drnet_offline.training.run import train
from drnet_ros.errors import DrnetError
from drnet_ros.network.checkpoint import load_network

WriteFolder = Callable[..., Path]


def sample(depth_m: float) -> DepthSample:
    depth_hw = np.full((4, 6), depth_m, np.float32)
    depth_hw[0] = np.nan
    return DepthSample('a', np.zeros((4, 6, 3), np.uint8), depth_hw, 5.0)


@pytest.mark.parametrize('depth_m', [0.05, 2.0, 100.0])
def test_metres_are_taken(depth_m: float) -> None:
    check_depth('a', [sample(depth_m)] * 30)


@pytest.mark.parametrize('place', [0, 17, 29])
def test_one_image_with_depth_is_enough(place: int) -> None:
    samples = [sample(np.nan)] * 30
    samples[place] = sample(2.0)
    check_depth('a', samples)


@pytest.mark.parametrize(('depth_m', 'said'), [(0.002, '0.002 m'), (2000.0, '2e+03 m')])
def test_depth_in_another_unit_is_refused(depth_m: float, said: str) -> None:
    with pytest.raises(DatasetError) as caught:
        check_depth('rooms', [sample(np.nan), *[sample(depth_m)] * 30])
    assert str(caught.value).startswith(
        f'depth of rooms must be within 0.05 to 100 m, got a median of {said} over 8 images'
    )


@pytest.mark.slow
def test_a_training_without_depth_is_refused(tmp_path: Path, drnet: RunInProcess) -> None:
    for folder in ('rgb', 'depth'):
        (tmp_path / 'rooms' / folder).mkdir(parents=True)
    for number in range(12):
        rgb = np.full((48, 64, 3), 20 * number, np.uint8)
        cv2.imwrite(str(tmp_path / f'rooms/rgb/{number:05d}.png'), rgb)
        depth = np.full((48, 64), 2000 if number > 2 else 0, np.uint16)
        cv2.imwrite(str(tmp_path / f'rooms/depth/{number:05d}.png'), depth)
    code, said = drnet(
        *('train', '--config', 'lite0', '--data', tmp_path / 'rooms'),
        *('--output', tmp_path / 'run', '--set', 'data.batch_size=2'),
        *('--set', 'data.validation_blocks=[[0,2]]'),
    )
    assert code == 1
    assert 'rooms (validation) must have depth, got 3 images without a valid pixel' in said
    assert not (tmp_path / 'run' / 'preset.yaml').exists()


@pytest.mark.slow
def test_images_without_depth_are_named_once_and_the_others_learned(
    preset: Path, tmp_path: Path, write_folder: WriteFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_folder(tmp_path / 'set', 11)
    for number in (4, 9):
        path = str(folder / 'depth' / f'{number:05d}.png')
        empty = np.zeros_like(cv2.imread(path, cv2.IMREAD_UNCHANGED))
        cv2.imwrite(path, empty)
    train(configure(preset, folder), tmp_path / 'run')
    lines = [line for line in capsys.readouterr().out.splitlines() if 'no valid depth' in line]
    assert lines == [
        'warning: 1 of 8 images for training have no valid depth and count for nothing: 00004',
        'warning: 1 of 3 images for validation have no valid depth and count for nothing: 00009',
    ]
    assert load_network(tmp_path / 'run' / 'best.safetensors')[1].metrics['n_images'] == 2


def test_weights_that_do_not_fit_are_refused_before_anything_is_written(
    preset: Path, data: Path, tmp_path: Path
) -> None:
    (tmp_path / 'other.pth').write_bytes(b'no weights')
    for name, file, said in (
        ('pretrained', 'other.pth', 'cannot read pre-trained weights'),
        ('initial_weights', 'other.pth', 'other.pth'),
        ('initial_weights', 'absent.safetensors', 'absent.safetensors'),
    ):
        with pytest.raises(DrnetError, match=said):
            train(configure(preset, data, **{name: str(tmp_path / file)}), tmp_path / 'run')
        assert not (tmp_path / 'run').exists()
