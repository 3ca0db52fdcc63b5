"""The tables of channels, in docs/network.md and in the docstring, against the built networks."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.functional import pixel_shuffle

from drnet_ros.network import drnet
from drnet_ros.network.backbones import BACKBONES
from drnet_ros.network.config import BACKBONE_NAMES, NetworkConfig

PAGE = Path(__file__).parents[2] / 'docs' / 'network.md'


def numbers(cell: str) -> list[int]:
    return [int(number) for number in cell.split()]


def test_every_backbone_is_in_the_page_and_has_a_specification() -> None:
    channels = PAGE.read_text(encoding='utf-8').partition('## Channels')[2].partition('\n## ')[0]
    rows = re.findall(r'^\| (\w+\d) \|.*\d \|$', channels, re.MULTILINE)
    assert sorted(rows) == sorted(BACKBONE_NAMES) == sorted(BACKBONES)


@pytest.mark.slow
@pytest.mark.parametrize('name', BACKBONE_NAMES)
def test_channels(name: str) -> None:
    """Sizes of down1..down5 and U_4..U_0 as they pass through the network."""
    shuffled: list[Tensor] = []
    with FakeTensorMode(), torch.no_grad():
        network = drnet.DRNet(NetworkConfig(name)).eval()
        for level in network.levels:
            assert isinstance(level, drnet.Level)
            level.reduce.register_forward_hook(
                lambda _m, _x, y, r=level.ratio: shuffled.append(pixel_shuffle(y, r))
            )
        downs = network.backbone(torch.empty(1, 3, 64, 96))
        network(torch.empty(1, 3, 64, 96))
    channels = [down.shape[1] for down in downs]
    strides = [64 // down.shape[2] for down in downs]
    widths = [u.shape[1] for u in shuffled]
    spec = BACKBONES[name]
    assert (tuple(channels), tuple(strides)) == (spec.channels, spec.strides)
    assert tuple(widths[1:]) == spec.decoder_channels

    row = next(
        r for r in PAGE.read_text().splitlines() if r.startswith(f'| {name} | {channels[0]} |')
    )
    cells = [cell.strip() for cell in row.strip('|').split('|')]
    assert [int(cell) for cell in cells[1:6]] == channels
    assert numbers(cells[6]) == strides
    assert [int(cell) for cell in cells[7:]] == widths

    table = (drnet.__doc__ or '').partition('down1..5')[2]
    line = next(entry for entry in table.splitlines() if re.search(rf'\b{name}\b', entry))
    assert numbers(re.sub(r'^[ \w]*?[a-z]\w*(, \w+)* ', '', line)) == [*strides, *widths]


@pytest.mark.parametrize('name', BACKBONE_NAMES)
def test_channels_shrink_as_pixels_grow(name: str) -> None:
    """A level's U_i never holds more than four times the one before, of r^2 times the pixels."""
    spec = BACKBONES[name]
    widths = spec.decoder_channels
    assert list(widths) == sorted(widths, reverse=True)
    sizes = [w / s**2 for w, s in zip(widths, (*spec.strides[2::-1], 1), strict=True)]
    assert all(fine <= 4 * coarse for coarse, fine in itertools.pairwise(sizes))
    # The paper's baseline brings all features to full size.
    assert widths[-1] < sum(spec.channels) / 10


def test_the_modules_of_a_level_are_what_the_page_draws() -> None:
    with torch.device('meta'):
        level = drnet.Level(8, 4, 2, 2, NetworkConfig())
    assert isinstance(level.reduce, nn.Sequential)
    kinds = [type(module).__name__ for module in level.reduce]
    assert kinds == ['Conv2d', 'BatchNorm2d', 'ReLU']
    assert type(level.shuffle) is nn.PixelShuffle
