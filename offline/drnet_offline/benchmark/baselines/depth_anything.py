"""Depth Anything V2 Small (Yang et al., NeurIPS 2024): DINOv2 ViT-S/14 with a DPT head.

The structure is built by the `transformers` library from the published configuration, with random
weights: time and memory are those of the real network, its depth is not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import nn

from drnet_offline.errors import OfflineError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ['DepthAnythingV2Small']

_PATCH = 14


class DepthAnythingV2Small(nn.Module):
    """The network with random weights: 24 785 089 parameters.

    Raises:
        OfflineError: The transformers library is missing.
    """

    def __init__(self) -> None:
        super().__init__()
        try:
            from transformers import (  # noqa: PLC0415 - an extra, and seconds to import
                DepthAnythingConfig,
                DepthAnythingForDepthEstimation,
                Dinov2Config,
            )
        except ImportError as error:
            msg = (
                f'depth_anything_v2_small must have the transformers library, got: {error}; '
                "pip install './offline[baselines]'"
            )
            raise OfflineError(msg) from error
        taken: dict[str, Any] = {'out_indices': [3, 6, 9, 12]}  # a property, for type checkers
        backbone = Dinov2Config(
            hidden_size=384,
            num_hidden_layers=12,
            num_attention_heads=6,
            image_size=518,
            patch_size=_PATCH,
            apply_layernorm=True,
            reshape_hidden_states=False,
            **taken,
        )
        config = DepthAnythingConfig(
            backbone_config=backbone,
            patch_size=_PATCH,
            reassemble_hidden_size=384,
            neck_hidden_sizes=[48, 96, 192, 384],
            fusion_hidden_size=64,
            head_hidden_size=32,
        )
        self.network = DepthAnythingForDepthEstimation(config)

    def forward(self, rgb_bchw: Tensor) -> Tensor:
        """Predict relative depth at the size of the input.

        Args:
            rgb_bchw: Float (B, 3, H, W), normalised; H and W multiples of 14.

        Returns:
            Float (B, H, W).
        """
        depth: Tensor = self.network(rgb_bchw).predicted_depth
        return depth
