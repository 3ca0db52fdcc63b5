"""Several data sets in one training: each with its camera, its share and its trust."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from small_training import configure
from torch import nn

from drnet_offline.datasets.folder import FolderDataset
from drnet_offline.datasets.mixture import Mixture, Source, SourceConfig, open_mixture
from drnet_offline.datasets.sample import DepthSample
from drnet_offline.errors import ConfigError, DatasetError
from drnet_offline.training.augment import Augmentation, augment
from drnet_offline.training.data import AugmentedDataset, EpochSampler, ValidationDataset
from drnet_offline.training.depthwise import run_depthwise_in_float32
from drnet_offline.training.losses import metric_loss, trust_scale
from drnet_offline.training.module import DepthModule
from drnet_offline.training.preset import DataConfig, TrainConfig
from drnet_offline.training.preset_reader import load_config

STILL = Augmentation(
    border_px=0,
    flip=False,
    max_zoom=1.0,
    max_rotation_deg=0.0,
    brightness=0.0,
    contrast=0.0,
    saturation=0.0,
    colour_cast=0.0,
    max_gamma=1.0,
)


class FlatRooms:
    """Images of one wall, all at the same depth."""

    def __init__(self, count: int, depth_m: float, focal_px: float) -> None:
        self._count, self._depth_m, self._focal_px = count, depth_m, focal_px

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> DepthSample:
        rgb = np.full((96, 128, 3), index, np.uint8)
        depth = np.full((96, 128), self._depth_m, np.float32)
        return DepthSample(f'{index}', rgb, depth, self._focal_px)


def make_mixture() -> Mixture:
    """Two images of weight 3 and six of weight 1."""
    few = SourceConfig(path='few', weight=3.0, scale_trust=0.25)
    many = SourceConfig(path='many', weight=1.0, edge_weight=2.0)
    return Mixture(
        [
            Source('few', FlatRooms(2, 2.0, 200.0), few),
            Source('many', FlatRooms(6, 3.0, 100.0), many),
        ]
    )


def test_an_image_knows_its_source() -> None:
    mixture = make_mixture()
    assert len(mixture) == 8
    assert [mixture.source_of(i).name for i in range(8)] == ['few'] * 2 + ['many'] * 6
    assert mixture.range_of(1) == range(2)
    assert mixture.range_of(5) == range(2, 8)
    assert mixture[1].rgb_hwc[0, 0, 0] == 1
    assert mixture[7].rgb_hwc[0, 0, 0] == 5
    with pytest.raises(IndexError, match=r'within 0\.\.7, got 8'):
        mixture[8]


def test_sources_are_drawn_by_their_weights_and_images_of_one_evenly() -> None:
    weights = make_mixture().weights()
    np.testing.assert_allclose(weights, [3 / 8] * 2 + [1 / 24] * 6)
    keys = list(EpochSampler(weights, 48, seed=1))
    assert Counter(key % 8 for key in keys) == {0: 18, 1: 18, **dict.fromkeys(range(2, 8), 2)}
    assert len(set(keys)) == 48, 'no two draws of an epoch are the same'
    sampler = EpochSampler(weights, 48, seed=1)
    sampler.set_epoch(1)
    assert not set(sampler) & set(keys)


def test_depth_is_brought_to_the_training_camera() -> None:
    config = TrainConfig(augmentation=STILL, data=DataConfig(size=(96, 128)))
    dataset = AugmentedDataset(make_mixture(), config, focal_px=200.0)
    first, last = dataset[0], dataset[7]
    assert set(first['depth'].flatten().tolist()) == {2.0}
    # At half of the training camera's focal length, 3 m look as 6 m do there.
    assert set(last['depth'].flatten().tolist()) == {6.0}
    assert (first['scale_trust'].item(), first['edge_weight'].item()) == (0.25, 1.0)
    assert (last['scale_trust'].item(), last['edge_weight'].item()) == (1.0, 2.0)


def test_other_aspect_ratios_are_cut_and_not_squeezed() -> None:
    wide = np.zeros((96, 256, 3), np.uint8)
    wide[:, ::2] = 255
    sample = DepthSample('wide', wide, np.ones((96, 256), np.float32), 150.0)
    rgb, depth, focal_px = augment(sample, (96, 128), STILL, np.random.default_rng(0))
    assert focal_px == pytest.approx(150.0), 'pixels keep their size'
    assert rgb.shape == (96, 128, 3)
    assert np.isfinite(depth).all()
    assert set(np.unique(rgb)) == {0, 255}, 'columns are not resampled'


def test_validation_sees_images_at_the_size_of_the_node() -> None:
    class Wide(FlatRooms):
        def __getitem__(self, index: int) -> DepthSample:
            sample = super().__getitem__(index)
            return DepthSample('wide', sample.rgb_hwc[:64], sample.depth_hw[:64], 100.0)

    mixture = Mixture([Source('wide', Wide(1, 2.0, 100.0), SourceConfig())])
    config = TrainConfig(data=DataConfig(size=(96, 128)))
    sample = ValidationDataset(mixture, config)[0]
    assert sample['rgb'].shape == (3, 64, 160)
    assert sample['source'].item() == 0


def test_the_camera_of_each_image_is_read(tmp_path: Path, write_folder: object) -> None:
    root = write_folder(tmp_path / 'set', 2)  # type: ignore[operator]
    cameras = root / 'cameras.csv'
    cameras.write_text('index,fx,fy,cx,cy\n00000,100,100,48,32\n00001,90,160,48,32\n')
    dataset = FolderDataset(root)
    assert [dataset[i].focal_px for i in range(2)] == [pytest.approx(100), pytest.approx(120)]
    cameras.write_text('index,fx,fy\n00000,100,100\n')
    with pytest.raises(DatasetError, match="lacks 1 images, first '00001'"):
        FolderDataset(root)
    for text in ('index,fx\n00000,100\n', 'index,fx,fy\n00000,100,x\n', ''):
        cameras.write_text(text)
        with pytest.raises(DatasetError, match=r'cameras\.csv'):
            FolderDataset(root)


def test_whole_sources_and_blocks_are_held_out(tmp_path: Path, write_folder: object) -> None:
    for name in ('blocks', 'plain', 'unseen'):
        write_folder(tmp_path / name, 6)  # type: ignore[operator]
    sources = (
        SourceConfig(path='blocks', validation_blocks=((4, 5),)),
        SourceConfig(path='plain'),
        SourceConfig(path='unseen', held_out=True),
    )
    train, val = (open_mixture(tmp_path, sources, part) for part in ('train', 'val'))
    assert [(s.name, len(s.samples)) for s in train.sources] == [('blocks', 4), ('plain', 6)]
    assert [(s.name, len(s.samples)) for s in val.sources] == [('blocks', 2), ('unseen', 6)]
    with pytest.raises(DatasetError, match='hold one out'):
        open_mixture(tmp_path, sources[1:2], 'val')


@pytest.mark.parametrize('trust', [0.0, 0.5, 1.0])
def test_a_doubtful_scale_is_learned_in_part(trust: float) -> None:
    target = torch.tensor([[[[1.0, 2.0], [4.0, math.nan]]]])
    prediction = 1.5 * torch.tensor([[[[1.0, 2.0], [4.0, 9.0]]]])
    moved = trust_scale(prediction, target, torch.tensor([trust]))
    expected = target * 1.5 ** (1 - trust)
    torch.testing.assert_close(moved, expected, equal_nan=True)


def test_a_wild_prediction_moves_no_target_far() -> None:
    target = torch.ones(1, 1, 3, 3)
    moved = trust_scale(100 * target, target, torch.zeros(1))
    torch.testing.assert_close(moved, 2 * target)


def test_the_edge_weight_is_of_the_gradient_term_alone() -> None:
    truth = torch.full((2, 1, 3, 3), 2.0)
    prediction = truth.clone()
    prediction[..., 2] += 0.5  # Sobel of the error: 4 * 0.5 of 8
    plain = metric_loss(prediction, truth).item()
    depth_terms = 0.5 / 3 + 0.25 / 3
    assert plain == pytest.approx(depth_terms + 0.25)
    weights = torch.tensor([4.0, 0.0]).view(2, 1, 1, 1)
    assert metric_loss(prediction, truth, weights).item() == pytest.approx(
        depth_terms + 0.25 * (4 + 0) / 2
    )


def test_far_errors_count_relative_to_depth() -> None:
    truth = torch.full((1, 1, 2, 2), 20.0)
    loss = metric_loss(truth + 4.0, truth, far_m=5.0).item()
    assert loss == pytest.approx(4.0 * 5 / 20 + 4.0 / 20)
    assert metric_loss(truth + 4.0, truth).item() == pytest.approx(4.0 + 4.0 / 20)


def test_depthwise_convolutions_leave_autocast() -> None:
    torch.manual_seed(0)
    depthwise, last = nn.Conv2d(8, 8, 5, padding=2, groups=8), nn.Conv2d(8, 4, 1)
    network = nn.Sequential(depthwise, last)
    x = torch.randn(1, 8, 9, 9, dtype=torch.bfloat16)
    exact = nn.functional.conv2d(x.float(), depthwise.weight, depthwise.bias, padding=2, groups=8)
    keys = list(network.state_dict())
    run_depthwise_in_float32(network)
    assert list(network.state_dict()) == keys
    with torch.autocast('cpu', torch.bfloat16):
        assert torch.equal(depthwise(x), exact.bfloat16())
        assert network(x).dtype == torch.bfloat16
    assert type(last) is nn.Conv2d, 'only what is depthwise changes'


def test_the_criterion_is_the_mean_over_sources(preset: Path, data: Path) -> None:
    module = DepthModule(configure(preset, data), 500.0, ['nyu', 'desks', 'halls'])
    truth = np.full((480, 640), 2.0, np.float32)
    for metrics, estimate in zip(module.metrics, (2.2, 2.4, 2.8), strict=True):
        metrics.update(np.full_like(truth, estimate), truth)  # type: ignore[operator]
    figures = module.validation_figures()
    assert figures['rel_per_image'] == pytest.approx(0.1, rel=1e-5)
    assert figures['desks/rel_per_image'] == pytest.approx(0.2, rel=1e-5)
    assert figures['desks/delta1_per_image'] == 1.0
    assert figures['halls/delta1_per_image'] == 0.0
    logs = np.log10([1.1, 1.2, 1.4])
    assert figures['halls/log10_per_image'] == pytest.approx(logs[2], rel=1e-5)
    assert figures['criterion'] == pytest.approx((logs[0] + (logs[1] + logs[2]) / 2) / 2, rel=1e-5)


@pytest.mark.parametrize(
    ('entry', 'message'),
    [
        ({'path': 'a', 'weight': 0}, r'data\.sources\[0\]\.weight must be above 0, got 0'),
        ({'path': 'a', 'scale_trust': 2}, r'scale_trust must be within 0\.\.1, got 2'),
        ({'path': 'a', 'colour': 'red'}, r"unknown entry 'data\.sources\[0\]\.colour'"),
    ],
)
def test_impossible_sources_are_refused(entry: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config('lite2_mixture', {'data.sources': [entry]})
