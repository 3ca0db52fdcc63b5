"""The Double Refinement Network (Durasov et al., arXiv 1811.08466).

Notation as in the paper, Sec. III-B. The backbone gives down1..down5. Level i has the size of
down_i, level 0 that of the input. The text leaves room; this is our reading:

    upI5 = down5,  upII5 = Conv1x1(upI5)
    from level i+1 to i = 4..0, with r = stride(i+1) / stride(i) in {1, 2, 4}:
        U_i = PixelShuffle_r(ReLU(BN(Conv1x1(upI_{i+1}))))       at i = 4 only PixelShuffle_r
        D_i = Up_r(upII_{i+1})                                   bilinear, or the guided filter
        upI_i = concat(U_i, down_i [i > 0], D_i [diagonal connection])
        upII_i = D_i + Conv_kxk(concat(down_i [i > 0], D_i, U_i))

upII_0 is the prediction in metres. Without the second branch (the paper's ablation) there is no
D_i, and Conv_kxk(U_0) is the prediction.

Channels of U_i shrink level by level, so that upsampling stays cheap:

    backbone            strides of down1..5   U_4  U_3  U_2  U_1  U_0
    efficientnet_lite0  2  4  8 16 32          80   96   48   24    8
    efficientnet_lite1  2  4  8 16 32          80   96   48   24    8
    efficientnet_lite2  2  4  8 16 32          88   96   48   24    8
    resnet50, resnet152 4  4  8 16 32         512  256  128   64   16
    densenet161         4  4  8 16 32         552  256  128   64   16
    senet154            4  4  8 16 32         512  256  128   64   16
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from drnet_ros.network.backbones import BACKBONES, Backbone, build_backbone
from drnet_ros.network.config import STRIDE, NetworkConfig
from drnet_ros.network.guided_filter import GuidedUpsampler
from drnet_ros.network.subpixel import BlockConv2d, bilinear_kernels, upsample_to_blocks

__all__ = ['DRNet']

_TYPICAL_DEPTH_M = 2.7
"""Start of upII5's bias, so that training begins at the depth of a room and not at zero."""


def _in_metres(depth: Tensor) -> Tensor:
    """Return depth as float32 also under autocast: at 4 m bfloat16 steps by 3 cm."""
    return depth.to(torch.promote_types(depth.dtype, torch.float32))


class UpFirstConv2d(nn.Conv2d):
    """Conv_kxk of concat(U_i, down_i, D_i), with parameters in the order (down_i, D_i, U_i).

    Args:
        up_channels: Channels of U_i.
        other_channels: Channels of down_i and D_i.
        kernel: k.
    """

    def __init__(self, up_channels: int, other_channels: int, kernel: int) -> None:
        super().__init__(other_channels + up_channels, 1, kernel, padding=kernel // 2)
        self.other_channels = other_channels

    def forward(self, merged_bchw: Tensor) -> Tensor:
        """Return the correction, (B, 1, h, w)."""
        return functional.conv2d(merged_bchw, self._kernels(), self.bias, padding=self.padding)

    def folded(self) -> nn.Conv2d:
        """Return the plain convolution that computes the same."""
        plain = nn.Conv2d(self.in_channels, 1, self.kernel_size[0], padding=self.padding[0])
        plain.weight, plain.bias = nn.Parameter(self._kernels().detach()), self.bias
        return plain

    def _kernels(self) -> Tensor:
        up_channels = self.in_channels - self.other_channels
        others, ups = torch.split(self.weight, [self.other_channels, up_channels], 1)
        return torch.cat([ups, others], 1)


class Level(nn.Module):
    """One step of both upsampling branches, from level i+1 to level i.

    Args:
        in_channels: Channels of upI_{i+1}.
        up_channels: Channels of U_i; None for "except upI5": no Conv, BN and ReLU.
        down_channels: Channels of down_i, 0 at level 0.
        ratio: r, how much finer level i is.
        config: The network's choices.
    """

    block_kernels: Tensor | None

    def __init__(
        self,
        in_channels: int,
        up_channels: int | None,
        down_channels: int,
        ratio: int,
        config: NetworkConfig,
    ) -> None:
        super().__init__()
        self.ratio = ratio
        self.diagonal = config.diagonal_connections and config.second_branch
        self.reduce: nn.Module = nn.Identity()
        if up_channels is None:
            up_channels = in_channels // ratio**2
        else:
            self.reduce = nn.Sequential(
                nn.Conv2d(in_channels, up_channels * ratio**2, 1, bias=False),
                nn.BatchNorm2d(up_channels * ratio**2),
                nn.ReLU(inplace=True),
            )
        self.shuffle = nn.PixelShuffle(ratio)
        self.guided = GuidedUpsampler(ratio) if config.guided_filter and ratio > 1 else None
        self.up_channels = up_channels
        self.out_channels = up_channels + down_channels + int(self.diagonal)
        self.correction: nn.Conv2d | None = None
        self.is_finest = not down_channels
        self.register_buffer('block_kernels', None, persistent=False)
        if config.second_branch:
            self.correction = (
                BlockConv2d(up_channels + 1, config.correction_kernel, ratio)
                if self.is_finest
                else UpFirstConv2d(up_channels, down_channels + 1, config.correction_kernel)
            )

    def forward(
        self, up: Tensor, depth: Tensor | None, down: Tensor | None, image: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """Refine once.

        Args:
            up: upI_{i+1}, (B, in_channels, h, w).
            depth: upII_{i+1}, float32 (B, 1, h, w) metres; None without the second branch.
            down: down_i, (B, down_channels, r h, r w); None at level 0.
            image: The input at level i, (B, 3, r h, r w); None without the guided filter.

        Returns:
            upI_i (B, out_channels, r h, r w) and upII_i (B, 1, r h, r w) in metres or None. The
            finest level of the second branch gives, in place of upI_0, what would make U_0.
        """
        reduced = self.reduce(up)
        features = [] if down is None else [down]
        if depth is None or self.correction is None:
            return torch.cat([self.shuffle(reduced), *features], 1), None
        if self.is_finest:
            return reduced, self._finish(self.correction, reduced, depth, image)
        upsampled = self._upsample(depth, image)
        # Under autocast only features are half precision; depths add up in float32.
        features.append(upsampled.to(reduced.dtype))
        shuffled = self.shuffle(reduced)
        merged = torch.cat([shuffled, *features], 1)
        corrected = upsampled + self.correction(merged)
        return merged if self.diagonal else merged[:, :-1], corrected

    def fold(self) -> None:
        """Keep the kernels that are computed from parameters alone; it cannot be trained then."""
        if isinstance(self.correction, BlockConv2d | UpFirstConv2d):
            self.correction = self.correction.folded()
        if self.is_finest and self.correction is not None:
            weight = self.correction.weight
            self.block_kernels = bilinear_kernels(self.ratio, weight.device, weight.dtype)

    def _finish(
        self, correction: nn.Conv2d, reduced: Tensor, depth: Tensor, image: Tensor | None
    ) -> Tensor:
        """Return upII_0; nothing needs U_0 and upI_0, so that they are never made."""
        if self.guided is None:
            blocks = upsample_to_blocks(depth, self.ratio, self.block_kernels)
        else:
            blocks = functional.pixel_unshuffle(self.guided(depth, image), self.ratio)
        merged = torch.cat([blocks.to(reduced.dtype), reduced], 1)
        return functional.pixel_shuffle(blocks + correction(merged), self.ratio)

    def _upsample(self, depth: Tensor, image: Tensor | None) -> Tensor:
        if self.ratio == 1:
            return depth
        if self.guided is not None:
            upsampled: Tensor = self.guided(depth, image)
            return upsampled
        return functional.interpolate(
            depth, scale_factor=float(self.ratio), mode='bilinear', align_corners=False
        )


class DRNet(nn.Module):
    """The network: a backbone and the levels of the two upsampling branches.

    Args:
        config: Its choices.
        backbone: Built beforehand, for instance with ImageNet weights; None for random ones.
    """

    def __init__(self, config: NetworkConfig, backbone: Backbone | None = None) -> None:
        super().__init__()
        self.config = config
        spec = BACKBONES[config.backbone]
        self.strides = (1, *spec.strides)
        widths = config.decoder_channels or spec.decoder_channels
        self.backbone = build_backbone(config.backbone) if backbone is None else backbone
        self.coarsest = nn.Conv2d(spec.channels[4], 1, 1) if config.second_branch else None
        levels: list[Level] = []
        channels = spec.channels[4]
        for i, width in zip(range(4, -1, -1), (None, *widths), strict=True):
            ratio = self.strides[i + 1] // self.strides[i]
            level = Level(channels, width, spec.channels[i - 1] if i else 0, ratio, config)
            channels = level.out_channels
            levels.append(level)
        self.levels = nn.ModuleList(levels)
        kernel = config.correction_kernel
        self.head = (
            None if config.second_branch else nn.Conv2d(widths[-1], 1, kernel, padding=kernel // 2)
        )
        self._start_at_typical_depth()

    def _start_at_typical_depth(self) -> None:
        for module in (self.coarsest, self.head):
            if module is not None and module.bias is not None:
                nn.init.constant_(module.bias, _TYPICAL_DEPTH_M)

    def forward(self, rgb_bchw: Tensor) -> list[Tensor]:
        """Predict depth on every level.

        Sides that are no multiple of 32 are padded inside by repeating the border, and depth is
        cropped. Both are written without a branch on the size, so that a traced network keeps
        them; a converter drops them where they do nothing.

        Args:
            rgb_bchw: Float (B, 3, H, W), normalised as the weights' metadata say.

        Returns:
            upII_0..upII_5, finest first: (B, 1, ceil(H / stride), ceil(W / stride)) in metres,
            strides 1 and the backbone's; float32 also under autocast (float64 if the network is).
            Without the second branch only the prediction.
        """
        height, width = rgb_bchw.shape[-2:]
        pad = (0, -width % STRIDE, 0, -height % STRIDE)
        depths = self._refine(functional.pad(rgb_bchw, pad, mode='replicate'))
        return [
            depth[..., : (height + s - 1) // s, : (width + s - 1) // s]
            for depth, s in zip(depths, self.strides, strict=False)
        ]

    def _refine(self, x: Tensor) -> list[Tensor]:
        """Run backbone and levels on an input with sides that are multiples of 32."""
        downs: list[Tensor] = self.backbone(x)
        up = downs[4]
        depth: Tensor | None = None if self.coarsest is None else _in_metres(self.coarsest(up))
        depths = [] if depth is None else [depth]
        images = self._images(x)
        for i, level in zip(range(4, -1, -1), self.levels, strict=True):
            down = downs[i - 1] if i else None
            up, depth = level(up, depth, down, images[i])
            if depth is not None:
                depths.append(depth)
        if self.head is not None:
            depths.append(_in_metres(self.head(up)))
        return depths[::-1]

    def _images(self, x: Tensor) -> list[Tensor | None]:
        """Return the input at the size of levels 0 to 4, if the guided filter asks for it."""
        if not self.config.guided_filter:
            return [None] * len(self.levels)
        images: list[Tensor | None] = []
        for stride, finer in zip(self.strides, (1, *self.strides), strict=False):
            x = functional.avg_pool2d(x, stride // finer) if stride > finer else x
            images.append(x)
        return images
