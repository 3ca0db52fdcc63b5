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

__all__ = ['BlockConv2d', 'bilinear_kernels', 'upsample_to_blocks']


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
        bias = None if self.bias is None else self.bias.expand(self.ratio**2)
        return functional.conv2d(blocks_bchw, self._kernels(), bias, padding=self._reach)

    def folded(self) -> nn.Conv2d:
        """Return the plain convolution that computes the same, its kernels no longer made anew."""
        kernels = self._kernels().detach()
        size, has_bias = kernels.shape[2], self.bias is not None
        plain = nn.Conv2d(kernels.shape[1], len(kernels), size, padding=self._reach, bias=has_bias)
        plain.weight = nn.Parameter(kernels)
        if self.bias is not None:
            plain.bias = nn.Parameter(self.bias.detach().repeat(len(kernels)))
        return plain

    @property
    def _reach(self) -> int:
        """How many blocks away the kernel still sees."""
        return -(-(self.kernel_size[0] // 2) // self.ratio)

    def _kernels(self) -> Tensor:
        ratio, reach = self.ratio, self.kernel_size[0] // 2
        side = ratio * (2 * self._reach + 1)
        shifted = []
        for pixel in range(ratio**2):
            top, left = (ratio * self._reach - reach + place for place in divmod(pixel, ratio))
            bottom, right = (side - self.kernel_size[0] - before for before in (top, left))
            shifted.append(functional.pad(self.weight, (left, right, top, bottom)))
        return functional.pixel_unshuffle(torch.cat(shifted), ratio)


def bilinear_kernels(ratio: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Return the kernels of `upsample_to_blocks`.

    Args:
        ratio: r.
        device: Where to.
        dtype: Of what type.

    Returns:
        (r * r, 1, 3, 3), one kernel for each pixel of a block.
    """
    # Made on the device and by operations that a converter folds into a constant.
    places = torch.arange(ratio, device=device, dtype=dtype)
    offsets = torch.arange(-1, 2, device=device, dtype=dtype)
    distance = ((places + 0.5) / ratio - 0.5)[:, None] - offsets
    taps = (1 - distance.abs()).clamp(min=0)
    return (taps[:, None, :, None] * taps[None, :, None, :]).reshape(ratio**2, 1, 3, 3)


def upsample_to_blocks(depth_bchw: Tensor, ratio: int, kernels: Tensor | None = None) -> Tensor:
    """Upsample bilinearly (align_corners=False) into blocks.

    One convolution, with weights that TF32 holds exactly. Where cuDNN may use TF32, which is
    PyTorch's default and so what training on a GPU does, depths are rounded to its 11 bits first:
    at 4 m by 2 mm at most. Inference forbids TF32.

    Args:
        depth_bchw: Float (B, 1, h, w).
        ratio: r.
        kernels: Those of `bilinear_kernels`, where they are kept.

    Returns:
        (B, r * r, h, w): pixel_unshuffle(interpolate(depth, scale_factor=r)).
    """
    if kernels is None:
        kernels = bilinear_kernels(ratio, depth_bchw.device, depth_bchw.dtype)
    padded = functional.pad(depth_bchw, (1, 1, 1, 1), mode='replicate')
    with torch.autocast(depth_bchw.device.type, enabled=False):
        return functional.conv2d(padded, kernels)
