"""Scores with sparse depth, and the calibration of stated deviations, on known errors."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from known_scenes import KnownEngine, known_depth
from safetensors.numpy import load_file

from drnet_offline.datasets.sample import DepthSample
from drnet_offline.errors import DatasetError
from drnet_offline.evaluation.calibration import calibrate, store_scale_model
from drnet_offline.evaluation.protocols import PROTOCOLS
from drnet_offline.evaluation.scoring import pinhole
from drnet_offline.evaluation.sparse_scoring import IMAGE_ALONE, SparseScore, evaluate_sparse
from drnet_ros.errors import WeightsError
from drnet_ros.inference import DepthEstimator, Settings, SparseDepth
from drnet_ros.inference.engines.openvino_portable import read_portable
from drnet_ros.inference.sparse_depth.scale_model import ScaleModel
from drnet_ros.inference.sparse_depth.scaling import SparseScaler
from drnet_ros.network.metadata import read_metadata
from drnet_ros.weights import resolve_weights

HW = (96, 128)
FOCAL = 110.0
WIDE = Settings(min_depth=0.001, max_depth=80.0, edge_threshold=0.0)


@dataclass(frozen=True)
class Walls:
    """Images whose true depth is that of the known network times a factor."""

    factors: tuple[float, ...]

    def __len__(self) -> int:
        return len(self.factors)

    def __getitem__(self, index: int) -> DepthSample:
        rgb = np.zeros((*HW, 3), np.uint8)
        rgb[..., 0] = np.linspace(0, 250, HW[1]).astype(np.uint8)
        truth = (known_depth(rgb) * self.factors[index]).astype(np.float32)
        truth[:4] = np.nan
        return DepthSample(f'{index}', rgb, truth, FOCAL)


@pytest.fixture
def estimator() -> DepthEstimator:
    return DepthEstimator(WIDE, engine=KnownEngine())


def test_each_kind_is_scored_on_what_was_not_drawn(estimator: DepthEstimator) -> None:
    found = evaluate_sparse(
        estimator, Walls((1.4, 1.4, 0.7)), PROTOCOLS['full'], ('points:60', 'scan')
    )
    assert list(found) == [IMAGE_ALONE, 'points:60', 'scan']
    alone = found[IMAGE_ALONE]
    # |d - g| / g is 1 - 1 / 1.4 twice, and 1 / 0.7 - 1.
    assert alone['rel'] == pytest.approx((2 * (1 - 1 / 1.4) + (1 / 0.7 - 1)) / 3, abs=1e-4)
    assert alone['delta1'] == 0.0
    assert (alone['points'], alone['n_images']) == (0.0, 3.0)
    pixels = 3 * (HW[0] - 4) * HW[1]
    assert alone['n_pixels'] == pixels
    assert found['points:60']['n_pixels'] == pixels - 3 * 60
    assert found['scan']['n_pixels'] == pixels - 3 * HW[1]
    for kind in ('points:60', 'scan'):
        assert found[kind]['rel'] < 0.03  # the points themselves have 3 % and 1 % of noise
        assert found[kind]['delta1'] == 1.0
        assert found[kind]['points'] > 10
        assert found[kind]['covered_1'] > 0.5
        assert found[kind]['covered_2'] > 0.95


def test_images_of_one_camera_share_a_filter() -> None:
    walls, camera = Walls((1.3,)), pinhole(FOCAL, *HW)
    sample = walls[0]
    depth = known_depth(sample.rgb_hwc)
    score = SparseScore(PROTOCOLS['full'], ScaleModel(), 0.001)
    rows, columns = np.mgrid[8 : HW[0] : 8, 8 : HW[1] : 8].reshape(2, -1)
    z = sample.depth_hw[rows, columns]
    x, y = (columns - camera.cx) / FOCAL * z, (rows - camera.cy) / FOCAL * z
    score.add(depth, sample.depth_hw, camera, SparseDepth(np.column_stack([x, y, z])), 10**9)
    nothing = SparseDepth(np.empty((0, 3)))
    score.add(depth, sample.depth_hw, camera, nothing, 10**9 + 50_000_000)
    # The second image has no points: it keeps the factor of the first.
    assert score.compute()['rel'] < 0.01
    assert score.compute()['points'] == pytest.approx(len(z) / 2, rel=0.6)


def test_calibration_makes_stated_deviations_as_large_as_the_errors(
    estimator: DepthEstimator,
) -> None:
    factors = np.exp(np.random.default_rng(5).normal(0, 0.2, 40))
    walls = Walls(tuple(factors.tolist()))
    found = calibrate(estimator, [walls])
    assert found.images == 40
    # All pixels of an image are wrong by one factor. Their deviations before calibration come
    # from the model; the factor lies between the quantiles of 68 % and (halved) 94 %.
    sample = walls[0]
    depth = known_depth(sample.rgb_hwc)
    model = ScaleModel(stddev_factor=1.0, sparse_stddev_factor=1.0)
    scaling = SparseScaler(model).scale(depth, pinhole(FOCAL, *HW), None)
    assert scaling is not None
    relative = scaling.field.stddev(depth.copy(), scaling.coarse, model)[4:] / depth[4:]
    ratios = np.abs(1 - factors)[:, np.newaxis] / relative.ravel()
    expected = (np.quantile(ratios, 0.68) + np.quantile(ratios, 0.94) / 2) / 2
    assert found.model.stddev_factor == pytest.approx(expected, rel=0.02)
    one, two = found.without_sparse
    assert one == pytest.approx(np.mean(ratios <= expected), abs=0.03)
    assert two == pytest.approx(np.mean(ratios <= 2 * expected), abs=0.03)
    assert found.with_sparse[0] > 0.6
    # Everything else of the model stays as it is.
    changed = {n for n, v in found.model.to_dict().items() if v != ScaleModel().to_dict()[n]}
    assert changed <= {'stddev_factor', 'sparse_stddev_factor'}


def test_calibration_without_truth_is_refused(estimator: DepthEstimator) -> None:
    with pytest.raises(DatasetError, match='must have images with valid depth, got too few'):
        calibrate(estimator, [Walls((float('nan'),))])


def test_the_scale_model_is_stored_and_the_tensors_stay(tmp_path: Path) -> None:
    path = tmp_path / 'weights.safetensors'
    embedded = resolve_weights('embedded')
    names = ['weights.bin', 'weights.safetensors', 'weights.xml']
    for name in names:
        shutil.copy(embedded.with_suffix(Path(name).suffix), tmp_path / name)
    model = ScaleModel(stddev_factor=0.77, sparse_stddev_factor=2.5)
    store_scale_model(path, model)
    assert ScaleModel.from_dict(read_metadata(path).scale_model) == model
    assert sorted(each.name for each in tmp_path.iterdir()) == names
    # The OpenVINO model beside them is still theirs: the node needs no PyTorch.
    assert read_portable(path) is not None
    link = tmp_path / 'link.safetensors'
    link.symlink_to(path.name)
    store_scale_model(link, ScaleModel(stddev_factor=0.5))
    assert link.is_symlink()
    assert ScaleModel.from_dict(read_metadata(path).scale_model).stddev_factor == 0.5
    store_scale_model(path, model)
    before, after = load_file(embedded), load_file(path)
    assert before.keys() == after.keys()
    for name, tensor in before.items():
        np.testing.assert_array_equal(tensor, after[name])
    # It is written with a sum of its tensors: altered ones are refused.
    path.write_bytes(path.read_bytes()[:-64] + bytes(64))
    with pytest.raises(WeightsError, match='is damaged or was altered'):
        read_metadata(path)
