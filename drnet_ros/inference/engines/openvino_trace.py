"""From PyTorch to OpenVINO: the step that needs PyTorch."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import openvino as ov
import torch

from drnet_ros.inference.engines.openvino_guides import rewrite_guides
from drnet_ros.network.checkpoint import load_network

if TYPE_CHECKING:
    from pathlib import Path

    from drnet_ros.network.drnet import DRNet

__all__ = ['trace_network']


class _Finest(torch.nn.Module):
    """The network without its auxiliary outputs."""

    def __init__(self, network: DRNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, rgb_bchw: torch.Tensor) -> torch.Tensor:
        finest: torch.Tensor = self.network(rgb_bchw)[0]
        return finest


def trace_network(
    weights_path: Path,
    size_hw: tuple[int, int],
    *,
    is_free: bool = False,
    pixelwise_guides: bool = False,
) -> ov.Model:
    """Convert a network.

    Args:
        weights_path: The weights file.
        size_hw: Height and width of the input, multiples of 32.
        is_free: Leave height and width open.
        pixelwise_guides: Write guided filters as `openvino_guides` does: faster, but not every CPU
            can compute it.

    Returns:
        A model from normalised RGB, float32 (1, 3, H, W), to depth in metres, float32
        (1, 1, H, W).

    Raises:
        ImportError: The backbone's library is missing.
        WeightsError: The weights cannot be loaded.
    """
    network, _ = load_network(weights_path)
    # One pass through the network is all; more threads would only get in the way of a busy robot.
    torch.set_num_threads(1)
    if pixelwise_guides:
        rewrite_guides(network)
    example = torch.zeros(1, 3, *size_hw)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter('ignore', FutureWarning)  # of torch.jit, which OpenVINO reads
        # Traced here, since the converter's own tracing runs the network twice more to check.
        traced = torch.jit.trace(  # type: ignore[no-untyped-call]
            _Finest(network).eval(), example, check_trace=False
        )
        shape = [(1, 3, -1, -1)] if is_free else [(1, 3, *size_hw)]
        return ov.convert_model(traced, example_input=example, input=shape)
