"""Losses on depth maps: the paper's (eq. 1-7) and a metric one for small networks.

Every function takes prediction and target as float (B, 1, H, W) in metres, the target NaN or 0
where it is invalid, and returns a scalar over valid pixels only. A gradient counts where the
whole 3x3 neighbourhood is valid; the image's border has no gradient.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = [
    'downsample_valid',
    'metric_loss',
    'multilevel_loss',
    'paper_loss',
    'sobel',
    'trust_scale',
]

ALPHA = 0.5
"""The paper's alpha in F(x) = ln(x + alpha)."""

_SOBEL_GAIN = 8
"""What `sobel` makes of a slope of 1: the sum of its kernel's weights times their distances."""


def sobel(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return Sobel derivatives along x and y, by slicing: convolution is far slower on a CPU.

    Args:
        x: Float (B, 1, H, W), H and W at least 3.

    Returns:
        Two (B, 1, H - 2, W - 2) tensors: 8 times the slope per pixel, as the kernels are not
        divided.
    """
    smooth_y = x[..., :-2, :] + 2 * x[..., 1:-1, :] + x[..., 2:, :]
    smooth_x = x[..., :-2] + 2 * x[..., 1:-1] + x[..., 2:]
    dx = smooth_y[..., 2:] - smooth_y[..., :-2]
    dy = smooth_x[..., 2:, :] - smooth_x[..., :-2, :]
    return dx, dy


def _split_valid(target: Tensor) -> tuple[Tensor, Tensor]:
    """Return the target with 0 where invalid, and the mask of valid pixels."""
    valid = torch.isfinite(target) & (target > 0)
    return torch.where(valid, target, torch.zeros_like(target)), valid


def _erode(valid: Tensor) -> Tensor:
    """Return where the whole 3x3 neighbourhood is valid, (B, 1, H - 2, W - 2)."""
    rows = valid[..., :-2, :] & valid[..., 1:-1, :] & valid[..., 2:, :]
    return rows[..., :-2] & rows[..., 1:-1] & rows[..., 2:]


def _mean(values: Tensor, mask: Tensor) -> Tensor:
    """Return the mean over the mask; 0 where nothing is valid, so that a batch never fails."""
    return torch.where(mask, values, torch.zeros_like(values)).sum() / mask.sum().clamp(min=1)


def _has_gradient(target: Tensor) -> bool:
    return min(target.shape[-2:]) >= 3


def paper_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """Return l_depth + l_grad + l_normal of one level (paper eq. 1-6).

    The paper applies the losses of Hu et al. (WACV 2019) "without changes"; their code takes
    depth in metres, alpha = 0.5 and Sobel kernels that are not divided, so nabla is 8 times the
    slope, in the normals too. Theirs pads the border with zeros; here the border has no gradient.
    """
    truth, valid = _split_valid(target)
    error = torch.where(valid, prediction - truth, torch.zeros_like(prediction))
    loss = _mean(torch.log(error.abs() + ALPHA), valid)
    if not _has_gradient(target):
        return loss
    inner = _erode(valid)
    error_x, error_y = sobel(error)
    gradient = torch.log(error_x.abs() + ALPHA) + torch.log(error_y.abs() + ALPHA)
    loss = loss + _mean(gradient, inner)
    (px, py), (tx, ty) = sobel(prediction), sobel(truth)
    dot = px * tx + py * ty + 1
    norms = (px * px + py * py + 1).sqrt() * (tx * tx + ty * ty + 1).sqrt()
    return loss + _mean(1 - dot / norms, inner)


def metric_loss(
    prediction: Tensor, target: Tensor, edge_weight: Tensor | float = 1.0, far_m: float = math.inf
) -> Tensor:
    """Return mean w |e| + mean |e| / g + mean w (|dx e| + |dy e|): RMSE, REL and edges at once.

    w = min(1, far_m / g): beyond far_m errors count relative to depth, so that halls of 30 m do
    not outweigh rooms. Not the paper's: its logarithm weighs large errors down, which pays with
    the 50K images it trains on and less with the few hundred that the embedded weights have.

    Args:
        prediction: Float (B, 1, H, W), metres.
        target: The same size, metres, NaN or 0 where invalid.
        edge_weight: Weight of the gradient term, a number or (B, 1, 1, 1).
        far_m: Where absolute errors go over into relative ones, metres.
    """
    truth, valid = _split_valid(target)
    error = torch.where(valid, prediction - truth, torch.zeros_like(prediction))
    absolute = error.abs()
    far = (far_m / truth).clamp(max=1.0)  # infinite where the truth is 0, so 1
    loss = _mean(absolute * far + absolute / truth.clamp(min=0.1), valid)
    if not _has_gradient(target):
        return loss
    error_x, error_y = sobel(error)
    slope = (error_x.abs() + error_y.abs()) / _SOBEL_GAIN
    return loss + _mean(slope * far[..., 1:-1, 1:-1] * edge_weight, _erode(valid))


def trust_scale(prediction: Tensor, target: Tensor, trust: Tensor) -> Tensor:
    """Move targets of doubtful scale towards the scale of the prediction.

    Args:
        prediction: Float (B, 1, H, W), metres; no gradient flows through it.
        target: The same size, metres, NaN or 0 where invalid.
        trust: (B,), 1 leaves a target as it is, 0 gives it the prediction's scale.

    Returns:
        The target times s^(1 - trust), where s is the geometric mean of prediction / target over
        valid pixels, limited to 1/2..2.
    """
    truth, valid = _split_valid(target)
    ratio = prediction.detach().float().clamp(min=0.05).log() - truth.clamp(min=0.05).log()
    counts = valid.sum((1, 2, 3)).clamp(min=1)
    mean = torch.where(valid, ratio, torch.zeros_like(ratio)).sum((1, 2, 3)) / counts
    limited = mean.clamp(-math.log(2), math.log(2)) * (1 - trust)
    return target * limited.exp().view(-1, 1, 1, 1)


def downsample_valid(target: Tensor, stride: int) -> Tensor:
    """Bring a target to a level: the mean of the valid pixels under each coarse pixel.

    Coarse pixel (i, j) lies over rows i * stride .. (i + 1) * stride - 1, and columns likewise, as
    in the network, which pads at the bottom and on the right: the last ones may lie over fewer.

    Args:
        target: Float (B, 1, H, W), NaN or 0 where invalid.
        stride: Pixels of the target that one of the level's spans.

    Returns:
        (B, 1, ceil(H / stride), ceil(W / stride)), NaN where no pixel was valid.
    """
    if stride == 1:
        return target
    truth, valid = _split_valid(target)
    height, width = target.shape[-2:]
    pad = (0, -width % stride, 0, -height % stride)
    weight = functional.avg_pool2d(functional.pad(valid.to(truth.dtype), pad), stride)
    mean = functional.avg_pool2d(functional.pad(truth, pad), stride) / weight
    return torch.where(weight > 0, mean, torch.full_like(mean, torch.nan))


def multilevel_loss(
    predictions: Sequence[Tensor],
    target: Tensor,
    loss: Callable[[Tensor, Tensor], Tensor],
    *,
    strides: Sequence[int],
    auxiliary_weight: float = 1.0,
) -> Tensor:
    """Return the sum of a loss over all levels (paper eq. 7).

    Args:
        predictions: upII_0.., finest first, each (B, 1, h, w) metres.
        target: (B, 1, H, W) metres, NaN or 0 where invalid; brought to every level's size.
        loss: `paper_loss` or `metric_loss`.
        strides: Of the levels, `DRNet.strides`; without the second branch only the first counts.
        auxiliary_weight: Weight of all levels but the finest; the paper has 1, its ablation
            "no auxiliary losses" 0.
    """
    total = loss(predictions[0].float(), target)
    if auxiliary_weight == 0:
        return total
    coarser = strides[1 : len(predictions)]
    for prediction, stride in zip(predictions[1:], coarser, strict=True):
        level = loss(prediction.float(), downsample_valid(target, stride))
        total = total + auxiliary_weight * level
    return total
