"""Parameters and multiply-accumulates, from shapes alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from drnet_offline.benchmark.case import DRNET, RANDOM
from drnet_ros.network.config import NetworkConfig
from drnet_ros.network.metadata import read_metadata
from drnet_ros.weights import resolve_weights

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

    from drnet_offline.benchmark.case import Work

__all__ = ['Count', 'count', 'count_macs', 'network_config']

Network = TypeVar('Network', bound='nn.Module')


@dataclass(frozen=True, slots=True)
class Count:
    """What follows from the shapes.

    Attributes:
        params: Parameters of the network.
        macs: Multiply-accumulates for one image, of convolutions and matrix products.
    """

    params: int
    macs: int


def network_config(work: Work) -> NetworkConfig:
    """Return the choices of a DRNet: those of its weights file, or what the work says.

    Raises:
        WeightsError: The weights are not there or not readable.
    """
    if work.weights != RANDOM:
        return read_metadata(resolve_weights(work.weights)).network
    return NetworkConfig(
        work.backbone, guided_filter=work.guided_filter, correction_kernel=work.correction_kernel
    )


def count(work: Work, size_hw: tuple[int, int]) -> Count:
    """Count for one image, without memory or work.

    Args:
        work: The network.
        size_hw: Height and width at which the network sees the image.

    Raises:
        DrnetError: The network cannot be built.
    """
    from drnet_offline.benchmark.baselines.building import build_baseline  # noqa: PLC0415
    from drnet_ros.network.drnet import DRNet  # noqa: PLC0415

    def build() -> nn.Module:
        if work.network == DRNET:
            return DRNet(network_config(work))
        return build_baseline(work.network, work.backbone)

    if work.network == 'depth_anything_v2_small':
        # The transformers library looks at the values it has drawn, so there must be some.
        drawn = build()
        network, macs = count_macs(lambda: drawn, size_hw)
    else:
        network, macs = count_macs(build, size_hw)
    return Count(sum(parameter.numel() for parameter in network.parameters()), macs)


def count_macs(build: Callable[[], Network], size_hw: tuple[int, int]) -> tuple[Network, int]:
    """Build a network, and count what it does with one image, from shapes alone.

    Args:
        build: Returns a network that takes float (1, 3, H, W).
        size_hw: Height and width of the image.

    Returns:
        The network in eval mode, whose tensors have shapes and no values, and its
        multiply-accumulates of convolutions and matrix products.
    """
    import torch  # noqa: PLC0415 - the processes that measure do without
    from torch._subclasses.fake_tensor import FakeTensorMode  # noqa: PLC0415
    from torch.utils.flop_counter import FlopCounterMode  # noqa: PLC0415

    with FakeTensorMode(allow_non_fake_inputs=True), torch.no_grad():
        network = build().eval()
        with FlopCounterMode(display=False) as counter:
            network(torch.empty(1, 3, *size_hw))
    return network, counter.get_total_flops() // 2
