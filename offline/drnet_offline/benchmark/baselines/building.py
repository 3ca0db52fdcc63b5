"""Which baselines there are, and what size of input each takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drnet_offline.errors import OfflineError
from drnet_ros.inference.preprocess import network_size

if TYPE_CHECKING:
    from torch import nn

__all__ = ['BASELINES', 'baseline_backbone', 'baseline_size', 'build_baseline']

BASELINES = ('rside', 'depth_anything_v2_small')
_RSIDE_BACKBONES = ('resnet50', 'densenet161', 'senet154')
_PATCH = 14


def baseline_backbone(name: str, backbone: str) -> str:
    """Return the backbone that a baseline has when compared with a network of a backbone.

    Args:
        name: One of `BASELINES`.
        backbone: The other network's.

    Returns:
        The same backbone where the baseline was published with it, else what it was published
        with first.
    """
    if name == 'rside':
        return backbone if backbone in _RSIDE_BACKBONES else _RSIDE_BACKBONES[0]
    return 'dinov2_vits14'


def baseline_size(name: str, size_hw: tuple[int, int]) -> tuple[int, int]:
    """Return the input size nearest to a size that a baseline can take.

    Args:
        name: One of `BASELINES`.
        size_hw: Height and width in pixels.

    Returns:
        For RSIDE what our engines make of it: sides rounded to multiples of 32. Else sides rounded
        to multiples of the patch of 14: 480x640 becomes 476x644, 0.2 % fewer pixels.
    """
    if name == 'rside':
        return network_size(size_hw, size_hw)
    height, width = (max(1, (2 * side + _PATCH) // (2 * _PATCH)) * _PATCH for side in size_hw)
    return height, width


def build_baseline(name: str, backbone: str) -> nn.Module:
    """Build a baseline with random weights.

    Args:
        name: One of `BASELINES`.
        backbone: What `baseline_backbone` gives.

    Returns:
        A module from float (B, 3, H, W), normalised as ImageNet's, to depth; in eval mode.

    Raises:
        OfflineError: The name is unknown, or a library is missing.
    """
    if name == 'rside':
        from drnet_offline.benchmark.baselines.rside import RSIDE  # noqa: PLC0415 - PyTorch

        return RSIDE(backbone).eval()
    if name == 'depth_anything_v2_small':
        from drnet_offline.benchmark.baselines.depth_anything import DepthAnythingV2Small  # noqa: PLC0415 - PyTorch

        return DepthAnythingV2Small().eval()
    msg = f'a baseline must be one of {", ".join(BASELINES)}, got {name!r}'
    raise OfflineError(msg)
