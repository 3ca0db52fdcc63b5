"""The layout `folder`: what may be wrong with its own files."""

from __future__ import annotations

from pathlib import Path

import pytest
from written_datasets import SIZE, write_depth, write_folder, write_rgb

from drnet_offline.datasets.folder import FolderDataset
from drnet_offline.datasets.listed import NYU_FOCAL_PX
from drnet_offline.errors import DatasetError


def test_folder_wants_a_depth_for_each_image(tmp_path: Path) -> None:
    write_folder(tmp_path)
    write_rgb(tmp_path / 'rgb' / '00013.png', 1)
    with pytest.raises(DatasetError, match=r"1 images or depths lack their sibling.*'00013'"):
        FolderDataset(tmp_path)


def test_folder_refuses_two_images_of_one_name(tmp_path: Path) -> None:
    write_folder(tmp_path)
    write_rgb(tmp_path / 'rgb' / '00003.jpg', 1)
    with pytest.raises(DatasetError, match=r'00003\.jpg and .*00003\.png have the same name'):
        FolderDataset(tmp_path)


def test_folder_ignores_what_is_no_image(tmp_path: Path) -> None:
    write_folder(tmp_path)
    (tmp_path / 'rgb' / '.DS_Store').write_bytes(b'')
    (tmp_path / 'rgb' / '._00003.png').write_bytes(b'')
    (tmp_path / 'depth' / 'notes.txt').write_text('')
    assert len(FolderDataset(tmp_path)) == 4


def test_folder_without_a_camera_has_the_field_of_view_of_nyus(tmp_path: Path) -> None:
    write_folder(tmp_path)
    (tmp_path / 'camera.txt').unlink()
    dataset = FolderDataset(tmp_path)
    assert not dataset.has_camera
    assert dataset[0].focal_px == pytest.approx(NYU_FOCAL_PX * SIZE[1] / 640)


@pytest.mark.parametrize('text', ['', '1 2 3', '0 5 1 1', '-5 -5 1 1', 'nan 5 1 1', 'a b c d'])
def test_a_bad_camera_is_named(text: str, tmp_path: Path) -> None:
    write_folder(tmp_path)
    (tmp_path / 'camera.txt').write_text(text)
    with pytest.raises(DatasetError, match=r"camera\.txt must hold 'fx fy cx cy'"):
        FolderDataset(tmp_path)


@pytest.mark.parametrize('factor', [0.5, 1.0, 1.5, 2.0])
@pytest.mark.parametrize('name', ['camera.txt', 'cameras.csv'])
def test_the_camera_of_images_of_another_size_is_refused(
    name: str, factor: float, tmp_path: Path
) -> None:
    """As of the full images of a data set that was made smaller: its scale would be learned."""
    write_folder(tmp_path)
    (tmp_path / 'camera.txt').unlink()
    height, width = SIZE
    centre = factor * (width - 1) / 2, factor * (height - 1) / 2
    for shown, is_refused in ((centre, factor != 1.0), ((0.0, 0.0), False)):
        numbers = (40.0 * factor, 40.0 * factor, *shown)
        rows = [f'{index:05d},{",".join(map(str, numbers))}' for index in (3, 4, 7, 12)]
        texts = {
            'camera.txt': ' '.join(map(str, numbers)),
            'cameras.csv': '\n'.join(['index,fx,fy,cx,cy', *rows]),
        }
        (tmp_path / name).write_text(texts[name])
        dataset = FolderDataset(tmp_path)
        if is_refused:
            with pytest.raises(DatasetError, match=f'of images of {width} x {height}, got one'):
                dataset[0]
        else:
            assert dataset[0].focal_px == pytest.approx(40.0 * factor)


def test_parts_of_a_folder_need_numbers(tmp_path: Path) -> None:
    write_folder(tmp_path)
    write_rgb(tmp_path / 'rgb' / 'x.png', 1)
    write_depth(tmp_path / 'depth' / 'x.png', 1, 1000)
    with pytest.raises(DatasetError, match="must be numbers, got 'x'"):
        FolderDataset(tmp_path, part='train', validation_blocks=[(3, 3)])


def test_bad_official_indices_are_named(tmp_path: Path) -> None:
    write_folder(tmp_path)
    (tmp_path / 'official_test_indices.txt').write_text('7\nseven\n')
    with pytest.raises(DatasetError, match=r'official_test_indices\.txt must hold whole numbers'):
        FolderDataset(tmp_path)
