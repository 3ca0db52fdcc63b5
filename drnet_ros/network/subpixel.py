"""The finest level at the resolution of the one below: r x r blocks of pixels as channels.

PixelShuffle and what is linear on both sides of it can change places, so the finest level works
on blocks, (B, r * r, h, w), channel a * r + b being pixel (a, b) of each block, and is shuffled
into an image once, at the end. The tensor of many channels at full resolution, which would cost
more than all else on its level, is never made; values are the same, borders too.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ['BlockConv2d', 'upsample_to_blocks']


class BlockConv2d(nn.Conv2d):
    """A convolution to one channel of PixelShuffle_r(x), computed on x.

    Pixel (a, b) of block (y, x) sees through tap (i, j), counted from the kernel's centre, the
    block (y + floor((a + i) / r), x + floor((b + j) / r)). Parameters are those of the plain
    convolution.

    Args:
        channels: Channels of PixelShuffle_r(x).
        kernel: Side of the kernel, odd.
        ratio: r.
    """

    def __init__(self, channels: int, kernel: int, ratio: int) -> None:
        super().__init__(channels, 1, kernel, padding=kernel // 2)
        self.ratio = ratio

    def forward(self, blocks_bchw: Tensor) -> Tensor:
        """Convolve.

        Args:
            blocks_bchw: x, float (B, channels * r * r, h, w), as PixelShuffle takes it.

        Returns:
            (B, r * r, h, w), the blocks of conv2d(pixel_shuffle(x)), borders filled with zeros.
        """
        ratio, reach = self.ratio, self.kernel_size[0] // 2
        block_reach = -(-reach // ratio)
        side = ratio * (2 * block_reach + 1)
        shifted = []
        for pixel in range(ratio**2):
            top, left = (ratio * block_reach - reach + place for place in divmod(pixel, ratio))
            bottom, right = (side - self.kernel_size[0] - before for before in (top, left))
            shifted.append(functional.pad(self.weight, (left, right, top, bottom)))
        kernels = functional.pixel_unshuffle(torch.cat(shifted), ratio)
        bias = None if self.bias is None else self.bias.expand(ratio**2)
        return functional.conv2d(blocks_bchw, kernels, bias, padding=block_reach)


def upsample_to_blocks(depth_bchw: Tensor, ratio: int) -> Tensor:
    """Upsample bilinearly (align_corners=False) into blocks.

    One convolution, with weights that TF32 holds exactly. Where cuDNN may use TF32, which is
    PyTorch's default and so what training on a GPU does, depths are rounded to its 11 bits first:
    at 4 m by 2 mm at most. Inference forbids TF32.

    Args:
        depth_bchw: Float (B, 1, h, w).
        ratio: r.

    Returns:
        (B, r * r, h, w): pixel_unshuffle(interpolate(depth, scale_factor=r)).
    """
    # Made on the device and by operations that a converter folds into a constant.
    places = torch.arange(ratio, device=depth_bchw.device, dtype=depth_bchw.dtype)
    offsets = torch.arange(-1, 2, device=depth_bchw.device, dtype=depth_bchw.dtype)
    distance = ((places + 0.5) / ratio - 0.5)[:, None] - offsets
    taps = (1 - distance.abs()).clamp(min=0)
    kernels = taps[:, None, :, None] * taps[None, :, None, :]
    padded = functional.pad(depth_bchw, (1, 1, 1, 1), mode='replicate')
    with torch.autocast(depth_bchw.device.type, enabled=False):
        return functional.conv2d(padded, kernels.reshape(ratio**2, 1, 3, 3))
