"""Shipped presets: the rows of the paper's tables, and presets that stand on others."""

from __future__ import annotations

import re
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import torch

from drnet_offline.errors import ConfigError
from drnet_offline.training.preset import TrainConfig
from drnet_offline.training.preset_reader import load_config, to_plain
from drnet_ros.network.config import NetworkConfig
from drnet_ros.network.drnet import DRNet

FOLDER = Path(str(resources.files('drnet_offline.training') / 'presets'))

RESNET50 = NetworkConfig('resnet50')
RESNET152 = NetworkConfig('resnet152')

# Preset, the row's words in the table, its network, and what else differs from resnet50.
ROWS: list[tuple[str, str, NetworkConfig, dict[str, Any]]] = [
    ('resnet50', 'DRNet ResNet-50', RESNET50, {}),
    ('resnet50_frozen', 'freeze backbone on train', RESNET50, {'freeze_backbone': True}),
    ('resnet50_guided', 'Guided Filter', replace(RESNET50, guided_filter=True), {}),
    ('resnet50_kernel3', 'kernel size 3', replace(RESNET50, correction_kernel=3), {}),
    ('resnet50_kernel5', 'kernel size 5', replace(RESNET50, correction_kernel=5), {}),
    ('resnet152', 'DRNet ResNet-152', RESNET152, {}),
    ('resnet152_guided', 'Guided Filter', replace(RESNET152, guided_filter=True), {}),
    ('resnet152_kernel5', 'kernel size 5', replace(RESNET152, correction_kernel=5), {}),
    (
        'resnet152_no_diagonal',
        'no diagonal connections',
        replace(RESNET152, diagonal_connections=False),
        {},
    ),
    ('resnet152_no_auxiliary', 'no auxiliary losses', RESNET152, {'auxiliary_weight': 0.0}),
    (
        'resnet152_no_second_branch',
        'no second branch',
        replace(RESNET152, second_branch=False),
        {},
    ),
    ('densenet161', 'DRNet DenseNet-161', NetworkConfig('densenet161'), {}),
    ('senet154', 'DRNet SeNet-154', NetworkConfig('senet154'), {}),
]


@pytest.mark.parametrize(('name', 'row', 'network', 'change'), ROWS, ids=[row[0] for row in ROWS])
def test_rows_of_the_paper(
    name: str, row: str, network: NetworkConfig, change: dict[str, Any]
) -> None:
    config = load_config(name)
    assert config == replace(load_config('resnet50'), network=network, **change)
    comment = (FOLDER / f'{name}.yaml').read_text().splitlines()[0]
    assert re.match(r'# Tables? [IV]+.*: ', comment)
    assert row in comment


def test_the_paper_trains_so() -> None:
    config = load_config('resnet50')
    optimizer = config.optimizer
    assert (optimizer.name, optimizer.schedule) == ('adam', 'step')
    assert (optimizer.step_epochs, optimizer.step_factor, config.epochs) == (5, 0.1, 20)
    assert (optimizer.lr, optimizer.backbone_lr, optimizer.weight_decay) == (1e-4, 1e-4, 1e-4)
    assert (config.loss, config.auxiliary_weight, config.data.size) == ('paper', 1.0, (480, 640))
    rside = load_config('resnet50+as_rside')
    assert (rside.data.size, rside.augmentation.border_px) == ((228, 304), 12)
    assert rside.optimizer == optimizer


@pytest.mark.parametrize('path', sorted(FOLDER.iterdir()), ids=lambda path: path.stem)
def test_shipped_presets_build_their_network(path: Path) -> None:
    config = load_config(path.stem)
    with torch.device('meta'):
        assert DRNet(config.network).config == config.network
    whose = {name: name for name in ('nyu_50k', 'modern', 'as_rside')}.get(
        path.stem, 'nyu_v2_train795'
    )
    assert config.data.validation_blocks == load_config(whose).data.validation_blocks
    assert len(path.read_text().splitlines()[0]) > 20


def write(folder: Path, name: str, text: str) -> str:
    (folder / f'{name}.yaml').write_text(text)
    return str(folder / f'{name}.yaml')


def test_a_preset_stands_above_the_one_it_extends(tmp_path: Path) -> None:
    write(tmp_path, 'base', 'extends: resnet50\nepochs: 3\ndata:\n  size: [64, 96]\n')
    top = write(tmp_path, 'top', 'extends: base.yaml\ndata:\n  size: [128, 96]\n  batch_size: 2\n')
    config = load_config(top, {'optimizer.lr': 1e-3})
    paper = load_config('resnet50')
    assert config.epochs == 3
    assert config.data == replace(paper.data, size=(128, 96), batch_size=2)
    assert config.optimizer == replace(paper.optimizer, lr=1e-3)
    assert config.network == paper.network


def test_presets_stand_above_each_other_in_order(tmp_path: Path) -> None:
    paper, modern = load_config('resnet152'), load_config('resnet152+modern')
    assert modern.network == paper.network
    assert modern.data.validation_blocks == paper.data.validation_blocks
    assert (modern.optimizer.name, modern.optimizer.schedule) == ('adamw', 'one_cycle')
    assert (modern.optimizer.ema_decay, modern.precision) == (0.998, 'bf16-mixed')
    both = load_config('resnet152+nyu_50k+modern')
    assert both.data.validation_blocks == load_config('nyu_50k').data.validation_blocks
    assert both == replace(
        modern, data=replace(modern.data, validation_blocks=both.data.validation_blocks)
    )
    swapped = load_config('resnet152+modern+nyu_50k')
    assert (both.data.workers, swapped.data.workers) == (4, 8)
    top = write(tmp_path, 'a+b', 'epochs: 3\n')  # a file's own name may have a plus
    assert load_config(top).epochs == 3


def test_a_part_that_is_not_there_or_no_preset_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no preset 'nyu': give a YAML file or one of"):
        load_config('resnet50+nyu')
    words = write(tmp_path, 'words', '- 1\n')
    with pytest.raises(ConfigError, match=r'words\.yaml must hold names and values, to stand abo'):
        load_config(f'resnet50+{words}')


def test_extending_an_empty_preset(tmp_path: Path) -> None:
    write(tmp_path, 'base', '')
    assert load_config(write(tmp_path, 'top', 'extends: base.yaml')) == TrainConfig()


@pytest.mark.parametrize(
    ('base', 'message'),
    [
        ('absent', "no preset 'absent': give a YAML file or one of .*resnet152"),
        ('top.yaml', 'a preset must not extend itself, got top -> top'),
        ('[lite0, resnet50]', r"extends must be the name or path of a preset, got \['lite0'"),
        ('noise.yaml', r'noise\.yaml is no YAML file'),
    ],
)
def test_what_cannot_be_extended(base: str, message: str, tmp_path: Path) -> None:
    write(tmp_path, 'noise', 'a: [')
    with pytest.raises(ConfigError, match=message):
        load_config(write(tmp_path, 'top', f'extends: {base}'))


def _first_cells(heading: str, *, until: str) -> set[str]:
    """Words in backticks in the first column of the table under a heading of the guide."""
    guide = (Path(__file__).parents[2] / 'README.md').read_text()
    section = guide.split(f'\n{heading}\n')[1].split(f'\n{until}')[0]
    cells = [line.split('|')[1] for line in section.splitlines() if line.startswith('| `')]
    found: set[str] = set()
    for cell in cells:
        section_name = ''
        for word in re.findall(r'`([^`]+)`', cell):
            section_name = word.split('.')[0] if not word.startswith('.') else section_name
            found.add(section_name + word if word.startswith('.') else word)
    return found


def test_the_guide_names_every_preset_and_every_entry() -> None:
    presets = {path.stem for path in FOLDER.glob('*.yaml')}
    assert _first_cells('## Presets', until='### ') == presets
    entries = set()
    for name, value in to_plain(TrainConfig()).items():
        entries |= {f'{name}.{key}' for key in value} if isinstance(value, dict) else {name}
    assert _first_cells('### Entries', until='## ') == entries - {'data.root'}
