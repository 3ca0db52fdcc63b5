"""The parts of an adaptation by value: blocks, choice of frames, store, mixtures and gate."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from drnet_offline.datasets.mixture import Mixture, Source, SourceConfig
from drnet_offline.datasets.sample import DepthSample
from drnet_offline.errors import DatasetError
from drnet_offline.training.adaptation.blocks import learning_time, split_blocks
from drnet_offline.training.adaptation.draws import Draws, draw_keys, training_config
from drnet_offline.training.adaptation.frame_store import (
    FrameStore,
    LabelledFrame,
    stored_size,
    write_frames,
)
from drnet_offline.training.adaptation.gate import judge
from drnet_offline.training.adaptation.label_errors import label_errors
from drnet_offline.training.adaptation.learner import Learner, LearningRates
from drnet_offline.training.adaptation.mixing import mix
from drnet_offline.training.adaptation.pinned import weight_of
from drnet_offline.training.adaptation.scoring import predict
from drnet_offline.training.adaptation.selection import Survey, choose_frames, survey_images
from drnet_offline.training.adaptation.trajectory import Corners
from drnet_ros.network.checkpoint import load_network
from drnet_ros.network.drnet import DRNet
from drnet_ros.network.metadata import WeightsMetadata

HW = (64, 96)


def test_blocks_lie_in_the_middle_of_periods_with_a_guard_gap_on_each_side() -> None:
    stamps = 100 + np.arange(0, 80, 0.1)  # ten periods of 8 s
    blocks = split_blocks(stamps)
    assert blocks.count == 10
    assert blocks.guard_s == 0.5
    in_period = (stamps - 100) % 7.99
    for number in range(10):
        times = stamps[blocks.block == number] - 100
        assert times.min() == pytest.approx(7.99 * number + 0.4 * 7.99, abs=0.11)
        assert times.max() == pytest.approx(7.99 * number + 0.6 * 7.99, abs=0.11)
    held_out = blocks.block >= 0
    gaps = np.abs(stamps[blocks.is_learned][:, None] - stamps[held_out])
    assert gaps.min() > 0.5
    # 60 % would be learned of a period without guards on its block, which take 1 s of 8.
    assert blocks.is_learned.mean() == pytest.approx(0.8 - 1 / 7.99, abs=0.02)
    assert in_period[blocks.is_learned].min() < 0.1


def test_a_short_recording_has_six_blocks_and_one_without_duration_none() -> None:
    blocks = split_blocks(np.arange(200) / 30)
    assert blocks.count == 6
    assert set(blocks.block) == {-1, 0, 1, 2, 3, 4, 5}
    assert 0 < blocks.guard_s <= 0.1 * 199 / 30 / 6 + 1e-9
    with pytest.raises(DatasetError, match='got 3 images within no time'):
        split_blocks(np.zeros(3))


def test_blocks_are_of_the_time_with_labels() -> None:
    """Depth for a part of the time, a pause, and a clock that was set."""
    stamps = np.concatenate(
        [np.arange(0, 60, 0.1), np.arange(600, 660, 0.1), [1.7e9, 1.7e9 + 0.1]]
    )
    is_labelled = (stamps < 30) | (stamps >= 630)
    times = learning_time(stamps, is_labelled)
    # 30 s, half a second in place of the pause, 30 s, and as much in place of half a century.
    assert times[[0, 299, 900, 1199]] == pytest.approx([0, 29.9, 30.4, 60.3])
    assert times[[1200, 1201]] == pytest.approx([60.8, 60.9])
    blocks = split_blocks(times)
    assert blocks.count == 8
    assert set(blocks.block[is_labelled]) == {-1, *range(8)}
    # Images of one stamp are in one block, and stamps may go back.
    again = learning_time(np.array([5.0, 6.0, 5.0, 4.0]), np.ones(4, bool))
    assert again.tolist() == [0.5, 1.0, 0.5, 0.0]


def survey_of(path: list[float], sharpness: list[float]) -> Survey:
    count = len(path)
    return Survey(np.arange(count), np.arange(count) / 10, np.array(sharpness), np.array(path), HW)


def test_of_each_stretch_of_the_way_the_sharpest_frame_is_chosen() -> None:
    # 0 .. 0.3 of the width in steps of 0.01: a frame for each 0.02, or fewer if fewer may be.
    path = [0.01 * i for i in range(31)]
    sharpness = [10.0 + (i % 2) for i in range(31)]
    survey = survey_of(path, sharpness)
    everything = np.ones(31, np.bool_)
    chosen = choose_frames(survey, everything, 100)
    assert len(chosen) in {15, 16}
    assert sum(i % 2 for i in chosen) >= 14  # the sharper of each two
    assert len(choose_frames(survey, everything, 5)) <= 5
    # Who stands still shows the same again and again.
    assert len(choose_frames(survey_of([0.0] * 31, sharpness), everything, 100)) == 1


def test_blurred_frames_and_those_that_may_not_be_are_left_out() -> None:
    path = [0.1 * i for i in range(10)]
    sharpness = [10.0] * 9 + [1.0]
    wanted = np.ones(10, np.bool_)
    wanted[:3] = False
    assert choose_frames(survey_of(path, sharpness), wanted, 100).tolist() == [3, 4, 5, 6, 7, 8]


def test_a_survey_measures_how_far_the_picture_moves() -> None:
    rng = np.random.default_rng(0)
    world = np.repeat(np.repeat(rng.integers(0, 255, (30, 60, 3), np.uint8), 8, 0), 8, 1)
    images = [(i, i / 10, world[:, 4 * i : 4 * i + 320]) for i in range(6)]
    survey = survey_images([*images, (6, 0.6, None)])
    assert survey.image_hw == (240, 320)
    # 4 of 320 columns from each image to the next.
    np.testing.assert_allclose(np.diff(survey.path)[:5], 4 / 320, rtol=0.2)
    assert np.isnan(survey.sharpness[6])
    assert np.isfinite(survey.sharpness[:6]).all()


def frame(block: int, depth: NDArray[np.float32], weight: NDArray[np.float32]) -> LabelledFrame:
    rgb = np.full((*depth.shape, 3), 50 + block, np.uint8)
    return LabelledFrame(f'f{block}', 7, 1.5 + block, block, rgb, 80.0, depth, weight)


def test_stored_frames_come_back_in_millimetres_with_their_weights(tmp_path: Path) -> None:
    depth = np.full((8, 12), 2.3456, np.float32)
    depth[0] = np.nan
    depth[1] = 70.0  # beyond what 16 bits hold
    weight = np.full((8, 12), 0.25, np.float32)
    weight[:, :6] = 1.0
    frames = [frame(-1, depth, weight), frame(2, depth, weight)]
    write_frames(tmp_path / 'store', frames, 5, (4, 6), {'name': 'x'})
    store = FrameStore(tmp_path / 'store')
    assert store.about == {'name': 'x'}
    assert (len(store.learned()), len(store.held_out())) == (1, 1)
    assert store.held_out().places == [(2, 3.5)]
    sample = store.learned()[0]
    assert sample.focal_px == 40.0
    assert sample.rgb_hwc.shape == (4, 6, 3)
    assert np.isnan(sample.depth_hw[0]).all()
    np.testing.assert_allclose(sample.depth_hw[1:], 2.346, atol=1e-6)
    sure = store.learned().sure_part(0, 0.5).depth_hw
    assert np.isfinite(sure[1:, :3]).all()
    assert np.isnan(sure[:, 3:]).all()
    assert store.held_out_truth() is None


def test_labels_are_compared_with_depth_that_is_not_learned(tmp_path: Path) -> None:
    depth, weight = np.full(HW, 2.2, np.float32), np.ones(HW, np.float32)
    depth[:, 48:], weight[:, 48:] = 3.0, 0.25
    truth = np.full(HW, 2.0, np.float32)
    truth[0] = np.nan
    labelled = replace(frame(-1, depth, weight), truth_hw=truth)
    errors = label_errors(write_frames(tmp_path / 's', [labelled], 1, HW, {}))
    assert errors is not None
    # A tenth too far with the weight 1, a half too far with 1/4 (64 of 255).
    assert errors['rel'] == pytest.approx((0.1 + 0.5 * 64 / 255) / (1 + 64 / 255), rel=1e-5)
    assert errors['rel_sure'] == pytest.approx(0.1, rel=1e-5)
    assert errors['sure'] == 0.5
    assert (
        label_errors(write_frames(tmp_path / 't', [frame(-1, depth, weight)], 1, HW, {})) is None
    )


def test_images_are_stored_a_third_larger_than_the_network_sees_them_but_never_enlarged() -> None:
    assert stored_size((480, 640), (288, 384)) == (384, 512)
    assert stored_size((240, 320), (288, 384)) == (240, 320)
    # The longer side of a wide image stays as long as it must be.
    assert stored_size((720, 1280), (288, 384)) == (384, 683)


def test_a_pixel_counts_in_the_share_of_draws_that_its_weight_is_of_the_largest(
    tmp_path: Path,
) -> None:
    depth = np.full(HW, 2.0, np.float32)
    weight = np.full(HW, 0.6, np.float32)
    weight[:, :48] = 0.18
    store = write_frames(tmp_path / 's', [frame(-1, depth, weight)], 1, HW, {})
    mixture = Mixture([Source('s', store.learned(), SourceConfig())])
    draws = Draws(mixture, training_config(HW, 1, 0), 80.0)
    rng = np.random.default_rng(0)
    kept = [np.isfinite(draws.draw_sample(0, rng).depth_hw) for _ in range(400)]
    share = np.mean(kept, axis=0)
    assert (share[:, 48:] == 1).all()
    np.testing.assert_allclose(share[:, :48], 0.3, atol=0.07)


def test_draws_take_each_source_by_its_share() -> None:
    samples = [DepthSample('', np.zeros((4, 4, 3), np.uint8), np.ones((4, 4), np.float32), 4.0)]
    sources = [
        Source('own', samples * 30, SourceConfig(weight=0.75)),
        Source('replay', samples * 10, SourceConfig(weight=0.25)),
    ]
    keys = draw_keys(Mixture(sources), 1000, seed=3)
    assert len(set(keys)) == 1000  # each draw is drawn anew
    assert np.mean([key % 40 >= 30 for key in keys]) == pytest.approx(0.25, abs=0.03)
    assert draw_keys(Mixture(sources), 400, seed=3) == keys[:400]


def test_a_deviation_of_12_percent_has_half_the_weight() -> None:
    depth = np.array([[2.0, 2.0, 2.0, np.nan]], np.float32)
    stddev = np.array([[0.0, 0.24, 0.48, np.nan]], np.float32)
    np.testing.assert_allclose(weight_of(depth, stddev), [[1.0, 0.5, 0.2, 0.0]], atol=1e-6)


def test_a_gain_in_every_block_is_accepted_with_the_mixture_of_least_error() -> None:
    old = np.full(6, 0.3)
    mixtures = {0.5: old - 0.1, 1.0: old - 0.05}
    verdict = judge(old, mixtures, {0.5: 0.02, 1.0: 0.0}, most_forgotten=0.05)
    assert verdict.mixture == 0.5
    # Of 0.3, in every block.
    assert verdict.gain == pytest.approx(1 / 3)
    assert verdict.gain_low == pytest.approx(1 / 3)
    assert verdict.blocks_better == 6
    assert verdict.forgotten == 0.02
    assert verdict.is_accepted


def test_a_mixture_that_forgets_too_much_is_not_taken() -> None:
    old = np.full(6, 0.3)
    mixtures = {0.5: old - 0.05, 1.0: old - 0.1}
    verdict = judge(old, mixtures, {0.5: 0.02, 1.0: 0.06}, most_forgotten=0.05)
    assert verdict.mixture == 0.5
    refused = judge(old, mixtures, {0.5: 0.2, 1.0: 0.3}, most_forgotten=0.05)
    assert not refused.is_accepted
    # What it would have given, and what it would have cost.
    assert (refused.mixture, refused.shown, refused.forgotten) == (0, 1.0, 0.3)
    assert refused.gain == pytest.approx(1 / 3)
    assert 'with 100 % of the new ones, REL on held-out blocks falls by 33 %' in refused.sentence()
    assert 'REL on the replay set changes by +30.0 % of itself, where at most 5 % is allowed' in (
        refused.sentence()
    )
    change = judge(old, mixtures, {0.5: 0.2, 1.0: 0.3}, most_forgotten=0.05, is_change=True)
    assert change.cost().startswith('depth of the replay set changes by 30.0 %, where at most 5 %')


def test_a_mixture_that_is_worse_everywhere_is_shown_with_its_loss() -> None:
    old = np.full(6, 0.3)
    verdict = judge(old, {0.5: old + 0.02, 1.0: old + 0.1}, {}, most_forgotten=0.05)
    assert (verdict.mixture, verdict.shown, verdict.is_accepted) == (0, 0.5, False)
    assert 'with 50 % of them, REL rises by 6.7 % of itself' in verdict.sentence()


def test_a_gain_that_may_be_chance_is_refused() -> None:
    old = np.full(8, 0.3)
    # On the whole 0.01 better, but three blocks of eight are worse.
    new = old - np.array([0.07, -0.05, 0.06, -0.06, 0.05, -0.06, 0.03, 0.04])
    verdict = judge(old, {1.0: new}, {}, most_forgotten=0.05)
    assert verdict.gain_low < 0
    assert verdict.forgotten is None
    assert not verdict.is_accepted
    assert 'may be chance: REL on held-out blocks falls by' in verdict.sentence()
    assert 'that it falls at all is less than 95 % sure' in verdict.sentence()


def test_choosing_among_mixtures_of_noise_is_no_gain() -> None:
    rng = np.random.default_rng(1)
    accepted = 0
    for _ in range(200):
        old = rng.uniform(0.15, 0.4, 6)
        # Mixtures lie on a line: what the new weights do to a block by chance, each does in part.
        chance = rng.normal(0, 0.2, 6)
        mixtures = {
            share: old * np.exp(share * chance + rng.normal(0, 0.03, 6))
            for share in (0.25, 0.5, 0.75, 1.0)
        }
        accepted += judge(old, mixtures, {}, most_forgotten=0.05).is_accepted
    assert accepted <= 20  # 5 % are expected


def test_a_gain_that_differs_from_block_to_block_is_accepted() -> None:
    # freiburg1_rpy, 100 steps by depth; REL of unseen frames falls from 0.227 to 0.146.
    old = np.array([0.145, 0.284, 0.201, 0.198, 0.356, 0.142])
    mixtures = {
        0.25: np.array([0.175, 0.255, 0.210, 0.165, 0.131, 0.107]),
        0.5: np.array([0.177, 0.241, 0.185, 0.144, 0.169, 0.089]),
        0.75: np.array([0.153, 0.216, 0.153, 0.120, 0.169, 0.079]),
    }
    verdict = judge(old, mixtures, {}, most_forgotten=0.05)
    assert verdict.mixture == 0.75
    assert verdict.blocks_better == 5
    # By hand: logarithms of the ratios have the mean 0.3875 and the standard error 0.1156,
    # and Student's t with 5 degrees of freedom is 2.015.
    assert verdict.gain == pytest.approx(1 - np.exp(-0.3875), abs=1e-3)
    assert verdict.gain_low == pytest.approx(1 - np.exp(2.015 * 0.1156 - 0.3875), abs=1e-3)
    assert verdict.is_accepted


def test_a_camera_that_only_turns_is_refused_with_figures() -> None:
    corners = Corners(images=300, posed=290, moved_m=0.2, turned_deg=200.0, problem='late')
    with pytest.raises(DatasetError, match=r'0 of 300 images .* 0\.20 m .* 200 degrees, 1000 for'):
        corners.check('walk')


@pytest.fixture(scope='module')
def tiny(weights: Path) -> tuple[DRNet, WeightsMetadata]:
    return load_network(weights)


def test_a_mixture_lies_between_the_weights(tiny: tuple[DRNet, WeightsMetadata]) -> None:
    old, _ = tiny
    new = mix(old, old, 0.0)
    with torch.no_grad():
        for parameter in new.parameters():
            parameter.add_(1.0)
    mixed = mix(old, new, 0.25)
    for (name, a), b in zip(old.named_parameters(), mixed.parameters(), strict=True):
        torch.testing.assert_close(b, a + 0.25, msg=name)


def batch_of(seed: int, old: DRNet, metadata: WeightsMetadata) -> dict[str, torch.Tensor]:
    """Images whose depth is 1.3 times what the network says."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 255, (4, *HW, 3), np.uint8)
    depths = [
        1.3 * predict(old, metadata, DepthSample('', image, np.ones(HW, np.float32), 120.0))
        for image in images
    ]
    return {
        'rgb': torch.from_numpy(images).permute(0, 3, 1, 2),
        'depth': torch.from_numpy(np.stack(depths)[:, None]),
        'scale_trust': torch.ones(4),
        'edge_weight': torch.ones(4),
    }


@pytest.mark.slow
def test_a_scene_that_is_a_third_larger_is_learned_and_old_weights_stay(
    tiny: tuple[DRNet, WeightsMetadata],
) -> None:
    old, metadata = tiny
    before = {name: tensor.clone() for name, tensor in old.state_dict().items()}
    learner = Learner(old, metadata, 60, LearningRates(decoder=3e-3, average_decay=0.9))
    batches = [batch_of(seed, old, metadata) for seed in range(4)]
    for step in range(60):
        learner.learn(batches[step % 4])
    learned = batches[0]['rgb'][0].permute(1, 2, 0).numpy()
    unseen = np.random.default_rng(99).integers(0, 255, (*HW, 3), np.uint8)
    for image, tolerance in ((learned, 0.1), (unseen, 0.2)):
        sample = DepthSample('', image, np.ones(HW, np.float32), 120.0)
        ratio = predict(learner.average, metadata, sample) / predict(old, metadata, sample)
        assert np.median(ratio) == pytest.approx(1.3, abs=tolerance)
    for name, tensor in old.state_dict().items():
        torch.testing.assert_close(tensor, before[name], rtol=0, atol=0, msg=name)
    # Low-level features and all batch statistics stay.
    for name, tensor in learner.average.state_dict().items():
        if 'stages.0' in name or 'stages.1.' in name or 'running' in name:
            torch.testing.assert_close(tensor, before[name], rtol=0, atol=0, msg=name)


@pytest.mark.slow
def test_a_learner_that_was_saved_goes_on_to_the_same_weights(
    tiny: tuple[DRNet, WeightsMetadata], tmp_path: Path
) -> None:
    old, metadata = tiny
    whole, begun, resumed = (Learner(old, metadata, 4) for _ in range(3))
    batches = [batch_of(step, old, metadata) for step in range(4)]
    for batch in batches:
        whole.learn(batch)
    for batch in batches[:2]:
        begun.learn(batch)
    begun.save(tmp_path / 'state.pt')
    resumed.load(tmp_path / 'state.pt')
    assert resumed.step == 2
    for batch in batches[2:]:
        resumed.learn(batch)
    expected = whole.average.state_dict()
    for name, tensor in resumed.average.state_dict().items():
        torch.testing.assert_close(tensor, expected[name], rtol=0, atol=0, msg=name)
