"""The layout `tum`: times, cameras, and what may be wrong with its own files."""

from __future__ import annotations

from pathlib import Path

import pytest
from written_datasets import open_listed, write_tum

from drnet_offline.datasets.opening import open_dataset
from drnet_offline.datasets.tum import match_times
from drnet_offline.errors import DatasetError


def test_tum_associations_stand_above_times_either_way_round(tmp_path: Path) -> None:
    root = write_tum(tmp_path)
    by_time = [s.depth for s in open_listed(root).samples]
    image, depth = 'rgb/1305031231.500000.png', 'depth/1305031231.504000.png'
    rows = (f'1305031231.5 {image} 1305031231.504 {depth}', f'1.504 {depth} 1.5 {image}')
    for row in rows:
        (root / 'associations.txt').write_text(f'# comment\n{row}\n')
        dataset = open_listed(root)
        assert len(dataset) == 1
        assert dataset.samples[0].image == root / image
        assert dataset.samples[0].depth == by_time[0]


def test_times_are_matched_closest_first_and_once() -> None:
    images = [(0.000, 'a'), (0.033, 'b'), (0.066, 'c'), (0.500, 'late')]
    depths = [(0.070, 'z'), (0.015, 'x'), (0.031, 'y'), (0.047, 'w')]
    pairs = [(image, depth) for (_, image), (_, depth) in match_times(images, depths)]
    assert pairs == [('a', 'x'), ('b', 'y'), ('c', 'z')]


@pytest.mark.parametrize('line', ['1.0', 'x rgb/a.png', 'nan rgb/a.png', '1.0 rgb/a.png more'])
def test_a_bad_line_of_tum_is_named(line: str, tmp_path: Path) -> None:
    root = write_tum(tmp_path)
    (root / 'rgb.txt').write_text(line)
    with pytest.raises(DatasetError, match=r'rgb\.txt: a line must'):
        open_dataset(root)
    (root / 'associations.txt').write_text(line)
    with pytest.raises(DatasetError, match=r'associations\.txt: a line must'):
        open_dataset(root)


def test_an_unknown_tum_camera_is_named_and_camera_txt_tells_it(tmp_path: Path) -> None:
    root = write_tum(tmp_path).rename(tmp_path / 'sequence')
    with pytest.raises(DatasetError, match=r'sequence: .*add a camera\.txt'):
        open_dataset(root)
    (root / 'camera.txt').write_text('400 400 8 6')
    assert open_dataset(root)[0].focal_px == 400
