"""Mixtures of two sets of weights of one network (Wortsman et al., CVPR 2022: WiSE-FT)."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from drnet_ros.network.drnet import DRNet

__all__ = ['mix']


def mix(old: DRNet, new: DRNet, share: float) -> DRNet:
    """Return a network whose parameters are (1 - share) of the old ones and share of the new.

    Args:
        old: On any device.
        new: Of the same structure.
        share: 0 to 1.

    Returns:
        A copy of the old one, in eval mode.
    """
    mixed = copy.deepcopy(old).eval()
    others = dict(new.named_parameters())
    with torch.no_grad():
        for name, parameter in mixed.named_parameters():
            parameter.lerp_(others[name].to(parameter.device), share)
    return mixed
