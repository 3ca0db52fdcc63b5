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
    return functional.avg_pool2d(
        x, size, stride=1, padding=radius, count_include_pad=False
    )


def guided_upsample(
    depth_low: Tensor, guide_low: Tensor, guide_high: Tensor, *, radius: int = 1, eps: float = 1e-4
) -> Tensor:
    """Upsample depth so that it follows the guide (Wu et al. 2018, Algorithm 1).

    In every low-resolution window depth is fitted as A guide + b; A and b are averaged over the
    windows, upsampled bilinearly and applied to the high-resolution guide. Ours beyond the paper:
    the result is clamped to the range of the low-resolution depths around it, since a strong guide
    edge may otherwise extrapolate. Computed in float32 whatever the autocast state: variances
    of metres lose all digits in half precision.

    Args:
        depth_low: Float (B, 1, h, w), metres.
        guide_low: Float (B, 1, h, w).
        guide_high: Float (B, 1, H, W).
        radius: Window radius in low-resolution pixels.
        eps: Regularisation, in squared units of the guide.

    Returns:
        Float32 (B, 1, H, W), metres.
    """
    with torch.autocast(depth_low.device.type, enabled=False):
        p, guide, guide_out = depth_low.float(), guide_low.float(), guide_high.float()
        size = guide_out.shape[-2:]
        # Constant offsets change neither fit nor range, but E[gp] - E[g]E[p] cancels less without.
        p_offset = p.mean((2, 3), keepdim=True)
        g_offset = guide.mean((2, 3), keepdim=True)
        p, guide, guide_out = p - p_offset, guide - g_offset, guide_out - g_offset
        mean_g, mean_p = box_mean(guide, radius), box_mean(p, radius)
        covariance = box_mean(guide * p, radius) - mean_g * mean_p
        variance = box_mean(guide * guide, radius) - mean_g * mean_g
        a = covariance / (variance.clamp(min=0.0) + eps)
        b = mean_p - a * mean_g
        a, b = box_mean(a, radius), box_mean(b, radius)
        a = functional.interpolate(a, size=size, mode='bilinear', align_corners=False)
        b = functional.interpolate(b, size=size, mode='bilinear', align_corners=False)
        window = 2 * radius + 1
        highest = functional.max_pool2d(p, window, stride=1, padding=radius)
        lowest = -functional.max_pool2d(-p, window, stride=1, padding=radius)
        highest = functional.interpolate(highest, size=size, mode='bilinear', align_corners=False)
        lowest = functional.interpolate(lowest, size=size, mode='bilinear', align_corners=False)
        return torch.minimum(torch.maximum(a * guide_out + b, lowest), highest) + p_offset


class GuidedUpsampler(nn.Module):
    """Guided upsampling with a guide learned from the image, as in Wu et al. (2018), Sec. 3.2.

    Args:
        hidden: Channels of the guide network's hidden layer.
    """

    def __init__(self, hidden: int = 16) -> None:
        super().__init__()
        self.guide = nn.Sequential(
            nn.Conv2d(3, hidden, 1, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden, 1, 1),
        )

    def forward(self, depth_low: Tensor, image_low: Tensor, image_high: Tensor) -> Tensor:
        """Upsample depth to the size of image_high.

        Args:
            depth_low: Float (B, 1, h, w), metres.
            image_low: Float (B, 3, h, w), normalised.
            image_high: Float (B, 3, H, W), the same image.

        Returns:
            Float32 (B, 1, H, W), metres.
        """
        return guided_upsample(depth_low, self.guide(image_low), self.guide(image_high))
