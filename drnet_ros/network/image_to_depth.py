"""The network as an exported file holds it: from an image in bytes to its finest depth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from drnet_ros.network.drnet import DRNet
    from drnet_ros.network.metadata import WeightsMetadata

__all__ = ['ImageToDepth']


class ImageToDepth(nn.Module):
    """The network from image to finest depth, with normalisation.

    Args:
        network: The network, in eval mode.
        metadata: Knows the normalisation.
    """

    shift: torch.Tensor
    scale: torch.Tensor

    def __init__(self, network: DRNet, metadata: WeightsMetadata) -> None:
        super().__init__()
        self.network = network
        for name, values in (('shift', metadata.mean), ('scale', metadata.std)):
            self.register_buffer(name, torch.tensor(values).view(1, 3, 1, 1) * 255)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return depth, float32 (B, 1, H, W) metres, of images, uint8 (B, H, W, 3) RGB."""
        rgb_bchw = image.permute(0, 3, 1, 2).to(torch.float32)
        finest: torch.Tensor = self.network((rgb_bchw - self.shift) / self.scale)[0]
        return finest
