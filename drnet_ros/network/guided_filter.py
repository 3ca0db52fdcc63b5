"""Guided upsampling: the fast, end-to-end trainable guided filter of Wu et al. (CVPR 2018)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ['GuidedUpsampler', 'box_mean', 'guided_upsample']


def box_mean(x: Tensor, radius: int) -> Tensor:
    """Return the mean over a (2 radius + 1)^2 window, over what of it lies inside the image.

    Args:
        x: Float (B, C, H, W).
        radius: In pixels, at least 1.

    Returns:
        Same shape and dtype as x.
    """
    size = 2 * radius + 1
    return functional.avg_pool2d(x, size, stride=1, padding=radius, count_include_pad=False)


def guided_upsample(
    depth_low: Tensor, guide_low: Tensor, guide_high: Tensor, *, radius: int = 1, eps: float = 1e-4
) -> Tensor:
    """Upsample depth so that it follows the guide (Wu et al. 2018, Algorithm 1).

    In the window around every low-resolution pixel depth is fitted as A guide + b; A and b are
    upsampled bilinearly and applied to the high-resolution guide. Ours beyond the paper: the
    result is clamped to the range of the depths in those windows, since a strong guide edge may
    otherwise extrapolate. Pixel centres are at halves (align_corners=False) as everywhere here.

    Computed in float32 whatever the autocast state (float64 stays): variances of metres lose all
    digits in half precision.

    Args:
        depth_low: Float (B, 1, h, w), metres.
        guide_low: Float (B, 1, h, w).
        guide_high: Float (B, 1, H, W).
        radius: Window radius in low-resolution pixels.
        eps: Regularisation, in squared units of the guide.

    Returns:
        Float32 (B, 1, H, W), metres; float64 if depth_low is.
    """
    dtype = torch.promote_types(depth_low.dtype, torch.float32)
    with torch.autocast(depth_low.device.type, enabled=False):
        p, guide, guide_out = (t.to(dtype) for t in (depth_low, guide_low, guide_high))
        # Constant offsets change neither fit nor range, but E[gp] - E[g]E[p] cancels less without.
        p_offset = p.mean((2, 3), keepdim=True)
        g_offset = guide.mean((2, 3), keepdim=True)
        p, guide, guide_out = p - p_offset, guide - g_offset, guide_out - g_offset
        mean_g, mean_p = box_mean(guide, radius), box_mean(p, radius)
        covariance = box_mean(guide * p, radius) - mean_g * mean_p
        variance = box_mean(guide * guide, radius) - mean_g * mean_g
        a = covariance / (variance.clamp(min=0.0) + eps)
        b = mean_p - a * mean_g
        window = 2 * radius + 1
        highest = functional.max_pool2d(p, window, stride=1, padding=radius)
        lowest = -functional.max_pool2d(-p, window, stride=1, padding=radius)
        maps = torch.cat([a, b, lowest, highest], 1)
        size = guide_out.shape[-2:]
        maps = functional.interpolate(maps, size=size, mode='bilinear', align_corners=False)
        a, b, lowest, highest = torch.split(maps, 1, 1)
        return torch.minimum(torch.maximum(a * guide_out + b, lowest), highest) + p_offset


class GuidedUpsampler(nn.Module):
    """Guided upsampling with a guide learned from the image, as in Wu et al. (2018), Sec. 3.2.

    Wu et al. pass a low- and a high-resolution image through the guide network. Here the
    low-resolution guide is the mean of the high-resolution one, as a coarse depth pixel is the
    mean of fine ones: the fit then holds for the guide it is applied to, also in training, where
    batch normalisation would treat two images each by its own statistics.

    Args:
        ratio: How much finer the result is.
        hidden: Channels of the guide network's hidden layer.
    """

    def __init__(self, ratio: int, hidden: int = 16) -> None:
        super().__init__()
        self.ratio = ratio
        self.guide = nn.Sequential(
            nn.Conv2d(3, hidden, 1, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden, 1, 1),
        )

    def forward(self, depth_low: Tensor, image_high: Tensor) -> Tensor:
        """Upsample depth to the size of image_high.

        Args:
            depth_low: Float (B, 1, h, w), metres.
            image_high: Float (B, 3, ratio h, ratio w), normalised.

        Returns:
            Float32 (B, 1, ratio h, ratio w), metres; float64 if depth_low is.
        """
        dtype = next(self.guide.parameters()).dtype
        with torch.autocast(image_high.device.type, enabled=False):
            guide = self.guide(image_high.to(dtype))
            guide_low = functional.avg_pool2d(guide, self.ratio)
        return guided_upsample(depth_low, guide_low, guide)
