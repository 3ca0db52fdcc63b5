"""RSIDE, the baseline of the DRNet paper: Hu et al., "Revisiting Single Image Depth Estimation".

Hu, Ozay, Zhang, Okatani, WACV 2019 (arXiv 1803.08673), written anew from what the papers say, for
time and memory only: nobody trained it here. Our reading of its four modules:

- Encoder E: ResNet-50, DenseNet-161 or SENet-154 without the head; its four blocks have the
  strides 4, 8, 16, 32. Of DenseNet-161 a block ends with the 1x1 convolution of the transition
  after it, before that one's pooling.
- Decoder D: Conv 1x1 to half the channels, then four up-projections, each to half of them, to the
  sizes of blocks 3, 2, 1 and twice that of block 1.
- Multi-scale feature fusion MFF: each of the four blocks by one up-projection to twice the size of
  block 1 and 16 channels, concatenated, Conv 5x5.
- Refinement R: concat(D, MFF), three Conv 5x5, the last to 1 channel.

An up-projection (Laina et al. 2016) interpolates bilinearly, then adds Conv 5x5, ReLU, Conv 3x3 to
a second Conv 5x5. Batch normalisation follows each convolution but the last.

So the prediction has half the size of the input: 114x152 for the 228x304 of Hu et al. The DRNet
paper says that RSIDE interpolates "to the size of the input", which at full size would cost four
times as much. The published half is what we run, so that no ratio of ours is inflated.
With ResNet-50 this has 67 569 473 parameters.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from drnet_ros.network.backbones import build_backbone

__all__ = ['RSIDE', 'UpProjection']

_FUSED_CHANNELS = 16
_CHANNELS = {
    'resnet50': (256, 512, 1024, 2048),
    'densenet161': (192, 384, 1056, 2208),
    'senet154': (256, 512, 1024, 2048),
}


def _conv(in_channels: int, out_channels: int, kernel: int) -> list[nn.Module]:
    return [
        nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(out_channels),
    ]


class UpProjection(nn.Module):
    """Interpolates to a size and projects to fewer channels, with a shortcut.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.projection = nn.Sequential(
            *_conv(in_channels, out_channels, 5),
            nn.ReLU(inplace=True),
            *_conv(out_channels, out_channels, 3),
        )
        self.shortcut = nn.Sequential(*_conv(in_channels, out_channels, 5))

    def forward(self, x: Tensor, size_hw: tuple[int, int]) -> Tensor:
        """Return (B, out_channels, *size_hw) of x (B, in_channels, h, w)."""
        x = functional.interpolate(x, size=size_hw, mode='bilinear', align_corners=False)
        return torch.relu(self.projection(x) + self.shortcut(x))


class Encoder(nn.Module):
    """A backbone that gives the four blocks of Hu et al.

    Args:
        backbone: 'resnet50', 'densenet161' or 'senet154'.
    """

    def __init__(self, backbone: str) -> None:
        super().__init__()
        stages = list(build_backbone(backbone).stages)
        if backbone == 'densenet161':
            stages = _ending_with_transitions(stages)
        stem, first, *others = stages
        self.blocks = nn.ModuleList([nn.Sequential(stem, first), *others[:3]])
        self.pools = nn.ModuleList(others[3:])

    def forward(self, rgb_bchw: Tensor) -> list[Tensor]:
        """Return the blocks, of strides 4, 8, 16, 32."""
        blocks = [self.blocks[0](rgb_bchw)]
        for index, block in enumerate(list(self.blocks)[1:]):
            x = blocks[-1]
            blocks.append(block(self.pools[index](x) if self.pools else x))
        return blocks


def _ending_with_transitions(stages: list[nn.Module]) -> list[nn.Module]:
    """Return stem, four blocks and the three pools between them, from stages cut after pools."""
    stem, first, *others = stages
    blocks, pools = [first], []
    for stage in others:
        transition, *rest = list(stage.children())
        *head, pool = list(transition.children())
        blocks[-1] = nn.Sequential(blocks[-1], *head)
        pools.append(pool)
        blocks.append(nn.Sequential(*rest))
    return [stem, *blocks, *pools]


class RSIDE(nn.Module):
    """The network of Hu et al. with random weights.

    Args:
        backbone: 'resnet50', 'densenet161' or 'senet154'.
    """

    def __init__(self, backbone: str = 'resnet50') -> None:
        super().__init__()
        channels = _CHANNELS[backbone]
        self.encoder = Encoder(backbone)
        widths = [channels[3] // 2**i for i in range(1, 6)]
        self.reduce = nn.Sequential(*_conv(channels[3], widths[0], 1), nn.ReLU(inplace=True))
        self.decoder = nn.ModuleList(map(UpProjection, widths[:-1], widths[1:]))
        self.fusion = nn.ModuleList([UpProjection(c, _FUSED_CHANNELS) for c in channels])
        fused = _FUSED_CHANNELS * len(channels)
        self.fuse = nn.Sequential(*_conv(fused, fused, 5), nn.ReLU(inplace=True))
        refined = widths[-1] + fused
        self.refinement = nn.Sequential(
            *_conv(refined, refined, 5),
            nn.ReLU(inplace=True),
            *_conv(refined, refined, 5),
            nn.ReLU(inplace=True),
            nn.Conv2d(refined, 1, 5, padding=2),
        )

    def forward(self, rgb_bchw: Tensor) -> Tensor:
        """Predict depth at half the size of the input.

        Args:
            rgb_bchw: Float (B, 3, H, W), normalised; H and W multiples of 4.

        Returns:
            Float (B, 1, H / 2, W / 2).
        """
        blocks: list[Tensor] = self.encoder(rgb_bchw)
        sizes = [(block.shape[2], block.shape[3]) for block in blocks]
        size = 2 * sizes[0][0], 2 * sizes[0][1]
        x = self.reduce(blocks[3])
        for project, target in zip(self.decoder, [*sizes[2::-1], size], strict=True):
            x = project(x, target)
        pairs = zip(self.fusion, blocks, strict=True)
        fused = self.fuse(torch.cat([project(block, size) for project, block in pairs], 1))
        depth: Tensor = self.refinement(torch.cat([x, fused], 1))
        return depth
