"""drnet eval: what it computes, prints and draws, against independent computations."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from drnet_offline.datasets.folder import FolderDataset
from drnet_offline.datasets.sample import DepthSample
from drnet_offline.errors import DatasetError, OfflineError
from drnet_offline.evaluation.pictures import PictureRow, draw_rows
from drnet_offline.evaluation.protocols import PROTOCOLS
from drnet_offline.evaluation.scale import ScaleMetrics
from drnet_offline.evaluation.scoring import evaluate, evaluate_mean_depth
from drnet_offline.evaluation.tables import PAPER_ROWS, tabulate
from drnet_offline.evaluation.worst_images import WorstImages
from drnet_ros.inference import DepthEstimator
from drnet_ros.inference.camera import CameraModel

WriteFolder = Callable[..., Path]


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
        estimator, dataset, PROTOCOLS['full'], lambda sample, _: seen.append(sample.name)
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
    table = tabulate({'mine': figures}, PROTOCOLS['full'], is_nyu=True)
    cells = [list(column.cells) for column in table.columns]
    assert cells[0][:2] == ['mine', 'mine']
    assert cells[1][:2] == ['pixels', 'images']
    row = cells[0].index('DRNet ResNet-152')
    assert [column[row] for column in cells[2:]] == [
        '0.528',
        '-',
        '0.050',
        '0.866',
        '0.973',
        '0.993',
    ]
    assert len(PAPER_ROWS) == 13  # the twelve of Table II, and the guided filter's of IV
    assert 'n = 1 images' in str(table.title)
    others = tabulate({'mine': figures}, PROTOCOLS['full'], is_nyu=False)
    assert list(others.columns[0].cells) == ['mine', 'mine']


def test_scale_by_hand() -> None:
    # Truths of 3, 2 and 2 m: estimates of 2, 2 and 4 m are off by 1.5, 1 and 0.5.
    scales = ScaleMetrics(PROTOCOLS['full'])
    for truth, estimate in ((3.0, 2.0), (2.0, 2.0), (2.0, 4.0), (math.nan, 1.0)):
        scales.update(np.full((4, 6), estimate, np.float32), np.full((4, 6), truth, np.float32))
    found = scales.summarise()
    assert (found['p5'], found['p50'], found['p95']) == pytest.approx((0.55, 1.0, 1.45))
    assert found['log_std'] == pytest.approx(float(np.std(np.log([1.5, 1.0, 0.5]))))
    # Steps of 1/3 and 1/2.
    assert found['step_p50'] == pytest.approx((1 / 3 + 1 / 2) / 2)
    assert found['step_p95'] == pytest.approx(1 / 3 + 0.95 / 6)
    assert scales.align()['rmse'] == pytest.approx(0.0, abs=1e-6)
    assert scales.align()['n_images'] == 3


def test_scale_of_one_image_has_no_steps_and_of_none_nothing() -> None:
    scales = ScaleMetrics(PROTOCOLS['full'])
    assert all(math.isnan(value) for value in scales.summarise().values())
    scales.update(np.full((4, 6), 2, np.float32), np.full((4, 6), 3, np.float32))
    assert scales.summarise()['p50'] == 1.5
    assert math.isnan(scales.summarise()['step_p95'])


def test_the_worst_images_are_drawn_worst_first(tmp_path: Path) -> None:
    kept = WorstImages(PROTOCOLS['full'], 2)
    dataset = FlatDataset(2.0, 4.0, 1.0, math.nan)  # estimated as 2 m: REL 0, 0.5, 1 and none
    for index in range(4):
        kept.update(dataset[index], np.full((64, 96), 2, np.float32))
    written = [path.name for path in kept.write(tmp_path / 'new')]
    assert written == ['worst.jpg', 'worst_01_2.jpg', 'worst_02_1.jpg']
    both, first = (cv2.imread(str(tmp_path / 'new' / name)) for name in written[:2])
    assert both is not None
    assert first is not None
    assert both.shape[1] == first.shape[1]
    assert first.shape[0] < both.shape[0] < 2 * first.shape[0]


def test_pictures_share_colours_and_sign_the_error() -> None:
    truth = np.tile(np.linspace(1, 3, 96, dtype=np.float32), (64, 1))
    truth[:, :8] = 0
    rgb = np.full((64, 96, 3), 90, np.uint8)
    right, near, far = (
        draw_rows([PictureRow('a', rgb, truth, np.where(truth > 0, truth, 2) * np.float32(k))])
        for k in (1.0, 0.7, 1.3)
    )
    assert right.shape == near.shape == far.shape
    error = (slice(None), slice(2 * right.shape[1] // 3, None))
    blue, red = near[error].astype(int), far[error].astype(int)
    assert (blue[..., 2] - blue[..., 0]).mean() > 5
    assert (red[..., 0] - red[..., 2]).mean() > 5
    assert abs(right[error].astype(int)[..., 0] - right[error][..., 2]).mean() < 20


def test_summary_of_eval_is_plain_numbers(
    weights: Path,
    write_folder: WriteFolder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from drnet_offline.commands.cli import app  # noqa: PLC0415

    data = write_folder(tmp_path / 'data', 2)
    output = tmp_path / 'figures.json'
    words = ['eval', '--data', str(data), '--weights', str(weights), '--engine', 'torch']
    monkeypatch.setenv('COLUMNS', '100')
    more = [
        '--scale',
        '--edges',
        '--ranges',
        '--input-size',
        '96x128',
        '--pictures',
        str(tmp_path / 'worst'),
        '--worst',
        '1',
    ]
    app([*words, '--protocol', 'full', '--json', str(output), *more], standalone_mode=False)
    record = json.loads(output.read_text())
    assert record['protocol'] == 'full'
    assert record['n_images'] == 2
    assert isinstance(record['rmse'], float)
    assert record['engine'] == 'torch'
    assert record['scale']['p5'] <= record['scale']['p50'] <= record['scale']['p95']
    assert record['scale_set_from_truth']['n_images'] == 2
    assert record['network_size'] == '96x128'
    assert record['edges']['edge_images'] == 0  # slopes
    assert sum(row['n_images'] for row in record['ranges'].values()) >= 2
    printed = capsys.readouterr().out
    assert 'the same, scale from truth' in printed
    assert f'median {record["scale"]["p50"]:.3f}, p5' in printed
    assert 'depth edges of 0 images: accuracy none' in printed
    assert 'by true depth, means over images' in printed
    assert (tmp_path / 'worst' / 'worst.jpg').is_file()


def test_sparse_depth_that_cannot_be_drawn_is_refused_before_images_are_scored(
    write_folder: WriteFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from drnet_offline.commands.cli import app  # noqa: PLC0415

    data = write_folder(tmp_path / 'data', 2)
    words = ['eval', '--data', str(data), '--sparse', 'scan', '--sparse', 'lidar']
    with pytest.raises(OfflineError, match=r"must be scan, points:N, .* got 'lidar'"):
        app(words, standalone_mode=False)
    assert 'images' not in capsys.readouterr().out


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
    assert result.returncode == 1
    assert 'Traceback' not in result.stderr
    assert str(image) in result.stderr or 'no folder' in result.stderr
