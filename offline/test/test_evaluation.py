"""drnet eval and predict: what they compute and write, against independent computations."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from plyfile import PlyData

from drnet_offline.cloud_file import write_ply
from drnet_offline.datasets.folder import FolderDataset
from drnet_offline.datasets.sample import DepthSample
from drnet_offline.errors import DatasetError, OfflineError
from drnet_offline.evaluation import evaluate, evaluate_mean_depth, tabulate
from drnet_offline.prediction import find_images, parse_camera, predict_file
from drnet_offline.protocols import PROTOCOLS
from drnet_ros.inference import DepthEstimator, Settings
from drnet_ros.inference.camera import CameraModel
from drnet_ros.network.checkpoint import save_network
from drnet_ros.network.config import NetworkConfig
from drnet_ros.network.drnet import DRNet
from drnet_ros.network.metadata import WeightsMetadata

WriteFolder = Callable[..., Path]

FOCAL_TRAINING_PX = 120.0


@pytest.fixture(scope='module')
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random lite weights for images of 64x96."""
    torch.manual_seed(3)
    network = DRNet(NetworkConfig()).eval()
    path = tmp_path_factory.mktemp('weights') / 'tiny.safetensors'
    metadata = WeightsMetadata(
        network=network.config,
        input_height=64,
        input_width=96,
        f_training=FOCAL_TRAINING_PX,
        min_depth=0.1,
        max_depth=10.0,
    )
    save_network(path, network, metadata)
    return path


@pytest.fixture
def estimator(weights: Path) -> Iterator[DepthEstimator]:
    settings = Settings(
        weights=str(weights), engine='torch', device='cpu', min_depth=0.001, max_depth=80.0
    )
    with DepthEstimator(settings) as created:
        yield created


class FlatDataset:
    """Images of one colour whose depth is one number each."""

    def __init__(self, *depths: float) -> None:
        self._depths = depths

    def __len__(self) -> int:
        return len(self._depths)

    def __getitem__(self, index: int) -> DepthSample:
        depth = np.full((64, 96), self._depths[index], np.float32)
        depth[:4] = np.nan
        rgb = np.full((64, 96, 3), 90 + index, np.uint8)
        return DepthSample(str(index), rgb, depth, 100.0)


def test_evaluate_equals_an_independent_computation(
    estimator: DepthEstimator, write_folder: WriteFolder, tmp_path: Path
) -> None:
    dataset = FolderDataset(write_folder(tmp_path / 'data', 3))
    seen: list[str] = []
    figures = evaluate(
        estimator, dataset, PROTOCOLS['full'], lambda sample: seen.append(sample.name)
    )
    squares, rels, close = [], [], []
    for sample in (dataset[i] for i in range(3)):
        k = (sample.focal_px, 0.0, 47.5, 0.0, sample.focal_px, 31.5, 0.0, 0.0, 1.0)
        camera = CameraModel.from_fields(width=96, height=64, k=k)
        d = np.nan_to_num(estimator.estimate(sample.rgb_hwc, camera).depth_hw, nan=0.001)
        g = sample.depth_hw
        squares.append((d - g) ** 2)
        rels.append(np.abs(d - g) / g)
        close.append(np.maximum(d / g, g / d) < 1.25)
    assert figures['rmse'] == pytest.approx(float(np.sqrt(np.mean(squares))), rel=1e-5)
    per_image = [np.sqrt(s.mean()) for s in squares]
    assert figures['rmse_per_image'] == pytest.approx(float(np.mean(per_image)), rel=1e-5)
    assert figures['rel'] == pytest.approx(float(np.mean(rels)), rel=1e-5)
    assert figures['delta1'] == pytest.approx(float(np.mean(close)), abs=1e-9)
    assert figures['n_images'] == 3
    assert seen == ['00000', '00001', '00002']


def test_mean_depth_by_hand() -> None:
    # The mean of 1 m and 3 m is 2 m: off by 1 m on an image of 3 m, ratio 1.5.
    figures = evaluate_mean_depth(FlatDataset(1.0, 3.0), FlatDataset(3.0), PROTOCOLS['full'])
    assert figures['rmse'] == pytest.approx(1.0)
    assert figures['rel'] == pytest.approx(1 / 3)
    assert (figures['delta1'], figures['delta2']) == (0.0, 1.0)
    assert figures['n_pixels'] == 60 * 96


def test_nothing_valid_is_named(estimator: DepthEstimator) -> None:
    with pytest.raises(DatasetError, match='no image has a valid depth inside the protocol full'):
        evaluate(estimator, FlatDataset(float('nan')), PROTOCOLS['full'])


def test_table_has_both_means_and_the_paper() -> None:
    figures = evaluate_mean_depth(FlatDataset(2.0), FlatDataset(2.0), PROTOCOLS['full'])
    table = tabulate({'mine': figures}, PROTOCOLS['full'])
    cells = [list(column.cells) for column in table.columns]
    assert cells[0][:2] == ['mine', 'mine']
    assert cells[1][:2] == ['pixels', 'images']
    assert 'ResNet-50 (paper)' in cells[0]
    assert 'n = 1 images' in str(table.title)


@pytest.mark.parametrize('size_hw', [(64, 96), (90, 70)])
def test_predict_writes_what_the_estimator_says(
    estimator: DepthEstimator, tmp_path: Path, size_hw: tuple[int, int]
) -> None:
    rgb = np.random.default_rng(1).integers(0, 255, (*size_hw, 3), np.uint8)
    output = tmp_path / 'output'
    output.mkdir()
    image = tmp_path / 'picture.png'
    cv2.imwrite(str(image), cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
    camera = (110.0, 112.0, size_hw[1] / 2, size_hw[0] / 2)
    predict_file(estimator, image, output, camera, ply=True)
    k = (110.0, 0.0, camera[2], 0.0, 112.0, camera[3], 0.0, 0.0, 1.0)
    model = CameraModel.from_fields(width=size_hw[1], height=size_hw[0], k=k)
    depth = estimator.estimate(rgb, model).depth_hw
    written = cv2.imread(str(output / 'picture.png'), cv2.IMREAD_UNCHANGED)
    assert written is not None
    assert written.dtype == np.uint16
    assert written.shape == size_hw
    valid = np.isfinite(depth)
    np.testing.assert_allclose(written[valid] / 1000, depth[valid], atol=6e-4)
    assert (written[~valid] == 0).all()
    preview = cv2.imread(str(output / 'picture.preview.jpg'))
    assert preview is not None
    assert preview.shape == (*size_hw, 3)
    vertices = PlyData.read(str(output / 'picture.ply'))['vertex']
    assert len(vertices) == int(valid.sum())
    np.testing.assert_allclose(np.sort(vertices['z']), np.sort(depth[valid]), rtol=1e-6)


def test_ply_keeps_points_and_colours(tmp_path: Path) -> None:
    points = np.zeros((1, 3, 4), np.float32)
    points[0, :, :3] = np.array([[1, 2, 3], [np.nan] * 3, [4, 5, 6]])
    points[0, :, 3] = np.array([0x00102030, 0, 0x00FF0001], np.uint32).view(np.float32)
    assert write_ply(tmp_path / 'cloud.ply', points) == 2
    vertices = PlyData.read(str(tmp_path / 'cloud.ply'))['vertex']
    assert [tuple(v) for v in vertices] == [
        (1.0, 2.0, 3.0, 0x10, 0x20, 0x30),
        (4.0, 5.0, 6.0, 0xFF, 0x00, 0x01),
    ]


def test_damaged_image_is_named(estimator: DepthEstimator, tmp_path: Path) -> None:
    broken = tmp_path / 'broken.jpg'
    broken.write_bytes(b'no image')
    with pytest.raises(DatasetError, match=r'cannot read the image .*broken\.jpg'):
        predict_file(estimator, broken, tmp_path, None, ply=False)


def test_predict_does_not_overwrite_its_input(estimator: DepthEstimator, tmp_path: Path) -> None:
    image = tmp_path / 'picture.png'
    cv2.imwrite(str(image), np.zeros((64, 96, 3), np.uint8))
    before = image.read_bytes()
    with pytest.raises(OfflineError, match=r'would overwrite .*picture\.png'):
        predict_file(estimator, image, tmp_path, None, ply=False)
    assert image.read_bytes() == before


def test_find_images(tmp_path: Path) -> None:
    folder = tmp_path / 'folder'
    folder.mkdir()
    for name in ('b.png', 'a.JPG', 'notes.txt'):
        (folder / name).touch()
    (tmp_path / 'c.png').touch()
    assert [p.name for p in find_images([folder, tmp_path / 'c.png'])] == [
        'a.JPG',
        'b.png',
        'c.png',
    ]
    with pytest.raises(DatasetError, match='no image or folder'):
        find_images([tmp_path / 'missing'])
    (tmp_path / 'b.jpg').touch()
    with pytest.raises(DatasetError, match=r'would both write b\.png'):
        find_images([folder, tmp_path / 'b.jpg'])
    (tmp_path / 'empty').mkdir()
    with pytest.raises(DatasetError, match='holds no'):
        find_images([tmp_path / 'empty'])


@pytest.mark.parametrize('text', ['', '1,2,3', '1,2,3,x', '1,2,3,4,5'])
def test_camera_that_is_not_four_numbers_is_refused(text: str) -> None:
    with pytest.raises(OfflineError, match='four numbers'):
        parse_camera(text)


def test_summary_of_eval_is_plain_numbers(
    weights: Path, write_folder: WriteFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from drnet_offline.cli import app  # noqa: PLC0415

    data = write_folder(tmp_path / 'data', 2)
    output = tmp_path / 'figures.json'
    words = ['eval', '--data', str(data), '--weights', str(weights), '--engine', 'torch']
    monkeypatch.setenv('COLUMNS', '100')
    app([*words, '--protocol', 'full', '--json', str(output)], standalone_mode=False)
    record = json.loads(output.read_text())
    assert record['protocol'] == 'full'
    assert record['n_images'] == 2
    assert isinstance(record['rmse'], float)
    assert record['engine'] == 'torch'


@pytest.mark.parametrize('command', ['predict', 'eval'])
def test_places_that_cannot_be_written_are_one_line(
    weights: Path, tmp_path: Path, command: str
) -> None:
    image = tmp_path / 'a.png'
    cv2.imwrite(str(image), np.zeros((64, 96, 3), np.uint8))
    arguments = {
        'predict': ['predict', str(image), '--output', str(image)],
        'eval': ['eval', '--data', str(tmp_path), '--json', str(tmp_path / 'none' / 'x.json')],
    }[command]
    drnet = Path(sys.executable).with_name('drnet')
    result = subprocess.run(
        [drnet, *arguments, '--weights', str(weights), '--engine', 'torch'],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == {'predict': 1, 'eval': 2}[command]
    assert 'Traceback' not in result.stderr
    assert str(image) in result.stderr or 'no folder' in result.stderr
