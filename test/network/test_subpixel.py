"""The finest level in blocks against the plain operations it stands for."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from drnet_ros.network.config import NetworkConfig
from drnet_ros.network.drnet import DRNet, Level
from drnet_ros.network.subpixel import BlockConv2d, upsample_to_blocks


@pytest.mark.parametrize('ratio', [2, 4])
@pytest.mark.parametrize('kernel', [1, 3, 5])
def test_convolution_in_blocks_is_convolution_after_the_shuffle(kernel: int, ratio: int) -> None:
    torch.manual_seed(0)
    module = BlockConv2d(3, kernel, ratio).double()
    blocks = torch.randn(2, 3 * ratio**2, 5, 7, dtype=torch.float64)
    image = functional.pixel_shuffle(blocks, ratio)
    expected = functional.conv2d(image, module.weight, module.bias, padding=kernel // 2)
    torch.testing.assert_close(functional.pixel_shuffle(module(blocks), ratio), expected)


def test_convolution_in_blocks_by_hand() -> None:
    """A kernel whose only tap looks one pixel to the right."""
    module = BlockConv2d(1, 3, 2)
    with torch.no_grad():
        module.weight.zero_()[0, 0, 1, 2] = 1.0
        module.bias = None
    blocks = torch.tensor([[0.0, 1.0], [10.0, 11.0]]).view(1, 4, 1, 1)
    torch.testing.assert_close(
        functional.pixel_shuffle(module(blocks), 2),
        torch.tensor([[1.0, 0.0], [11.0, 0.0]]).view(1, 1, 2, 2),
    )


@pytest.mark.parametrize('size', [(1, 1), (3, 4)])
@pytest.mark.parametrize('ratio', [2, 4])
def test_upsampling_to_blocks_is_bilinear(ratio: int, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    depth = torch.rand(2, 1, *size, dtype=torch.float64)
    expected = functional.interpolate(depth, scale_factor=ratio, mode='bilinear')
    shuffled = functional.pixel_shuffle(upsample_to_blocks(depth, ratio), ratio)
    torch.testing.assert_close(shuffled, expected)


@pytest.mark.parametrize('backbone', ['efficientnet_lite0', 'resnet50'])
@pytest.mark.parametrize('guided', [False, True])
def test_the_finest_level_follows_the_rule(backbone: str, guided: bool) -> None:
    """upII_0 = D_0 + Conv_3x3(concat(D_0, U_0)), written out with U_0 at full resolution."""
    torch.manual_seed(0)
    config = NetworkConfig(backbone, guided_filter=guided, correction_kernel=3)
    network = DRNet(config).eval().double()
    level = network.levels[-1]
    assert isinstance(level, Level)
    assert isinstance(level.correction, BlockConv2d)
    ratio = level.ratio
    reduce = level.reduce
    assert isinstance(reduce, torch.nn.Sequential)
    conv = reduce[0]
    assert isinstance(conv, torch.nn.Conv2d)
    up = torch.randn(1, conv.in_channels, 8, 12, dtype=torch.float64)
    depth = torch.rand(1, 1, 8, 12, dtype=torch.float64) + 1
    image = torch.randn(1, 3, 8 * ratio, 12 * ratio, dtype=torch.float64)
    with torch.no_grad():
        upsampled = (
            level.guided(depth, image)
            if level.guided is not None
            else functional.interpolate(depth, scale_factor=ratio, mode='bilinear')
        )
        shuffled = functional.pixel_shuffle(reduce(up), ratio)
        merged = torch.cat([upsampled, shuffled], 1)
        weight, bias = level.correction.weight, level.correction.bias
        expected = upsampled + functional.conv2d(merged, weight, bias, padding=1)
        _, result = level(up, depth, None, image)
    torch.testing.assert_close(result, expected)
