"""Parameters and multiply-accumulates, from shapes alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from drnet_offline.benchmark.subject import DRNET
from drnet_ros.network.config import NetworkConfig
from drnet_ros.network.metadata import read_metadata
from drnet_ros.weights import resolve_weights

if TYPE_CHECKING:
    from drnet_offline.benchmark.subject import Work

__all__ = ['Count', 'count', 'network_config']


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
    if work.weights != 'random':
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
    import torch  # noqa: PLC0415 - the processes that measure do without
    from torch._subclasses.fake_tensor import FakeTensorMode  # noqa: PLC0415
    from torch.utils.flop_counter import FlopCounterMode  # noqa: PLC0415

    from drnet_offline.baselines.building import build_baseline  # noqa: PLC0415
    from drnet_ros.network.drnet import DRNet  # noqa: PLC0415

    def build() -> torch.nn.Module:
        if work.network == DRNET:
            return DRNet(network_config(work)).eval()
        return build_baseline(work.network, work.backbone)

    # The transformers library looks at the values it has drawn, so there must be some.
    drawn = build() if work.network == 'depth_anything_v2_small' else None
    with FakeTensorMode(allow_non_fake_inputs=True), torch.no_grad():
        network = build() if drawn is None else drawn
        with FlopCounterMode(display=False) as counter:
            network(torch.empty(1, 3, *size_hw))
    params = sum(parameter.numel() for parameter in network.parameters())
    return Count(params, counter.get_total_flops() // 2)
