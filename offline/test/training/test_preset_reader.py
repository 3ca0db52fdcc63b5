"""Presets: every wrong entry is named."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml

from drnet_offline.datasets.opening import LAYOUTS
from drnet_offline.errors import ConfigError
from drnet_offline.training.preset import TrainConfig
from drnet_offline.training.preset_reader import load_config, parse_override, to_plain

PRESETS = [p.name[:-5] for p in (resources.files('drnet_offline.training') / 'presets').iterdir()]


@pytest.fixture
def empty(tmp_path: Path) -> str:
    path = tmp_path / 'preset.yaml'
    path.write_text('')
    return str(path)


@pytest.mark.parametrize('name', PRESETS)
def test_shipped_presets_load_and_survive_their_own_writing(name: str, tmp_path: Path) -> None:
    config = load_config(name)
    path = tmp_path / 'again.yaml'
    path.write_text(yaml.safe_dump(to_plain(config)))
    assert load_config(str(path)) == config


def test_an_empty_preset_is_the_defaults(empty: str) -> None:
    assert load_config(empty) == TrainConfig()


def test_the_file_and_what_stands_above_it(tmp_path: Path) -> None:
    path = tmp_path / 'preset.yaml'
    path.write_text('epochs: 7\noptimizer:\n  lr: 1e-3\n  weight_decay: 0\n')
    overrides = {'optimizer.lr': '2e-4', 'data.size': [96, 128], 'network.correction_kernel': 5}
    config = load_config(str(path), overrides)
    assert config.epochs == 7
    assert config.optimizer.lr == 2e-4
    assert config.optimizer.weight_decay == 0.0
    assert config.data.size == (96, 128)
    assert config.network.correction_kernel == 5


WRONG = {
    'epoch': 5,
    'data.sise': [96, 128],
    'epochs': 'many',
    'epochs ': 1,
    'validate_every': 0,
    'seed': -1,
    'patience': -1,
    'initial_share': 1,
    'pictures': 33,
    'sync_batchnorm': 1,
    'auxiliary_weight': -0.5,
    'compile': 1,
    'precision': 'fp8',
    'loss': 'l2',
    'pretrained': None,
    'network.backbone': 'vgg',
    'network.correction_kernel': 2,
    'network.decoder_channels': [8, 8, 8, 'x'],
    'data': 5,
    'data.layout': 'kitti',
    'data.size': [96],
    'data.size ': [96, 'x'],
    'data.size  ': [96, 32],
    'data.batch_size': 0,
    'data.workers': -1,
    'data.validation_blocks': [[5]],
    'data.validation_blocks ': [[5, 3]],
    'data.validation_blocks  ': 7,
    'augmentation.max_zoom': 0.9,
    'augmentation.max_gamma': 0,
    'augmentation.border_px': -1,
    'augmentation.brightness': 1.5,
    'augmentation.flip': 'yes',
    'optimizer.name': 'sgd',
    'optimizer.schedule': 'cosine',
    'optimizer.lr': 0,
    'optimizer.lr ': float('nan'),
    'optimizer.lr  ': float('inf'),
    'optimizer.lr   ': True,
    'optimizer.backbone_lr': 'fast',
    'optimizer.weight_decay': -1,
    'optimizer.clip_norm': -1,
    'optimizer.ema_decay': 1.0,
}


@pytest.mark.parametrize(('entry', 'value'), WRONG.items())
def test_each_wrong_entry_is_named_with_its_file(entry: str, value: Any, empty: str) -> None:
    # Spaces only tell several wrong values of one entry apart; one name with a space is the test.
    name = entry if entry == 'epochs ' else entry.strip()
    with pytest.raises(ConfigError) as caught:
        load_config(empty, {name: value})
    assert empty in str(caught.value)
    assert name.rpartition('.')[2] in str(caught.value)


def test_the_last_epoch_must_be_validated(empty: str) -> None:
    with pytest.raises(ConfigError, match=r'epochs must be a multiple of validate_every.*7 and 5'):
        load_config(empty, {'epochs': 7, 'validate_every': 5})


@pytest.mark.parametrize(
    'entries',
    [
        {'initial_share': 0.5, 'optimizer.ema_decay': 0.9},
        {'initial_share': 0.5, 'initial_weights': 'first.safetensors', 'optimizer.ema_decay': 0},
    ],
)
def test_a_share_needs_what_it_is_of(entries: dict[str, Any], empty: str) -> None:
    with pytest.raises(ConfigError, match=r'initial_share needs initial_weights.*averaged'):
        load_config(empty, entries)


def test_a_list_with_a_plus_is_added_to_that_of_the_preset_below(tmp_path: Path) -> None:
    path = tmp_path / 'more.yaml'
    path.write_text('extends: lite2_mixture\ndata:\n  sources+:\n    - {path: mine, weight: 7}\n')
    below = load_config('lite2_mixture').data.sources
    sources = load_config(str(path)).data.sources
    assert sources[:-1] == below
    assert (sources[-1].path, sources[-1].weight) == ('mine', 7.0)
    path.write_text('extends: lite2_mixture\nepochs+: 7\n')
    with pytest.raises(ConfigError, match=r"unknown entry 'epochs\+'"):
        load_config(str(path))


@pytest.mark.parametrize('text', ['- 1\n- 2\n', 'lite0', '[1', 'data: [1]'])
def test_files_that_are_no_presets_are_named(text: str, tmp_path: Path) -> None:
    path = tmp_path / 'wrong.yaml'
    path.write_text(text)
    with pytest.raises(ConfigError, match=r'wrong\.yaml'):
        load_config(str(path))
    with pytest.raises(ConfigError, match=r'wrong\.yaml'):
        load_config(str(path), {'data.size.x': 5})


def test_a_binary_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / 'wrong.yaml'
    path.write_bytes(b'\xff\xfe\x00\x80')
    with pytest.raises(ConfigError, match=r'wrong\.yaml is no YAML file'):
        load_config(str(path))


def test_a_preset_that_is_not_there_is_named_beside_those_that_are() -> None:
    with pytest.raises(
        ConfigError, match=r"no preset 'lite9': give a YAML file or one of .*lite0"
    ):
        load_config('lite9')


def test_overrides_on_the_command_line() -> None:
    assert parse_override('data.size=[96, 128]') == ('data.size', [96, 128])
    assert parse_override('pretrained=') == ('pretrained', None)
    assert parse_override("pretrained=''") == ('pretrained', '')
    for wrong in ('epochs', '=5', 'data.size=[1'):
        with pytest.raises(ConfigError, match='NAME=VALUE'):
            parse_override(wrong)


def test_layouts_in_presets_are_those_that_can_be_opened(empty: str) -> None:
    for layout in ('auto', *LAYOUTS):
        assert load_config(empty, {'data.layout': layout}).data.layout == layout
